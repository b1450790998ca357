"""Flatten, Reshape and RepeatVector."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers


def test_equal_numpy(dtype, rng):
    check_prediction([layers.Flatten()], (2, 3, 4), rng, dtype)
    check_prediction([layers.Flatten()], (), rng, dtype)
    check_prediction([layers.Reshape((4, -1))], (2, 3, 4), rng, dtype)
    check_prediction([layers.Reshape((24,)), layers.Reshape((2, 12)), layers.Dense(3)], (2, 3, 4), rng, dtype)
    check_prediction([layers.RepeatVector(3)], (5,), rng, dtype)
    check_prediction([layers.RepeatVector(1)], (1,), rng, dtype)


def test_gradients(rng):
    check_gradients(
        [layers.Dense(6), layers.Reshape((3, 2)), layers.Dense(2), layers.Flatten(), layers.Dense(2)], (2,), rng
    )
    check_gradients([layers.Dense(3), layers.RepeatVector(4), layers.Dense(2)], (2,), rng)


def test_shapes_alone_make_a_model(rng):
    x = rng.normal(size=(3, 2, 2)).astype("float32")
    model = Sequential([layers.Flatten()], (2, 2))
    assert model.count_params() == 0
    np.testing.assert_array_equal(model.predict(x), x.reshape(3, 4))


def test_unknown_axes():
    model = Sequential([layers.Flatten()], (None, 2))
    assert model.predict(np.ones((2, 3, 2))).shape == (2, 6)
    assert model.predict(np.ones((2, 4, 2))).shape == (2, 8)
    model = Sequential([layers.Reshape((-1, 2))], (None,))
    assert model.predict(np.ones((3, 6))).shape == (3, 3, 2)
    with pytest.raises(ValueError, match=r"samples of shape \(5,\) have 5 elements"):
        model.predict(np.ones((3, 5)))


@pytest.mark.parametrize("target", [(5,), (4, -1), (2, 2)])
def test_reshape_that_does_not_fit(target):
    with pytest.raises(ValueError, match=r"'reshape'.*\(2, 3\).*6 elements.*target_shape"):
        Sequential([layers.Reshape(target)], (2, 3))


@pytest.mark.parametrize("target", [(-1, -1), (0,), (-2,)])
def test_reshape_to_nonsense(target):
    with pytest.raises(ValueError, match="Reshape: target_shape"):
        layers.Reshape(target)


@pytest.mark.parametrize("target", [(2.5,), ("a",), 3, None])
def test_reshape_to_no_shape(target):
    with pytest.raises(TypeError, match="Reshape: target_shape"):
        layers.Reshape(target)


def test_repeat_takes_vectors():
    with pytest.raises(ValueError, match=r"'repeat_vector'.*\(features,\).*\(2, 3\)"):
        Sequential([layers.RepeatVector(2)], (2, 3))
    with pytest.raises(ValueError, match="RepeatVector: n must be at least 1"):
        layers.RepeatVector(0)
