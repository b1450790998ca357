"""What an op takes: patterns of shapes, checks of attributes, and the errors that say what is wrong.

A pattern is a shape with letters: ``"(..., I)"``, ``"(I, 4H)"``, ``"(2, K)"``, ``"()"``. A letter stands for one size,
the dots for any number of them, and both for the same ones in all patterns of an op. A question mark behind a pattern
says that the array may be missing. Sizes that are not known yet fit everything.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tinynn.kernels._numbers import real_number

Shape = tuple[int | None, ...]
#: Checks the attribute of an op, both named for the message, and returns it in the form that the op reads.
Check = Callable[[str, str, Any], Any]


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> tuple[tuple[int, str], ...]:
    """Factor and letter of each axis; no letter for a number alone, dots for dots."""
    axes = re.findall(r"\.\.\.|\d*[A-Z]|\d+", pattern)
    return tuple((1, "...") if axis == "..." else
                 (int(axis.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") or 1), axis.lstrip("0123456789")) for axis in axes)


def _fits(pattern: str, shape: Shape, bound: dict[str, Any]) -> bool:
    """Whether a shape fits; binds the letters that are new."""
    axes = _parsed(pattern)
    dots = next((i for i, (_, letter) in enumerate(axes) if letter == "..."), None)
    more = len(shape) - len(axes) + (dots is not None)
    if more < 0 or (dots is None and more > 0):
        return False
    if dots is not None:
        known = bound.setdefault("...", shape[dots:dots + more])
        if len(known) != more or any(a != b for a, b in zip(known, shape[dots:], strict=False) if None not in (a, b)):
            return False
        axes = axes[:dots] + axes[dots + 1:]
        shape = shape[:dots] + shape[dots + more:]
    for (factor, letter), size in zip(axes, shape, strict=True):
        if size is None:
            continue
        if not letter:
            if size != factor:
                return False
        elif size % factor or bound.setdefault(letter, size // factor) != size // factor:
            return False
    return True


def _expect(what: str, pattern: str, shape: Shape | None, bound: dict[str, Any]) -> None:
    """Raise ValueError unless an array, or None, fits its pattern."""
    optional, pattern = pattern.endswith("?"), pattern.rstrip("?")
    if shape is None:
        if not optional:
            raise ValueError(f"{what} is missing; it must have a shape {pattern}")
        return
    known = dict(bound)
    if not _fits(pattern, shape, bound):
        letters = dict.fromkeys(letter for _, letter in _parsed(pattern) if known.get(letter, ()) != ())
        meaning = ", ".join(f"{letter} is {known[letter]}" for letter in letters)
        raise ValueError(f"{what} has shape {shape}, but must have a shape {pattern}{meaning and ', where ' + meaning}")


@lru_cache(maxsize=1024)  # many towers ask the same
def check_arrays(op: str, patterns: tuple[tuple[str, ...], tuple[str, ...]], inputs: tuple[Shape, ...],
                 parameters: tuple[Shape | None, ...]) -> None:
    """Check the shapes of an op's inputs and parameters.

    Raises
    ------
    ValueError
        If there are too many or too few, or one does not fit.

    Examples
    --------
    >>> check_arrays("dense", (("(..., I)",), ("(I, O)", "(O)?")), ((5, 4),), ((4, 3), None))
    >>> check_arrays("dense", (("(..., I)",), ("(I, O)", "(O)?")), ((4,),), ((5, 3), None))
    Traceback (most recent call last):
    ...
    ValueError: op 'dense': parameter 0 has shape (5, 3), but must have a shape (I, O), where I is 4
    """
    bound: dict[str, Any] = {}
    for kind, wanted, given in zip(("input", "parameter"), patterns, (inputs, parameters), strict=True):
        if len(wanted) != len(given):
            raise ValueError(f"op {op!r}: takes {len(wanted)} {kind}{'s' * (len(wanted) != 1)} "
                             f"({', '.join(wanted) or 'none'}), got {len(given)}")
        for number, (pattern, shape) in enumerate(zip(wanted, given, strict=True)):
            _expect(f"op {op!r}: {kind} {number}", pattern, shape, bound)


def check_attributes(op: str, options: Mapping[str, Check], required: Sequence[str],
                     attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes in the form that the op reads.

    Raises
    ------
    TypeError, ValueError
        If one is not known, is missing or is wrong.
    """
    for name in attributes:
        if name not in options:
            raise ValueError(f"op {op!r}: there is no attribute {name!r}; known: {', '.join(options) or 'none'}")
    for name in required:
        if name not in attributes:
            raise ValueError(f"op {op!r}: the attribute {name!r} is missing")
    return {name: options[name](f"op {op!r}", name, value) for name, value in attributes.items()}


# --- checks of one attribute ----------------------------------------------------------------------------------

def flag(function: str, name: str, value: Any) -> bool:
    """Anything that is true or false."""
    return bool(value)


def within(least: float = -sys.float_info.max, most: float = sys.float_info.max) -> Check:
    """A number in these bounds."""
    def check(function: str, name: str, value: Any) -> float:
        return real_number(function, name, value, least, most)
    return check


def positive(function: str, name: str, value: Any) -> float:
    """A number above 0."""
    number = real_number(function, name, value, 0.0, sys.float_info.max)
    if number == 0:
        raise ValueError(f"{function}: {name} must be more than 0, got {value}")
    return number


def share(function: str, name: str, value: Any) -> float:
    """A number from 0 to less than 1."""
    number = real_number(function, name, value, 0.0, 1.0)
    if number == 1:
        raise ValueError(f"{function}: {name} must be less than 1, got {value}")
    return number


def count(function: str, name: str, value: Any) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{function}: {name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{function}: {name} must be at least 1, got {value}")
    return int(value)


def one_of(known: Sequence[Any]) -> Check:
    """One of these."""
    def check(function: str, name: str, value: Any) -> Any:
        if value not in known:
            raise ValueError(f"{function}: {name} must be one of {', '.join(map(repr, known))}, got {value!r}")
        return value
    return check
