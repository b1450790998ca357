"""The brightness of image files, read by Pillow within limits that hold before anything is decoded."""

from __future__ import annotations

import contextlib
import math
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tinynn.cli.ink import factor_to, shrunk
from tinynn.cli.mnist_form import SIDE

PIXELS = 2**24  # of one image, at most
FILE = 2**28  # bytes of an image file, at most: some decoders read it as a whole
SHEET = 1024  # pixels to which the longer side of a larger image is shrunk when it is read
BAND = 2**20  # pixels that are converted at a time
ORIENTATION = 0x0112  # EXIF's tag
TILE = 0x0142, 0x0143  # TIFF's tags: width and height of a tile

Array = npt.NDArray[Any]


def too_large(name: str, got: str) -> str:
    """Say that an image has too many pixels."""
    return f"{name}: an image must have at most {PIXELS:,} pixels, got {got}; scale it down"


def read_picture(stream: BinaryIO, name: str) -> tuple[Array, tuple[int, int]]:
    """The brightness of an image file's first picture, 0 to 255, and its size.

    uint8, or float32 if it has more than 8 bits, or was shrunk because it has more than `SHEET` pixels along a side.
    """
    image_module, operations = _pillow(f"{name}: not IDX nor .npy; reading other images")
    if (size := os.fstat(stream.fileno()).st_size) > FILE:
        raise ValueError(f"{name}: an image file must have at most {FILE:,} bytes, got {size:,}; scale it down")
    bombs = image_module.DecompressionBombWarning, image_module.DecompressionBombError
    try:
        with _careful(image_module), image_module.open(stream) as image:
            width, height = image.size
            _check_decoder(image)
            image.draft("L", (SHEET, SHEET))  # of a JPEG only so many pixels are decoded
            image.load()
            picture = image_module.fromarray(_brightness(image, image_module))
            picture.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
            pixels: Array = np.asarray(operations.exif_transpose(picture))
    except bombs as error:
        got = re.search(r"\d+", str(error))
        raise ValueError(too_large(name, f"{int(got[0]):,}" if got else "more")) from None
    except Exception as error:  # decoders raise whatever they like for a damaged file
        raise ValueError(f"{name}: cannot be read as an image: {_reason(error, stream, name)}") from error
    upright = pixels.shape[0] > pixels.shape[1]
    return pixels, (max(width, height), min(width, height)) if upright else (min(width, height), max(width, height))


@contextlib.contextmanager
def _careful(image_module: Any) -> Iterator[None]:
    """Have Pillow refuse more than `PIXELS` pixels, also in an image within another, and say nothing of the rest."""
    before = image_module.MAX_IMAGE_PIXELS
    image_module.MAX_IMAGE_PIXELS = PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", image_module.DecompressionBombWarning)
            yield
    finally:
        image_module.MAX_IMAGE_PIXELS = before


def _check_decoder(image: Any) -> None:
    """Refuse what takes more to decode than the image's size tells."""
    if image.format == "EPS":
        raise ValueError("EPS is a program, which is not run; save the image as PNG")
    tags = getattr(image, "tag_v2", {})
    tile = [int(tags.get(tag, 1)) for tag in TILE]
    if math.prod(tile) > PIXELS:
        raise ValueError(f"its tiles are of {tile[0]:,} x {tile[1]:,} pixels, more than {PIXELS:,}; save it without")


def _reason(error: Exception, stream: BinaryIO, name: str) -> str:
    """A decoder's message, about the file by its name."""
    return str(error).replace(repr(stream), name) or type(error).__name__


def _brightness(image: Any, image_module: Any) -> Array:
    """The brightness of a decoded picture, 0 to 255, shrunk to `SHEET`; by bands, so that no copy is large."""
    width, height = image.size
    factor = factor_to(SHEET, (height, width))
    deep = image.mode == "F" or image.mode.startswith("I")  # 16 bits and more
    rows = factor * max(1, BAND // (factor * width))
    bands = []
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if not deep and (band.mode in ("LA", "PA", "RGBA") or "transparency" in band.info):
            # what is drawn on nothing is drawn on paper
            band = band.convert("RGBA")
            band = image_module.alpha_composite(image_module.new("RGBA", band.size, "white"), band)
        pixels = np.asarray(band if deep else band.convert("L"))
        bands.append(pixels if factor == 1 else shrunk(pixels, factor))
    whole: Array = np.concatenate(bands)
    if not deep:
        return whole
    white = max(1 if image.mode == "F" else 65535, image.getextrema()[1])
    scaled = np.clip(whole * np.float32(255 / white), 0, 255).astype(np.float32)
    if np.isnan(scaled).any():
        raise ValueError("it holds numbers that are not finite")
    return np.rint(scaled).astype(np.uint8) if scaled.shape == (SIDE, SIDE) else scaled


def _pillow(purpose: str) -> tuple[Any, Any]:
    """Pillow's modules Image and ImageOps; ImportError says what they are needed for."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(f"{purpose} needs Pillow ({error}); install tinynn's extra 'images'") from error
    return Image, ImageOps
