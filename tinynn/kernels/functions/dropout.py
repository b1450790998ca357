"""Dropout: each number is dropped with a given probability, the others are scaled up."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.checks import check_count, check_real
from tinynn.kernels.dropout import dropout
from tinynn.kernels.functions._arguments import Floats, as_arrays
from tinynn.kernels.op import OpRun


def _prepared(function: str, array: Floats, rate: float, key: int, epoch: int, step: int) -> OpRun:
    """Prepare a run on all elements as one row."""
    run = OpRun(dropout, [array.reshape(1, -1)], rate=check_real(function, "rate", rate, minimum=0, below=1))
    run.moment = (check_count(function, "key", key, minimum=0, maximum=2**64 - 1),
                  check_count(function, "epoch", epoch, minimum=0, maximum=2**32 - 1),
                  check_count(function, "step", step, minimum=0, maximum=2**32 - 1))
    return run


def dropout_forward(x: ArrayLike, rate: float, key: int = 0, epoch: int = 0, step: int = 0) -> Floats:
    """Drop each number with probability ``rate`` and scale the others by ``1 / (1 - rate)``.

    Parameters
    ----------
    x : array_like, any shape
        Inputs, float32 or float64.
    rate : float
        Probability of being dropped, ``0 <= rate < 1``.
    key, epoch, step : int
        The mask depends on these and on the position in x only: the run's key (64 bits), the epoch and the step within
        it (32 bits each).

    Returns
    -------
    ndarray, shape of x

    Raises
    ------
    TypeError
        If x is not float32 or float64, or an argument is no number.
    ValueError
        If rate, key, epoch or step is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> dropout_forward(np.ones(8), 0.5, key=2)
    array([0., 0., 2., 0., 2., 0., 2., 0.])
    >>> dropout_forward(np.ones(3), 0.0)
    array([1., 1., 1.])
    """
    (values,) = as_arrays("dropout_forward", x=x)
    return _prepared("dropout_forward", values, rate, key, epoch, step).forward()[0].reshape(values.shape)


def dropout_backward(dy: ArrayLike, rate: float, key: int = 0, epoch: int = 0, step: int = 0) -> Floats:
    """Gradient of `dropout_forward`: dy through the same mask, ``dx = dy m / (1 - rate)``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the loss with respect to y, float32 or float64.
    rate, key, epoch, step
        As in the forward pass.

    Returns
    -------
    ndarray, shape of dy

    Raises
    ------
    TypeError
        If dy is not float32 or float64, or an argument is no number.
    ValueError
        If rate, key, epoch or step is out of range.
    """
    (values,) = as_arrays("dropout_backward", dy=dy)
    run = _prepared("dropout_backward", values, rate, key, epoch, step)
    (dx,), _ = run.backward([values.reshape(1, -1)])
    gradient: Floats = dx.reshape(values.shape)
    return gradient
