"""The connected parts of a picture's ink: which of them are the digit, and which a frame or a ruled line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.intp]

MIN_LINE = 0.75  # length of a frame's line, as a share of the picture's side
EDGE = 0.12  # width of the picture's outer zone and of a frame's corner, as a share of the side
MIN_OUTSIDE = 0.85  # share of the pixels of a frame or a line that are in the outer zone
MIN_INK = 0.05  # of a part, as a share of the largest part's ink; parts with less are dust


@dataclass(frozen=True)
class Part:
    """One connected part: its number, its ink, and its box; `bottom` and `right` are exclusive."""

    number: int
    ink: float
    top: int
    bottom: int
    left: int
    right: int
    #: share of its pixels in the picture's outer zone
    outer: float
    #: whether it has pixels in all four corners of its box: a frame does, a 0 does not
    corners: bool

    @property
    def size(self) -> int:
        """The longer side of the box."""
        return max(self.bottom - self.top, self.right - self.left)

    def surrounds(self, other: Part) -> bool:
        """Whether the other's box is inside this one's and large enough for a digit in a frame."""
        inside = (
            self.top < other.top
            and other.bottom < self.bottom
            and self.left < other.left
            and other.right < self.right
        )
        return inside and other.size > 0.2 * self.size

    def is_line_along(self, height: int, width: int) -> bool:
        """Whether it is a straight line near one side of a picture of this size."""
        rows, columns = self.bottom - self.top, self.right - self.left
        if columns >= MIN_LINE * width and rows <= EDGE * height + 1:
            return self.bottom <= height / 4 or self.top >= height * 3 / 4
        if rows >= MIN_LINE * height and columns <= EDGE * width + 1:
            return self.right <= width / 4 or self.left >= width * 3 / 4
        return False

    def distance(self, other: Part) -> int:
        """Pixels between the two boxes; negative if they overlap."""
        return max(
            self.top - other.bottom, other.top - self.bottom, self.left - other.right, other.left - self.right
        )


def digit_and_frames(mask: Mask, ink: Floats) -> tuple[Mask, Mask]:
    """Which of the mask's pixels are the digit, and which are frames or lines; the rest is dust."""
    inner = without_border_lines(mask)
    labels = label_parts(inner)
    parts = parts_of(labels, ink)
    frames = _frames(parts, *mask.shape)
    digit = _digit([part for part in parts if part not in frames])
    lines = mask & ~inner
    return _any_of(labels, digit), lines | _any_of(labels, frames)


def without_border_lines(mask: Mask) -> Mask:
    """Erase a frame with a straight line along each side, and everything outside it.

    A digit may touch the frame: connected parts alone could not separate them.
    """
    depths = []
    for turned in (mask, mask[::-1], mask.T, mask.T[::-1]):
        zone = turned[: max(2, len(turned) // 4)]
        lines = np.flatnonzero(zone.mean(axis=1) > MIN_LINE)
        if not len(lines):
            return mask
        depths.append(int(lines[-1]) + 1)
    top, bottom, left, right = depths
    inner = np.zeros_like(mask)
    window = slice(top, mask.shape[0] - bottom), slice(left, mask.shape[1] - right)
    inner[window] = mask[window]
    return inner


def label_parts(mask: Mask) -> Labels:
    """Number the connected parts from 1, with 0 where there is none. A pixel has 8 neighbours."""
    height, width = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)  # runs of pixels, row by row
    stop = np.nonzero(edges == -1)[1]
    # A run touches the runs `first` to `last` - 1 in the row above.
    line = width + 2
    first = np.searchsorted((row + 1) * line + stop, row * line + start)
    last = np.searchsorted((row + 1) * line + start, row * line + stop, side="right")
    count = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(row)), count)
    above = np.arange(len(below)) + np.repeat(first - np.cumsum(count) + count, count)
    # Each run takes the smallest of its neighbours' numbers, until all that touch have the same.
    names = np.arange(len(row))
    while (names[below] != names[above]).any():
        least = np.minimum(names[below], names[above])
        for side in (below, above):
            np.minimum.at(names, names[side], least)
        while (names[names] != names).any():
            names = names[names]
    numbers = np.unique(names, return_inverse=True)[1] + 1
    change = np.zeros((height, width + 1), np.intp)
    change[row, start] = numbers
    change[row, stop] -= numbers
    return np.cumsum(change, axis=1)[:, :-1]


def parts_of(labels: Labels, ink: Floats) -> list[Part]:
    """Describe the parts that `label_parts` numbered."""
    rows, columns = np.nonzero(labels)
    if not len(rows):
        return []
    numbers = labels[rows, columns] - 1
    count = int(numbers.max()) + 1

    def total(values: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        return np.bincount(numbers, values, count)

    low, high = [], []
    corners = np.ones((2, 2, count), bool)
    outer = np.zeros(len(rows), bool)
    ends = []
    for place, length in zip((rows, columns), labels.shape, strict=True):
        start, stop = np.full(count, length), np.zeros(count, np.intp)
        np.minimum.at(start, numbers, place)
        np.maximum.at(stop, numbers, place + 1)
        low.append(start)
        high.append(stop)
        zone = max(1, round(EDGE * length))
        outer |= (place < zone) | (place >= length - zone)
        within = (place - start[numbers] + 0.5) / (stop - start)[numbers]
        ends.append((within < EDGE, within > 1 - EDGE))
    for i, vertical in enumerate(ends[0]):
        for j, horizontal in enumerate(ends[1]):
            corners[i, j] = total(vertical & horizontal) > 0
    facts = (total(ink[rows, columns]), low[0], high[0], low[1], high[1], total(outer) / total(), corners.all((0, 1)))
    return [Part(number, *values) for number, values in enumerate(zip(*(f.tolist() for f in facts), strict=True), 1)]


def _frames(parts: list[Part], height: int, width: int) -> list[Part]:
    """The parts that are a frame around another part, or a line at the picture's side beside one."""
    parts = _without_dust(parts)
    frames: list[Part] = []
    for part in parts:
        others = [other for other in parts if other is not part and other not in frames]
        beside = part.outer > MIN_OUTSIDE or part.is_line_along(height, width)
        if (beside and any(other.outer < 0.6 for other in others)) or (
            part.corners and any(part.surrounds(other) for other in others)
        ):
            frames.append(part)
    return frames


def _digit(parts: list[Part]) -> list[Part]:
    """The part with the most ink, and the parts near it: strokes that do not touch."""
    parts = _without_dust(parts)
    if not parts:
        return []
    main = max(parts, key=lambda part: part.ink * (1.05 - part.outer))
    chosen = [main]
    waiting = [part for part in parts if part is not main and part.ink >= MIN_INK * main.ink]
    while near := [part for part in waiting if min(map(part.distance, chosen)) <= 0.12 * main.size]:
        chosen += near
        waiting = [part for part in waiting if part not in near]
    return chosen


def _without_dust(parts: list[Part]) -> list[Part]:
    largest = max((part.ink for part in parts), default=0.0)
    return [part for part in parts if part.ink >= MIN_INK * largest]


def _any_of(labels: Labels, parts: list[Part]) -> Mask:
    return np.isin(labels, [part.number for part in parts])
