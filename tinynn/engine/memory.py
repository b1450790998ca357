"""Vectors aligned to cache lines: a wide load that crosses a line costs as much as two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

CACHE_LINE = 64


def check_bytes(size: int) -> int:
    """Return the size unless no array can be that large, for which NumPy would raise ValueError."""
    if size > np.iinfo(np.intp).max - CACHE_LINE:
        raise MemoryError(f"Unable to allocate {size:,} bytes")
    return size


def padded(size: int) -> int:
    """Bytes rounded up to whole cache lines."""
    return -(-size // CACHE_LINE) * CACHE_LINE


def aligned(count: int, dtype: DTypeLike, allocate: Callable[..., NDArray[Any]] = np.empty) -> NDArray[Any]:
    """An aligned vector, made by np.empty or np.zeros."""
    size = check_bytes(int(count) * np.dtype(dtype).itemsize)
    memory = allocate(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start:start + size].view(dtype)


def aligned_copy(vector: NDArray[Any]) -> NDArray[Any]:
    """An aligned copy of a vector."""
    copy = aligned(vector.size, vector.dtype)
    copy[:] = vector
    return copy
