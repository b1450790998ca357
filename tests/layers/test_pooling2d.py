"""MaxPooling2D and AveragePooling2D in a model: outputs, gradients, and arguments that are wrong."""

import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

BOTH = [layers.MaxPooling2D, layers.AveragePooling2D]
OPTIONS = [{}, {"pool_size": (3, 2), "strides": 1}, {"pool_size": 3, "strides": (2, 1), "padding": "same"}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layer", BOTH)
def test_equals_numpy(layer, options, dtype, rng):
    check_prediction([layer(**options)], (6, 5, 3), rng, dtype)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layer", BOTH)
def test_gradients(layer, options, rng):
    check_gradients([layers.Dense(3, "tanh"), layer(**options), layers.Flatten(), layers.Dense(2)], (6, 5, 2), rng)


@pytest.mark.parametrize("layer", BOTH)
def test_windows_stand_side_by_side_by_default(layer):
    assert layer(3).get_config() == {"pool_size": [3, 3], "strides": None, "padding": "valid", "name": None}
    assert Sequential([layer(3)], (9, 7, 2)).predict([[[[1.0, 2.0]] * 7] * 9]).shape == (1, 3, 2, 2)


@pytest.mark.parametrize("layer", BOTH)
def test_wrong_arguments(layer):
    name = layer.__name__
    with pytest.raises(ValueError, match=f"{name}: pool_size must be from 1"):
        layer((2, 0))
    with pytest.raises(TypeError, match=f"{name}: strides must be a whole number"):
        layer(2, strides=1.5)
    with pytest.raises(ValueError, match=f"{name}: padding must be"):
        layer(padding="full")
    with pytest.raises(ValueError, match=r"\(rows, columns, channels\)"):
        Sequential([layer()], (4, 4))
