"""What an op takes: patterns of shapes, checks of attributes, and their errors.

A pattern is a shape with letters: ``"(..., I)"``, ``"(I, 4H)"``, ``"(2, K)"``, ``"()"``. A letter stands for one size,
the dots for any number of sizes; each means the same in all patterns of an op. A question mark after a pattern marks an
optional array. Sizes that are not known yet fit any pattern.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from tinynn.checks import check_choice, check_count, check_real

Shape = tuple[int | None, ...]
#: Checks an attribute, given the names of the op and the attribute for the error; returns it as the op reads it.
Check = Callable[[str, str, Any], Any]


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> tuple[tuple[int, str], ...]:
    """Factor and letter of each axis; a plain number has no letter, the dots are their own letter."""
    axes = re.findall(r"\.\.\.|\d*[A-Z]|\d+", pattern)
    return tuple((1, "...") if axis == "..." else
                 (int(axis.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") or 1), axis.lstrip("0123456789")) for axis in axes)


def _fits(pattern: str, shape: Shape, bound: dict[str, Any]) -> bool:
    """Whether a shape fits; binds new letters."""
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
            raise ValueError(f"{what} must have shape {pattern}, got None")
        return
    known = dict(bound)
    if not _fits(pattern, shape, bound):
        letters = dict.fromkeys(letter for _, letter in _parsed(pattern) if known.get(letter, ()) != ())
        meaning = ", ".join(f"{letter} is {known[letter]}" for letter in letters)
        raise ValueError(f"{what} must have shape {pattern}{meaning and ', where ' + meaning}, got {shape}")


@lru_cache(maxsize=1024)  # many towers ask for the same
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
    ValueError: op 'dense': parameter 0 must have shape (I, O), where I is 4, got (5, 3)
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
    """Check the attributes; returns them as the op reads them.

    Raises
    ------
    TypeError, ValueError
        If one is unknown, missing or wrong.
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


def within(minimum: float | None = None, maximum: float | None = None) -> Check:
    """Check a number in these bounds."""
    return partial(check_real, minimum=minimum, maximum=maximum)


def one_of(known: Sequence[Any]) -> Check:
    """Check one of these values."""
    return partial(check_choice, known=known)


count: Check = check_count
positive: Check = partial(check_real, above=0.0)
share: Check = partial(check_real, minimum=0.0, below=1.0)
