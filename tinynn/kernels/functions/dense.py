"""Dense: an affine map of the last axis."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinynn.kernels.dense import dense
from tinynn.kernels.functions._arguments import Floats, as_arrays, check_shape
from tinynn.kernels.op import OpRun


def _checked(function: str, x: ArrayLike, w: ArrayLike, **others: ArrayLike) -> list[Floats]:
    """Check the arguments and that the last axis of x fits w."""
    arrays = as_arrays(function, {"w": 2, "b": 1}, x=x, w=w, **others)
    inputs, weights = arrays[:2]
    if inputs.ndim < 1 or inputs.shape[-1] != weights.shape[0]:
        raise ValueError(f"{function}: x must have shape (..., {weights.shape[0]}) to fit w of shape {weights.shape}, "
                         f"got {inputs.shape}")
    return arrays


def _rows(array: Floats) -> Floats:
    """Reshape to rows of the last axis, even if it is empty."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> Floats:
    """Affine map of the last axis: ``y = x w + b``.

    Parameters
    ----------
    x : array_like, shape (..., I)
        Inputs, float32 or float64.
    w : array_like, shape (I, O)
        Weights, of the same dtype.
    b : array_like, shape (O,), optional
        Bias.

    Returns
    -------
    ndarray, shape (..., O)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    given = {} if b is None else {"b": b}
    inputs, weights, *rest = _checked("dense_forward", x, w, **given)
    bias = rest[0] if rest else None
    check_shape("dense_forward", "b", bias, weights.shape[1:])
    (y,) = OpRun(dense, [_rows(inputs)], [weights, bias]).forward()
    return y.reshape(*inputs.shape[:-1], weights.shape[1])


def dense_backward(dy: ArrayLike, x: ArrayLike, w: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Gradients of `dense_forward`: ``dx = dy w^T``, ``dw = x^T dy``, ``db`` = sum of dy over its rows.

    Parameters
    ----------
    dy : array_like, shape (..., O)
        Gradient of the loss with respect to y, float32 or float64.
    x : array_like, shape (..., I)
        The inputs of the forward pass.
    w : array_like, shape (I, O)
        Its weights.

    Returns
    -------
    dx, dw, db : ndarray
        Shapes (..., I), (I, O), (O,).

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> dx, dw, db = dense_backward(np.array([[1.0]]), np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    >>> dx, dw.T, db
    (array([[3., 4.]]), array([[1., 2.]]), array([1.]))
    """
    inputs, weights, d_outputs = _checked("dense_backward", x, w, dy=dy)
    check_shape("dense_backward", "dy", d_outputs, (*inputs.shape[:-1], weights.shape[1]))
    run = OpRun(dense, [_rows(inputs)], [weights, np.empty(weights.shape[1], weights.dtype)])
    (dx,), (dw, db) = run.backward([_rows(d_outputs)])
    return dx.reshape(inputs.shape), dw, db
