"""What the engine asks of NumPy arrays before it reads their memory, and the order in which it reads samples."""

import numpy as np

cimport numpy as cnp

from libc.math cimport fabs
from libc.stdint cimport int64_t, uint64_t

from tinynn.kernels.machine cimport DOUBLE, FLOAT, UINT8, Simd, instruction_set_in_use

cdef extern from "random.h" nogil:
    void c_shuffle "shuffle"(int64_t* order, int64_t n, uint64_t key, unsigned int epoch, const Simd* simd)

cnp.import_array()

# 2^128 - 2^103, the smallest double that becomes infinity as a float.
cdef double FLOAT_OVERFLOW = 3.4028235677973366e38


cdef int kind_of(cnp.ndarray array) noexcept:
    """Items.kind of an array; -1 if its dtype must be converted first."""
    cdef int dtype = cnp.PyArray_TYPE(array)
    if dtype == cnp.NPY_UINT8:
        return UINT8
    if dtype == cnp.NPY_FLOAT32:
        return FLOAT
    return DOUBLE if dtype == cnp.NPY_FLOAT64 else -1


cdef bint is_finite(cnp.ndarray array, int kind, bint single) noexcept:
    """Whether a contiguous array of this kind has no NaN and no infinity, if `single` after a cast to float."""
    cdef Py_ssize_t i, n = cnp.PyArray_SIZE(array)
    cdef const double* x
    if kind == UINT8:
        return True
    if kind == FLOAT:
        return instruction_set_in_use().f32.all_finite(<const float*> cnp.PyArray_DATA(array), n)
    x = <const double*> cnp.PyArray_DATA(array)
    if not single:
        return instruction_set_in_use().f64.all_finite(x, n)
    # |x_i| <= sqrt(sum x^2): only if that is large, look at each.
    if instruction_set_in_use().f64.dot(x, x, n) < 1e77:
        return True
    for i in range(n):
        if not fabs(x[i]) < FLOAT_OVERFLOW:
            return False
    return True


cdef bint are_labels(cnp.ndarray labels, int64_t classes) noexcept:
    """Whether a contiguous array of int64 holds labels from 0 to classes - 1 only."""
    cdef const int64_t* y = <const int64_t*> cnp.PyArray_DATA(labels)
    cdef Py_ssize_t i
    for i in range(cnp.PyArray_SIZE(labels)):
        if not 0 <= y[i] < classes:
            return False
    return True


def all_finite(cnp.ndarray array not None, bint single=False) -> bool | None:
    """Whether an array has no NaN and no infinity, if `single` after a cast to float32.

    None if it is not contiguous or its dtype is not one that kernels read.
    """
    cdef int kind = kind_of(array)
    return is_finite(array, kind, single) if kind >= 0 and cnp.PyArray_ISCARRAY_RO(array) else None


def shuffled(Py_ssize_t n, uint64_t key, unsigned int epoch) -> np.ndarray:
    """The numbers 0 to n - 1 in an order that depends on key and epoch only."""
    order = np.empty(n, np.int64)
    cdef int64_t* to = <int64_t*> data(order)
    with nogil:
        c_shuffle(to, n, key, epoch, instruction_set_in_use())
    return order
