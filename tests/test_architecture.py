"""The house: who may import whom, no circles, short files, and that every module has its tests.

Read off the import and cimport lines of the source, so also of code that no test runs.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinynn"
SOURCES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".pyi"))

pytestmark = pytest.mark.skipif(not SOURCES, reason="the source is not here, only its tests")

FACE = "tinynn"  # tinynn/__init__.py
# Who may import whom: each module or package its own modules, and those of the lines above its own. What stands on one
# line does not know of each other.
FLOORS = (
    ("version", "names", "checks", "tables"),
    ("io", "registry", "kernels"),
    ("engine", "graph", "datasets", "initializers", "regularizers", "schedules", "augmentation"),
    ("activations", "losses", "optimizers"),
    ("layers", "metrics", "callbacks"),
    ("core",),
    ("training",),
    ("model",),
    ("networks", "config"),
    (FACE,),
    ("cli",),
    ("__main__",),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

# What tests/ does not mirror file by file.
UNTESTED = {"cli", "__main__", "version", FACE}
# Modules whose tests are not in the file of the same name, and where they are instead.
TESTED_ELSEWHERE = {
    "tinynn.kernels.machine": "kernels/test_instruction_sets.py",
    "tinynn.kernels.basics": "kernels/test_gemm.py",
    "tinynn.kernels.op": "kernels/test_functions.py",
    "tinynn.engine.program": "engine/test_compiler.py",
    "tinynn.kernels._recurrent": "kernels/test_recurrent_ops.py",
    "tinynn.kernels.recurrent": "kernels/test_recurrent_ops.py",
    "tinynn.kernels.categorical": "kernels/test_losses.py",
    "tinynn.datasets._checks": "datasets/test_digit_sums.py",
}

IMPORT = re.compile(
    r"^(?P<indent>[ \t]*)"
    r"(?:from[ \t]+(?P<source>tinynn[\w.]*)[ \t]+c?import[ \t]+(?P<names>\([^)]*\)|[^\n#]+)"
    r"|c?import[ \t]+(?P<modules>tinynn[^\n#]*))",
    re.MULTILINE,
)
RELATIVE = re.compile(r"^[ \t]*from[ \t]+\.[\w.]*[ \t]+c?import\b", re.MULTILINE)


def module_of(path):
    """``tinynn.kernels.dense`` for each of its files; a package is its folder's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in SOURCES}


