from tinynn.engine.step cimport Bound, LoopProgram
from tinynn.kernels.op cimport Call, Step


cdef class Arena:
    cdef object memory, scratch, bindings
    cdef dict layout
    cdef readonly Plan plan
    cdef readonly Py_ssize_t capacity
    cdef Step step
    cdef int failed

    cdef forget(self)
    cdef Bound bind(self, Py_ssize_t batch)
    cdef list make_bound(self, Py_ssize_t batch)
    cdef bind_node(self, Call* call, Py_ssize_t number, node, list keep)


cdef class Plan:
    cdef readonly object program, weights, gradients, dtype, constants, learning
    cdef LoopProgram c_program      # without what belongs to one job
    cdef object free, known_chunks, keep
