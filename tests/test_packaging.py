"""What an installed tinynn brings with it: version, types, declarations for other Cython code."""

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import kernels

PACKAGE = Path(tinynn.__file__).parent
EXTENSIONS = sorted(
    each.name
    for each in pkgutil.walk_packages(tinynn.__path__, "tinynn.")
    if isinstance(importlib.util.find_spec(each.name).loader, importlib.machinery.ExtensionFileLoader)
)
DECLARATIONS = sorted(
    ".".join(("tinynn", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in PACKAGE.rglob("*.pxd")
)


def run(*arguments, cwd, **environment):
    """Run this Python in another folder, with the tinynn that is tested here."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_version_is_that_of_the_installed_package():
    try:
        version = importlib.metadata.version("tinynn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tinynn is not installed, only on the path")
    assert tinynn.__version__ == version


def test_metadata_lists_each_dependency_once():
    try:
        requirements = importlib.metadata.requires("tinynn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tinynn is not installed, only on the path")
    needed = sorted(each.split(">")[0] for each in requirements if "extra ==" not in each)
    assert needed == ["numpy", "safetensors", "tqdm"]


def test_files_of_the_wheel():
    try:
        installed = importlib.metadata.distribution("tinynn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tinynn is not installed, only on the path")
    files = [str(path) for path in installed.files or ()]
    if installed.read_text("RECORD") is None or "tinynn/__init__.py" not in files:
        pytest.skip("installed as editable: the wheel holds no files")
    assert "tinynn/py.typed" in files
    endings = (".py", ".pyc", ".pyi", ".pxd", ".h", "py.typed", *importlib.machinery.EXTENSION_SUFFIXES)
    assert not [file for file in files if file.startswith("tinynn/") and not file.endswith(endings)]
    assert not [file for file in files if file.startswith(("tests/", "benches/", "docs/"))]


def test_the_source_distribution_of_a_used_checkout_holds_what_git_tracks(tmp_path):
    """What builds, tests and editors leave behind stays out, although setuptools has noted it at an earlier build."""
    pytest.importorskip("setuptools")
    pytest.importorskip("Cython")
    root = Path(__file__).parents[1]
    if not (root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no checkout")
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    tracked = {name for name in listing.split("\0") if (root / name).is_file() and not name.startswith(".")}
    for name in tracked:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    left = ["tinynn/engine/team.c.orig", "tests/.pytest_cache/v/cache/lastfailed",
            "tests/.hypothesis/examples/0/1", "benches/.benchmarks/1.json", "docs/.DS_Store", "model.safetensors",
            "tinynn/.mypy_cache/1.json", "tests/__pycache__/test.cpython-313.pyc", "build/lib/tinynn/__init__.py"]
    for name in (name for name in tracked if name.endswith(".pyx")):
        left += [str(Path(name).with_suffix(ending)) for ending in (".c", ".cpp", ".html", ".cpython-313-x.so")]
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("left behind")
    manifest = tmp_path / "tinynn.egg-info" / "SOURCES.txt"
    manifest.parent.mkdir()
    manifest.write_text("\n".join([*tracked, *left]))
    run("setup.py", "-q", "egg_info", cwd=tmp_path)
    found = {name for name in manifest.read_text().splitlines() if not name.startswith("tinynn.egg-info/")}
    assert found == tracked


def test_types_are_marked():
    assert (PACKAGE / "py.typed").is_file()


def test_import_is_light():
    """What only some commands need is imported by them: import time counts."""
    loaded = run("-c", "import sys, tinynn; print(*sys.modules)", cwd=PACKAGE.parent).split()
    heavy = {"Cython", "PIL", "matplotlib", "mlxtend", "pandas", "safetensors", "scipy", "sklearn", "tqdm"}
    assert not heavy & set(loaded)


# --- cimport ---------------------------------------------------------------------------------------------

USER = """
{cimports}
from tinynn.kernels.dense cimport dense_forward
from tinynn.kernels.machine cimport LINEAR, Solo


def affine(double[:, ::1] x, double[:, ::1] w, double[::1] b, double[:, ::1] y):
    cdef Solo solo = Solo()
    with nogil:
        dense_forward(&y[0, 0], &x[0, 0], &w[0, 0], &b[0], x.shape[0], x.shape[1], w.shape[1], LINEAR,
                      &solo.worker)
"""

BUILD = """
import sys
import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

above, package = sys.argv.pop(), sys.argv.pop()
includes = [package + "/kernels", package + "/engine", numpy.get_include()]
setup(name="user", ext_modules=cythonize(
    [Extension("user", ["user.pyx"], include_dirs=includes, extra_compile_args=["-O0"])],
    include_path=[above], language_level=3))
"""


def test_other_cython_code_can_cimport(tmp_path, monkeypatch, rng):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    cimports = "\n".join(f"cimport {name}" for name in DECLARATIONS)
    (tmp_path / "user.pyx").write_text(USER.format(cimports=cimports))
    (tmp_path / "build.py").write_text(BUILD)
    run("build.py", "-q", "build_ext", "--inplace", str(PACKAGE), str(PACKAGE.parent), cwd=tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    x, w, b = (rng.standard_normal(shape) for shape in ((3, 5), (5, 2), 2))
    y = np.empty((3, 2))
    importlib.import_module("user").affine(x, w, b, y)
    np.testing.assert_array_equal(y, kernels.dense_forward(x, w, b))
