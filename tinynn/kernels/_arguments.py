"""What the checked functions share about their arguments: required arrays, and targets that may be labels."""

import operator
from typing import Any

import numpy as np

from tinynn.kernels.op import as_arrays, expect_shape


def required_arrays(function: str, ndim: dict[str, int] | None = None, **arrays: Any) -> list[Any]:
    """The arguments as `tinynn.kernels.op.as_arrays` gives them; None is refused.

    Parameters
    ----------
    function : str
        Name of the public function, for the messages.
    ndim : dict, optional
        Number of axes an argument must have, by its name.
    **arrays
        The arguments by name.

    Raises
    ------
    TypeError
        If an argument is missing, is not float32 or float64, or two differ in dtype.
    ValueError
        If an argument has the wrong number of axes.
    """
    for name, value in arrays.items():
        if value is None:
            raise TypeError(f"{function}: {name} is missing; give an array of float32 or float64")
    return as_arrays(function, ndim, **arrays)


def whole_number(function: str, name: str, value: Any, bits: int) -> int:
    """A number that fits into so many bits.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is negative or too large.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {name} is {value!r}, but must be a whole number") from None
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{function}: {name} is {number}, but must be from 0 to 2**{bits} - 1")
    return number


def expect_elements(function: str, name: str, array: Any) -> None:
    """Raise ValueError unless the array has a last axis with elements in it."""
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, but needs a last axis of at least 1 element"
        )


def labels_or_distribution(
    function: str, target: Any, prediction_name: str, prediction: Any, shape: tuple[int, ...], classes: int
) -> tuple[Any, bool]:
    """The target of a categorical loss or metric.

    Parameters
    ----------
    function : str
        Name of the public function, for the messages.
    target : array_like
        Integers of shape `shape`: the label of each row. Or numbers of the prediction's dtype and shape
        (*shape, classes): a distribution for each row, for instance one-hot.
    prediction_name, prediction : str, ndarray
        What it belongs to.
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
            raise TypeError(
                f"{function}: target has dtype {array.dtype}, but must hold integer labels or a distribution "
                f"of dtype {prediction.dtype}"
            )
        _, distribution = as_arrays(function, **{prediction_name: prediction, "target": array})
        expect_shape(function, "target", distribution, (*shape, classes))
        return distribution, False
    if array.shape != shape:
        raise ValueError(
            f"{function}: target holds integers and has shape {array.shape}, but labels for {prediction_name}"
            f" of shape {prediction.shape} have shape {shape}; a one-hot target must be {prediction.dtype}"
        )
    if array.size and not (array.min() >= 0 and array.max() < classes):
        wrong = np.argwhere((array < 0) | (array >= classes))[0]
        raise ValueError(
            f"{function}: target is {array[tuple(wrong)]} at index {tuple(map(int, wrong))}, but labels run "
            f"from 0 to {classes - 1}"
        )
    return np.require(array, np.int64, ["C", "A"]), True
