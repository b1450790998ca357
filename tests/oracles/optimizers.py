"""Oracles: one step of each optimizer after Keras 3's formulas, returning new vectors."""

import numpy as np


def _vectors(*vectors):
    return (None if each is None else np.array(each, dtype=np.float64) for each in vectors)


def sgd_update(w, dw, velocity, learning_rate, momentum=0.0, nesterov=False):
    """Return the new ``w, velocity``."""
    w, dw, velocity = _vectors(w, dw, velocity)
    if momentum == 0.0:
        return w - learning_rate * dw, velocity
    velocity = momentum * velocity - learning_rate * dw
    if nesterov:
        return w + momentum * velocity - learning_rate * dw, velocity
    return w + velocity, velocity


def adam_update(w, dw, m, v, step, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    """Return the new ``w, m, v``; the first step is step 1."""
    w, dw, m, v = _vectors(w, dw, m, v)
    w = w - learning_rate * weight_decay * w
    m = beta_1 * m + (1 - beta_1) * dw
    v = beta_2 * v + (1 - beta_2) * dw**2
    rate = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return w - rate * m / (np.sqrt(v) + epsilon), m, v


def rmsprop_update(w, dw, v, velocity, learning_rate, rho=0.9, momentum=0.0, epsilon=1e-7):
    """Return the new ``w, v, velocity``; epsilon stands under the root."""
    w, dw, v, velocity = _vectors(w, dw, v, velocity)
    v = rho * v + (1 - rho) * dw**2
    change = learning_rate * dw / np.sqrt(v + epsilon)
    if momentum == 0.0:
        return w - change, v, velocity
    velocity = momentum * velocity + change
    return w - velocity, v, velocity
