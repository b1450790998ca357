"""Images of digits from files, converted to MNIST's form: light strokes on black, 28 x 28, centred.

Image files are read by Pillow (the extra ``images``); IDX and .npy files need nothing. No file is trusted: it must be a
regular file, its images may have at most 16 megapixels, which is checked in the header before anything is decoded, and
only one image is in memory at a time.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tinynn.cli.ink import factor_to, shrunk
from tinynn.cli.mnist_form import Image, like_mnist
from tinynn.cli.pictures import MAX_PIXELS, SHEET, read_picture, too_large
from tinynn.datasets import read_idx, read_idx_header
from tinynn.io.atomic import open_regular

MAX_IMAGES = 100_000  # from one file
MAX_BYTES = 2**30  # of a file that has to be read as a whole: IDX, or an array in Fortran order

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stack:
    """The images in an IDX or .npy file, each read when needed."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    read: Callable[[int], Array]


def read_images(argument: str, needed: int | None = None) -> tuple[list[Image], list[str], list[str]]:
    """Read the images that an argument of the command line names.

    Parameters
    ----------
    argument : str
        ``file.png``, or any other image file; ``file.npy`` or an IDX file, compressed or not, for all images
        in it, with ``:START:STOP`` for some, counted from 0 and without STOP.
    needed : int, optional
        How many are needed. If there are more, only one more is read.

    Returns
    -------
    images : list of numpy.ndarray
        uint8 of shape (28, 28).
    names : list of str
        A name for each.
    notes : list of str
        The changes that the user should know of.

    Raises
    ------
    OSError, ValueError
        If there is no such file, it has no images, or one has more than 16,777,216 pixels.
    ImportError
        If Pillow is needed and missing.
    """
    name, section = argument, slice(None)
    match = re.fullmatch(r"(.+):(\d{0,18}):(\d{0,18})", argument, re.DOTALL)
    if match and not os.path.exists(argument):
        name = match[1]
        section = slice(*(int(number) if number else None for number in match.groups()[1:]))
    with open_regular(name) as stream:
        stack = stack_in(stream, name)
        if stack is None:
            if name != argument:
                raise ValueError(f"{argument}: {name} is one image; :START:STOP is for IDX and .npy files")
            pictures, names = iter([read_picture(stream, name)]), [name]
        else:
            numbers = range(stack.shape[0])[section]
            if not numbers:
                raise ValueError(f"{argument}: no images are selected; {name} has {stack.shape[0]:,}")
            numbers = numbers[: None if needed is None else needed + 1]
            if len(numbers) > MAX_IMAGES:
                raise ValueError(
                    f"{argument}: must be at most {MAX_IMAGES:,} images, got {len(numbers):,}; select some, such as "
                    f"{name}:0:{MAX_IMAGES}"
                )
            pictures = read_stack(stack, numbers, name)
            names = [f"{name}:{number}" for number in numbers]
        images, notes = [], []
        for title, (pixels, shape) in zip(names, pictures, strict=True):
            image, changes = like_mnist(pixels, shape)
            images.append(image)
            notes += [f"{title}: {change}" for change in changes]
    return images, names, notes


def stack_in(stream: BinaryIO, name: str) -> Stack | None:
    """The images in an IDX or .npy file; None for any other file."""
    start = stream.read(6)
    stream.seek(0)
    if start == b"\x93NUMPY":
        return _npy_stack(stream, name)
    if start[:2] == b"\x1f\x8b" or (start[:2] == b"\0\0" and min(start[2:4], default=0) > 0 and start[2] >= 8):
        return _idx_stack(name)
    return None


def _idx_stack(name: str) -> Stack:
    dtype, shape = read_idx_header(name)
    return _in_memory(lambda: read_idx(name), dtype, shape, name)


def _npy_stack(stream: BinaryIO, name: str) -> Stack:
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"the format's version must be 1.0, got {version[0]}.{version[1]}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # a damaged header raises anything from TokenError to MemoryError
        raise ValueError(f"{name}: NumPy cannot read it: {error}") from error
    begin = stream.tell()
    found, size = os.fstat(stream.fileno()).st_size - begin, math.prod(shape) * dtype.itemsize
    if found < size and not dtype.hasobject:
        raise ValueError(f"{name}: cut short: expected {size:,} bytes after the header, found {found:,}")

    def read(start: int, shape: tuple[int, ...]) -> Array:
        size = math.prod(shape) * dtype.itemsize
        stream.seek(begin + start * size)
        return np.frombuffer(stream.read(size), dtype).reshape(shape)

    if fortran:
        return _in_memory(lambda: read(0, shape[::-1]).T, dtype, shape, name)
    count, height, width = _checked(shape, dtype, name)
    return Stack(dtype, (count, height, width), lambda number: read(number, (height, width)))


def _in_memory(read: Callable[[], Array], dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> Stack:
    """The images of a file that has to be read as a whole."""
    stacked = _checked(shape, dtype, name)
    if (size := math.prod(shape) * dtype.itemsize) > MAX_BYTES:
        raise ValueError(
            f"{name}: an IDX file, or an array in Fortran order, must have at most {MAX_BYTES:,} bytes, got {size:,}; "
            "write fewer images to a file"
        )
    return Stack(dtype, stacked, read().reshape(stacked).__getitem__)


def _checked(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> tuple[int, int, int]:
    """The shape as (count, height, width), after checking that it is one of images that are not too large."""
    if dtype.kind not in "buif":
        raise ValueError(f"{name}: must have numbers from 0 to 255, got {dtype} of shape {shape}")
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise ValueError(f"{name}: must be of shape (count, 28, 28), got {dtype} of shape {shape}")
    height, width = shape[-2:]
    if height * width > MAX_PIXELS:
        raise ValueError(too_large(name, f"{height:,} x {width:,}"))
    return (shape[0] if len(shape) == 3 else 1), height, width


def read_stack(stack: Stack, numbers: range, name: str) -> Iterator[tuple[Array, tuple[int, int]]]:
    """The brightness of some images of a stack, from 0 to 255, and their size.

    uint8 if they are 28 x 28, else float32 and shrunk to `SHEET`. Booleans, and numbers that are all at most 1, count
    as 0 to 1, other numbers as 0 to 255.
    """
    extremes = np.array([[float(limit) for limit in (image.min(), image.max())] for image in map(stack.read, numbers)])
    low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())
    if not 0 <= low <= high <= 255:  # false for NaN, too
        raise ValueError(f"{name}: numbers must be from 0 to 255, or from 0.0 to 1.0, got {low:g} to {high:g}")
    scale = 255 if high <= 1 else 1
    _, height, width = stack.shape
    factor = factor_to(SHEET, (height, width))
    for number in numbers:
        pixels = stack.read(number)
        values = shrunk(pixels, factor) if factor > 1 else pixels
        values = values if values.dtype == np.uint8 and scale == 1 else np.multiply(values, scale, dtype=np.float32)
        yield (np.rint(values).astype(np.uint8) if factor == 1 else values), (height, width)
