"""Checks of arrays that the public kernel functions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinynn.checks import check_labels

#: Arrays of float32 or float64.
Floats = NDArray[np.floating[Any]]


def as_arrays(function: str, axes: Mapping[str, int] | None = None, /, **arrays: ArrayLike | None) -> list[Floats]:
    """Convert arguments to aligned C-contiguous arrays of one dtype, float32 or float64.

    Parameters
    ----------
    function : str
        Name of the public function, for the error.
    axes : dict, optional
        The number of axes that an argument must have, by its name.
    **arrays
        The arguments by name.

    Raises
    ------
    TypeError
        If an argument is missing or not float32 or float64, or two differ in dtype.
    ValueError
        If an argument has the wrong number of axes.
    """
    found: list[Any] = []
    kind = first = ""
    for name, value in arrays.items():
        if value is None:
            raise TypeError(f"{function}: {name} must be an array of float32 or float64, got None")
        array = np.asarray(value)
        dtype = array.dtype
        if dtype.char not in ("f", "d"):
            raise TypeError(f"{function}: {name} must be an array of float32 or float64, got {dtype}; convert it with "
                            f"{name}.astype('float32')")
        if not kind:
            kind, first = dtype.char, name
        elif dtype.char != kind:
            raise TypeError(f"{function}: {name} must have the dtype of {first}, {np.dtype(kind)}, got {dtype}; "
                            "convert one of them")
        if axes and name in axes and array.ndim != axes[name]:
            raise ValueError(f"{function}: {name} must have {axes[name]} axes, got shape {array.shape}")
        flags = array.flags
        if not (flags.c_contiguous and flags.aligned and dtype.isnative):
            array = np.require(array, kind, ["C", "A"])
        found.append(array)
    return found


def check_shape(function: str, name: str, array: Floats | None, shape: Sequence[int]) -> None:
    """Raise ValueError unless the array, or None, has the shape that the other arguments require."""
    if array is not None and array.shape != tuple(shape):
        raise ValueError(f"{function}: {name} must have shape {tuple(shape)} to fit the other arguments, got "
                         f"{array.shape}")


def check_elements(function: str, name: str, array: Floats) -> None:
    """Raise ValueError unless the array has a last axis with elements in it."""
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{function}: {name} must have a last axis of at least 1 element, got shape {array.shape}")


def labels_or_distribution(function: str, target: ArrayLike, name: str, prediction: Floats, shape: tuple[int, ...],
                           classes: int) -> tuple[NDArray[Any], bool]:
    """Check the target of a categorical loss or metric.

    Parameters
    ----------
    function : str
        Name of the public function, for the error.
    target : array_like
        Integers of shape `shape`: the label of each row. Or numbers of the prediction's dtype and of shape
        (*shape, classes): a distribution for each row, for instance one-hot.
    name, prediction : str, ndarray
        The prediction and its name.
    shape : tuple of int
        The shape of the rows.
    classes : int
        Labels are 0..classes-1.

    Returns
    -------
    target, sparse : ndarray, bool
        C-contiguous int64 labels and True, or the distribution and False.

    Raises
    ------
    TypeError
        If the target's dtype is neither an integer one nor the prediction's.
    ValueError
        If its shape does not fit, or a label is out of range.
    """
    array = np.asarray(target)
    if array.dtype.kind not in "iu":
        if array.dtype.kind != "f":
            raise TypeError(f"{function}: target must hold integer labels or a distribution of {prediction.dtype}, got "
                            f"{array.dtype}")
        _, distribution = as_arrays(function, **{name: prediction, "target": array})
        check_shape(function, "target", distribution, (*shape, classes))
        return distribution, False
    if array.shape != shape:
        raise ValueError(f"{function}: target must have shape {shape}, a label for each row of {name}, got "
                         f"{array.shape}; a one-hot target must be {prediction.dtype}")
    return np.require(check_labels(function, "target", array, classes), np.int64, ["C", "A"]), True
