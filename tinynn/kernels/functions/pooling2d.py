"""Pooling: the maximum or the mean of each window of an image, channels last."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.checks import check_pair
from tinynn.kernels._windows import Padding, Pair, slide
from tinynn.kernels.functions._arguments import Floats, as_arrays, check_shape
from tinynn.kernels.op import Op, OpRun
from tinynn.kernels.pooling2d import average_pooling2d, max_pooling2d


def _prepared(function: str, op: Op, x: ArrayLike, pool_size: Pair, strides: Pair | None, padding: Padding,
              **others: ArrayLike) -> tuple[OpRun, list[Floats]]:
    """Prepare a run on the checked arguments; returns it and the other arrays."""
    images, *rest = as_arrays(function, {"x": 4, "dy": 4}, x=x, **others)
    if 0 in images.shape[1:]:
        raise ValueError(f"{function}: x must be images with at least one number, got shape {images.shape}")
    pool = check_pair(function, "pool_size", pool_size)
    steps = pool if strides is None else check_pair(function, "strides", strides)
    size, _ = slide(function, images.shape[1:3], pool, steps, padding)
    for dy in rest:
        check_shape(function, "dy", dy, (len(images), *size, images.shape[3]))
    return OpRun(op, [images], pool=pool, strides=steps, padding=padding), rest


def _backward(function: str, op: Op, dy: ArrayLike, x: ArrayLike, pool_size: Pair, strides: Pair | None,
              padding: Padding) -> Floats:
    run, (d_outputs,) = _prepared(function, op, x, pool_size, strides, padding, dy=dy)
    run.forward()
    gradient: Floats = run.backward([d_outputs])[0][0]
    return gradient


def max_pooling2d_forward(x: ArrayLike, pool_size: Pair = 2, strides: Pair | None = None,
                          padding: Padding = "valid") -> Floats:
    """Maximum of each window, channel by channel.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
        Images, float32 or float64.
    pool_size : int or tuple of int, optional
        Rows and columns of a window.
    strides : int or tuple of int, optional
        Steps between windows; by default the windows do not overlap.
    padding : {"valid", "same"}, optional
        Windows inside the image only; or as many as there are pixels for the strides, cut off at the edges.

    Returns
    -------
    ndarray, shape (B, H', W', C)

    Raises
    ------
    TypeError
        If x is not float32 or float64, or a stride is no whole number.
    ValueError
        If x does not have four axes, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> max_pooling2d_forward(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _prepared("max_pooling2d_forward", max_pooling2d, x, pool_size, strides, padding)[0].forward()[0]


def max_pooling2d_backward(dy: ArrayLike, x: ArrayLike, pool_size: Pair = 2, strides: Pair | None = None,
                           padding: Padding = "valid") -> Floats:
    """Gradient of `max_pooling2d_forward`: goes to the first maximum of each window, row by row.

    Parameters
    ----------
    dy : array_like, shape (B, H', W', C)
        Gradient of the loss with respect to y, float32 or float64.
    x, pool_size, strides, padding
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape (B, H, W, C)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, the two differ in dtype, or a stride is no whole number.
    ValueError
        If the shapes do not fit, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> max_pooling2d_backward(np.ones((1, 1, 1, 1)), np.array([[[[1.0], [2.0]], [[2.0], [0.0]]]]))[0, :, :, 0]
    array([[0., 1.],
           [0., 0.]])
    """
    return _backward("max_pooling2d_backward", max_pooling2d, dy, x, pool_size, strides, padding)


def average_pooling2d_forward(x: ArrayLike, pool_size: Pair = 2, strides: Pair | None = None,
                              padding: Padding = "valid") -> Floats:
    """Mean of each window, channel by channel; a window is cut off at the edge of the image.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
        Images, float32 or float64.
    pool_size, strides, padding
        As for `max_pooling2d_forward`.

    Returns
    -------
    ndarray, shape (B, H', W', C)

    Raises
    ------
    TypeError
        If x is not float32 or float64, or a stride is no whole number.
    ValueError
        If x does not have four axes, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> average_pooling2d_forward(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return _prepared("average_pooling2d_forward", average_pooling2d, x, pool_size, strides, padding)[0].forward()[0]


def average_pooling2d_backward(dy: ArrayLike, x: ArrayLike, pool_size: Pair = 2, strides: Pair | None = None,
                               padding: Padding = "valid") -> Floats:
    """Gradient of `average_pooling2d_forward`: shared equally by the positions of each window.

    Parameters
    ----------
    dy : array_like, shape (B, H', W', C)
        Gradient of the loss with respect to y, float32 or float64.
    x, pool_size, strides, padding
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape (B, H, W, C)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, the two differ in dtype, or a stride is no whole number.
    ValueError
        If the shapes do not fit, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> average_pooling2d_backward(np.ones((1, 1, 1, 1)), np.zeros((1, 2, 2, 1)))[0, :, :, 0]
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    return _backward("average_pooling2d_backward", average_pooling2d, dy, x, pool_size, strides, padding)
