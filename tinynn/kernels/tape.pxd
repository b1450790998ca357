from tinynn.kernels.machine cimport Instruction


cdef class Tape:
    cdef Py_ssize_t size                        # entries
    cdef Py_ssize_t count                       # trainable entries
    cdef Py_ssize_t length                      # entries that are computed
    cdef Instruction* instructions              # (length,) in ascending order
    cdef bint* leaves                           # (size,)   which entries are given
    cdef double* values                         # (size,)   what the last forward pass computed
    cdef double* slopes                         # (size,)   what a sigmoid's forward pass leaves to its backward pass
    cdef double* gradients                      # (size,)   what the last backward pass computed
    cdef Py_ssize_t* variables                  # (count,)  positions of the trainable leaves
    cdef double* weights                        # (count,)  their values now, read by the next forward pass
    cdef bint running                           # a thread is inside train()
    cdef int claim(self, str caller) except -1
