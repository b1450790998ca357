"""Vectors that begin on a cache line: a wide load that crosses a line takes as long as two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

CACHE_LINE = 64


def check_bytes(size: int) -> int:
    """The number of bytes, if an array may have as many; NumPy would call more a wrong value."""
    if size > np.iinfo(np.intp).max:
        raise MemoryError(f"Unable to allocate {size:,} bytes")
    return size


def aligned(count: int, dtype: DTypeLike, allocate: Callable[..., NDArray[Any]] = np.empty) -> NDArray[Any]:
    """A vector made by np.empty or np.zeros."""
    size = check_bytes(int(count) * np.dtype(dtype).itemsize)
    memory = allocate(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start:start + size].view(dtype)


def aligned_copy(vector: NDArray[Any]) -> NDArray[Any]:
    """The same numbers."""
    copy = aligned(vector.size, vector.dtype)
    copy[:] = vector
    return copy
