"""Convolution against the oracle at many shapes, and its bits: batches, bands, padding by hand."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close, assert_same_bits
from tinynn import kernels
from tinynn.kernels.op import OpRun, registered

# (rows, columns, channels), (kernel rows, kernel columns, filters), options
SHAPES = [
    ((28, 28, 1), (5, 5, 16), {}),
    ((12, 12, 16), (5, 5, 32), {}),
    ((9, 7, 3), (3, 2, 5), {"strides": (2, 3), "padding": "same"}),
    ((9, 11, 3), (3, 3, 5), {"dilation_rate": (2, 3), "padding": "same"}),
    ((11, 9, 2), (2, 3, 1), {"dilation_rate": (3, 2), "strides": 2}),
    ((4, 4, 2), (5, 5, 3), {"padding": "same"}),
    ((1, 1, 1), (1, 1, 1), {}),
    ((7, 7, 2), (1, 1, 4), {"strides": 3}),
    ((5, 6, 31), (2, 2, 65), {"padding": "same"}),
    # More than one band: many pixels, or long patches.
    ((70, 41, 2), (3, 3, 3), {"padding": "same"}),
    ((12, 12, 130), (3, 3, 7), {"padding": "same"}),
    # A gradient of weights so large that it has few groups, and these several blocks.
    ((4, 4, 160), (3, 3, 200), {}),
]


def make(rng, dtype, batch, image, kernel, options):
    x = rng.normal(size=(batch, *image)).astype(dtype)
    rows, columns, filters = kernel
    w = (rng.normal(size=(rows, columns, image[2], filters)) / np.sqrt(rows * columns * image[2])).astype(dtype)
    b = rng.normal(size=filters).astype(dtype)
    y = kernels.conv2d_forward(x, w, b, **options)
    return x, w, b, y, rng.normal(size=y.shape).astype(dtype)


@pytest.mark.parametrize(("image", "kernel", "options"), SHAPES)
def test_equals_the_oracle(image, kernel, options, dtype, rng):
    for batch in (1, 3, 17) if np.prod(image) * np.prod(kernel) < 100_000 else (2,):
        x, w, b, y, dy = make(rng, dtype, batch, image, kernel, options)
        assert_close(y, oracles.conv2d_forward(x, w, b, **options), dtype=dtype, name="y")
        found = kernels.conv2d_backward(dy, x, w, **options)
        expected = oracles.conv2d_backward(dy, x, w, **options)
        for name, one, other in zip(("dx", "dw", "db"), found, expected, strict=True):
            assert_close(one, other, dtype=dtype, name=name)


@pytest.mark.parametrize(("image", "kernel", "options"), SHAPES)
def test_bits_of_an_image_do_not_depend_on_the_batch(image, kernel, options, dtype, rng):
    x, w, b, y, dy = make(rng, dtype, 5, image, kernel, options)
    dx = kernels.conv2d_backward(dy, x, w, **options)[0]
    for first, last in ((0, 1), (1, 5), (4, 5)):
        part = slice(first, last)
        assert_same_bits(kernels.conv2d_forward(x[part], w, b, **options), y[part], "y")
        assert_same_bits(kernels.conv2d_backward(dy[part], x[part], w, **options)[0], dx[part], "dx")


def test_padding_is_zeros_around_the_image(dtype, rng):
    x, w, b, y, _ = make(rng, dtype, 3, (9, 8, 3), (3, 4, 5), {"padding": "same"})
    padded = np.pad(x, ((0, 0), (1, 1), (1, 2), (0, 0)))
    assert_same_bits(kernels.conv2d_forward(padded, w, b), y)


def test_a_patch_as_large_as_the_image_is_dense(dtype, rng):
    x, w, b, y, dy = make(rng, dtype, 7, (4, 5, 6), (4, 5, 9), {})
    flat = w.reshape(-1, 9)
    assert_same_bits(y.reshape(7, 9), kernels.dense_forward(x.reshape(7, -1), flat, b))
    dx = kernels.conv2d_backward(dy, x, w)[0]
    assert_same_bits(dx.reshape(7, -1), kernels.dense_backward(dy.reshape(7, 9), x.reshape(7, -1), flat)[0])


def test_no_images(dtype):
    x, w, b = np.empty((0, 4, 4, 1), dtype), np.ones((2, 2, 1, 3), dtype), np.ones(3, dtype)
    assert kernels.conv2d_forward(x, w, b).shape == (0, 3, 3, 3)
    dx, dw, db = kernels.conv2d_backward(np.empty((0, 3, 3, 3), dtype), x, w)
    assert dx.shape == x.shape
    assert not dw.any()
    assert not db.any()


def test_frozen_weights_keep_a_gradient_of_the_bias(dtype, rng):
    x, w, b, _, dy = make(rng, dtype, 3, (6, 6, 2), (3, 3, 4), {})
    run = OpRun(registered["conv2d"], [x], [w, b], strides=(1, 1), padding="valid", dilation=(1, 1))
    run.forward()
    d_inputs, d_parameters = [np.empty_like(x)], [None, np.empty_like(b)]
    run._run(False, [dy.copy()], d_inputs, d_parameters)
    assert_close(d_parameters[1], dy.sum(axis=(0, 1, 2), dtype=np.float64), dtype=dtype)
    assert_same_bits(d_inputs[0], kernels.conv2d_backward(dy, x, w)[0])


def test_too_large_for_its_offsets():
    with pytest.raises(ValueError, match="have more than 2147483647 numbers"):
        registered["conv2d"].sizes(
            [(50_000, 50_000, 1)], [(1, 1, 1, 1)], {"strides": (1, 1), "padding": "valid", "dilation": (1, 1)}
        )


def test_patches_that_reach_absurdly_far():
    x, w = np.zeros((1, 4, 4, 1), "f4"), np.zeros((2, 2, 1, 1), "f4")
    with pytest.raises(ValueError, match="reach too far beyond an image"):
        kernels.conv2d_forward(x, w, padding="same", dilation_rate=100_000_000)


@pytest.mark.parametrize(
    ("image", "kernel", "dilation"),
    [
        ((1, 1, 1), (2**21, 1, 1, 1), (2**30, 1)),  # 2^51 rows
        ((1, 1, 2), (2, 2, 2, 1), (2**31 - 1,) * 2),  # 2^63 numbers in a band: negative in 64 bits
        ((1, 1, 4), (2, 2, 4, 1), (2**31 - 1,) * 2),  # 2^64: almost none
        ((1, 2**30, 1), (1, 2**29, 1, 1), (1, 1)),  # 2^59 numbers in a row's patches, times the slots
    ],
)
def test_sizes_do_not_overflow(image, kernel, dilation):
    with pytest.raises(ValueError, match="reach too far beyond an image"):
        registered["conv2d"].sizes(
            [image], [kernel], {"strides": (1, 1), "padding": "same", "dilation": dilation}
        )


@pytest.mark.parametrize("empty", [(2, 0, 4, 1), (2, 4, 4, 0)])
def test_empty_images(empty):
    with pytest.raises(ValueError, match="conv2d_forward: x and w must be .* with at least one number"):
        kernels.conv2d_forward(np.empty(empty, "f4"), np.empty((1, 1, empty[3], 2), "f4"))
