"""Sums as pictures: the images, the digits read in them, mistakes marked."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinynn.cli.figures import figure

RIGHT, WRONG = "#2a7f3f", "#c1440e"


@dataclasses.dataclass(frozen=True)
class Seen:
    """Images, what was read on them, and some sums of them.

    Attributes
    ----------
    images, labels : ndarray
        The images (n, 28, 28) and their digits (n,).
    read : ndarray, shape (n,)
        The digit read on each image.
    rows : ndarray, shape (sums, digits)
        The images of each sum to be drawn.
    title : str
        Describes the sums.
    """

    images: np.ndarray
    labels: np.ndarray
    read: np.ndarray
    rows: np.ndarray
    title: str


def draw(seen: Seen, titled: bool = True) -> Any:
    """Draw the sums, one in a row, with the title if it is wanted; return the figure."""
    images, labels, read, rows = seen.images, seen.labels, seen.read, seen.rows
    digits = rows.shape[1]
    drawn = figure(0.62 * digits + 1.9, 0.78 * len(rows) + 0.5)
    if titled:
        drawn.suptitle(seen.title, x=0.012, ha="left", fontsize=11, fontweight="bold")
    grid = drawn.subplots(len(rows), digits + 1, squeeze=False, width_ratios=[1] * digits + [2.6])
    for row, panels in zip(rows, grid, strict=True):
        for image, axes in zip(row, panels[:-1], strict=True):
            right = read[image] == labels[image]
            axes.imshow(images[image], cmap="gray_r", vmin=0, vmax=255)
            text = str(read[image]) if right else f"{read[image]} (is {labels[image]})"
            colour, weight = (RIGHT, "normal") if right else (WRONG, "bold")
            axes.set_title(text, fontsize=8, pad=2, color=colour, fontweight=weight)
            axes.set_xticks([])
            axes.set_yticks([])
            for side in axes.spines.values():
                side.set_color("#dddddd" if right else WRONG)
                side.set_linewidth(0.8 if right else 2)
        total, answer = int(labels[row].sum()), int(read[row].sum())
        axes = panels[-1]
        axes.axis("off")
        axes.text(0, 0.5, f"= {answer}" if answer == total else f"= {answer} (is {total})", va="center", fontsize=11,
                  color=RIGHT if answer == total else WRONG, fontweight="bold")
    return drawn


def confusions(labels: np.ndarray, read: np.ndarray, max_pairs: int = 10) -> list[tuple[int, int, int, list[int]]]:
    """The most frequent mistakes: (digit, read as, how often, up to eight of the images).

    Examples
    --------
    >>> confusions(np.array([7, 7, 7, 4]), np.array([1, 1, 7, 9]))
    [(7, 1, 2, [0, 1]), (4, 9, 1, [3])]
    """
    wrong = np.flatnonzero(labels != read)
    pairs, counts = np.unique(np.stack([labels[wrong], read[wrong]], axis=1), axis=0, return_counts=True)
    found = []
    for number in np.argsort(-counts, kind="stable")[:max_pairs]:
        digit, answer = map(int, pairs[number])
        where = np.flatnonzero((labels == digit) & (read == answer))
        found.append((digit, answer, int(counts[number]), where[:8].tolist()))
    return found
