"""Windows that slide over an image: how many there are, and where the first one begins."""

import operator
from typing import Any


def pair(function: str, name: str, value: Any) -> tuple[int, int]:
    """A positive whole number for both axes, or one for each.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a number is not in 1..2^31 - 1.

    Examples
    --------
    >>> pair("conv2d", "strides", 2), pair("conv2d", "strides", (1, 3))
    ((2, 2), (1, 3))
    """
    try:
        given = (value, value) if hasattr(value, "__index__") else tuple(value)
        numbers = tuple(map(operator.index, given))
    except TypeError:
        given = numbers = ()
    if len(numbers) != 2 or any(isinstance(number, bool) for number in given):
        raise TypeError(f"{function}: {name} must be a whole number or two of them, got {value!r}")
    if min(numbers) < 1:
        raise ValueError(f"{function}: {name} must be at least 1, got {value!r}")
    if max(numbers) >= 2**31:  # products of two of them must not overflow
        raise ValueError(f"{function}: {name} must be below 2^31, got {value!r}")
    return numbers[0], numbers[1]


def check_padding(function: str, padding: Any) -> str:
    """How windows meet the edge of an image.

    Raises
    ------
    ValueError
        If it is neither "valid" nor "same".

    Examples
    --------
    >>> check_padding("conv2d", "same")
    'same'
    """
    if padding not in ("valid", "same"):
        raise ValueError(f"{function}: padding must be 'valid' or 'same', got {padding!r}")
    return str(padding)


def padding_of(function: str, name: str, value: Any) -> str:
    """The same, as the check of an op's attribute."""
    return check_padding(function, value)


def slide(function: str, image: Any, window: Any, strides: Any, padding: str,
          dilation: Any = (1, 1)) -> tuple[tuple[Any, Any], tuple[int, int]]:
    """Where windows stand on an image, by Keras' rule.

    Parameters
    ----------
    function : str
        Who asks, for the messages.
    image : tuple of int or None
        Rows and columns of the image; None where they are not known yet.
    window, strides, dilation : tuple of int
        Rows and columns of the window, of the steps between windows, and of those between a window's positions.
    padding : {"valid", "same"}
        Only windows inside the image; or as many as the image has rows and columns for the strides, hanging over the
        edges evenly, one more below and on the right.

    Returns
    -------
    size, before : tuple of int
        Rows and columns of windows (None where they are not known), and how far the first window hangs over the image's
        upper and left edge.

    Raises
    ------
    ValueError
        If the padding is unknown or no window fits.

    Examples
    --------
    >>> slide("conv2d", (28, 28), (5, 5), (1, 1), "valid")
    ((24, 24), (0, 0))
    >>> slide("conv2d", (28, 27), (5, 4), (2, 2), "same")
    ((14, 14), (1, 1))
    """
    check_padding(function, padding)
    size: list[int | None] = []
    before: list[int] = []
    for length, positions, stride, step in zip(image, window, strides, dilation, strict=True):
        if length is None:  # not known yet
            size.append(None)
            before.append(0)
            continue
        reach = (positions - 1) * step + 1
        if padding == "same":
            windows = -(-length // stride)
            size.append(windows)
            before.append(max((windows - 1) * stride + reach - length, 0) // 2)
        else:
            if reach > length:
                dilated = "" if tuple(dilation) == (1, 1) else f", dilated by {tuple(dilation)},"
                raise ValueError(f"{function}: a window of {window[0]} x {window[1]}{dilated} does not fit an image "
                                 f"of {image[0]} x {image[1]}; make it smaller or use padding='same'")
            size.append((length - reach) // stride + 1)
            before.append(0)
    return (size[0], size[1]), (before[0], before[1])
