"""What type checkers and editors see of compiled modules: their stubs."""

import importlib.util
import pkgutil
import subprocess
import sys
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import pytest

import tinynn

PACKAGE = Path(tinynn.__file__).parent
STUBS = sorted(
    ".".join(("tinynn", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in PACKAGE.rglob("*.pyi")
)


def stubtest(modules, folder, path):
    """Compare stubs with their modules; `folder` holds the settings, Python runs in `path`."""
    config = folder / "mypy.ini"
    # Errors in other modules, which the stubs import, are for mypy itself to report.
    config.write_text("[mypy]\nfollow_imports = silent\n")
    # A stub may leave out what no Python code uses, such as the classes of the ops.
    options = ["--ignore-missing-stub", "--ignore-disjoint-bases", "--concise", "--mypy-config-file", str(config)]
    return subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", *options, *modules], capture_output=True, text=True, cwd=path
    )


def test_every_compiled_module_has_a_stub():
    compiled = {
        each.name
        for each in pkgutil.walk_packages(tinynn.__path__, "tinynn.")
        if isinstance(importlib.util.find_spec(each.name).loader, ExtensionFileLoader)
    }
    assert compiled == set(STUBS)


def test_stubs_match(tmp_path):
    pytest.importorskip("mypy")
    found = stubtest(STUBS, tmp_path, Path(__file__).parents[1])
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_stub_that_does_not_match_is_found(tmp_path):
    """Otherwise a change of stubtest's options could hide everything."""
    pytest.importorskip("mypy")
    (tmp_path / "example.py").write_text("def f(x, y=1):\n    return x\n")
    (tmp_path / "example.pyi").write_text("def f(x: int, z: int = 1) -> int: ...\ng: int\n")
    found = stubtest(["example"], tmp_path, tmp_path)
    assert "example.f " in found.stdout
    assert "example.g " in found.stdout
