"""The check of a real number, for options of functions and attributes of ops."""

import numbers
from typing import Any

import numpy as np


def real_number(function: str, name: str, value: Any, least: float, most: float) -> float:
    """A number in these bounds, which are in it.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is out of bounds, or NaN.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{function}: {name} must be a real number, got {value!r}")
    if not least <= value <= most:  # type: ignore[operator]
        raise ValueError(f"{function}: {name} must be from {least:.7g} to {most:.7g}, got {value}")
    return float(value)
