"""What the other kernels are made of: the matrix product, exp and log, on arrays."""

import numpy as np

cimport numpy as cnp

from tinynn.kernels.machine cimport LINEAR, Solo, Worker, gemm_team, real, vector_exp, vector_log

cnp.import_array()


cdef void product(real* c, const real* a, const real* b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                  bint transpose_a, bint transpose_b, Worker* worker) noexcept nogil:
    """c (m, n) = a b,  a (m, k) or its transpose, b (k, n) or its transpose"""
    gemm_team(c, n, a, 1 if transpose_a else k, m if transpose_a else 1, b, 1 if transpose_b else n,
              k if transpose_b else 1, m, n, k, False, <const real*> NULL, LINEAR, worker)


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
    cdef Solo solo = Solo()
    cdef void* y_data = cnp.PyArray_DATA(y)
    cdef void* x_data = cnp.PyArray_DATA(x)
    cdef Py_ssize_t n = x.size
    if x.dtype == np.float32:
        with nogil:
            vector_exp(<float*> y_data, <float*> x_data, n, &solo.worker)
    else:
        with nogil:
            vector_exp(<double*> y_data, <double*> x_data, n, &solo.worker)


def log_into(y, x):
    """y = log x; both contiguous and of one dtype"""
    cdef Solo solo = Solo()
    cdef void* y_data = cnp.PyArray_DATA(y)
    cdef void* x_data = cnp.PyArray_DATA(x)
    cdef Py_ssize_t n = x.size
    if x.dtype == np.float32:
        with nogil:
            vector_log(<float*> y_data, <float*> x_data, n, &solo.worker)
    else:
        with nogil:
            vector_log(<double*> y_data, <double*> x_data, n, &solo.worker)
