"""Where windows are placed on an image: known cases of Keras, and what is refused."""

import pytest

from tinynn.kernels._windows import slide


@pytest.mark.parametrize(
    ("image", "window", "strides", "dilation", "size", "before"),
    [
        # TensorFlow's documentation: ceil(in / stride) windows, an odd row or column of padding goes to the end.
        ((13, 13), (6, 6), (5, 5), (1, 1), (3, 3), (1, 1)),
        ((28, 28), (5, 5), (1, 1), (1, 1), (28, 28), (2, 2)),
        ((28, 28), (2, 2), (2, 2), (1, 1), (14, 14), (0, 0)),
        ((7, 7), (2, 2), (2, 2), (1, 1), (4, 4), (0, 0)),
        ((7, 5), (3, 1), (1, 3), (2, 1), (7, 2), (2, 0)),
        ((4, 4), (1, 1), (3, 3), (1, 1), (2, 2), (0, 0)),
    ],
)
def test_same(image, window, strides, dilation, size, before):
    assert slide("f", image, window, strides, "same", dilation) == (size, before)


def test_valid():
    assert slide("f", (13, 13), (6, 6), (5, 5), "valid") == ((2, 2), (0, 0))
    assert slide("f", (5, 9), (3, 3), (1, 2), "valid", (2, 4)) == ((1, 1), (0, 0))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_unknown_sizes_stay_unknown(padding):
    assert slide("f", (None, 6), (3, 3), (1, 1), padding)[0][0] is None


def test_a_window_must_fit():
    with pytest.raises(ValueError, match="f: the window must .* 5 x 2 and an image of 4 x 4; .*padding='same'"):
        slide("f", (4, 4), (5, 2), (1, 1), "valid")
    with pytest.raises(ValueError, match=r"3 x 3, dilated by \(2, 2\), and an image of 4 x 4"):
        slide("f", (4, 4), (3, 3), (1, 1), "valid", (2, 2))


def test_unknown_padding():
    with pytest.raises(ValueError, match="f: padding must be 'valid' or 'same', got 'full'"):
        slide("f", (4, 4), (2, 2), (1, 1), "full")
