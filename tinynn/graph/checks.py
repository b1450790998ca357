"""What the graph accepts as a number, a list of numbers and a count."""

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
        What the number is for, after the caller's name: ``"VariableNode: value"``. Errors start with it.
    value : number
        A real number: int, float, a NumPy scalar or an array of shape ().

    Raises
    ------
    TypeError
        If `value` is not one real number (text is not converted).
    ValueError
        If it is NaN, infinite or too large for a float64.

    Examples
    --------
    >>> finite_number("ConstantNode: value", 3)
    3.0
    """
    scalar = value.item() if getattr(value, "shape", None) == () else value
    if not isinstance(scalar, numbers.Real):
        raise TypeError(f"{argument} is {value!r} ({type(value).__name__}), expected one number")
    try:
        number = float(scalar)
    except OverflowError:
        raise ValueError(f"{argument} is an integer too large for a float64") from None
    if not math.isfinite(number):
        raise ValueError(f"{argument} is {number}, expected a finite number")
    return number


def finite_numbers(argument: str, values: Any, names: tuple[str, ...]) -> list[float]:
    """Return `values` as a list of floats, one for each of `names`.

    Raises
    ------
    TypeError
        If `values` is not a sequence of numbers.
    ValueError
        If there are more or fewer than names, or if one is NaN or infinite.

    Examples
    --------
    >>> finite_numbers("set_weights: weights", [1, 2], ("w1", "w2"))
    [1.0, 2.0]
    """
    expected = f"{len(names)} numbers ({names[0]} to {names[-1]})"
    ordered = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping | AbstractSet)
    if not ordered or getattr(values, "shape", None) == ():
        raise TypeError(f"{argument} is {values!r} ({type(values).__name__}), expected a list of {expected}")
    items = list(values)
    if len(items) != len(names):
        raise ValueError(f"{argument} has {len(items)} entries, expected {expected}")
    return [finite_number(f"{argument}[{i}] ({names[i]})", item) for i, item in enumerate(items)]


def count(argument: str, value: Any) -> int:
    """Return `value` as an int of 0 or more.

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
        raise TypeError(f"{argument} is {value!r} ({type(value).__name__}), expected an integer") from None
    if number < 0:
        raise ValueError(f"{argument} is {number}, expected 0 or more")
    return number


def learning_rate(argument: str, value: Any) -> float:
    """Return `value` as a float of 0 or more.

    Raises
    ------
    TypeError, ValueError
        As `finite_number`, and if it is negative.

    Examples
    --------
    >>> learning_rate("step: lr", 0.1)
    0.1
    """
    number = finite_number(argument, value)
    if number < 0:
        raise ValueError(f"{argument} is {number}, expected 0 or more; with less the loss would climb")
    return number
