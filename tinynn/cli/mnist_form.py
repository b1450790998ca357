"""MNIST's form: a light digit on black that fits into 20 x 20, its centre of mass in the middle of 28 x 28 pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.cli.ink import digit_on, factor_to, shrunk
from tinynn.cli.parts import Floats

Image = npt.NDArray[np.uint8]

SIDE = 28  # pixels of an MNIST image
BOX = 20  # pixels of its digit's longer side
LOOK = 256  # pixels of the longer side of the picture in which a digit is searched


def like_mnist(pixels: npt.NDArray[Any], shape: tuple[int, ...] | None = None) -> tuple[Image, list[str]]:
    """Convert an image to MNIST's form.

    Parameters
    ----------
    pixels : numpy.ndarray
        Numbers from 0 to 255 of shape (height, width).
    shape : tuple of int, optional
        The image's shape before it was shrunk, for `changes`; by default that of `pixels`.

    Returns
    -------
    image : numpy.ndarray
        uint8 of shape (28, 28), light on black. `pixels` themselves if they have the form.
    changes : list of str
        What was done; empty for an image that already has the form.
    """
    dark_on_light = "dark on light, inverted"
    if has_form(pixels):
        return pixels, []
    if has_form(255 - pixels):
        return 255 - pixels, [dark_on_light]
    ink, light = find_digit(pixels.astype(np.float32))
    if not ink.any():
        return np.zeros((SIDE, SIDE), np.uint8), ["nothing is drawn on it"]
    height, width = shape or pixels.shape
    size = "" if (height, width) == (SIDE, SIDE) else f"{height} x {width} pixels, "
    changes = [] if light else [dark_on_light]
    return scaled(ink), [*changes, f"{size}digit scaled and centred as MNIST's are"]


def has_form(pixels: npt.NDArray[Any]) -> bool:
    """Whether an image is in MNIST's form.

    In all of MNIST's 70,000 images the digit's longer side has 19 or 20 pixels, its centre of mass is within 0.53 of
    (14, 14), its lightest pixel is at least 254, and the background is 0. The limits leave room for black-and-white
    copies.
    """
    if pixels.shape != (SIDE, SIDE) or pixels.dtype != np.uint8 or pixels.max() < 200:
        return False
    for axis in (0, 1):
        along = pixels.sum(axis=axis, dtype=np.float64)
        if abs(float(along @ np.arange(SIDE)) / float(along.sum()) - SIDE / 2) > 1:
            return False
    return BOX - 2 <= int(np.ptp(np.nonzero(pixels), axis=1).max()) + 1 <= BOX


def find_digit(pixels: Floats) -> tuple[Floats, bool]:
    """The digit's ink, from 0 to 1, in the picture or a part of it, and whether it is lighter than the paper.

    A small digit in a large picture is searched again in a window around it, at a higher resolution.
    """
    factor = factor_to(LOOK, pixels.shape)
    ink, light = digit_on(shrunk(pixels, factor))
    places = np.nonzero(ink)
    if factor == 1 or not len(places[0]) or max(np.ptp(places, axis=1)) >= LOOK / 4:
        return ink, light
    margin = 2 + int(0.4 * max(np.ptp(places, axis=1)))
    window = tuple(slice(max(0, place.min() - margin), place.max() + 1 + margin) for place in places)
    near = pixels[tuple(slice(part.start * factor, part.stop * factor) for part in window)]
    where = ink[window] > 0
    where = np.repeat(np.repeat(where, factor, axis=0), factor, axis=1)[: near.shape[0], : near.shape[1]]
    again = factor_to(LOOK, near.shape)
    ink_again, _ = digit_on(shrunk(near, again), shrunk(where, again) > 0)
    return (ink_again if ink_again.any() else ink), light


def scaled(ink: Floats) -> Image:
    """Scale and centre as MNIST does: the digit fits into 20 x 20, with its centre of mass at (14, 14) of 28 x 28."""
    rows, columns = (np.flatnonzero((ink > 0.25).any(axis=axis)) for axis in (1, 0))
    ink = np.where(ink < 0.12, 0, ink)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = BOX / max(ink.shape)
    height, width = (max(1, round(length * factor)) for length in ink.shape)
    small = _weights(ink.shape[0], height) @ ink @ _weights(ink.shape[1], width).T
    small *= 255 / small.max()  # thin strokes fade when they shrink
    top, left = (
        min(max(round(SIDE / 2 - float(along @ np.arange(len(along)) / along.sum())), 0), SIDE - len(along))
        for along in (small.sum(axis=1), small.sum(axis=0))
    )
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = np.rint(small)
    return image


def _weights(length: int, wanted: int) -> npt.NDArray[np.float64]:
    """The share of each of `length` pixels in each of `wanted`: means when shrinking, interpolation when enlarging."""
    pixels = np.arange(length)
    if wanted <= length:
        edges = np.arange(wanted + 1)[:, None] * length / wanted
        common = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
        return np.asarray(np.maximum(common, 0) * (wanted / length))
    centres = np.clip((np.arange(wanted)[:, None] + 0.5) * length / wanted - 0.5, 0, length - 1)
    return np.asarray(np.maximum(1 - np.abs(centres - pixels), 0))
