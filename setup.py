"""The extension modules: one per .pyx file, found by glob. All else is in pyproject.toml."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

COMPILE = ["-g0", "-pthread", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi",
           # Kernels leave it to C to check dtypes: see Vectors in machine.pxd and FloatCall in op.pxd.
           "-Werror=incompatible-pointer-types", "-Werror=pointer-arith"]
# What the environment asks for comes after our own flags, so that it wins: a sanitizer wants symbols and less speed.
ASKED = shlex.split(os.environ.get("CFLAGS", ""))
LINK = ["-pthread", *(["-s"] if sys.platform == "linux" and not ASKED else [])]
CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
# Modules that link C sources of their own.
SOURCES = {
    "tinynn.kernels.machine": sorted(map(str, Path("tinynn/kernels/simd").glob("*.c"))),
    "tinynn.engine.pool": ["tinynn/engine/team.c"],
}
HEADERS = [str(path) for path in sorted(Path("tinynn").rglob("*.h"))]
DIRECTIVES = {"language_level": 3, "cdivision": True, "binding": True,
              "embedsignature": True, "embedsignature.format": "python"}


def extension(path: Path) -> Extension:
    """The extension module of one .pyx file."""
    name = ".".join(path.with_suffix("").parts)
    # The engine leaves the arithmetic to the kernels, and its C is the longest to compile.
    level = "-O3" if name.startswith("tinynn.kernels.") else "-O2"
    return Extension(name, [str(path), *SOURCES.get(name, [])], depends=HEADERS,
                     extra_compile_args=[level, *COMPILE, *ASKED], extra_link_args=LINK,
                     include_dirs=["tinynn/kernels", "tinynn/engine", numpy.get_include()],
                     define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")])


def check_compiler() -> None:
    """Leave with one readable line unless C for this Python can be compiled."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    include = sysconfig.get_path("include")
    for header, missing in (("stdlib.h", f"a C compiler (GCC or Clang), but {compiler[0]} does not work"),
                            ("Python.h", f"Python's headers, but there is no {include}/Python.h")):
        try:
            subprocess.run([*compiler, f"-I{include}", "-fsyntax-only", "-x", "c", "-"], check=True,
                           input=f"#include <{header}>\n", text=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            sys.exit(f"tinynn: building needs {missing}; install them, on Debian and Ubuntu with: "
                     "apt-get install gcc libc6-dev python3-dev, on Fedora: dnf install gcc python3-devel, "
                     "on macOS: xcode-select --install")


class Build(build):
    """A build from scratch, for a wheel: what is left of an earlier one is not to be packed with it."""

    def run(self) -> None:
        check_compiler()  # before anything else, so that the message does not drown
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class BuildExtensions(build_ext):
    """Building the extension modules on all cores."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or CORES

    def run(self) -> None:
        check_compiler()
        # Only now: metadata and source distributions need no generated C.
        translated = cythonize(self.extensions, compiler_directives=DIRECTIVES, nthreads=self.parallel)
        for each, c in zip(self.extensions, translated, strict=True):
            each.sources = c.sources
        # The longest to compile first: then no core waits for another one's last module.
        self.extensions.sort(key=lambda each: (-len(each.sources), -Path(each.sources[0]).stat().st_size))
        super().run()


if __name__ == "__main__":
    setup(
        cmdclass={"build": Build, "build_ext": BuildExtensions},
        ext_modules=[extension(path) for path in sorted(Path("tinynn").rglob("*.pyx"))],
    )
