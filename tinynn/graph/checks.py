"""Checks of the graph's arguments: a number, a list of numbers, a count, a learning rate."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any


def finite_number(argument: str, value: Any) -> float:
    """Return `value` as a float.

    Parameters
    ----------
    argument : str
        The caller and the argument's name, ``"VariableNode: value"``. Errors start with it.
    value : number
        A real number: int, float, a NumPy scalar or an array of shape ().

    Raises
    ------
    TypeError
        If `value` is not a real number (text is not converted).
    ValueError
        If it is NaN, infinite or too large for a float64.

    Examples
    --------
    >>> finite_number("ConstantNode: value", 3)
    3.0
    """
    scalar = value.item() if getattr(value, "shape", None) == () else value
    if not isinstance(scalar, numbers.Real):
        raise TypeError(f"{argument} must be a number, got {value!r} ({type(value).__name__})")
    try:
        number = float(scalar)
    except OverflowError:
        raise ValueError(f"{argument} must be a finite number, got an integer too large for a float64") from None
    if not math.isfinite(number):
        raise ValueError(f"{argument} must be a finite number, got {number}")
    return number


def finite_numbers(argument: str, values: Any, names: tuple[str, ...]) -> list[float]:
    """Return `values` as a list of floats, one for each name.

    Raises
    ------
    TypeError
        If `values` is not a sequence of numbers.
    ValueError
        If their number differs from that of the names, or if one is NaN or infinite.

    Examples
    --------
    >>> finite_numbers("set_weights: weights", [1, 2], ("w1", "w2"))
    [1.0, 2.0]
    """
    expected = f"a list of {len(names)} numbers ({names[0]} to {names[-1]})"
    ordered = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping | AbstractSet)
    if not ordered or getattr(values, "shape", None) == ():
        raise TypeError(f"{argument} must be {expected}, got {values!r} ({type(values).__name__})")
    items = list(values)
    if len(items) != len(names):
        raise ValueError(f"{argument} must be {expected}, got {len(items)}")
    return [finite_number(f"{argument}[{i}] ({names[i]})", item) for i, item in enumerate(items)]


def count(argument: str, value: Any) -> int:
    """Return `value` as an int that is 0 or more.

    Raises
    ------
    TypeError
        If `value` is not an integer (2.0 is not).
    ValueError
        If it is negative.

    Examples
    --------
    >>> count("train: steps", 10)
    10
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{argument} must be an integer, got {value!r} ({type(value).__name__})") from None
    if number < 0:
        raise ValueError(f"{argument} must be 0 or more, got {number}")
    return number


def learning_rate(argument: str, value: Any) -> float:
    """Return `value` as a float that is 0 or more.

    Raises
    ------
    TypeError, ValueError
        As for `finite_number`, and if it is negative.

    Examples
    --------
    >>> learning_rate("step: lr", 0.1)
    0.1
    """
    number = finite_number(argument, value)
    if number < 0:
        raise ValueError(f"{argument} must be 0 or more, got {number}; a negative rate would increase the loss")
    return number
