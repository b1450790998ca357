"""Dense: outputs and gradients in a model, shapes, and arguments that are wrong."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers


@pytest.mark.parametrize("activation", [None, "linear", "relu", "sigmoid", "tanh", "softmax"])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)], ids=len)
def test_equals_numpy(activation, shape, dtype, rng):
    check_prediction([layers.Dense(4, activation)], shape, rng, dtype)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "tanh", "softmax"])
def test_gradients(activation, use_bias, rng):
    check_gradients([layers.Dense(4, activation, use_bias), layers.Dense(2)], (3,), rng)


def test_gradients_of_the_last_axis_of_a_sequence(rng):
    check_gradients([layers.Dense(3, "tanh"), layers.Dense(2)], (2, 3, 4), rng)


def test_parameters_in_keras_order_and_layout():
    model = Sequential([layers.Dense(3, name="first"), layers.Dense(2, use_bias=False)], (4,))
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (3, 2)]
    assert list(model._core.parameters) == ["first/kernel", "first/bias", "dense/kernel"]
    assert not model.get_weights()[1].any()


@pytest.mark.parametrize("units", [0, -1])
def test_needs_units(units):
    with pytest.raises(ValueError, match=f"Dense: units must be at least 1, got {units}"):
        layers.Dense(units)


@pytest.mark.parametrize("units", [2.0, "2", True, None])
def test_units_are_a_whole_number(units):
    with pytest.raises(TypeError, match="Dense: units must be a whole number"):
        layers.Dense(units)


def test_numpy_units():
    assert layers.Dense(np.int64(3)).units == 3


def test_unknown_activation_names_the_nearest():
    with pytest.raises(ValueError, match="unknown activation 'sigmiod'.*did you mean 'sigmoid'"):
        layers.Dense(2, "sigmiod")


def test_scalar_samples_have_no_last_axis():
    with pytest.raises(ValueError, match=r"'dense'.*\(\.\.\., inputs\).*single numbers.*reshape"):
        Sequential([layers.Dense(2)], ())


def test_last_axis_must_be_known():
    with pytest.raises(ValueError, match="'dense'.*'kernel'.*must be known"):
        Sequential([layers.Dense(2)], (3, None))


def test_other_axes_may_be_unknown(rng):
    model = Sequential([layers.Dense(2)], (None, 3))
    for steps in (1, 4):
        x = rng.normal(size=(2, steps, 3)).astype("float32")
        assert model.predict(x).shape == (2, steps, 2)
    assert len(model.get_weights()) == 2
