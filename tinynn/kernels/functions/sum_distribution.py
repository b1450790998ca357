"""Distribution of a sum of independent numbers, and the cross-entropy of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynn.kernels.functions._arguments import Floats, as_arrays, check_shape, labels_or_distribution
from tinynn.kernels.op import OpRun
from tinynn.kernels.sum_distribution import sum_distribution, sum_distribution_crossentropy_from_logits


def _checked(function: str, name: str, x: ArrayLike, **others: ArrayLike) -> list[Floats]:
    """Check an array of shape (B, N, K), and perhaps others of its dtype."""
    arrays = as_arrays(function, {name: 3}, **{name: x}, **others)
    if 0 in arrays[0].shape[1:]:
        raise ValueError(f"{function}: {name} must have shape (B, N, K) with N and K at least 1, got {arrays[0].shape}")
    return arrays


def _sums(x: Floats) -> int:
    """Number of possible sums of N numbers from 0 to K-1."""
    return int(x.shape[1] * (x.shape[2] - 1) + 1)


def _prepared(function: str, z: ArrayLike, target: ArrayLike) -> OpRun:
    """Prepare a run of the cross-entropy on the checked arguments."""
    (logits,) = _checked(function, "z", z)
    t, sparse = labels_or_distribution(function, target, "z", logits, logits.shape[:1], _sums(logits))
    return OpRun(sum_distribution_crossentropy_from_logits, [logits, t], sparse=sparse)


def sum_distribution_forward(p: ArrayLike) -> Floats:
    """Distribution of the sum of N independent numbers, each 0..K-1: the convolution of their distributions.

    Parameters
    ----------
    p : array_like, shape (B, N, K)
        For each sample and number the probability of each value, float32 or float64.

    Returns
    -------
    y : ndarray, shape (B, N (K - 1) + 1)
        For each sample the probability of each sum.

    Raises
    ------
    TypeError
        If p is not float32 or float64.
    ValueError
        If p does not have three axes, or the second or third is empty.

    Examples
    --------
    Two coins:

    >>> import numpy as np
    >>> sum_distribution_forward(np.full((1, 2, 2), 0.5))
    array([[0.25, 0.5 , 0.25]])
    """
    return OpRun(sum_distribution, _checked("sum_distribution_forward", "p", p)).forward()[0]


def sum_distribution_backward(dy: ArrayLike, p: ArrayLike) -> Floats:
    """Gradient of `sum_distribution_forward`: ``dp_nk = sum_s dy_s P(the other numbers sum to s - k)``.

    Parameters
    ----------
    dy : array_like, shape (B, N (K - 1) + 1)
        Gradient of the loss with respect to y, float32 or float64.
    p : array_like, shape (B, N, K)
        The input of the forward pass, of the same dtype.

    Returns
    -------
    dp : ndarray, shape (B, N, K)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> sum_distribution_backward(np.array([[0.0, 0.0, 1.0]]), np.full((1, 2, 2), 0.5))
    array([[[0. , 0.5],
            [0. , 0.5]]])
    """
    inputs, d_outputs = _checked("sum_distribution_backward", "p", p, dy=dy)
    check_shape("sum_distribution_backward", "dy", d_outputs, (len(inputs), _sums(inputs)))
    run = OpRun(sum_distribution, [inputs])
    run.forward()
    gradient: Floats = run.backward([d_outputs])[0][0]
    return gradient


def sum_distribution_crossentropy_from_logits_forward(z: ArrayLike, target: ArrayLike) -> Floats:
    """Cross-entropy of the sum of N independent numbers whose distributions are softmax(z).

    ``L = -log P(sum = target)``, or ``-sum_s t_s log P(sum = s)``. However unlikely the sum, the loss is finite and has
    its full gradient.

    Parameters
    ----------
    z : array_like, shape (B, N, K)
        For each sample and number a logit for each of its values 0..K-1, float32 or float64.
    target : array_like, shape (B,) or (B, N (K - 1) + 1)
        Integers: the sum of each sample. Or of z's dtype: a distribution over the sums.

    Returns
    -------
    loss : ndarray, shape (B,)

    Raises
    ------
    TypeError
        If z is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, or a sum is out of range.

    Examples
    --------
    Three coins; all heads has probability 1/8:

    >>> import numpy as np
    >>> sum_distribution_crossentropy_from_logits_forward(np.zeros((1, 3, 2)), np.array([3]))
    array([2.07944154])
    """
    return _prepared("sum_distribution_crossentropy_from_logits_forward", z, target).forward()[0]


def sum_distribution_crossentropy_from_logits_backward(z: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the losses of `sum_distribution_crossentropy_from_logits_forward`.

    ``dz_nk = p_nk - P(number n is k | the sum)``, with p = softmax(z)

    Parameters
    ----------
    z : array_like, shape (B, N, K)
        For each sample and number a logit for each of its values 0..K-1, float32 or float64.
    target : array_like, shape (B,) or (B, N (K - 1) + 1)
        Integers: the sum of each sample. Or of z's dtype: a distribution over the sums.

    Returns
    -------
    dz : ndarray, shape (B, N, K)

    Raises
    ------
    TypeError
        If z is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, or a sum is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> sum_distribution_crossentropy_from_logits_backward(np.zeros((1, 2, 2)), np.array([2]))
    array([[[ 0.5, -0.5],
            [ 0.5, -0.5]]])
    """
    run = _prepared("sum_distribution_crossentropy_from_logits_backward", z, target)
    loss, _ = run.forward()
    gradient: Floats = run.backward([np.ones_like(loss), None])[0][0]
    return gradient
