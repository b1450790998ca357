"""The matrix product, exp and log."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynn.kernels.basics import exp_into, gemm_into, log_into
from tinynn.kernels.functions._arguments import Floats, as_arrays


def gemm(a: ArrayLike, b: ArrayLike, transpose_a: bool = False, transpose_b: bool = False) -> Floats:
    """Matrix product ``a b``, each factor transposed first if asked for.

    Each element of the result is one chain of multiply-adds, from the first term to the last, so its bits
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
    first, second = as_arrays("gemm", {"a": 2, "b": 2}, a=a, b=b)
    k, m = first.shape if transpose_a else first.shape[::-1]
    inner, n = second.shape[::-1] if transpose_b else second.shape
    if inner != k:
        shapes = [f"{array.shape}{' (transposed)' if transposed else ''}"
                  for array, transposed in ((first, transpose_a), (second, transpose_b))]
        raise ValueError(f"gemm: a must have as many columns as b has rows, got a of shape {shapes[0]} and b of shape "
                         f"{shapes[1]}")
    if k == 0:
        return np.zeros((m, n), first.dtype)
    c = np.empty((m, n), first.dtype)
    gemm_into(c, first, second, k, transpose_a, transpose_b)
    return c


def exp(x: ArrayLike) -> Floats:
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
    (values,) = as_arrays("exp", x=x)
    y = np.empty_like(values)
    exp_into(y, values)
    return y


def log(x: ArrayLike) -> Floats:
    """Natural logarithm of each element, within 2 units in the last place; -inf at 0, nan for negative numbers.

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
    (values,) = as_arrays("log", x=x)
    y = np.empty_like(values)
    log_into(y, values)
    return y