def package_of(module):
    """The name in FLOORS under which a module stands."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else FACE


def imports(path):
    """Yield each module of tinynn that a file imports or cimports, in functions and for type checkers, too."""
    text = re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8"))
    for found in IMPORT.finditer(text):
        if found["modules"]:
            for module in found["modules"].split(","):
                yield module.split()[0]
        else:
            for name in found["names"].strip("() \t\n").split(","):
                if name.strip():
                    inner = f"{found['source']}.{name.split()[0]}"
                    yield inner if inner in MODULES else found["source"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    importer = module_of(path)
    package = package_of(importer)
    for module in imports(path):
        below = package_of(module)
        assert below == package or FLOOR[below] < FLOOR[package], (
            f"{importer} imports {module}, but {package} may import only: "
            f"{[name for names in FLOORS[:FLOOR[package]] for name in names]}"
        )
    assert not RELATIVE.search(path.read_text(encoding="utf-8")), "a relative import escapes this test"


def test_floors_are_those_there_are():
    assert {package_of(module) for module in MODULES} == set(FLOOR)
    packages = {path.parent for path in SOURCES}
    assert not [str(folder) for folder in packages if not (folder / "__init__.py").is_file()]
    assert set(TESTED_ELSEWHERE) <= MODULES


def circles(needs):
    """Of a dict name -> names, those that are in a circle or lead into one."""
    needs = {name: others - {name} for name, others in needs.items()}  # a .pyx and its own .pxd are one module
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    return sorted(needs)


def test_circles_are_found():
    assert circles({"a": {"b", "a"}, "b": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_no_circles():
    """No module needs itself, not even in a function or for a type checker."""
    needs = {module: set() for module in MODULES}
    for path in SOURCES:
        needs[module_of(path)] |= set(imports(path))
    assert not circles(needs), "these modules import each other in a circle, or one that does"


@pytest.mark.parametrize(
    "module",
    sorted(module for module in MODULES if package_of(module) not in UNTESTED and module.count(".") in (1, 2)
           and not (ROOT / module.replace(".", "/")).is_dir()),
)
def test_every_module_has_tests(module):
    folder, _, name = module.removeprefix("tinynn.").rpartition(".")
    where = TESTED_ELSEWHERE.get(module, f"{folder and folder + '/'}test_{name.lstrip('_')}.py")
    assert (ROOT / "tests" / where).is_file(), f"{module} has no tests: expected tests/{where}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path):
    """An exception would be named here, with its reason; there is none."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def functions(path):
    """Yield the name of each function and its lines without the docstring."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".py", ".pyi"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                yield node.name, node.end_lineno - first.lineno + 1
        return
    text = re.sub(r'^ *r?"""(?:.|\n)*?"""\n', "", text, flags=re.MULTILINE)
    head = r"^( *)(?:cdef (?!class)|cpdef |def )[^=\n]*?(\w+)\((?:[^)]|\n)*\)[^\n]*:\n"
    for found in re.finditer(head, text, re.MULTILINE):
        body = re.match(rf"(?:{found[1]} +[^\n]*\n| *\n)*", text[found.end():])[0]
        yield found[2], len(body.rstrip().splitlines())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short(path):
    assert [(name, lines) for name, lines in functions(path) if lines > 60] == []


def test_functions_of_cython_are_found(tmp_path):
    """So that the test before can fail."""
    source = tmp_path / "a.pyx"
    signature = "cdef void f(\n        int a,\n        int b) noexcept nogil:\n"
    source.write_text(signature + '    """Text"""\n' + 61 * "    a = b\n")
    assert list(functions(source)) == [("f", 61)]


# --- what C compiles: #include lines, extern headers and cimports ---------------------------------------

C_SOURCES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".h", ".c", ".pxd", ".pyx"))
# Generated C lies beside its .pyx.
C_SOURCES = [path for path in C_SOURCES if path.suffix != ".c" or not path.with_suffix(".pyx").exists()]
# The folders whose headers a folder's files may include, and the include path of setup.py.
MAY_INCLUDE = {
    "kernels/simd": ("kernels/simd",),
    "kernels": ("kernels", "kernels/simd"),
    "engine": ("engine", "kernels", "kernels/simd"),
}
INCLUDE_PATH = (PACKAGE / "kernels", PACKAGE / "engine")
INCLUDED = re.compile(r'^[ \t]*(?:#[ \t]*include|cdef extern from)[ \t]+"(?P<header>[^"]+)"', re.MULTILINE)
CIMPORTED = re.compile(r"^[ \t]*(?:from[ \t]+(tinynn[\w.]*)[ \t]+cimport\b|cimport[ \t]+(tinynn[\w.]*))", re.MULTILINE)


def headers_of(path):
    """Yield the headers of ours that a file includes; those of the system are in brackets or found nowhere."""
    for found in INCLUDED.finditer(path.read_text(encoding="utf-8")):
        places = [folder / found["header"] for folder in (path.parent, *INCLUDE_PATH)]
        yield from [place.resolve() for place in places if place.exists()][:1]


def compiled_from(path):
    """Yield the files of ours that compiling a file reads: headers, its own .pxd, those that it cimports."""
    yield from headers_of(path)
    if path.suffix in (".pyx", ".pxd"):
        if path.suffix == ".pyx" and path.with_suffix(".pxd").exists():
            yield path.with_suffix(".pxd")
        for found in CIMPORTED.finditer(path.read_text(encoding="utf-8")):
            module = ROOT.joinpath(*(found[1] or found[2]).split("."))
            yield module.with_suffix(".pxd")


@pytest.mark.parametrize("path", C_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_includes_go_down_only(path):
    folder = path.parent.relative_to(PACKAGE).as_posix()
    allowed = {PACKAGE / name for name in MAY_INCLUDE.get(folder, ())}
    headers = list(headers_of(path))
    assert {header.parent for header in headers} <= allowed
    assert "../" not in "".join(found["header"] for found in INCLUDED.finditer(path.read_text(encoding="utf-8")))


def test_no_circles_of_includes_and_cimports():
    needs = {path: set(compiled_from(path)) for path in C_SOURCES}
    read = set().union(*needs.values())
    assert read <= needs.keys(), f"missing: {sorted(map(str, read - needs.keys()))}"
    assert not circles(needs), "these files read each other in a circle, or one that does"
