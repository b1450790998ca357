"""SumDistribution as a layer, and its fusion with softmax and the loss."""

import numpy as np
import pytest

from tests import oracles
from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

LOSSES = ["sparse_categorical_crossentropy", "categorical_crossentropy"]


def reader(classes=3):
    return [layers.TimeDistributed(layers.Dense(classes, "softmax")), layers.SumDistribution()]


def test_equals_numpy(dtype, rng):
    check_prediction(reader(), (4, 2), rng, dtype)
    check_prediction(reader(1), (4, 2), rng, dtype)
    check_prediction(reader(5), (1, 2), rng, dtype)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss, rng):
    check_gradients([layers.Dense(2, "tanh"), *reader()], (3, 2), rng, loss)


def test_gradients_without_fusion(rng):
    """Another loss, or a sigmoid before it."""
    check_gradients(reader(), (3, 2), rng, "mean_squared_error")
    check_gradients([layers.Dense(3, "sigmoid"), layers.SumDistribution()], (3, 2), rng, LOSSES[0])


def test_separate_readers_and_a_softmax_of_its_own(rng):
    check_gradients([layers.Towers(layers.Dense(3, "softmax"), 3), layers.SumDistribution()], (3, 2), rng, LOSSES[0])
    check_gradients([layers.Dense(3), layers.Activation("softmax"), layers.SumDistribution()], (3, 2), rng, LOSSES[0])


def test_softmax_over_other_rows_than_the_sum_reads(rng):
    check_gradients(
        [layers.Dense(6, "softmax"), layers.Reshape((2, 3)), layers.SumDistribution()], (2,), rng, LOSSES[0]
    )


def test_an_impossible_sum_still_has_a_gradient():
    """Both numbers are 0 with certainty; the target says their sum is 2."""
    model = Sequential(reader(2), (2, 1), dtype="float64")
    model.parameters[:] = [0, 0, 500, -500]
    model.compile("sgd", LOSSES[0])
    loss = model.compute_gradients(np.zeros((1, 2, 1)), [2])
    assert loss == pytest.approx(2000)
    np.testing.assert_allclose(model.gradients[2:], [2, -2])


def test_the_digits_can_be_read_beside_the_sum(rng):
    model = Sequential(
        [layers.TimeDistributed(layers.Dense(4, "softmax"), name="reader"), layers.SumDistribution()], (3, 2)
    )
    x = rng.normal(size=(5, 3, 2)).astype("float32")
    digits = model.predict(x, output="reader")
    assert digits.shape == (5, 3, 4)
    np.testing.assert_allclose(model.predict(x), oracles.sum_distribution_forward(digits), rtol=1e-5)


def test_needs_two_axes():
    with pytest.raises(ValueError, match=r"'sum_distribution'.*\(numbers, probabilities\), got \(3,\)"):
        Sequential([layers.SumDistribution()], (3,))
