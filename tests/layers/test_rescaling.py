"""Rescaling, fused into the gather at the front and an op elsewhere."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, check_prediction
from tests.numerics import assert_close
from tinynn import Sequential, layers


def test_equals_numpy_in_front_and_behind(dtype, rng):
    check_prediction([layers.Rescaling(0.5, -1.0)], (3, 4), rng, dtype)
    check_prediction([layers.Dense(4), layers.Rescaling(2.0, 0.25)], (3,), rng, dtype)
    check_prediction([layers.Rescaling(0.5), layers.Rescaling(3.0, 1.0)], (3,), rng, dtype)
    check_prediction([layers.TimeDistributed([layers.Rescaling(0.5, 2.0), layers.Dense(2)])], (4, 3), rng, dtype)


def test_gradients(rng):
    check_gradients([layers.Rescaling(0.5, 1.0), layers.Dense(3), layers.Rescaling(-2.0), layers.Dense(2)], (3,), rng)


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "int16", "bool"])
def test_every_kind_of_input(kind, dtype, rng):
    x = (rng.integers(0, 255, (5, 3, 7)) % (2 if kind == "bool" else 256)).astype(kind)
    model = Sequential([layers.Rescaling(1 / 255, 0.5), layers.Flatten()], (3, 7), dtype=dtype)
    expected = (x.astype(np.float64) / 255 + 0.5).reshape(5, -1)
    assert_close(model.predict(x), expected, dtype=dtype)


def test_nothing_before_it_is_scaled(rng):
    """An earlier layer's output is the raw one, though the scaling is fused into the gather."""
    model = Sequential([layers.Flatten(), layers.Rescaling(0.5), layers.Dense(2)], (2, 2))
    x = rng.normal(size=(3, 2, 2)).astype("float32")
    np.testing.assert_array_equal(model.predict(x, output="flatten"), x.reshape(3, 4))
    np.testing.assert_array_equal(model.predict(x, output="rescaling"), x.reshape(3, 4) / 2)


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_scale_is_finite(scale):
    with pytest.raises(ValueError, match="Rescaling: scale must be a finite number"):
        layers.Rescaling(scale)
