"""The order of the packages: who may import whom, and that every module has its tests.

Read off the import and cimport lines of the source, so also of code that no test runs.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinynn"
SOURCES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".pyi"))

pytestmark = pytest.mark.skipif(not SOURCES, reason="the source is not here, only its tests")

FACE = "the public face"  # what lies directly in tinynn: the names users see
MAY_IMPORT = {
    "kernels": set(),
    "io": set(),
    "datasets": {"io"},
    "engine": {"kernels"},
    "graph": {"io", "kernels"},
    "model": {"engine", "io", "kernels"},
    "networks": {"model", "kernels"},
    FACE: {"datasets", "engine", "graph", "kernels", "model", "networks"},
    "cli": {"datasets", "graph", "io", "networks", FACE},
}
# Exceptions, each with its reason.
ALSO = {
    ("tinynn.__main__", "tinynn.cli"): "python -m tinynn is the command line",
    ("tinynn.model.checkpoint", "tinynn"): "a checkpoint belongs to the version that wrote it",
    ("tinynn.cli.bench", "tinynn.kernels"): "it times kernels by their public names",
}

# The packages that tests/ mirrors file by file.
TESTED = {"datasets", "engine", "graph", "io", "kernels", "model", "networks"}
# Modules whose tests are not in the file of the same name, and where they are instead.
TESTED_ELSEWHERE = {
    "tinynn.kernels.machine": "kernels/test_instruction_sets.py",
    "tinynn.kernels.basics": "kernels/test_gemm.py",
    "tinynn.kernels.op": "kernels/test_functions.py",
    "tinynn.engine.program": "engine/test_compiler.py",
    "tinynn.kernels._public": "kernels/test_functions.py",
    "tinynn.kernels._arguments": "kernels/test_functions.py",
    "tinynn.kernels._normalization": "kernels/test_layer_normalization.py",
    "tinynn.kernels._recurrent": "kernels/test_recurrent_ops.py",
    "tinynn.kernels.recurrent": "kernels/test_recurrent_ops.py",
    "tinynn.kernels.categorical": "kernels/test_losses.py",
    "tinynn.datasets._checks": "datasets/test_digit_sums.py",
    "tinynn.graph.checks": "graph/test_worked_example.py",
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
    """The name in MAY_IMPORT under which a module stands."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else FACE


def imports(path):
    """Yield each module of tinynn that a file imports or cimports, and whether that is done on import."""
    text = re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8"))
    for found in IMPORT.finditer(text):
        at_once = not found["indent"]
        if found["modules"]:
            for module in found["modules"].split(","):
                yield module.split()[0], at_once
        else:
            for name in found["names"].strip("() \t\n").split(","):
                if name.strip():
                    inner = f"{found['source']}.{name.split()[0]}"
                    yield (inner if inner in MODULES else found["source"]), at_once


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    importer = module_of(path)
    allowed = MAY_IMPORT[package_of(importer)] | {package_of(importer)}
    for module, _ in imports(path):
        assert package_of(module) in allowed or (importer, module) in ALSO, (
            f"{importer} imports {module}; {package_of(importer)} may import: {sorted(allowed)}"
        )
    assert not RELATIVE.search(path.read_text(encoding="utf-8")), "a relative import escapes this test"


def test_folders_are_known():
    folders = {path.relative_to(PACKAGE).parts[0] for path in SOURCES if path.parent != PACKAGE}
    assert folders == set(MAY_IMPORT) - {FACE}
    packages = {path.parent for path in SOURCES if path.suffix != ".h"}
    assert not [str(folder) for folder in packages if not (folder / "__init__.py").is_file()]


def test_exceptions_are_needed():
    found = {(module_of(path), module) for path in SOURCES for module, _ in imports(path)}
    assert set(ALSO) <= found
    assert set(TESTED_ELSEWHERE) <= MODULES


def test_no_circles():
    """No module needs itself to be imported; imports inside functions and for type checkers do not count."""
    needs = {module: set() for module in MODULES}
    for path in SOURCES:
        if path.suffix != ".pyi":
            needs[module_of(path)] |= {module for module, at_once in imports(path) if at_once}
    # A .pyx and its own .pxd are one module.
    needs = {module: others - {module} for module, others in needs.items()}
    while free := [module for module, others in needs.items() if not others & needs.keys()]:
        for module in free:
            del needs[module]
    assert not needs, f"these modules import each other in a circle: {sorted(needs)}"


@pytest.mark.parametrize(
    "module",
    sorted(module for module in MODULES if package_of(module) in TESTED and module.count(".") == 2),
)
def test_every_module_has_tests(module):
    _, package, name = module.split(".", 2)
    where = TESTED_ELSEWHERE.get(module, f"{package}/test_{name.lstrip('_')}.py")
    assert (ROOT / "tests" / where).is_file(), f"{module} has no tests: expected tests/{where}"


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
    while free := [path for path, others in needs.items() if not others & needs.keys()]:
        for path in free:
            del needs[path]
    assert not needs, f"these files read each other in a circle: {sorted(str(p.relative_to(ROOT)) for p in needs)}"
