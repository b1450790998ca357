"""Reads and writes parameters in a flat vector as lists of arrays, for models and layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinynn.engine.graph import Parameter, view


def read_weights(flat: np.ndarray, parameters: Iterable[Parameter]) -> list[np.ndarray]:
    """Return copies of the parameters, each in its shape."""
    return [view(flat, parameter).copy() for parameter in parameters]


def write_weights(flat: np.ndarray, parameters: Sequence[Parameter], weights: Sequence[Any], function: str) -> None:
    """Set the parameters.

    Raises
    ------
    TypeError
        If `weights` is not a sequence of arrays.
    ValueError
        If the number of arrays, a shape or a value does not fit. No parameter changes in that case.
    """
    if isinstance(weights, (str, bytes, np.generic)) or not hasattr(weights, "__len__"):
        raise TypeError(f"{function}: weights must be a list of arrays, got {type(weights).__name__}")
    arrays = [np.asarray(w) for w in weights]
    if len(arrays) != len(parameters):
        raise ValueError(f"{function}: expected {len(parameters)} arrays ({', '.join(p.path for p in parameters)}), "
                         f"got {len(arrays)}")
    for array, parameter in zip(arrays, parameters, strict=True):
        if array.shape != parameter.shape:
            raise ValueError(f"{function}: {parameter.path!r} must have shape {parameter.shape}, got {array.shape}")
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{function}: {parameter.path!r} must be numbers, got dtype {array.dtype}")
    with np.errstate(over="ignore"):  # values too large for float32 are found below
        converted = [array.astype(flat.dtype) for array in arrays]
    for old, new, parameter in zip(arrays, converted, parameters, strict=True):
        if (np.isinf(new) & np.isfinite(old)).any():
            raise ValueError(f"{function}: {parameter.path!r} holds {np.abs(old).max()}, too large for {flat.dtype}")
    for array, parameter in zip(converted, parameters, strict=True):
        view(flat, parameter)[...] = array
