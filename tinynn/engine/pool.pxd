"""Running a body on the threads of the pool."""

from tinynn.kernels.machine cimport Simd, Worker

cdef extern from "team.h" nogil:
    enum: MAX_THREADS
    ctypedef void (*Body)(void* context, Worker* worker) noexcept nogil
    void team_run(int threads, bint spin, const Simd* simd, void* scratch, Body body, void* context) noexcept
    int team_cores() noexcept

# The whole process shares one pool: only this module links its C code, and others call it through these functions.
cdef void run_team(int threads, void* scratch, Body body, void* context) noexcept nogil
cdef int threads_wanted() noexcept nogil
