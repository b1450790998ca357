"""Oracles: losses per row, and the gradients of their sum.

The categorical losses take class labels (integers) or a distribution over the classes as target.
"""

import numpy as np

from tests.oracles.activations import sigmoid_forward, softmax_forward

EPSILON = 1e-7
"""Keras' fuzz: probabilities are kept this far from 0 and 1."""


def _pair(prediction, target):
    return np.asarray(prediction, dtype=np.float64), np.asarray(target, dtype=np.float64)


def _as_distribution(target, classes):
    """Integer labels as one-hot rows; distributions as they are."""
    target = np.asarray(target)
    if target.dtype.kind in "iu":
        return np.eye(classes)[target]
    return target.astype(np.float64)


def half_squared_error_forward(prediction, target):
    """``sum_k (p_k - t_k)^2 / 2``."""
    p, t = _pair(prediction, target)
    return ((p - t) ** 2 / 2).sum(axis=-1)


def half_squared_error_backward(prediction, target):
    """``p - t``."""
    p, t = _pair(prediction, target)
    return p - t


def mean_squared_error_forward(prediction, target):
    """``sum_k (p_k - t_k)^2 / K``."""
    p, t = _pair(prediction, target)
    return ((p - t) ** 2).mean(axis=-1)


def mean_squared_error_backward(prediction, target):
    """``2 (p - t) / K``."""
    p, t = _pair(prediction, target)
    return 2 * (p - t) / p.shape[-1]


def binary_crossentropy_forward(prediction, target):
    """Mean over the last axis of ``-t log q - (1-t) log(1-q)``, q = p clipped to [1e-7, 1 - 1e-7]."""
    p, t = _pair(prediction, target)
    q = np.clip(p, EPSILON, 1 - EPSILON)
    return -(t * np.log(q) + (1 - t) * np.log1p(-q)).mean(axis=-1)


def binary_crossentropy_backward(prediction, target):
    """``(q - t) / (q (1 - q)) / K``; 0 where p was clipped, for there q does not move with p."""
    p, t = _pair(prediction, target)
    q = np.clip(p, EPSILON, 1 - EPSILON)
    return np.where(q == p, (q - t) / (q * (1 - q)), 0.0) / p.shape[-1]


def binary_crossentropy_from_logits_forward(prediction, target):
    """Mean over the last axis of ``t log(1 + exp(-z)) + (1-t) log(1 + exp(z))``."""
    z, t = _pair(prediction, target)
    return (t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z)).mean(axis=-1)


def binary_crossentropy_from_logits_backward(prediction, target):
    """``(s(z) - t) / K``, written ``(1-t) s(z) - t s(-z)`` so that nothing cancels."""
    z, t = _pair(prediction, target)
    return ((1 - t) * sigmoid_forward(z) - t * sigmoid_forward(-z)) / z.shape[-1]


def categorical_crossentropy_forward(prediction, target):
    """``-sum_k t_k log q_k``, q = p / sum p clipped to [1e-7, 1 - 1e-7] (Keras)."""
    p = np.asarray(prediction, dtype=np.float64)
    t = _as_distribution(target, p.shape[-1])
    q = np.clip(p / p.sum(axis=-1, keepdims=True), EPSILON, 1 - EPSILON)
    return -(t * np.log(q)).sum(axis=-1)


def categorical_crossentropy_backward(prediction, target):
    """The chain rule through the normalisation's Jacobian ``dn_k/dp_j = (delta_kj - n_k) / sum p``."""
    p = np.asarray(prediction, dtype=np.float64)
    t = _as_distribution(target, p.shape[-1])
    total = p.sum(axis=-1, keepdims=True)
    n = p / total
    q = np.clip(n, EPSILON, 1 - EPSILON)
    dn = np.where(q == n, -t / q, 0.0)
    jacobian = (np.eye(p.shape[-1]) - n[..., :, None]) / total[..., None]
    return np.einsum("...k,...kj->...j", dn, jacobian)


def categorical_crossentropy_from_logits_forward(prediction, target):
    """``sum_k t_k (log sum_j exp(z_j) - z_k)``."""
    z = np.asarray(prediction, dtype=np.float64)
    t = _as_distribution(target, z.shape[-1])
    return (t * (np.logaddexp.reduce(z, axis=-1, keepdims=True) - z)).sum(axis=-1)


def categorical_crossentropy_from_logits_backward(prediction, target):
    """``softmax(z) sum t - t``."""
    z = np.asarray(prediction, dtype=np.float64)
    t = _as_distribution(target, z.shape[-1])
    return softmax_forward(z) * t.sum(axis=-1, keepdims=True) - t


def _log_sigmoid(z):
    return -np.logaddexp(0, -z)


def categorical_crossentropy_from_sigmoid_logits_forward(prediction, target):
    """``-sum_k t_k log q_k`` with ``q = s(z) / sum_j s(z_j)``, all in logarithms, not clipped."""
    z = np.asarray(prediction, dtype=np.float64)
    t = _as_distribution(target, z.shape[-1])
    log_s = _log_sigmoid(z)
    return (t * (np.logaddexp.reduce(log_s, axis=-1, keepdims=True) - log_s)).sum(axis=-1)


def categorical_crossentropy_from_sigmoid_logits_backward(prediction, target):
    """``dlog_s = q sum t - t``, then ``dlog s(z)/dz = s(-z)``."""
    z = np.asarray(prediction, dtype=np.float64)
    t = _as_distribution(target, z.shape[-1])
    q = softmax_forward(_log_sigmoid(z))
    return (q * t.sum(axis=-1, keepdims=True) - t) * sigmoid_forward(-z)
