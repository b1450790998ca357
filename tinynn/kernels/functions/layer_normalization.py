"""Layer normalization."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinynn.kernels.functions._arguments import Floats
from tinynn.kernels.functions._normalization import checked
from tinynn.kernels.layer_normalization import layer_normalization
from tinynn.kernels.op import OpRun


def _prepared(function: str, x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, epsilon: float,
              **others: ArrayLike) -> tuple[OpRun, tuple[int, ...], list[Floats]]:
    """Prepare a run on the checked arguments; returns it, the shape of x and the other arrays."""
    (inputs, scale, shift, *rest), checked_epsilon = checked(function, x, gamma, beta, epsilon, **others)
    rows = inputs.reshape(math.prod(inputs.shape[:-1]), inputs.shape[-1])
    return OpRun(layer_normalization, [rows], [scale, shift], epsilon=checked_epsilon), inputs.shape, rest


def layer_normalization_forward(x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, epsilon: float = 1e-3) -> Floats:
    """Normalize each row to mean 0 and variance 1: ``y = gamma (x - mean) / sqrt(var + epsilon) + beta``.

    Parameters
    ----------
    x : array_like, shape (..., C)
        Float32 or float64; the mean and the variance are taken over the last axis.
    gamma, beta : array_like, shape (C,)
        Scale and shift, of the same dtype.
    epsilon : float, optional
        Added to the variance.

    Returns
    -------
    ndarray, shape (..., C)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit, or epsilon is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> layer_normalization_forward(np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([0.0, 5.0]), 1e-9).round(3)
    array([-2.,  7.])
    """
    run, shape, _ = _prepared("layer_normalization_forward", x, gamma, beta, epsilon)
    return run.forward()[0].reshape(shape)


def layer_normalization_backward(dy: ArrayLike, x: ArrayLike, gamma: ArrayLike,
                                 epsilon: float = 1e-3) -> tuple[Floats, Floats, Floats]:
    """Gradients of `layer_normalization_forward`, also through the mean and the variance.

    Parameters
    ----------
    dy : array_like, shape (..., C)
        Gradient of the loss with respect to y, float32 or float64.
    x, gamma, epsilon
        As in the forward pass.

    Returns
    -------
    dx, dgamma, dbeta : ndarray
        Shapes (..., C), (C,), (C,).

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit, or epsilon is not positive.

    Examples
    --------
    Subtracting the mean cancels what all columns have in common:

    >>> import numpy as np
    >>> dx, _, _ = layer_normalization_backward(np.ones(3), np.array([1.0, 2.0, 4.0]), np.full(3, 2.0))
    >>> bool(abs(dx).max() < 1e-12)
    True
    """
    run, shape, (d_outputs,) = _prepared("layer_normalization_backward", x, gamma, np.zeros_like(gamma), epsilon, dy=dy)
    run.forward()
    (dx,), (dgamma, dbeta) = run.backward([d_outputs.reshape(-1, shape[-1])])
    return dx.reshape(shape), dgamma, dbeta
