"""Which instruction set the kernels use: chosen once, at import."""

import os

from libc.stdlib cimport free
from libc.string cimport memset

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void** memory, size_t alignment, size_t size)

cdef extern from "simd/simd.h" nogil:
    int simd_available(const Simd** sets, int capacity)

cdef const Simd* available[8]
cdef int number_available = simd_available(available, 8)
cdef const Simd* in_use = NULL


def instruction_sets() -> list[str]:
    """The instruction sets that this machine can run, the best one last.

    Returns
    -------
    list of str
        Among ``"base"``, ``"avx2"``, ``"avx512"`` and ``"neon"``.
    """
    return [available[i].name.decode() for i in range(number_available)]


def instruction_set() -> str:
    """The instruction set in use: the best one, or the one that ``TINYNN_CPU`` named when tinynn was imported."""
    return in_use.name.decode()


def _choose() -> None:
    global in_use
    wanted = os.environ.get("TINYNN_CPU", "")
    names = instruction_sets()
    if wanted and wanted not in names:
        raise ImportError(f"TINYNN_CPU is {wanted!r}, but this machine runs {', '.join(names)}; unset it or name one "
                          "of these")
    in_use = available[names.index(wanted) if wanted else number_available - 1]


cdef const Simd* instruction_set_in_use() noexcept nogil:
    return in_use


cdef class Solo:

    def __cinit__(self):
        memset(&self.worker, 0, sizeof(Worker))
        if posix_memalign(&self.worker.scratch, 64, GEMM_SCRATCH_BYTES) != 0:
            raise MemoryError(f"no memory for {GEMM_SCRATCH_BYTES} bytes of scratch")
        self.worker.f32 = in_use.f32
        self.worker.f64 = in_use.f64

    def __dealloc__(self):
        free(self.worker.scratch)


_choose()
