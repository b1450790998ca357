"""Oracles: activations, and their gradients as Jacobians written out."""

import numpy as np


def sigmoid_forward(x):
    """``1 / (1 + exp(-x))``, from the half of the line where exp cannot overflow."""
    x = np.asarray(x, dtype=np.float64)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def sigmoid_backward(dy, y):
    """``dx = dy y (1 - y)``."""
    dy, y = np.asarray(dy, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return dy * (y - y * y)


def relu_forward(x):
    """``max(x, 0)``; nan stays nan."""
    return np.maximum(np.asarray(x, dtype=np.float64), 0.0)


def relu_backward(dy, y):
    """``dx = dy`` where the unit was active, 0 elsewhere (also at 0)."""
    return np.where(np.asarray(y) > 0, np.asarray(dy, dtype=np.float64), 0.0)


def tanh_forward(x):
    """``tanh x``."""
    return np.tanh(np.asarray(x, dtype=np.float64))


def tanh_backward(dy, y):
    """``dx = dy (1 - y^2)``."""
    dy, y = np.asarray(dy, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return dy * ((1 - y) * (1 + y))


def softmax_forward(x):
    """``exp(x_k) / sum_j exp(x_j)`` over the last axis."""
    x = np.asarray(x, dtype=np.float64)
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def softmax_backward(dy, y):
    """``dx = J dy`` with the Jacobian ``J = diag(y) - y y^T`` of each row, built."""
    dy, y = np.asarray(dy, dtype=np.float64), np.asarray(y, dtype=np.float64)
    jacobian = np.eye(y.shape[-1]) * y[..., :, None] - y[..., :, None] * y[..., None, :]
    return np.einsum("...jk,...k->...j", jacobian, dy)


def exp(x):
    """``e^x``."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(np.asarray(x, dtype=np.float64))


def log(x):
    """Natural logarithm."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.asarray(x, dtype=np.float64))
