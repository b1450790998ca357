"""Converts the objects that users pass as data (arrays, data frames, lists, ...) to arrays of real numbers.

The errors for other objects say what was given and what to pass instead.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping, MappingView, Set
from datetime import date, time, timedelta
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Time types of pandas without a counterpart in NumPy or Python.
_PANDAS_TIMES = ("NaTType", "Period", "Interval")


def as_array(data: Any, argument: str, function: str, empty: bool = False) -> Array:
    """Convert an object to a C-contiguous array of real numbers in native byte order."""
    plain = type(data) is np.ndarray and data.dtype.kind in "biuf"  # the fast path for usual data
    array = data if plain else _as_numbers(data, argument, function)
    where = f"{function}: {argument}"
    if array.ndim == 0:
        raise ValueError(f"{where} is a single number; expected an array whose first axis counts the samples")
    if array.size == 0 and not (empty and len(array) == 0):
        raise ValueError(f"{where} is empty: it has shape {array.shape}; give at least one sample")
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


def _as_numbers(data: Any, argument: str, function: str) -> Array:
    """Convert an object to an array of real numbers, in any memory layout."""
    where = f"{function}: {argument}"
    if data is None:
        raise TypeError(f"{where} is None; pass an array")
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise TypeError(f"{where} is an array with masked values; fill or drop them first (.filled(value))")
    if _has_unlike_columns(data):
        # np.asarray would convert a data frame with mixed dtypes to Python objects.
        columns = [_as_numbers(column, f"column {str(name)!r} of {argument}", function)
                   for name, column in data.items()]
        return np.column_stack(columns)
    if isinstance(data, (Mapping, MappingView, Set, Iterator)) and not hasattr(data, "__array__"):
        raise _not_an_array(data, argument, function)
    try:
        # np.asarray reads buffers and __array__, so DLPack is only needed for objects without them
        only_dlpack = hasattr(data, "__dlpack__") and not hasattr(data, "__array__")
        array: Array = np.from_dlpack(data) if only_dlpack else np.asarray(data)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        hint = "; do its rows have different lengths?" if isinstance(data, (list, tuple)) else ""
        what = f"{where} ({type(data).__name__})"
        raise TypeError(f"{what} cannot be read as an array: {error}{hint}") from error
    if array.dtype.kind == "O":
        if array.ndim == 0:
            raise _not_an_array(data, argument, function)
        return _from_objects(array, data, argument, function)
    if array.dtype.kind not in "biuf":
        hint = _hint(array.dtype.type, data, argument)
        expected = "real numbers (float32, float64, uint8, ...)"
        raise TypeError(f"{where} has dtype {array.dtype}; expected {expected}{hint}")
    return array


def _has_unlike_columns(data: Any) -> bool:
    """Whether it is a data frame that NumPy would convert to objects although its columns may be numbers."""
    if not (hasattr(data, "columns") and hasattr(data, "dtypes") and hasattr(data, "items")):
        return False
    kinds = {dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in data.dtypes}
    return not (kinds <= set("iuf") or kinds == {"b"})


def _not_an_array(data: Any, argument: str, function: str) -> TypeError:
    """Make the error for an object that cannot be converted to an array; it says what to pass instead."""
    if isinstance(data, Mapping):
        keys = ", ".join(map(repr, islice(data, 4))) + (", ..." if len(data) > 4 else "")
        hint = f"; pass one of its values, or join them as columns: np.column_stack(list(values)). Its keys: {keys}"
    elif isinstance(data, (MappingView, Iterator)):
        hint = "; collect its items first: np.stack(list(...))"
    elif isinstance(data, Set):
        hint = ", which has no order; pass a list or an array"
    elif hasattr(data, "toarray"):
        hint = "; convert a sparse matrix with x.toarray()"
    elif isinstance(data, Iterable):
        hint = ("; collect its samples in arrays first (np.stack, np.concatenate), or make it a data set with "
                "samples(epoch), sample_shape and len")
    else:
        hint = ""
    return TypeError(f"{function}: {argument} must be an array of numbers, got {type(data).__name__}{hint}")


def _from_objects(array: Array, data: Any, argument: str, function: str) -> Array:
    """Convert an array of Python numbers to float64. Missing values in a column of a data frame become NaN."""
    kinds = set(map(type, array.flat))
    absent = {kind for kind in kinds if kind.__name__ == "NAType" or (kind is type(None) and hasattr(data, "to_numpy"))}
    wrong = {kind for kind in kinds - absent if not _is_number(kind)}
    if absent:
        array = np.array([math.nan if type(v) in absent else v for v in array.flat], object).reshape(array.shape)
    try:
        if not wrong:
            return to_double(array)
    except Exception:  # too large, or whatever a user's __float__ raises
        pass
    index, value = next(((index, value) for index, value in np.ndenumerate(array)
                         if type(value) in wrong or not _converts(value)), ((0,) * array.ndim, array.flat[0]))
    raise TypeError(f"{function}: {argument} holds {reprlib.repr(value)} ({type(value).__name__}) at "
                    f"{place(index, data)}; expected real numbers{_hint(type(value), data, argument)}")


def _is_number(kind: type) -> bool:
    if issubclass(kind, np.generic):
        return issubclass(kind, (np.bool_, np.integer, np.floating)) and not issubclass(kind, np.timedelta64)
    return hasattr(kind, "__float__") or hasattr(kind, "__index__")


def _converts(value: Any) -> bool:
    try:
        float(value)
    except Exception:
        return False
    return True


def place(index: tuple[int, ...], data: Any) -> str:
    """Describe an index, with the column's name if the data are a data frame."""
    names = getattr(data, "column_names", getattr(data, "columns", None))
    known = list(names) if isinstance(names, Iterable) else []
    if len(index) == 2 and index[1] < len(known):
        return f"index {index}, column {str(known[index[1]])!r}"
    return f"index {index}"


def _hint(kind: type, data: Any, argument: str) -> str:
    """Suggest how to convert values of a type that is not a number."""
    if issubclass(kind, (str, bytes)):
        if hasattr(data, "to_numpy") or hasattr(data, "columns"):
            return ("; convert text with pandas.get_dummies(...) (a 0/1 column per value) or "
                    ".astype('category').cat.codes (a number per value), and digits with .astype(float)")
        name = argument if argument.isidentifier() else "..."
        return (f"; convert class names to labels with np.unique({name}, return_inverse=True)[1], and digits to "
                "numbers with .astype(float)")
    if issubclass(kind, (np.datetime64, np.timedelta64, date, time, timedelta)) or kind.__name__ in _PANDAS_TIMES:
        return "; convert times to numbers first, such as days since the earliest"
    if issubclass(kind, (complex, np.complexfloating)):
        return "; pass its real and imaginary parts as two features"
    if issubclass(kind, np.void):
        return "; join its fields with numpy.lib.recfunctions.structured_to_unstructured"
    if issubclass(kind, int):
        return " up to 1.8e308"
    if kind is type(None):
        return "; fill in or drop missing values"
    if issubclass(kind, (list, tuple, np.ndarray)):
        return "; do its rows have different lengths? Join rows of the same length with np.stack"
    return ""


def to_double(array: Array) -> NDArray[np.float64]:
    """Convert to float64. A long double that is too large becomes infinite; `check_finite` finds it."""
    with np.errstate(over="ignore"):
        return array.astype(np.float64)
