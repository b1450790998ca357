"""Checks of images and labels, shared by the data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IMAGE_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))


def checked_images(images: Any, caller: str) -> npt.NDArray[Any]:
    """Return `images` as a C-contiguous array (count, *image shape); copied only if it was not one."""
    images = np.asarray(images)
    if images.dtype not in IMAGE_DTYPES:
        raise TypeError(
            f"{caller}: images has dtype {images.dtype}, expected uint8, float32 or float64; "
            "convert it with images.astype(...)"
        )
    if images.ndim < 2:
        raise ValueError(
            f"{caller}: images has shape {images.shape}, expected (count, height, width) or (count, pixels)"
        )
    if images.size == 0:
        raise ValueError(f"{caller}: images is empty (shape {images.shape}); at least one image is needed")
    return np.require(images, None, ["C", "A"])


def checked_integers(values: Any, name: str, caller: str) -> npt.NDArray[Any]:
    """Return `values` as an array of an integer dtype."""
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{caller}: {name} has dtype {array.dtype}, expected an integer dtype; "
            f"convert it with {name}.astype(numpy.int64)"
        )
    return array


def checked_labels(labels: Any, count: int, caller: str) -> npt.NDArray[Any]:
    """Return `labels` as an integer array of shape (count,)."""
    array = checked_integers(labels, "labels", caller)
    if array.shape != (count,):
        raise ValueError(
            f"{caller}: labels has shape {array.shape}, but there are {count} images; "
            f"expected one label per image, shape ({count},)"
        )
    return array


def check_range(values: npt.NDArray[Any], highest: int, name: str, meaning: str, caller: str) -> None:
    """Raise ValueError, naming the first offender, unless all `values` are in 0..highest."""
    wrong = (values < 0) | (values > highest)
    if wrong.any():
        position = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = ", ".join(str(i) for i in position)
        raise ValueError(
            f"{caller}: {name}[{where}] is {values[position]}, expected 0..{highest} ({meaning}); "
            f"{int(wrong.sum())} of {values.size} are out of range"
        )
