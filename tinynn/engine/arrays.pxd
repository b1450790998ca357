cimport numpy as cnp

from libc.stdint cimport int64_t


cdef inline void* data(array) except? NULL:
    """Where an array's numbers are; NULL for None."""
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef int kind_of(cnp.ndarray array) noexcept
cdef bint is_finite(cnp.ndarray array, int kind, bint single) noexcept
cdef bint are_labels(cnp.ndarray labels, int64_t classes) noexcept
