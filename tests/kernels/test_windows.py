"""Where windows stand on an image: known cases of Keras, and what cannot be."""

import pytest

from tinynn.kernels._windows import pair, slide


@pytest.mark.parametrize(
    ("image", "window", "strides", "dilation", "size", "before"),
    [
        # Output sizes and upper and left padding of TensorFlow's documentation: ceil(in / stride), the odd one behind.
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
def test_sizes_that_are_not_known_stay_so(padding):
    assert slide("f", (None, 6), (3, 3), (1, 1), padding)[0][0] is None


def test_a_window_must_fit():
    with pytest.raises(ValueError, match=r"f: a window of 5 x 2 does not fit an image of 4 x 4; .*padding='same'"):
        slide("f", (4, 4), (5, 2), (1, 1), "valid")
    with pytest.raises(ValueError, match=r"3 x 3, dilated by \(2, 2\), does not fit"):
        slide("f", (4, 4), (3, 3), (1, 1), "valid", (2, 2))


def test_unknown_padding():
    with pytest.raises(ValueError, match="f: padding must be 'valid' or 'same', got 'full'"):
        slide("f", (4, 4), (2, 2), (1, 1), "full")


@pytest.mark.parametrize("value", ["3", None, 2.0, (1, 2, 3), (1.5, 2), True, ()])
def test_pair_takes_one_or_two_whole_numbers(value):
    with pytest.raises(TypeError, match="f: strides must be a whole number or two of them"):
        pair("f", "strides", value)


@pytest.mark.parametrize("value", [0, (1, 0), -1])
def test_pair_takes_positive_numbers(value):
    with pytest.raises(ValueError, match="f: strides must be at least 1"):
        pair("f", "strides", value)


def test_pair_takes_numbers_whose_product_does_not_overflow():
    assert pair("f", "strides", 2**31 - 1) == (2**31 - 1,) * 2
    with pytest.raises(ValueError, match=r"f: strides must be below 2\^31"):
        pair("f", "strides", (1, 2**31))
