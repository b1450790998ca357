"""Images of digits from files, brought into MNIST's form: light strokes on black, 28 x 28, centred.

Image files are read by Pillow, the extra ``images``; IDX and .npy files need nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from tinynn.datasets import read_idx

SIDE = 28  # of an MNIST image
BOX = 20  # in which the digit of an MNIST image stands


def read_images(argument: str) -> tuple[list[np.ndarray], list[str], list[str]]:
    """Read the images that an argument of the command line names.

    Parameters
    ----------
    argument : str
        ``file.png``, or any other image file; ``file.npy`` or an IDX file, compressed or not, for all images
        in it; either with ``:START:STOP`` for some, counted from 0, STOP not among them.

    Returns
    -------
    images : list of numpy.ndarray
        uint8 of shape (28, 28).
    names : list of str
        What to call each of them.
    notes : list of str
        What was changed that the user should know.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it holds no images.
    ImportError
        If Pillow is needed and missing.
    """
    name, section = argument, None
    match = re.fullmatch(r"(.+):(\d*):(\d*)", argument)
    if match and not Path(argument).exists():
        name = match[1]
        section = slice(*(int(number) if number else None for number in match.groups()[1:]))
    array = read_array(Path(name))
    if array is None:
        if section is not None:
            raise ValueError(f"{argument}: {name} is one image; :START:STOP is for IDX and .npy files")
        raw, names = [read_picture(Path(name))], [name]
    else:
        if array.ndim == 2:
            array = array[None]
        if array.ndim != 3 or 0 in array.shape[1:]:
            raise ValueError(f"{name}: holds {array.dtype} of shape {array.shape}, expected (count, 28, 28)")
        numbers = range(len(array))[section or slice(None)]
        if not numbers:
            raise ValueError(f"{argument}: has no images; {name} holds {len(array):,}")
        raw = list(array[numbers.start : numbers.stop])
        names = [f"{name}:{number}" for number in numbers]
    images, notes = [], []
    for pixels, title in zip(raw, names, strict=True):
        image, changes = like_mnist(pixels)
        images.append(image)
        notes += [f"{title}: {change}" for change in changes]
    return images, names, notes


def read_array(path: Path) -> np.ndarray | None:
    """The uint8 array in an IDX or .npy file; None for any other file."""
    with open(path, "rb") as file:
        start = file.read(6)
    if start == b"\x93NUMPY":
        try:
            array = np.load(path, allow_pickle=False)
        except Exception as error:  # a damaged header is anything from TokenError to MemoryError
            raise ValueError(f"{path}: NumPy cannot read it: {error}") from error
    elif start[:2] in (b"\x1f\x8b", b"\0\0"):  # gzip; IDX
        array = read_idx(path)
    else:
        return None
    return as_bytes(array, str(path))


def as_bytes(array: np.ndarray, name: str) -> np.ndarray:
    """Brightness 0..255 as uint8; booleans, and numbers with a point that are all up to 1, are 0..1."""
    if array.dtype.kind not in "buif" or array.size == 0:
        raise ValueError(
            f"{name}: holds {array.dtype} of shape {array.shape}, expected numbers from 0 to 255"
        )
    scale = 255 if array.dtype.kind == "b" or (array.dtype.kind == "f" and array.max() <= 1) else 1
    low, high = float(array.min()), float(array.max())
    if not 0 <= low <= high * scale <= 255:  # false for NaN, too
        raise ValueError(f"{name}: holds numbers from {low:g} to {high:g}, expected 0 to 255, or 0.0 to 1.0")
    return to_bytes(array, scale)


def to_bytes(array: np.ndarray, scale: float) -> np.ndarray:
    """Multiply by `scale`, and round to uint8."""
    values: np.ndarray = np.rint(np.clip(array * np.float64(scale), 0, 255))
    return values.astype(np.uint8)


def read_picture(path: Path) -> np.ndarray:
    """The brightness of an image file's pixels, uint8 of shape (height, width)."""
    image_module, operations = pillow(f"{path}: not IDX nor .npy; reading other images")
    try:
        with image_module.open(path) as file:
            image = operations.exif_transpose(file)
            if image.mode.startswith("I") or image.mode == "F":  # 16 bits and more
                pixels: np.ndarray = np.asarray(image, np.float64)
                white = max(65535 if image.mode.startswith("I") else 1, pixels.max())
                return to_bytes(pixels, 255 / white)
            if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
                # what is drawn on nothing is drawn on paper
                image = image.convert("RGBA")
                paper = image_module.new("RGBA", image.size, "white")
                image = image_module.alpha_composite(paper, image)
            return np.asarray(image.convert("L"))
    except Exception as error:  # decoders raise whatever they like for a damaged file
        if isinstance(error, OSError) and error.filename is not None:
            raise  # says already which file cannot be opened, and why
        raise ValueError(f"{path}: cannot be read as an image: {error}") from error


def like_mnist(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Bring an image into MNIST's form.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8 of shape (height, width).

    Returns
    -------
    image : numpy.ndarray
        uint8 of shape (28, 28), light on dark.
    changes : list of str
        What was done: nothing to an image that has the form.
    """
    changes = []
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = float(np.median(border))
    if background > 127:  # MNIST's digits never touch the border
        pixels, background = 255 - pixels, 255 - background
        changes.append("dark on light, inverted")
    if pixels.shape != (SIDE, SIDE):
        changes.append(f"{pixels.shape[0]} x {pixels.shape[1]} pixels, scaled to {SIDE} x {SIDE}")
        pixels = scaled(np.maximum(pixels.astype(np.float64) - background, 0))
    elif background > 0 and changes:
        # grey paper: MNIST's is black
        pixels = np.maximum(pixels.astype(np.float64) - background, 0)
        pixels = to_bytes(pixels, 255 / max(pixels.max(), 1))
    if not pixels.any():
        changes.append("nothing is drawn on it")
    return pixels, changes


def scaled(ink: np.ndarray) -> np.ndarray:
    """As MNIST was made: the digit fits into 20 x 20, its centre of mass is in pixel (14, 14) of 28 x 28.

    `ink`: float64 (height, width), 0 where nothing is drawn.
    """
    image_module, _ = pillow(f"scaling images that are not {SIDE} x {SIDE}")
    if ink.max() <= 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    ink = ink * (255 / ink.max())
    rows, columns = (np.flatnonzero((ink > 64).any(axis=axis)) for axis in (1, 0))
    ink[ink < 32] = 0  # the paper's grain
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = BOX / max(ink.shape)
    height, width = (max(1, round(length * factor)) for length in ink.shape)
    resampling = image_module.Resampling.BOX if factor < 1 else image_module.Resampling.BICUBIC
    digit = image_module.fromarray(ink.astype(np.float32)).resize((width, height), resampling)
    small = np.clip(np.asarray(digit, np.float64), 0, None)
    small *= 255 / small.max()  # thin strokes fade when they shrink
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    total = small.sum()
    corners = []
    for axis, length in enumerate(small.shape):
        centre = float((small.sum(axis=1 - axis) * np.arange(length)).sum() / total)
        corners.append(min(max(round(SIDE / 2 - centre), 0), SIDE - length))
    top, left = corners
    canvas[top : top + height, left : left + width] = to_bytes(small, 1)
    return canvas


def pillow(purpose: str) -> tuple[Any, Any]:
    """Pillow's modules Image and ImageOps; ImportError says what they are needed for."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(f"{purpose} needs Pillow ({error}); install tinynn's extra 'images'") from error
    return Image, ImageOps
