"""Compiler options under which NaN goes unnoticed or bits depend on the machine are refused with a message."""

import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "tinynn" / "kernels"
COMPILER = shlex.split(sysconfig.get_config_var("CC") or "cc")


def compiled(option, source='#include "simd/simd.h"\n'):
    """Compile what every module includes."""
    command = [*COMPILER, f"-I{KERNELS}", *shlex.split(option), "-fsyntax-only", "-x", "c", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def works():
    try:
        return (KERNELS / "simd" / "simd.h").exists() and compiled("-O2").returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not works(), reason="needs a C compiler and the sources")


@pytest.mark.parametrize("option", ["-ffast-math", "-Ofast", "-O3 -ffinite-math-only"])
def test_refused(option):
    done = compiled(option)
    assert done.returncode != 0
    assert "tinynn: with -ffast-math, -Ofast or -ffinite-math-only, NaN and infinity go unnoticed" in done.stderr


@pytest.mark.parametrize(
    "option", ["-funsafe-math-optimizations", "-fassociative-math -fno-signed-zeros -fno-trapping-math"]
)
def test_refused_where_the_compiler_tells(option):
    """GCC says so from version 12 on."""
    told = compiled(option, "#ifndef __ASSOCIATIVE_MATH__\n#error\n#endif\n").returncode == 0
    done = compiled(option)
    assert (done.returncode != 0) == told
    assert not told or "tinynn: -funsafe-math-optimizations and its parts change results" in done.stderr


@pytest.mark.parametrize("option", ["-O3", "-Os", "-fno-math-errno -fno-trapping-math", "-ffast-math -fno-fast-math"])
def test_taken(option):
    assert compiled(option).returncode == 0


def cimported(path):
    """The .pxd files that a file cimports, and those that they do."""
    found = re.findall(r"^from (tinynn[\w.]*) cimport", path.read_text(), re.MULTILINE)
    files = {KERNELS.parents[1].joinpath(*module.split(".")).with_suffix(".pxd") for module in found}
    return files.union(*map(cimported, files))


@pytest.mark.parametrize("path", sorted(KERNELS.parent.rglob("*.pyx")), ids=lambda path: path.stem)
def test_every_module_includes_it(path):
    """By way of machine.pxd, whose declarations come from simd.h."""
    assert KERNELS / "machine.pxd" in {path.with_suffix(".pxd"), *cimported(path)}


def test_every_c_file_includes_it():
    for path in KERNELS.parent.rglob("*.c"):
        if not path.with_suffix(".pyx").exists():
            included = compiled("-E", f'#include "{path}"\n#ifndef TINYNN_EXACT_H\n#error\n#endif\n')
            assert "error" not in included.stderr, path
