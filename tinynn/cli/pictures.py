"""The brightness of image files, read by Pillow. Limits are checked before anything is decoded."""

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

MAX_PIXELS = 2**24  # of one image
MAX_FILE_BYTES = 2**28  # of an image file: some decoders read it as a whole
SHEET = 1024  # larger images are shrunk to so many pixels along the longer side
BAND = 2**20  # pixels that are converted at a time
ORIENTATION = 0x0112  # a tag of EXIF
TILE = 0x0142, 0x0143  # tags of TIFF: width and height of a tile

Array = npt.NDArray[Any]


def too_large(name: str, got: str) -> str:
    """The message about an image with too many pixels."""
    return f"{name}: an image must have at most {MAX_PIXELS:,} pixels, got {got}; scale it down"


def read_picture(stream: BinaryIO, name: str) -> tuple[Array, tuple[int, int]]:
    """The brightness of an image file's first picture, from 0 to 255, and its size.

    uint8; float32 if it has more than 8 bits, or was shrunk because it has more than `SHEET` pixels along a side.
    """
    image_module, operations = _pillow(f"{name}: neither IDX nor .npy; reading other images")
    if (size := os.fstat(stream.fileno()).st_size) > MAX_FILE_BYTES:
        raise ValueError(
            f"{name}: an image file must have at most {MAX_FILE_BYTES:,} bytes, got {size:,}; scale the image down"
        )
    bombs = image_module.DecompressionBombWarning, image_module.DecompressionBombError
    try:
        with _careful(image_module), image_module.open(stream) as image:
            width, height = image.size
            _check_decoder(image)
            image.draft("L", (SHEET, SHEET))  # decodes only so many pixels of a JPEG
            image.load()
            picture = image_module.fromarray(_brightness(image, image_module))
            picture.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
            pixels: Array = np.asarray(operations.exif_transpose(picture))
    except bombs as error:
        got = re.search(r"\d+", str(error))
        raise ValueError(too_large(name, f"{int(got[0]):,}" if got else "more")) from None
    except Exception as error:  # decoders raise all kinds of errors for a damaged file
        raise ValueError(f"{name}: cannot be read as an image: {_reason(error, stream, name)}") from error
    upright = pixels.shape[0] > pixels.shape[1]
    return pixels, (max(width, height), min(width, height)) if upright else (min(width, height), max(width, height))


@contextlib.contextmanager
def _careful(image_module: Any) -> Iterator[None]:
    """Make Pillow refuse more than `MAX_PIXELS` pixels, also in nested images, and suppress its other warnings."""
    before = image_module.MAX_IMAGE_PIXELS
    image_module.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", image_module.DecompressionBombWarning)
            yield
    finally:
        image_module.MAX_IMAGE_PIXELS = before


def _check_decoder(image: Any) -> None:
    """Refuse images that take more to decode than their size suggests."""
    if image.format == "EPS":
        raise ValueError("EPS files are programs and are not run; save the image as PNG")
    tags = getattr(image, "tag_v2", {})
    tile = [int(tags.get(tag, 1)) for tag in TILE]
    if math.prod(tile) > MAX_PIXELS:
        got = f"{tile[0]:,} x {tile[1]:,}"
        raise ValueError(f"its tiles must have at most {MAX_PIXELS:,} pixels, got {got}; save it without tiles")


def _reason(error: Exception, stream: BinaryIO, name: str) -> str:
    """A decoder's message, with the file's name instead of the stream."""
    return str(error).replace(repr(stream), name) or type(error).__name__


def _brightness(image: Any, image_module: Any) -> Array:
    """The brightness of a decoded picture, from 0 to 255, shrunk to `SHEET`. It works in bands to keep copies small."""
    width, height = image.size
    factor = factor_to(SHEET, (height, width))
    deep = image.mode == "F" or image.mode.startswith("I")  # 16 bits and more
    rows = factor * max(1, BAND // (factor * width))
    bands = []
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if not deep and (band.mode in ("LA", "PA", "RGBA") or "transparency" in band.info):
            # a transparent background becomes white paper
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
        raise ValueError("it has numbers that are not finite")
    return np.rint(scaled).astype(np.uint8) if scaled.shape == (SIDE, SIDE) else scaled


def _pillow(purpose: str) -> tuple[Any, Any]:
    """Pillow's modules Image and ImageOps; the ImportError names the purpose."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(f"{purpose} needs Pillow ({error}); install tinynn's extra 'images'") from error
    return Image, ImageOps
