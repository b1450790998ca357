"""Windows that slide over an image: how many there are, and where the first one begins."""

from typing import Any, Literal

from tinynn.checks import check_choice

Pair = int | tuple[int, int]
Padding = Literal["valid", "same"]
PADDINGS = ("valid", "same")


def check_padding(function: str, padding: Any) -> str:
    """Check how windows meet the edge of an image.

    Raises
    ------
    ValueError
        If it is neither "valid" nor "same".

    Examples
    --------
    >>> check_padding("conv2d", "same")
    'same'
    """
    return str(check_choice(function, "padding", padding, PADDINGS))


def slide(function: str, image: Any, window: Any, strides: Any, padding: str,
          dilation: Any = (1, 1)) -> tuple[tuple[Any, Any], tuple[int, int]]:
    """Place windows on an image, by Keras' rule.

    Parameters
    ----------
    function : str
        Name of the caller, for the error.
    image : tuple of int or None
        Rows and columns of the image; None where they are not known yet.
    window, strides, dilation : tuple of int
        Rows and columns of the window, of the steps between windows, and of those between a window's positions.
    padding : {"valid", "same"}
        Only windows inside the image; or ceil(size / stride) windows, which reach over both edges by the same amount,
        or by one more at the bottom and on the right.

    Returns
    -------
    size, before : tuple of int
        Rows and columns of windows (None where they are not known), and how far the first window reaches over the top
        and left edge.

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
                raise ValueError(f"{function}: the window must fit into the image, got a window of {window[0]} x "
                                 f"{window[1]}{dilated} and an image of {image[0]} x {image[1]}; make it smaller or "
                                 "use padding='same'")
            size.append((length - reach) // stride + 1)
            before.append(0)
    return (size[0], size[1]), (before[0], before[1])
