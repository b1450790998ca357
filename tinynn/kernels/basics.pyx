"""What the other kernels are made of, as functions: the matrix product, exp and log."""

import numpy as np

cimport numpy as cnp

from tinynn.kernels._arguments import required_arrays
from tinynn.kernels._public import public

from tinynn.kernels.gemm cimport gemm_team
from tinynn.kernels.machine cimport LINEAR, Solo, Worker, real

cnp.import_array()


cdef void product(real* c, const real* a, const real* b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                  bint transpose_a, bint transpose_b, Worker* worker) noexcept nogil:
    """c (m, n) = a b,  a (m, k) or its transpose, b (k, n) or its transpose"""
    gemm_team(c, n, a, 1 if transpose_a else k, m if transpose_a else 1, b, 1 if transpose_b else n,
              k if transpose_b else 1, m, n, k, False, NULL, LINEAR, worker)


@public
def py_gemm(a, b, bint transpose_a=False, bint transpose_b=False):
    """Matrix product ``a b``, each of the two transposed first if asked for.

    Each element of the result is one chain of multiply-adds, from the first term to the last, so that its bits
    depend on its own terms only.

    Parameters
    ----------
    a : array_like, shape (M, K), or (K, M) to be transposed
        Float32 or float64.
    b : array_like, shape (K, N), or (N, K) to be transposed
        Of the same dtype.
    transpose_a, transpose_b : bool, optional
        Whether to transpose.

    Returns
    -------
    ndarray, shape (M, N)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> gemm(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), transpose_b=True)
    array([[11.]])
    """
    cdef Solo solo = Solo()
    cdef Py_ssize_t m, n, k
    a, b = required_arrays("gemm", {"a": 2, "b": 2}, a=a, b=b)
    k, m = a.shape if transpose_a else a.shape[::-1]
    inner, n = b.shape[::-1] if transpose_b else b.shape
    if inner != k:
        raise ValueError(f"gemm: a has shape {a.shape}{' (transposed)' if transpose_a else ''}, b has shape {b.shape}"
                         f"{' (transposed)' if transpose_b else ''}, but {k} columns do not meet {inner} rows")
    if k == 0:
        return np.zeros((m, n), a.dtype)
    c = np.empty((m, n), a.dtype)
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
    return c


cdef object elementwise(function, x, bint logarithm):
    cdef Solo solo = Solo()
    (x,) = required_arrays(function, x=x)
    y = np.empty_like(x)
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
    return y


@public
def py_exp(x):
    """Exponential function of each element, within 2 units in the last place.

    Parameters
    ----------
    x : array_like, shape (...)
        Float32 or float64, any shape.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If x is not float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> exp(np.array([0.0, -1e4, 1e4]))
    array([ 1.,  0., inf])
    """
    return elementwise("exp", x, False)


@public
def py_log(x):
    """Natural logarithm of each element, within 2 units in the last place; of 0 -inf, of negative numbers nan.

    Parameters
    ----------
    x : array_like, shape (...)
        Float32 or float64, any shape.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If x is not float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> log(np.array([1.0, 0.0]))
    array([  0., -inf])
    """
    return elementwise("log", x, True)
