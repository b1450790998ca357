"""Pooling against the oracle at many shapes: bits, ties, NaN."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close, assert_same_bits
from tinynn import kernels

SHAPES = [
    ((24, 24, 16), {}),
    ((5, 7, 3), {}),
    ((5, 7, 33), {"pool_size": (3, 2), "strides": (2, 3), "padding": "same"}),
    ((6, 6, 8), {"pool_size": 3, "strides": 1}),
    ((4, 5, 1), {"pool_size": (4, 5), "padding": "same"}),
    ((7, 7, 2), {"pool_size": 5, "strides": 2, "padding": "same"}),
    ((3, 3, 1), {"pool_size": 1, "strides": 2}),
]


@pytest.mark.parametrize(("image", "options"), SHAPES)
@pytest.mark.parametrize("name", ["max", "average"])
def test_equals_the_oracle(name, image, options, dtype, rng):
    forward, backward = (f"{name}_pooling2d_{way}" for way in ("forward", "backward"))
    for batch in (1, 9):
        x = rng.normal(size=(batch, *image)).astype(dtype)
        y = getattr(kernels, forward)(x, **options)
        assert_close(y, getattr(oracles, forward)(x, **options), dtype=dtype, name="y")
        dy = rng.normal(size=y.shape).astype(dtype)
        dx = getattr(kernels, backward)(dy, x, **options)
        assert_close(dx, getattr(oracles, backward)(dy, x, **options), dtype=dtype, name="dx")
        assert_same_bits(getattr(kernels, backward)(dy[:1], x[:1], **options), dx[:1])


@pytest.mark.parametrize("options", [{}, {"pool_size": 3, "strides": 1, "padding": "same"}])
def test_the_first_of_equals_gets_the_gradient(options, dtype, rng):
    x = rng.integers(0, 2, size=(4, 6, 8, 17)).astype(dtype)
    dy = rng.normal(size=kernels.max_pooling2d_forward(x, **options).shape).astype(dtype)
    found = kernels.max_pooling2d_backward(dy, x, **options)
    assert_close(found, oracles.max_pooling2d_backward(dy, x, **options), dtype=dtype)


def test_nan_is_the_largest(dtype):
    x = np.zeros((1, 2, 4, 1), dtype)
    x[0, 1, 0] = np.nan
    y = kernels.max_pooling2d_forward(x).ravel()
    assert np.isnan(y[0])
    assert y[1] == 0


@pytest.mark.parametrize("name", ["max", "average"])
def test_no_images(name, dtype):
    assert getattr(kernels, f"{name}_pooling2d_forward")(np.empty((0, 4, 4, 1), dtype)).shape == (0, 2, 2, 1)


def test_empty_images():
    with pytest.raises(ValueError, match="max_pooling2d_forward: x must be images with at least one number"):
        kernels.max_pooling2d_forward(np.empty((1, 4, 0, 1), "f4"))
