"""The options of augmentation and their limits, for the kernel and for `tinynn.Augmentation`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tinynn.kernels._numbers import real_number

#: The least and the most of each option. They are far beyond what leaves an image, and keep places finite in float32.
LIMITS = {
    "shift": (0.0, 1e6),
    "rotation": (0.0, 180.0),
    "zoom": (0.0, 0.99),
    "shear": (0.0, 1000.0),
    "elastic": (0.0, 1e6),
    "smoothness": (0.25, 1e6),  # the grid of a smoother displacement is coarser than the image, and never large
}
#: Rows and columns of an image; its numbers, a border included, are counted in 32 bits.
MOST_PIXELS = 2**20
MOST_NUMBERS = 2**31 - 1


def check_options(function: str, options: Mapping[str, Any]) -> dict[str, float]:
    """The options as floats.

    Raises
    ------
    TypeError
        If one is no real number.
    ValueError
        If one is out of range.

    Examples
    --------
    >>> check_options("augment", {"shift": 2})
    {'shift': 2.0}
    >>> check_options("augment", {"shear": 1e39})
    Traceback (most recent call last):
    ...
    ValueError: augment: shear must be from 0 to 1000, got 1e+39
    """
    return {name: real_number(function, name, value, *LIMITS[name]) for name, value in options.items()}


def check_image(function: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """Rows, columns and channels of images of this shape.

    Raises
    ------
    ValueError
        If it is none of an image, or of one that is too large.

    Examples
    --------
    >>> check_image("augment", (28, 28))
    (28, 28, 1)
    """
    if len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"{function}: augmentation takes images of shape (rows, columns) or (rows, columns, "
                         f"channels), got {tuple(shape)}")
    rows, columns, channels = (*shape, 1)[:3]
    if max(rows, columns) > MOST_PIXELS or math.prod((rows + 3, columns + 3, channels)) > MOST_NUMBERS:
        raise ValueError(f"{function}: augmentation takes images of at most {MOST_PIXELS:,} rows and columns and "
                         f"{MOST_NUMBERS:,} numbers, got {tuple(shape)}")
    return rows, columns, channels
