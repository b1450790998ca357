"""Dropout: nothing in prediction, counter-based masks in training."""

import numpy as np
import pytest

from tests.model.reference import check_prediction
from tinynn import Sequential, layers


def masks(model, x, steps=1):
    """What each step's dropout lets through: with a mean squared error against 0 the gradient of the last bias."""
    found = []
    for _ in range(steps):
        model.compute_gradients(x, np.zeros_like(x))
        found.append(model.gradients.copy())
        model.apply_gradients()
    return found


def model_of(rate, size, rng=0):
    """Bias -> dropout: the bias' gradient is d y = 2 y / (rows columns) through the mask."""
    model = Sequential([layers.Dense(size), layers.Dropout(rate)], (size,), rng=rng, dtype="float64")
    model.parameters[:] = 0
    model.parameters[size * size :] = 1
    model.compile("sgd", "mean_squared_error")
    model.optimizer.learning_rate = 0.0
    return model


def test_predicts_as_if_it_were_not_there(dtype, rng):
    check_prediction([layers.Dense(4), layers.Dropout(0.5), layers.Dense(2)], (3,), rng, dtype)


def test_keeps_its_share_and_scales():
    size = 1200
    model = model_of(0.25, size)
    model.compute_gradients(np.zeros((1, size)), np.zeros((1, size)))
    through = model.gradients[size * size :] * size / 2
    kept = through != 0
    np.testing.assert_allclose(through[kept], 1 / 0.75**2)
    assert 0.7 < kept.mean() < 0.8


def test_each_step_has_its_own_mask_and_each_seed():
    x = np.zeros((1, 50))
    first, second = masks(model_of(0.5, 50), x, 2)
    assert (first != second).any()
    again, _ = masks(model_of(0.5, 50), x, 2)
    np.testing.assert_array_equal(first, again)
    other = masks(model_of(0.5, 50, rng=1), x)[0]
    assert (first != other).any()


def test_two_dropouts_have_different_masks():
    model = Sequential([layers.Dense(64), layers.Dropout(0.5), layers.Dropout(0.5)], (1,), dtype="float64")
    model.parameters[:] = 1
    model.compile("sgd", "mean_squared_error")
    model.compute_gradients(np.zeros((1, 1)), np.zeros((1, 64)))
    kept = (model.gradients[64:] != 0).mean()
    assert 0.1 < kept < 0.4  # a quarter; a half if the masks were the same


def test_rate_zero_does_nothing(rng):
    x, y = rng.normal(size=(8, 3)).astype("float32"), rng.normal(size=(8, 2)).astype("float32")
    weights = []
    for middle in ([layers.Dropout(0.0)], []):
        model = Sequential([layers.Dense(4), *middle, layers.Dense(2)], (3,), rng=5)
        model.compile("adam", "mse")
        model.fit(x, y, epochs=2, batch_size=3, verbose=0)
        weights.append(model.parameters.copy())
    assert weights[0].tobytes() == weights[1].tobytes()


def test_gradients_through_the_same_mask(rng):
    """The gradient of the loss that training computed, seen from outside: the mask is that of the step."""
    model = Sequential([layers.Dense(5), layers.Dropout(0.4), layers.Dense(2)], (3,), dtype="float64", rng=2)
    model.compile("sgd", "mean_squared_error")
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    loss = model.compute_gradients(x, y)
    gradients, start = model.gradients.copy(), model.parameters.copy()
    assert model.compute_gradients(x, y) == loss  # the same step
    direction = rng.normal(size=start.shape)
    losses = []
    for shift in (1e-5, -1e-5):
        model.parameters[:] = start + shift * direction
        losses.append(model.compute_gradients(x, y))
    np.testing.assert_allclose((losses[0] - losses[1]) / 2e-5, gradients @ direction, rtol=1e-7)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
def test_rate_is_from_zero_to_below_one(rate):
    with pytest.raises(ValueError, match="Dropout: rate must be a finite number >= 0 and < 1"):
        layers.Dropout(rate)
