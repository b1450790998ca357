"""What the other kernels are made of: the matrix product, exp and log, on arrays."""

import numpy as np

cimport numpy as cnp

from tinynn.kernels.gemm cimport gemm_team
from tinynn.kernels.machine cimport LINEAR, Solo, Worker, real

cnp.import_array()


cdef void product(real* c, const real* a, const real* b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                  bint transpose_a, bint transpose_b, Worker* worker) noexcept nogil:
    """c (m, n) = a b,  a (m, k) or its transpose, b (k, n) or its transpose"""
    gemm_team(c, n, a, 1 if transpose_a else k, m if transpose_a else 1, b, 1 if transpose_b else n,
              k if transpose_b else 1, m, n, k, False, NULL, LINEAR, worker)


def gemm_into(c, a, b, Py_ssize_t k, bint transpose_a, bint transpose_b):
    """c (m, n) = a b over k terms, k >= 1; all contiguous and of one dtype."""
    cdef Solo solo = Solo()
    cdef Py_ssize_t m = c.shape[0], n = c.shape[1]
    cdef void* c_data = cnp.PyArray_DATA(c)
    cdef void* a_data = cnp.PyArray_DATA(a)
    cdef void* b_data = cnp.PyArray_DATA(b)
    if c.dtype == np.float32:
        with nogil:
            product(<float*> c_data, <float*> a_data, <float*> b_data, m, n, k, transpose_a, transpose_b, &solo.worker)
    else:
        with nogil:
            product(<double*> c_data, <double*> a_data, <double*> b_data, m, n, k, transpose_a, transpose_b,
                    &solo.worker)


def exp_into(y, x):
    """y = exp x; both contiguous and of one dtype"""
    elementwise(y, x, False)


def log_into(y, x):
    """y = log x; both contiguous and of one dtype"""
    elementwise(y, x, True)


cdef elementwise(y, x, bint logarithm):
    cdef Solo solo = Solo()
    cdef void* y_data = cnp.PyArray_DATA(y)
    cdef void* x_data = cnp.PyArray_DATA(x)
    cdef Py_ssize_t n = x.size
    cdef bint single = x.dtype == np.float32
    with nogil:
        if single and logarithm:
            solo.worker.f32.log(y_data, x_data, n)
        elif single:
            solo.worker.f32.exp(y_data, x_data, n)
        elif logarithm:
            solo.worker.f64.log(y_data, x_data, n)
        else:
            solo.worker.f64.exp(y_data, x_data, n)
