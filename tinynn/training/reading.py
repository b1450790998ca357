"""Reading what a user passes as data: arrays, tables, lists and what offers one of them become arrays of numbers.

What is none says what it is, and what to pass instead.
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

#: pandas' types of times that NumPy and Python do not have.
_OF_TIME = ("NaTType", "Period", "Interval")


def as_array(data: Any, argument: str, function: str, empty: bool = False) -> Array:
    """Any buffer, ``__array__``, DLPack exporter, table or list as a C-contiguous native array of real numbers."""
    plain = type(data) is np.ndarray and data.dtype.kind in "biuf"  # what most data are needs no closer look
    array = data if plain else _as_numbers(data, argument, function)
    where = f"{function}: {argument}"
    if array.ndim == 0:
        raise ValueError(f"{where} is a single number; expected an array whose first axis counts the samples")
    if array.size == 0 and not (empty and len(array) == 0):
        raise ValueError(f"{where} is empty: it has shape {array.shape}; give at least one sample")
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


def _as_numbers(data: Any, argument: str, function: str) -> Array:
    """The array that an object is, offers or holds, if that is one of real numbers."""
    where = f"{function}: {argument}"
    if data is None:
        raise TypeError(f"{where} is None; pass an array")
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise TypeError(f"{where} is an array with masked values; fill or drop them first (.filled(value))")
    if _has_unlike_columns(data):
        # NumPy would make an object of each number of a table as soon as one column is of another kind.
        columns = [_as_numbers(column, f"column {str(name)!r} of {argument}", function)
                   for name, column in data.items()]
        return np.column_stack(columns)
    if isinstance(data, (Mapping, MappingView, Set, Iterator)) and not hasattr(data, "__array__"):
        raise _not_an_array(data, argument, function)
    try:
        # NumPy knows buffers and __array__; DLPack is for those that offer nothing else
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
    """Whether it is a table as pandas has them, of which NumPy would make objects though its columns are numbers."""
    if not (hasattr(data, "columns") and hasattr(data, "dtypes") and hasattr(data, "items")):
        return False
    kinds = {dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in data.dtypes}
    return not (kinds <= set("iuf") or kinds == {"b"})


def _not_an_array(data: Any, argument: str, function: str) -> TypeError:
    """The error for an object that neither is an array nor offers one; says what to pass instead."""
    if isinstance(data, Mapping):
        keys = ", ".join(map(repr, islice(data, 4))) + (", ..." if len(data) > 4 else "")
        hint = f"; pass one of its values, or join them as columns: np.column_stack(list(values)). Its keys: {keys}"
    elif isinstance(data, (MappingView, Iterator)):
        hint = "; collect what it gives first: np.stack(list(...))"
    elif isinstance(data, Set):
        hint = ", which has no order; pass a list or an array"
    elif hasattr(data, "toarray"):
        hint = "; a sparse matrix is passed as x.toarray()"
    elif isinstance(data, Iterable):
        hint = ("; collect its samples in arrays first (np.stack, np.concatenate), or give it what a data set has: "
                "samples(epoch), sample_shape and len")
    else:
        hint = ""
    return TypeError(f"{function}: {argument} must be an array of numbers, got {type(data).__name__}{hint}")


def _from_objects(array: Array, data: Any, argument: str, function: str) -> Array:
    """An array of Python's numbers as float64. In a table's column, what is missing becomes NaN."""
    kinds = set(map(type, array.flat))
    absent = {kind for kind in kinds if kind.__name__ == "NAType" or (kind is type(None) and hasattr(data, "to_numpy"))}
    wrong = {kind for kind in kinds - absent if not _is_number(kind)}
    if absent:
        array = np.array([math.nan if type(v) in absent else v for v in array.flat], object).reshape(array.shape)
    try:
        if not wrong:
            return to_double(array)
    except Exception:  # too large, or a number only by its looks: whatever its __float__ raises
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
    """An index, with the column's name if the data are a table."""
    names = getattr(data, "column_names", getattr(data, "columns", None))
    known = list(names) if isinstance(names, Iterable) else []
    if len(index) == 2 and index[1] < len(known):
        return f"index {index}, column {str(known[index[1]])!r}"
    return f"index {index}"


def _hint(kind: type, data: Any, argument: str) -> str:
    """What to do with values of a type that is no number."""
    if issubclass(kind, (str, bytes)):
        if hasattr(data, "to_numpy") or hasattr(data, "columns"):
            return ("; text becomes numbers by pandas.get_dummies(...), a column of 0 and 1 for each value, or by "
                    ".astype('category').cat.codes, a number for each; digits by .astype(float)")
        name = argument if argument.isidentifier() else "..."
        return (f"; number the names of classes by np.unique({name}, return_inverse=True)[1], and turn digits into "
                "numbers by .astype(float)")
    if issubclass(kind, (np.datetime64, np.timedelta64, date, time, timedelta)) or kind.__name__ in _OF_TIME:
        return "; turn times into numbers first, such as days since the first of them"
    if issubclass(kind, (complex, np.complexfloating)):
        return "; pass its real and imaginary parts as two features"
    if issubclass(kind, np.void):
        return "; join its fields by numpy.lib.recfunctions.structured_to_unstructured"
    if issubclass(kind, int):
        return " up to 1.8e308"
    if kind is type(None):
        return "; fill in or drop what is missing"
    if issubclass(kind, (list, tuple, np.ndarray)):
        return "; do its rows have different lengths? Those of one length are joined by np.stack"
    return ""


def to_double(array: Array) -> NDArray[np.float64]:
    """As float64; a long double that is too large becomes infinite, which `check_finite` finds."""
    with np.errstate(over="ignore"):
        return array.astype(np.float64)
