"""Conv2D in a model: outputs, gradients, shapes, inside other layers, and arguments that are wrong."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

OPTIONS = [{}, {"padding": "same"}, {"padding": "same", "strides": (2, 1)}, {"dilation_rate": 2, "use_bias": False}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "tanh", "softmax"])
def test_equals_numpy(activation, options, dtype, rng):
    check_prediction([layers.Conv2D(4, (3, 2), activation=activation, **options)], (6, 5, 3), rng, dtype)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_gradients(activation, options, rng):
    chain = [
        layers.Conv2D(2, 2, activation="tanh"),
        layers.Conv2D(3, (3, 2), activation=activation, **options),
        layers.Flatten(),
        layers.Dense(2),
    ]
    check_gradients(chain, (7, 6, 2), rng)


@pytest.mark.parametrize("wrapper", ["TimeDistributed", "Towers"])
def test_within_other_layers(wrapper, dtype, rng):
    recognizer = [layers.Conv2D(3, 2, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(2)]
    outer = layers.TimeDistributed(recognizer) if wrapper == "TimeDistributed" else layers.Towers(recognizer, 3)
    check_prediction([outer], (3, 5, 5, 2), rng, dtype)
    check_gradients([outer], (3, 5, 5, 2), rng)


def test_parameters_in_keras_layout():
    model = Sequential([layers.Conv2D(4, (3, 2)), layers.Conv2D(5, 1, use_bias=False)], (6, 5, 3))
    assert [w.shape for w in model.get_weights()] == [(3, 2, 3, 4), (4,), (1, 1, 4, 5)]
    limit = np.sqrt(6 / (3 * 2 * (3 + 4)))  # Glorot: a unit has 18 inputs and 24 outputs
    assert 0.8 * limit < np.abs(model.get_weights()[0]).max() <= limit


def test_images_of_any_size(rng):
    model = Sequential([layers.Conv2D(2, 3, padding="same")], (None, None, 1), rng=1)
    for size in ((4, 5), (9, 3)):
        x = rng.normal(size=(2, *size, 1)).astype("float32")
        fixed = Sequential([layers.Conv2D(2, 3, padding="same")], (*size, 1), rng=1)
        assert model.predict(x).tobytes() == fixed.predict(x).tobytes()


def test_survives_a_file(tmp_path, rng):
    from tinynn import load

    model = Sequential([layers.Conv2D(2, 3, strides=2, dilation_rate=1, padding="same")], (6, 6, 1))
    model.save(tmp_path / "model.safetensors")
    x = rng.normal(size=(2, 6, 6, 1)).astype("float32")
    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").predict(x), model.predict(x))


@pytest.mark.parametrize("argument", ["kernel_size", "strides", "dilation_rate"])
def test_sizes_are_one_or_two_whole_numbers(argument):
    for value, error in ((0, ValueError), ((2, -1), ValueError), (2.5, TypeError), ((1, 2, 3), TypeError),
                         ("3", TypeError), (None, TypeError), ((1, "2"), TypeError)):
        with pytest.raises(error, match=f"Conv2D: {argument} must be"):
            layers.Conv2D(1, **{"kernel_size": 3, argument: value})


def test_wrong_filters_and_padding():
    with pytest.raises(ValueError, match="Conv2D: filters must be at least 1"):
        layers.Conv2D(0, 3)
    with pytest.raises(ValueError, match="Conv2D: padding must be 'valid' or 'same', got 'causal'"):
        layers.Conv2D(1, 3, padding="causal")


def test_needs_images():
    with pytest.raises(ValueError, match=r"'conv2d'.*\(rows, columns, .*\(28, 28\).*Reshape\(\(\*shape, 1\)\)"):
        Sequential([layers.Conv2D(1, 3)], (28, 28))
    with pytest.raises(ValueError, match=r"'conv2d'.*\(rows, columns, channels\).*\(5,\)"):
        Sequential([layers.Conv2D(1, 3)], (5,))
    with pytest.raises(ValueError, match="'conv2d'.*channels must be known"):
        Sequential([layers.Conv2D(1, 3)], (4, 4, None))
    with pytest.raises(ValueError, match="the window must fit .* a window of 5 x 5 and an image of 4 x 4"):
        Sequential([layers.Conv2D(1, 5)], (4, 4, 1))
