"""Oracles: normalization over the batch and over a row, gradients by the chain rule through mean and variance."""

import numpy as np


def normalized(x, axes, epsilon):
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + epsilon)


def gradient(g, x, axes, epsilon):
    """Of x, when g is that of the normalized x."""
    count = np.prod([x.shape[axis] for axis in axes])
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = (centred**2).mean(axis=axes, keepdims=True) + epsilon
    d_variance = (g * centred).sum(axis=axes, keepdims=True) * -0.5 * variance**-1.5
    d_centred = g / np.sqrt(variance) + d_variance * 2 * centred / count
    return d_centred - d_centred.mean(axis=axes, keepdims=True)


def forward(x, gamma, beta, axes, epsilon):
    x, gamma, beta = (np.asarray(each, np.float64) for each in (x, gamma, beta))
    return normalized(x, axes, epsilon) * gamma + beta


def backward(dy, x, gamma, axes, epsilon):
    dy, x, gamma = (np.asarray(each, np.float64) for each in (dy, x, gamma))
    rows = tuple(range(x.ndim - 1))
    dgamma = (dy * normalized(x, axes, epsilon)).sum(axis=rows)
    return gradient(dy * gamma, x, axes, epsilon), dgamma, dy.sum(axis=rows)


def batch_normalization_forward(x, gamma, beta, epsilon=1e-3):
    return forward(x, gamma, beta, tuple(range(np.ndim(x) - 1)), epsilon)


def batch_normalization_backward(dy, x, gamma, epsilon=1e-3):
    return backward(dy, x, gamma, tuple(range(np.ndim(x) - 1)), epsilon)


def layer_normalization_forward(x, gamma, beta, epsilon=1e-3):
    return forward(x, gamma, beta, (np.ndim(x) - 1,), epsilon)


def layer_normalization_backward(dy, x, gamma, epsilon=1e-3):
    return backward(dy, x, gamma, (np.ndim(x) - 1,), epsilon)
