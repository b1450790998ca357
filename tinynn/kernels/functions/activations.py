"""Activations: relu, sigmoid and tanh of each element, softmax of the last axis."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.kernels.activations import relu, sigmoid, softmax, tanh
from tinynn.kernels.functions._arguments import Floats, as_arrays, check_elements, check_shape
from tinynn.kernels.op import Op, OpRun


def _rows(function: str, op: Op, name: str, array: Floats) -> tuple[int, int]:
    """Shape to run on: rows of the last axis for softmax, one long row for functions of each element."""
    if op is not softmax:
        return 1, -1
    check_elements(function, name, array)
    return -1, array.shape[-1]


def _forward(function: str, op: Op, x: ArrayLike) -> Floats:
    (values,) = as_arrays(function, x=x)
    return OpRun(op, [values.reshape(_rows(function, op, "x", values))]).forward()[0].reshape(values.shape)


def _backward(function: str, op: Op, dy: ArrayLike, y: ArrayLike) -> Floats:
    """Run the backward pass, which needs only y of the forward pass."""
    outputs, d_outputs = as_arrays(function, y=y, dy=dy)
    check_shape(function, "dy", d_outputs, outputs.shape)
    rows = _rows(function, op, "y", outputs)
    run = OpRun(op, [outputs.reshape(rows)])
    run.outputs = [outputs.reshape(rows)]
    (dx,), _ = run.backward([d_outputs.reshape(rows)])
    gradient: Floats = dx.reshape(outputs.shape)
    return gradient


def relu_forward(x: ArrayLike) -> Floats:
    """Rectifier: ``y = max(x, 0)``.

    Parameters
    ----------
    x : array_like, shape (...)
        Float32 or float64, any shape.

    Returns
    -------
    y : ndarray, shape (...)

    Raises
    ------
    TypeError
        If x is not float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> relu_forward(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return _forward("relu_forward", relu, x)


def relu_backward(dy: ArrayLike, y: ArrayLike) -> Floats:
    """Gradient of `relu_forward`: ``dx = dy`` where y > 0, 0 elsewhere.

    Parameters
    ----------
    dy : array_like, shape (...)
        Gradient of the loss with respect to y, float32 or float64.
    y : array_like, shape (...)
        What the forward pass returned, of the same dtype.

    Returns
    -------
    dx : ndarray, shape (...)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> relu_backward(np.array([3.0, 3.0]), np.array([0.0, 2.0]))
    array([0., 3.])
    """
    return _backward("relu_backward", relu, dy, y)


def sigmoid_forward(x: ArrayLike) -> Floats:
    """Logistic function: ``y = 1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : array_like, shape (...)
        Float32 or float64, any shape.

    Returns
    -------
    y : ndarray, shape (...)

    Raises
    ------
    TypeError
        If x is not float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid_forward(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    return _forward("sigmoid_forward", sigmoid, x)


def sigmoid_backward(dy: ArrayLike, y: ArrayLike) -> Floats:
    """Gradient of `sigmoid_forward`: ``dx = dy y (1 - y)``.

    Parameters
    ----------
    dy : array_like, shape (...)
        Gradient of the loss with respect to y, float32 or float64.
    y : array_like, shape (...)
        What the forward pass returned, of the same dtype.

    Returns
    -------
    dx : ndarray, shape (...)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid_backward(np.array([1.0, 2.0]), np.array([0.5, 0.5]))
    array([0.25, 0.5 ])
    """
    return _backward("sigmoid_backward", sigmoid, dy, y)


def tanh_forward(x: ArrayLike) -> Floats:
    """Hyperbolic tangent: ``y = tanh x``.

    Parameters
    ----------
    x : array_like, shape (...)
        Float32 or float64, any shape.

    Returns
    -------
    y : ndarray, shape (...)

    Raises
    ------
    TypeError
        If x is not float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> tanh_forward(np.array([-1e4, 0.0, 1e4]))
    array([-1.,  0.,  1.])
    """
    return _forward("tanh_forward", tanh, x)


def tanh_backward(dy: ArrayLike, y: ArrayLike) -> Floats:
    """Gradient of `tanh_forward`: ``dx = dy (1 - y^2)``.

    Parameters
    ----------
    dy : array_like, shape (...)
        Gradient of the loss with respect to y, float32 or float64.
    y : array_like, shape (...)
        What the forward pass returned, of the same dtype.

    Returns
    -------
    dx : ndarray, shape (...)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> tanh_backward(np.array([1.0, 2.0]), np.array([0.5, 0.5]))
    array([0.75, 1.5 ])
    """
    return _backward("tanh_backward", tanh, dy, y)


def softmax_forward(x: ArrayLike) -> Floats:
    """Softmax of the last axis: ``y_k = exp(x_k) / sum_j exp(x_j)``.

    Parameters
    ----------
    x : array_like, shape (..., K)
        Float32 or float64; each row may reach from -1e4 to 1e4 and beyond.

    Returns
    -------
    y : ndarray, shape (..., K)

    Raises
    ------
    TypeError
        If x is not float32 or float64.
    ValueError
        If the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> softmax_forward(np.array([[0.0, 0.0], [1e4, -1e4]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _forward("softmax_forward", softmax, x)


def softmax_backward(dy: ArrayLike, y: ArrayLike) -> Floats:
    """Gradient of `softmax_forward`: ``dx_k = y_k (dy_k - sum_j dy_j y_j)``.

    Parameters
    ----------
    dy : array_like, shape (..., K)
        Gradient of the loss with respect to y, float32 or float64.
    y : array_like, shape (..., K)
        What the forward pass returned, of the same dtype.

    Returns
    -------
    dx : ndarray, shape (..., K)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is empty.

    Examples
    --------
    >>> import numpy as np
    >>> softmax_backward(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))
    array([[ 0.25, -0.25]])
    """
    return _backward("softmax_backward", softmax, dy, y)
