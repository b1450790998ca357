"""Converts and checks the user's data before anything runs.

Pure functions over NumPy arrays. Each error names the function that the user called, the argument, what was expected
and what was given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinynn.checks import check_count, check_real, first_index
from tinynn.engine.arrays import all_finite
from tinynn.training.reading import as_array, place, to_double

Array = NDArray[Any]
#: Samples, targets and sample weights.
Part = tuple[Array, Array | None, Array | None]

#: Elements per chunk in `check_finite`; a chunk fits in the cache.
_CHUNK = 1 << 16

#: The smallest float64 that rounds to infinity in float32: 2^128 - 2^103.
_FLOAT32_OVERFLOW = 3.4028235677973366e38


def as_samples(x: Any, argument: str = "x", function: str = "fit", empty: bool = False) -> Array:
    """Convert samples to a dtype that the engine reads, copying only if necessary.

    float32, float64 and uint8 stay. bool becomes uint8. float16 and integers of up to 16 bits become float32. Wider
    integers, long doubles and numeric objects become float64.

    Parameters
    ----------
    x : array_like
        Shape (samples, ...): an object with the buffer protocol, ``__array__`` or ``__dlpack__``, nested lists, or a
        data frame of numbers or booleans, whose missing values become NaN. Any byte order and strides; may be
        read-only.
    argument, function : str
        Names for the error.
    empty : bool
        Whether to allow zero samples.

    Returns
    -------
    ndarray of float32, float64 or uint8
        C-contiguous, in native byte order. It shares memory with `x` if no conversion is needed.

    Raises
    ------
    TypeError
        If it is not an array of real numbers (text, dates, complex, masked, ragged, an iterator, a dict, ...).
    ValueError
        If it is empty or a single number.

    Examples
    --------
    >>> as_samples([[1, 2], [3, 4]]).dtype
    dtype('float64')
    >>> as_samples(np.zeros((2, 3), complex))
    Traceback (most recent call last):
    ...
    TypeError: fit: x has dtype complex128; expected real numbers (float32, float64, uint8, ...); pass its \
real and imaginary parts as two features
    """
    array = as_array(x, argument, function, empty)
    return array.view(np.uint8) if array.dtype in (np.bool_, np.uint8) else _as_floats(array)


def _as_floats(array: Array) -> Array:
    """Convert to float32 if that is exact, otherwise to float64; float32 and float64 stay."""
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32) if array.dtype.itemsize <= 2 else to_double(array)


def as_targets(y: Any, argument: str = "y", function: str = "fit") -> Array:
    """Convert targets to int64 (labels, counts, integer one-hot rows), float32 or float64.

    Parameters
    ----------
    y : array_like
        As for `as_samples`, shape (samples, ...).
    argument, function : str
        Names for the error.

    Returns
    -------
    ndarray of int64, float32 or float64
        int64 for integers and booleans, float32 for float16, float64 for long doubles and objects.

    Raises
    ------
    TypeError, ValueError
        As `as_samples`; also if an unsigned integer exceeds int64.

    Examples
    --------
    >>> as_targets(np.array([3, 1], "uint8")).dtype
    dtype('int64')
    """
    array = as_array(y, argument, function)
    if array.dtype.kind == "f":
        return _as_floats(array)
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{function}: {argument} holds {array.max()}, too large for a signed 64-bit integer")
    return array.astype(np.int64, copy=False)


def check_finite(array: Array, argument: str, function: str, dtype: DTypeLike = np.float64, source: Any = None) -> None:
    """Check that all numbers are finite, also after conversion to the model's dtype.

    Parameters
    ----------
    array : ndarray
        The numbers; arrays of integers always pass.
    argument, function : str
        Names for the error.
    dtype : dtype
        The model's dtype.
    source : object, optional
        The object that the array was made from. If it is a data frame, the error names the column.

    Raises
    ------
    ValueError
        If a number is not finite; names the first one and its index.

    Examples
    --------
    >>> check_finite(np.array([[1.0, 2.0], [np.nan, 4.0]]), "x", "fit")
    Traceback (most recent call last):
    ...
    ValueError: fit: x holds nan at index (1, 0); expected finite numbers. Clean the data, or pass \
