cimport numpy as cnp

from libc.stdint cimport int64_t

from tinynn.engine.plan cimport Arena, Plan
from tinynn.engine.pool cimport Body
from tinynn.engine.step cimport Loop


cdef class Job:
    cdef Loop loop
    cdef readonly Plan plan
    cdef readonly Arena arena
    cdef readonly object totals
    cdef object keep
    cdef tuple batch                # what set_batch has been given
    cdef Body body
    cdef bint team                  # whether there is enough arithmetic for several threads
    cdef void* scratch

    cdef set_program(self, Py_ssize_t batch, Py_ssize_t samples)
    cdef set_batch(self, cnp.ndarray x, cnp.ndarray y)
    cdef void predict_batch(self, cnp.ndarray x, cnp.ndarray predictions) noexcept
    cdef Py_ssize_t run_to(self, Py_ssize_t end, int64_t deadline, int threads) noexcept
