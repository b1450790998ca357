"""LayerNormalization in a model."""

import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

OPTIONS = [{}, {"center": False}, {"scale": False}, {"center": False, "scale": False, "epsilon": 0.1}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)], ids=len)
def test_equals_numpy(shape, options, dtype, rng):
    check_prediction([layers.LayerNormalization(**options)], shape, rng, dtype)


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients(options, rng):
    check_gradients([layers.Dense(5, "tanh"), layers.LayerNormalization(**options), layers.Dense(2)], (3, 4), rng)


@pytest.mark.parametrize("wrapper", ["TimeDistributed", "Towers"])
def test_within_other_layers(wrapper, rng):
    inner = [layers.Dense(4), layers.LayerNormalization(), layers.Dense(2)]
    outer = layers.TimeDistributed(inner) if wrapper == "TimeDistributed" else layers.Towers(inner, 3)
    check_gradients([outer], (3, 5), rng)


def test_parameters_in_keras_order():
    model = Sequential([layers.LayerNormalization()], (2, 3))
    assert list(model._core.parameters) == ["layer_normalization/gamma", "layer_normalization/beta"]
    assert [w.tolist() for w in model.get_weights()] == [[1] * 3, [0] * 3]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="LayerNormalization: epsilon must be"):
        layers.LayerNormalization(0)
    with pytest.raises(ValueError, match="single numbers"):
        Sequential([layers.LayerNormalization()], ())
