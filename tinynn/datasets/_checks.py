"""Checks of images and labels, shared by the data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IMAGE_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))


def checked_images(images: Any, caller: str) -> npt.NDArray[Any]:
    """Return `images` as a C-contiguous array (count, *image shape), copied only if necessary."""
    images = np.asarray(images)
    if images.dtype not in IMAGE_DTYPES:
        raise TypeError(
            f"{caller}: images must be uint8, float32 or float64, got {images.dtype}; convert it with "
            "images.astype(...)"
        )
    if images.ndim < 2:
        raise ValueError(
            f"{caller}: images must be of shape (count, height, width) or (count, pixels), got {images.shape}"
        )
    if images.size == 0:
        raise ValueError(f"{caller}: images must have at least one image, got shape {images.shape}")
    return np.require(images, None, ["C", "A"])


def checked_integers(values: Any, name: str, caller: str) -> npt.NDArray[Any]:
    """Return `values` as an array of an integer dtype."""
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{caller}: {name} must be of an integer dtype, got {array.dtype}; convert it with "
            f"{name}.astype(numpy.int64)"
        )
    return array


def checked_labels(labels: Any, count: int, caller: str) -> npt.NDArray[Any]:
    """Return `labels` as an integer array of shape (count,)."""
    array = checked_integers(labels, "labels", caller)
    if array.shape != (count,):
        raise ValueError(
            f"{caller}: labels must be of shape ({count},), one label per image, got {array.shape}"
        )
    return array


def check_range(values: npt.NDArray[Any], highest: int, name: str, meaning: str, caller: str) -> None:
    """Raise ValueError, naming the first wrong value, unless all `values` are in 0..highest."""
    wrong = (values < 0) | (values > highest)
    if wrong.any():
        position = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = ", ".join(str(i) for i in position)
        raise ValueError(
            f"{caller}: {name}[{where}] must be in 0..{highest} ({meaning}), got {values[position]}; "
            f"{int(wrong.sum())} of {values.size} are out of range"
        )
