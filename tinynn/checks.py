"""Checks of arguments. All errors have the form ``FUNCTION: ARGUMENT must be ..., got ...; do ...``."""

from __future__ import annotations

import math
import numbers
import operator
import sys
import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PACKAGE = __name__.partition(".")[0]


def check_count(function: str, argument: str, value: Any, minimum: int = 1, maximum: int | None = None) -> int:
    """Check a whole number, such as a batch size or a number of epochs.

    Parameters
    ----------
    function, argument : str
        Names for the error.
    value : int
        The number. NumPy integers are valid; booleans and floats are not.
    minimum, maximum : int, optional
        The smallest and the largest number allowed.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is out of bounds.

    Examples
    --------
    >>> check_count("fit", "batch_size", np.int64(32))
    32
    >>> check_count("fit", "batch_size", 0)
    Traceback (most recent call last):
    ...
    ValueError: fit: batch_size must be at least 1, got 0
    """
    if not is_whole(value):
        raise TypeError(f"{function}: {argument} must be a whole number, got {described(value)}")
    number = operator.index(value)
    if maximum is not None and not minimum <= number <= maximum:
        raise ValueError(f"{function}: {argument} must be from {minimum} to {maximum}, got {shortened(str(number))}")
    if number < minimum:
        raise ValueError(f"{function}: {argument} must be at least {minimum}, got {shortened(str(number))}")
    return number


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number and not a boolean."""
    if isinstance(value, (bool, np.bool_)):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def check_real(function: str, argument: str, value: Any, minimum: float | None = None, maximum: float | None = None,
               above: float | None = None, below: float | None = None) -> float:
    """Check a finite real number, such as a learning rate or a validation split.

    Parameters
    ----------
    function, argument : str
        Names for the error.
    value : float
        The number. NumPy numbers and arrays of shape () are valid; booleans and strings are not.
    minimum, maximum : float, optional
        Inclusive bounds.
    above, below : float, optional
        Exclusive bounds.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is not finite or out of bounds.

    Examples
    --------
    >>> check_real("fit", "validation_split", 0.2, minimum=0, below=1)
    0.2
    >>> check_real("fit", "validation_split", 1, minimum=0, below=1)
    Traceback (most recent call last):
    ...
    ValueError: fit: validation_split must be a finite number >= 0 and < 1, got 1
    """
    given = value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{function}: {argument} must be a real number, got {described(given)}")
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if (math.isfinite(number) and (minimum is None or number >= minimum) and (maximum is None or number <= maximum)
            and (above is None or number > above) and (below is None or number < below)):
        return number
    if minimum is not None and maximum is not None:
        wanted = f"from {minimum:.7g} to {maximum:.7g}"
    else:
        bounds = ((">=", minimum), (">", above), ("<=", maximum), ("<", below))
        limits = " and ".join(f"{sign} {bound:.7g}" for sign, bound in bounds if bound is not None)
        wanted = f"a finite number {limits}".rstrip()
    raise ValueError(f"{function}: {argument} must be {wanted}, got {shortened(str(value))}")


def check_bool(function: str, argument: str, value: Any) -> bool:
    """Check a flag: a boolean, or the number 0 or 1.

    Raises
    ------
    TypeError
        If it is anything else.

    Examples
    --------
    >>> check_bool("SGD", "nesterov", np.True_)
    True
    """
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, float)) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{function}: {argument} must be True or False, got {described(value)}")


def check_choice(function: str, argument: str, value: Any, known: Collection[Any]) -> Any:
    """Check that a value is one of the known ones.

    Raises
    ------
    ValueError
        If it is not; lists the known ones.

    Examples
    --------
    >>> check_choice("conv2d", "padding", "full", ("valid", "same"))
    Traceback (most recent call last):
    ...
    ValueError: conv2d: padding must be 'valid' or 'same', got 'full'
    """
    try:
        if value in known:
            return value
    except (TypeError, ValueError):  # unhashable, or an array
        pass
    *most, last = map(repr, known)
    options = f"{', '.join(most)} or {last}" if most else last
    got = described(value, kind=not isinstance(value, str))
    raise ValueError(f"{function}: {argument} must be {options}, got {got}")


def check_pair(function: str, argument: str, value: Any) -> tuple[int, int]:
    """Check one whole number for both axes of an image, or a pair of them.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a number is not from 1 to 2^31 - 1. With this limit, the product of two cannot overflow.

    Examples
    --------
    >>> check_pair("conv2d", "strides", 2), check_pair("conv2d", "strides", (1, 3))
    ((2, 2), (1, 3))
    """
    try:
        pair = (value, value) if is_whole(value) else tuple(value)
    except TypeError:
        pair = ()
    if len(pair) != 2 or not all(map(is_whole, pair)):
        raise TypeError(f"{function}: {argument} must be a whole number or two of them, got {described(value)}")
    rows, columns = (check_count(function, argument, number, maximum=2**31 - 1) for number in pair)
    return rows, columns


def check_shape(function: str, argument: str, shape: Any) -> tuple[int | None, ...]:
    """Check the shape of one sample: whole numbers, and None for an axis of any size.

    Raises
    ------
    TypeError
        If it is not a sequence.
    ValueError
        If it has an invalid item.

    Examples
    --------
    >>> check_shape("Sequential", "input_shape", [28, None])
    (28, None)
    """
    if isinstance(shape, str) or not hasattr(shape, "__iter__"):
        raise TypeError(f"{function}: {argument} must be a tuple, the shape of one sample, got {shape!r}; for vectors "
                        "write (n,)")
    sizes = tuple(shape)
    if any(n is not None and not (is_whole(n) and n >= 1) for n in sizes):
        raise ValueError(f"{function}: {argument} must hold positive whole numbers or None, got {sizes}")
    return tuple(None if n is None else operator.index(n) for n in sizes)


def check_seed(function: str, rng: Any) -> np.random.Generator | np.random.SeedSequence:
    """Check what random numbers come from: a Generator, a SeedSequence, or a whole number that seeds one.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If the number is negative.

    Examples
    --------
    >>> check_seed("Sequential", 7).entropy
    7
    """
    if isinstance(rng, (np.random.Generator, np.random.SeedSequence)):
        return rng
    if not is_whole(rng):
        raise TypeError(f"{function}: rng must be an int, a SeedSequence or a Generator, got {described(rng)}")
    return np.random.SeedSequence(check_count(function, "rng", rng, minimum=0))


def check_labels(function: str, argument: str, y: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Check class labels: whole numbers from 0 to classes - 1.

    Parameters
    ----------
    function, argument : str
        Names for the error.
    y : ndarray
        Labels of any shape. Floats are valid if they are whole numbers.
    classes : int
        The number of classes.

    Returns
    -------
    ndarray of int64
        The labels, in the same shape.

    Raises
    ------
    ValueError
        If a label is invalid; names the first one, its index and the range.

    Examples
    --------
    >>> check_labels("fit", "y", np.array([0, 3, 10]), classes=10)
    Traceback (most recent call last):
    ...
    ValueError: fit: y holds the label 10 at index 2; with 10 classes labels go from 0 to 9
    """
    if y.dtype.kind == "i" and y.size and y.min() >= 0 and y.max() < classes:
        return y.astype(np.int64, copy=False)
    good = (y >= 0) & (y < classes)  # NaN fails both
    if y.dtype.kind == "f":
        good &= np.floor(y) == y
    if not good.all():
        index = first_index(~good)
        label = y[index].item()
        hint = ""
        if not float(label).is_integer():
            hint = "; expected whole numbers"
        elif label == classes and y.min() == 1 and y.max() == classes:
            hint = "; do the labels start at 1? Then subtract 1"
        where = index[0] if len(index) == 1 else index
        raise ValueError(f"{function}: {argument} holds the label {label} at index {where}; with {classes} classes "
                         f"labels go from 0 to {classes - 1}{hint}")
    return y.astype(np.int64, copy=False)


def first_index(mask: NDArray[Any]) -> tuple[int, ...]:
    """Return the index of the first True.

    Examples
    --------
    >>> first_index(np.array([[False, False], [False, True]]))
    (1, 1)
    """
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def described(value: Any, kind: bool = True) -> str:
    """Describe a value, and its type if `kind`, for an error message."""
    text = shortened(repr(value))
    return f"{text} ({type(value).__name__})" if kind and value is not None else text


def shortened(text: str) -> str:
    """Return a text, cut off after 100 characters."""
    return text if len(text) <= 100 else f"{text[:97]}..."


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's program that called this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
