"""Activation layers."""

import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

NAMES = ["linear", "relu", "sigmoid", "tanh", "softmax"]


@pytest.mark.parametrize("name", NAMES)
def test_equals_numpy(name, dtype, rng):
    check_prediction([layers.Activation(name)], (2, 5), rng, dtype)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name, rng):
    """Between two layers: the first one's gradients show what flows through."""
    check_gradients([layers.Dense(4), layers.Activation(name), layers.Dense(2)], (3,), rng)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bits_as_in_a_dense(name, rng):
    apart = Sequential([layers.Dense(9), layers.Activation(name)], (7,), rng=3)
    together = Sequential([layers.Dense(9, name)], (7,), rng=3)
    x = rng.normal(size=(6, 7)).astype("float32")
    assert apart.predict(x).tobytes() == together.predict(x).tobytes()


def test_two_activations_in_a_row(rng):
    check_gradients([layers.Dense(4, "tanh"), layers.Activation("sigmoid"), layers.Activation("softmax")], (3,), rng)


def test_softmax_over_an_axis_that_was_reshaped(rng):
    check_gradients([layers.Dense(6), layers.Reshape((2, 3)), layers.Activation("softmax")], (3,), rng)


def test_needs_a_name():
    assert layers.Activation(None).activation is None
    with pytest.raises(TypeError, match="activation: expected a name"):
        layers.Activation(3)
