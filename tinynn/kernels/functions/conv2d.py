"""Convolution of images, channels last."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynn.checks import check_pair
from tinynn.kernels._windows import Padding, Pair, slide
from tinynn.kernels.conv2d import conv2d
from tinynn.kernels.functions._arguments import Floats, as_arrays, check_shape
from tinynn.kernels.op import OpRun


def _prepared(function: str, strides: Pair, padding: Padding, dilation_rate: Pair,
              **arrays: ArrayLike) -> tuple[OpRun, dict[str, Floats]]:
    """Prepare a run on the checked arguments x, w, perhaps b and dy; returns it and the arrays."""
    axes = {"x": 4, "w": 4, "b": 1, "dy": 4}
    found = dict(zip(arrays, as_arrays(function, axes, **arrays), strict=True))
    x, w, b = found["x"], found["w"], found.get("b")
    if x.shape[3] != w.shape[2]:
        raise ValueError(f"{function}: x must have shape (B, H, W, {w.shape[2]}) to fit w of shape {w.shape}, got "
                         f"{x.shape}")
    if 0 in x.shape[1:] or 0 in w.shape:
        raise ValueError(f"{function}: x and w must be images and a kernel with at least one number, got shapes "
                         f"{x.shape} and {w.shape}")
    check_shape(function, "b", b, w.shape[3:])
    steps = check_pair(function, "strides", strides)
    dilation = check_pair(function, "dilation_rate", dilation_rate)
    size, _ = slide(function, x.shape[1:3], w.shape[:2], steps, padding, dilation)
    check_shape(function, "dy", found.get("dy"), (len(x), *size, w.shape[3]))
    return OpRun(conv2d, [x], [w, b], strides=steps, padding=padding, dilation=dilation), found


def conv2d_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, strides: Pair = 1,
                   padding: Padding = "valid", dilation_rate: Pair = 1) -> Floats:
    """Two-dimensional convolution (a cross-correlation, as in Keras: the kernel is not flipped), channels last.

    ``y[i, j] = b + sum_pq x[i r + p d - top, j r' + q d' - left] w[p, q]`` with strides r, r' and dilations d, d'.

    Parameters
    ----------
    x : array_like, shape (B, H, W, I)
        Images, float32 or float64.
    w : array_like, shape (P, Q, I, O)
        Kernel, of the same dtype.
    b : array_like, shape (O,), optional
        Bias.
    strides, dilation_rate : int or tuple of int, optional
        Steps between patches, and between the rows and columns of a patch.
    padding : {"valid", "same"}, optional
        Patches inside the image only; or as many as there are pixels for the strides, with zeros around the image.

    Returns
    -------
    ndarray, shape (B, H', W', O)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or a stride is no whole number.
    ValueError
        If the shapes do not fit, a stride is below 1, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> conv2d_forward(x, np.ones((2, 2, 1, 1)))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    biases = {} if b is None else {"b": b}
    run, _ = _prepared("conv2d_forward", strides, padding, dilation_rate, x=x, w=w, **biases)
    return run.forward()[0]


def conv2d_backward(dy: ArrayLike, x: ArrayLike, w: ArrayLike, strides: Pair = 1, padding: Padding = "valid",
                    dilation_rate: Pair = 1) -> tuple[Floats, Floats, Floats]:
    """Gradients of `conv2d_forward`: every output pixel's gradient through its patch.

    Parameters
    ----------
    dy : array_like, shape (B, H', W', O)
        Gradient of the loss with respect to y, float32 or float64.
    x, w, strides, padding, dilation_rate
        As in the forward pass.

    Returns
    -------
    dx, dw, db : ndarray
        Shapes (B, H, W, I), (P, Q, I, O), (O,).

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or a stride is no whole number.
    ValueError
        If the shapes do not fit, a stride is below 1, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[[1.0], [2.0]]]]), np.array([[[[3.0]], [[4.0]]]])
    >>> dx, dw, db = conv2d_backward(np.ones((1, 1, 1, 1)), x, w)
    >>> dx.ravel(), dw.ravel(), db
    (array([3., 4.]), array([1., 2.]), array([1.]))
    """
    b = np.empty(np.shape(w)[-1:], np.asarray(w).dtype)
    run, arrays = _prepared("conv2d_backward", strides, padding, dilation_rate, x=x, w=w, b=b, dy=dy)
    (dx,), (dw, db) = run.backward([arrays["dy"]])
    return dx, dw, db
