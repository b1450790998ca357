"""The ink of the digit in a picture, whatever the light.

First the paper is estimated: a smooth surface through most of the pixels. Pixels that differ from it by more than the
grain are ink, and `tinynn.cli.parts` selects the digit among them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.cli.parts import Floats, Mask, digit_and_frames

MIN_CONTRAST = 10 / 255  # between ink and its paper
MIN_INK = 0.35  # of a stroke's pixel, as a share of the strongest ink
MIN_BLURRED = 64  # pictures with so many pixels along the longer side are blurred, which removes the grain
COARSE = 64  # the paper is fitted to a picture shrunk to so many pixels along the longer side
MAX_OTHER_SIDE = 0.01  # deviations to the other side, as a share: with more the paper is not smooth
MAX_STROKE = 1 / 4  # width of a stroke, as a share of the longer side; shadows are wider


def shrunk(pixels: npt.NDArray[np.generic], factor: int) -> Floats:
    """Means of squares of `factor` by `factor` pixels; squares at the end of an axis may be smaller."""
    if factor == 1:
        return pixels.astype(np.float32)
    sums: npt.NDArray[Any] = pixels
    counts = []
    for axis in (1, 0):
        starts = np.arange(0, pixels.shape[axis], factor)
        sums = np.add.reduceat(sums, starts, axis=axis, dtype=np.float32)
        counts.append(np.diff(starts, append=pixels.shape[axis]).astype(np.float32))
    return np.asarray(sums / np.outer(counts[1], counts[0]), np.float32)


def factor_to(length: int, shape: tuple[int, ...]) -> int:
    """The factor that shrinks a picture's longer side to at most `length`."""
    return -(-max(shape) // length)


def digit_on(pixels: Floats, where: Mask | None = None) -> tuple[Floats, bool]:
    """Find the digit in a picture.

    Parameters
    ----------
    pixels : numpy.ndarray
        float32 of shape (height, width), from 0 to 255.
    where : numpy.ndarray, optional
        Mask of the pixels that may be part of the digit.

    Returns
    -------
    ink : numpy.ndarray
        float32 of the same shape, from 0 to 1; 0 everywhere if nothing is drawn.
    light : bool
        Whether the digit is lighter than the paper.
    """
    large = max(pixels.shape) >= MIN_BLURRED
    smooth = _blurred(pixels) if large else pixels
    paper = _paper(pixels)
    light, lit_by_halves = _polarity(smooth - paper)
    if light:
        pixels, smooth, paper = 255 - pixels, 255 - smooth, 255 - paper
    rough, grain = _darkness(smooth, paper)
    if _strongest(rough.ravel()) < MIN_CONTRAST:
        return np.zeros_like(pixels), light
    if lit_by_halves or _shaded(rough, _strokes(rough, grain)):
        # The edge of a shadow: dark areas wider than a stroke are paper, too.
        paper = _closed(smooth, round(MAX_STROKE / 2 * max(pixels.shape)))
        rough, grain = _darkness(smooth, paper - _spread(smooth - paper) / 2)
    allowed = np.ones(pixels.shape, bool) if where is None else where
    digit, frames = digit_and_frames(_strokes(rough, grain, allowed), rough)
    if frames.any():  # again without them: a frame may be much darker than the digit
        allowed = allowed & ~_grown(frames)
        digit, _ = digit_and_frames(_strokes(rough, grain, allowed), rough)
    if not digit.any():
        return np.zeros_like(pixels), light
    ink = np.where(_grown(_grown(digit)) if large else _grown(digit), _darkness(pixels, paper)[0], 0)
    return np.clip(ink / np.percentile(ink[digit], 75), 0, 1), light


def _paper(pixels: Floats) -> Floats:
    """The paper's brightness at each pixel.

    A polynomial of the position, fitted by least squares that give pixels far from the fit less weight: at first nearly
    all pixels count, at the end only paper. The lowest degree that fits nearly as well as the best one is taken.
    """
    small = shrunk(pixels, factor_to(COARSE, pixels.shape))
    highest = 4 if max(small.shape) >= 40 else 2 if max(small.shape) >= 24 else 0
    rows, columns = (_powers(length) for length in small.shape)
    terms = [(degree - k, k) for degree in range(highest + 1) for k in range(degree + 1)]
    design = np.stack([np.outer(rows[:, i], columns[:, j]).ravel() for i, j in terms], axis=1)
    values = small.ravel().astype(np.float64)
    fit = np.full(len(values), _level(small))
    scale = 255.0 if highest else max(0.1 * float(np.ptp(values)), 1)
    fits = []
    for degree in range(highest + 1):
        used = design[:, : (degree + 1) * (degree + 2) // 2]
        for _ in range(6):
            scale = min(scale, max(_spread(values - fit), 1))
            weights = 1 / (1 + ((values - fit) / (1.5 * scale)) ** 2) ** 2
            weighted = used * weights[:, None]
            factors = np.linalg.lstsq(weighted.T @ used, weighted.T @ values, rcond=1e-6)[0]
            fit = used @ factors
        fits.append((_spread(values - fit), factors))
    best = min(distance for distance, _ in fits)
    factors = next(factors for distance, factors in fits if distance <= 1.15 * best + 0.5)
    table = np.zeros((5, 5))
    for (i, j), factor in zip(terms, factors, strict=False):  # a lower degree has fewer terms
        table[i, j] = factor
    rows, columns = (_powers(length) for length in pixels.shape)
    return np.asarray(rows @ table @ columns.T, np.float32)


def _powers(length: int) -> npt.NDArray[np.float64]:
    """Legendre polynomials of degree 0 to 4 along a side."""
    places = np.linspace(-1, 1, length) if length > 1 else np.zeros(1)
    return np.asarray(np.polynomial.legendre.legvander(places, 4), np.float64)


def _level(small: Floats) -> float:
    """The first estimate of the paper: the brightness at the border, unless there is a frame."""
    near = 0.2 * max(float(np.ptp(small)), 1)
    border = _ring(small, 0)
    level = float(np.median(border))
    inside = float(np.median(_ring(small, min(max(1, round(0.08 * max(small.shape))), (min(small.shape) - 1) // 2))))
    if abs(inside - level) > near and np.mean(np.abs(border - level) < near) > 0.8:
        return max(level, inside, key=lambda value: float(np.mean(np.abs(small - value) < near)))
    return level


def _ring(values: npt.NDArray[Any], depth: int) -> npt.NDArray[Any]:
    """The pixels at a distance of `depth` from the border."""
    inner = values[depth : values.shape[0] - depth, depth : values.shape[1] - depth]
    return np.concatenate([inner[0], inner[-1], inner[1:-1, 0], inner[1:-1, -1]])


def _spread(differences: npt.NDArray[np.floating]) -> float:
    """A standard deviation, from the smallest quarter of the differences: at least that much is paper."""
    return 3.1 * float(np.quantile(np.abs(differences), 0.25))


def _polarity(difference: Floats) -> tuple[bool, bool]:
    """Whether the ink is lighter than the paper, and whether the paper is uneven: large deviations to both sides."""
    grain = min(_spread(difference), 0.1 * float(np.ptp(difference)))
    far = np.clip(np.abs(difference) - 3 * grain, 0, None).astype(np.float64) ** 3
    above, below = float(far[difference > 0].sum()), float(far[difference < 0].sum())
    if min(above, below) <= MAX_OTHER_SIDE * max(above, below):
        return above > below, False
    # Only what is narrow can be a stroke.
    size = round(MAX_STROKE / 2 * max(difference.shape))
    above, below = (
        float(((side + _closed(-side, size)).astype(np.float64) ** 3).sum())
        for side in (np.clip(difference, 0, None), np.clip(-difference, 0, None))
    )
    return above > below, True


def _darkness(pixels: Floats, paper: Floats) -> tuple[Floats, float]:
    """The share of the paper's light that is missing at each pixel, from 0 to 1, and the grain.

    The grain is measured on pixels lighter than the paper, which are never ink.
    """
    level = np.maximum(paper, max(0.25 * float(paper.max()), 8))
    missing = (paper - pixels) / level
    lighter = missing[missing < 0]
    return np.clip(missing, 0, 1), -1.5 * float(np.median(lighter)) if lighter.size else 0.0


def _strokes(darkness: Floats, grain: float, where: Mask | None = None) -> Mask:
    """The pixels that are dark enough for ink."""
    values = darkness.ravel() if where is None else darkness[where]
    if not values.size:
        return np.zeros(darkness.shape, bool)
    mask = darkness > max(MIN_CONTRAST, 4 * grain, MIN_INK * _strongest(values))
    return mask if where is None else mask & where


def _strongest(values: Floats) -> float:
    """The mean of the few largest values."""
    count = min(max(4, values.size // 300), values.size)
    return float(np.partition(values, -count)[-count:].mean())


def _shaded(darkness: Floats, strokes: Mask) -> bool:
    """Whether there is something wide and less dark than ink at the border, as shadows are."""
    shade = strokes & (darkness < 0.8 * _strongest(darkness.ravel()))
    width = max(2, round(0.06 * max(shade.shape)))
    wide = -_largest_around(-shade.astype(np.float32), width) > 0.5
    return bool(_ring(wide, 0).any())


def _closed(values: Floats, reach: int) -> Floats:
    """Fill everything that is darker than its surroundings and narrower than a square of 2 `reach` + 1 pixels."""
    return -_largest_around(-_largest_around(values, reach), reach)


def _largest_around(values: Floats, reach: int) -> Floats:
    """The largest value in a square around each pixel, inside the picture."""
    width = 2 * reach + 1
    for axis in (0, 1):
        margins = [(0, 0), (0, 0)]
        margins[axis] = (reach, reach)
        along = np.moveaxis(np.pad(values, margins, constant_values=-np.inf), axis, 0)
        done = 1
        while done < width:  # each step doubles the width of the maxima
            step = min(done, width - done)
            along = np.maximum(along[:-step], along[step:])
            done += step
        values = np.moveaxis(along, 0, axis)
    return values


def _blurred(values: Floats) -> Floats:
    """Each pixel averaged with its neighbours, with weights 1 2 1 along both axes."""
    for axis in (0, 1):
        margins = [(0, 0), (0, 0)]
        margins[axis] = (1, 1)
        along = np.moveaxis(np.pad(values, margins, mode="edge"), axis, 0)
        values = np.moveaxis((along[:-2] + 2 * along[1:-1] + along[2:]) * np.float32(0.25), 0, axis)
    return values


def _grown(mask: Mask) -> Mask:
    """The mask and the 8 neighbours of each of its pixels."""
    for axis in (0, 1):
        margins = [(0, 0), (0, 0)]
        margins[axis] = (1, 1)
        along = np.moveaxis(np.pad(mask, margins), axis, 0)
        mask = np.moveaxis(along[:-2] | along[1:-1] | along[2:], 0, axis)
    return mask
