"""Loading models that add digits, for `evaluate` and `predict`."""

from __future__ import annotations

import numpy as np

import tinynn

IMAGE_SHAPE = (28, 28)


def load_model(path: str) -> tuple[tinynn.Sequential, int | None]:
    """Load a model that adds digits.

    Returns
    -------
    model : Sequential
    digits : int or None
        How many digits it adds; None for any number.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, is not a model, or does something else.
    """
    model = tinynn.load(path)
    shape = tuple(model.input_shape or ())
    if len(shape) != 3 or shape[1:] != IMAGE_SHAPE:
        raise ValueError(
            f"{path}: the model's input must be of shape (digits, 28, 28), got {shape}; is it from tinynn train?"
        )
    digits = shape[0] or 2
    classes = model.predict(np.zeros((1, digits, *IMAGE_SHAPE), np.uint8)).shape[1:]
    if classes != (9 * digits + 1,):
        raise ValueError(
            f"{path}: the model's output for {digits} images must be of shape ({9 * digits + 1},), a number for each "
            f"sum, got {classes}; is it from tinynn train?"
        )
    return model, shape[0]
