"""What `train`, `evaluate` and `predict` have in common: models that add digits, and the digits."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinynn
from tinynn.networks import READER

IMAGE_SHAPE = (28, 28)


def load_model(path: str) -> tuple[tinynn.Sequential, int]:
    """Load a model that adds digits.

    Returns
    -------
    model : Sequential
        The model.
    digits : int
        How many it adds.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, is no model, or does something else.
    """
    model = tinynn.load(path)
    shape = tuple(model.input_shape or ())
    if len(shape) != 3 or shape[1:] != IMAGE_SHAPE or shape[0] is None:
        raise ValueError(
            f"{path}: reads samples of shape {shape}, expected (digits, 28, 28); is it from tinynn train?"
        )
    classes = model.predict(np.zeros((1, *shape), np.uint8)).shape[1:]
    if classes != (9 * shape[0] + 1,):
        raise ValueError(
            f"{path}: puts out {classes} for {shape[0]} images, expected ({9 * shape[0] + 1},), a number for "
            "each sum; is it from tinynn train?"
        )
    return model, shape[0]


def names_digits(model: tinynn.Sequential) -> bool:
    """Whether the model says which digit it sees at each place, and not only their sum."""
    return any(layer.name == READER for layer in model.layers)


def read_digits(model: tinynn.Sequential, x: Any, batch_size: int = 64) -> np.ndarray:
    """Probabilities of the digits, (samples, digits, 10), from a model that names them."""
    probabilities: np.ndarray = model.predict(x, batch_size=batch_size, output=READER)
    return probabilities


def distribution(model: tinynn.Sequential, x: Any, batch_size: int = 64) -> np.ndarray:
    """Probabilities of the sums, (samples, sums): the output normalised, which is how it was trained."""
    output: np.ndarray = model.predict(x, batch_size=batch_size)
    total: np.ndarray = output.sum(axis=1, keepdims=True)
    output /= np.maximum(total, np.finfo(output.dtype).tiny)
    return output
