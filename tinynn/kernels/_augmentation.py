"""The options of augmentation and their limits, for the kernel and for `tinynn.Augmentation`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tinynn.checks import check_real

#: Minimum and maximum of each option: far more than leaves anything of an image, but positions stay finite in float32.
LIMITS = {
    "shift": (0.0, 1e6),
    "rotation": (0.0, 180.0),
    "zoom": (0.0, 0.99),
    "shear": (0.0, 1000.0),
    "elastic": (0.0, 1e6),
    "smoothness": (0.25, 1e6),  # the grid of a smoother displacement is coarser than the image, and never large
}
#: Rows and columns of an image; its numbers, a border included, are counted in 32 bits.
MAX_PIXELS = 2**20
MAX_NUMBERS = 2**31 - 1


def check_options(function: str, options: Mapping[str, Any]) -> dict[str, float]:
    """Check the options; returns them as floats.

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
    return {name: check_real(function, name, value, *LIMITS[name]) for name, value in options.items()}


def check_image(function: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """Check the shape of an image; returns its rows, columns and channels.

    Raises
    ------
    ValueError
        If it is not the shape of an image, or the image is too large.

    Examples
    --------
    >>> check_image("augment", (28, 28))
    (28, 28, 1)
    """
    if len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"{function}: images to augment must have shape (rows, columns) or (rows, columns, channels), "
                         f"got {tuple(shape)}")
    rows, columns, channels = (*shape, 1)[:3]
    if max(rows, columns) > MAX_PIXELS or math.prod((rows + 3, columns + 3, channels)) > MAX_NUMBERS:
        raise ValueError(f"{function}: images to augment must have at most {MAX_PIXELS:,} rows and columns and "
                         f"{MAX_NUMBERS:,} numbers, got shape {tuple(shape)}")
    return rows, columns, channels