check_finite=False to skip this check
    """
    single = np.dtype(dtype) == np.float32
    if array.dtype.kind != "f" or array.size == 0 or all_finite(array, single):
        return
    limit = _FLOAT32_OVERFLOW if single and array.dtype.itemsize > 4 else math.inf
    rows = max(1, _CHUNK * len(array) // array.size)
    for first in range(0, len(array), rows):
        part = array[first : first + rows]
        good = np.abs(part) < limit
        if good.all():
            continue
        index = first_index(~good)
        where = place((first + index[0], *index[1:]), source)
        what = f"{function}: {argument} holds {part[index]} at {where}"
        if np.isfinite(part[index]):
            raise ValueError(f"{what}, too large for float32; expected numbers up to 3.4e38. Scale the data, or make "
                             "the model with dtype='float64'")
        raise ValueError(f"{what}; expected finite numbers. Clean the data, or pass check_finite=False to skip this "
                         "check")


def check_same_length(function: str, **arrays: Any) -> int:
    """Check that arrays have the same length.

    Parameters
    ----------
    function : str
        Name for the error.
    **arrays : array or None
        The arrays by argument name; None is ignored.

    Returns
    -------
    int
        The length.

    Raises
    ------
    ValueError
        If the lengths differ; names all of them.

    Examples
    --------
    >>> check_same_length("fit", x=np.zeros((3, 2)), y=np.zeros(2))
    Traceback (most recent call last):
    ...
    ValueError: fit: the first axes must have the same length, got x 3, y 2; were rows dropped from one of them?
    """
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"{function}: the first axes must have the same length, got {got}; were rows dropped from one "
                         "of them?")
    return next(iter(lengths.values()), 0)


def as_sample_weight(weight: Any, shape: tuple[int, ...], argument: str = "sample_weight", function: str = "fit",
                     dtype: DTypeLike = np.float64) -> NDArray[np.float64]:
    """Check sample weights. Negative weights are allowed; policy gradients use them.

    Parameters
    ----------
    weight : array_like
        Shape (samples,), (samples, 1), or one weight for each loss, such as (samples, steps).
    shape : tuple of int
        Shape of the losses: (samples,) or (samples, steps).
    argument, function : str
        Names for the error.
    dtype : dtype
        The model's dtype.

    Returns
    -------
    ndarray of float64
        Shape ``shape[:k]``, with k from 1 to len(shape).

    Raises
    ------
    TypeError, ValueError
        If the weights are not numbers, not finite, too large for `dtype`, or have another shape.

    Examples
    --------
    >>> as_sample_weight([1, 0.5], (2,))
    array([1. , 0.5])
    """
    array = as_array(weight, argument, function)
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.shape != shape[: array.ndim]:
        wanted = " or ".join(str(shape[:k]) for k in range(1, len(shape) + 1))
        got = f"{function}: {argument} has shape {array.shape}"
        raise ValueError(f"{got}; expected one weight per loss: {wanted}")
    array = np.ascontiguousarray(to_double(array))
    check_finite(array, argument, function, dtype, weight)
    return array


def class_weight_to_sample_weight(class_weight: Mapping[int, float], y: Array, function: str = "fit",
                                  dtype: DTypeLike = np.float64) -> NDArray[np.float64]:
    """Return the class weight of each sample. Classes not in the dict have weight 1 (Keras' rule).

    Parameters
    ----------
    class_weight : dict
        Class -> weight.
    y : ndarray
        Labels of shape (samples,) or (samples, 1), or one-hot rows or distributions of shape (samples, classes).
    function : str
        Name for the error.
    dtype : dtype
        The model's dtype.

    Returns
    -------
    ndarray of float64, shape (samples,)

    Raises
    ------
    TypeError, ValueError
        If `class_weight` is not such a dict, or if `y` does not give one class per sample.

    Examples
    --------
    >>> class_weight_to_sample_weight({1: 2.5}, np.array([0, 1, 1]))
    array([1. , 2.5, 2.5])
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"{function}: class_weight must be a dict of class -> weight, got "
                        f"{type(class_weight).__name__}")
    largest = float(np.finfo(dtype).max)
    weights = {
        check_count(function, "each class in class_weight", label, minimum=0): check_real(
            function, f"class_weight[{label!r}]", weight, minimum=-largest, maximum=largest
        )
        for label, weight in class_weight.items()
    }
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    hint = ""
    if y.ndim == 2:
        sums = y.sum(axis=1, dtype=np.float64)
        one_class = (np.abs(sums - 1) < 1e-3) & np.all(y >= 0, axis=1)
        if one_class.all():
            y = y.argmax(axis=1)
        else:
            row = int(np.argmin(one_class))
            hint = f" whose row {row} sums to {sums[row]:g}"
    if y.ndim != 1:
        raise ValueError(f"{function}: class_weight needs one class per sample: labels (samples,) or one-hot rows "
                         f"(samples, classes), got y of shape {y.shape}{hint}; use sample_weight instead")
    result = np.ones(len(y), np.float64)
    for label, weight in weights.items():
        result[y == label] = weight
    return result


def split_validation(x: Array, y: Array | None, weight: Array | None, fraction: float) -> tuple[Part, Part]:
    """Split off the last samples for validation, before any shuffling (Keras' rule).

    ``floor(samples * (1 - fraction))`` samples remain, computed without the rounding error of ``1 - 0.9``.

    Parameters
    ----------
    x, y, weight : ndarray or None
        Arrays of the same length.
    fraction : float
        The fraction to split off, in (0, 1).

    Returns
    -------
    (x, y, weight), (x, y, weight)
        Views: training and validation.

    Raises
    ------
    TypeError, ValueError
        If `fraction` is not in (0, 1), or if one part would be empty.

    Examples
    --------
    >>> (x, _, _), (x_validation, _, _) = split_validation(np.arange(10), None, None, 0.2)
    >>> x_validation
    array([8, 9])
    """
    fraction = check_real("fit", "validation_split", fraction, above=0, below=1)
    kept = math.floor(round(len(x) * (1 - fraction), 6))
    if kept == 0 or kept == len(x):
        raise ValueError(f"fit: validation_split={fraction:g} of {len(x)} samples leaves {kept} to train on and "
                         f"{len(x) - kept} to validate on; both need at least one")
    (y, y_last), (weight, weight_last) = [(a, a) if a is None else (a[:kept], a[kept:]) for a in (y, weight)]
    return (x[:kept], y, weight), (x[kept:], y_last, weight_last)
