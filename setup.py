"""The extension modules: one per .pyx file, found by glob. All else about the package is in pyproject.toml."""

from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

COMPILE = ["-O3", "-g0", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi"]
LINK = ["-s"]
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
    return Extension(name, [str(path), *SOURCES.get(name, [])], depends=HEADERS, extra_compile_args=COMPILE,
                     extra_link_args=LINK, include_dirs=["tinynn/kernels", "tinynn/engine", numpy.get_include()],
                     define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")])


class Build(build_ext):
    """Building with one readable line when there is no C compiler."""

    def build_extensions(self) -> None:
        try:
            super().build_extensions()
        except CompileError as error:
            if self.compiler and not self._compiler_works():
                raise SystemExit("tinynn: building needs a C compiler and the Python headers; install them, "
                                 "on Debian or Ubuntu with: apt-get install gcc python3-dev") from error
            raise

    def _compiler_works(self) -> bool:
        probe = Path(self.build_temp) / "probe.c"
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_text("#include <Python.h>\nint main(void) { return 0; }\n")
        try:
            self.compiler.compile([str(probe)], output_dir=self.build_temp)
        except CompileError:
            return False
        return True


setup(
    cmdclass={"build_ext": Build},
    ext_modules=cythonize([extension(path) for path in sorted(Path("tinynn").rglob("*.pyx"))],
                          compiler_directives=DIRECTIVES, nthreads=0),
)
