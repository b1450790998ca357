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


class Sums:
    """Samples of up to five pairs of numbers, and a distribution or a label for each."""

    def __init__(self, rng, targets):
        self.items = rng.normal(size=(20, 2))
        self.counts = [5, 1, 3, 2, 4, 5, 1]
        self.indices = rng.integers(0, 20, (7, 5))
        for row, count in zip(self.indices, self.counts, strict=True):
            row[count:] = -1
        self.sample_shape = (5, 2)
        self.targets = np.zeros((7, 11))
        for row, count in zip(self.targets, self.counts, strict=True):
            row[:2 * count + 1] = rng.dirichlet(np.ones(2 * count + 1))
        if targets == "labels":
            self.targets = np.array([rng.integers(0, 2 * count + 1) for count in self.counts])

    def __len__(self):
        return 7

    def samples(self, epoch=0):
        return self.items, self.indices, self.targets

    def alone(self, row):
        """One sample without the places where it has nothing."""
        count = self.counts[row]
        target = self.targets[row:row + 1]
        return self.items[self.indices[row, :count]][None], target if target.ndim == 1 else target[:, :2 * count + 1]


@pytest.mark.parametrize("scale", [1, 300])  # so far from the truth that only logarithms can tell
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("loss", [*LOSSES, "mean_squared_error"])
def test_samples_of_different_lengths_are_as_each_alone(loss, count, threads, scale, dtype, rng):
    data = Sums(rng, "labels" if loss == LOSSES[0] else "distributions")
    model = Sequential(reader(), (None, 2), dtype=dtype)
    model.parameters[:] *= scale
    model.compile("sgd", loss)
    threads(count)
    found, gradients = model.compute_gradients(data), model.gradients.copy()
    threads(None)
    predictions = model.predict(data)
    losses, expected = [], np.zeros_like(gradients)
    for row, length in enumerate(data.counts):
        x, y = data.alone(row)
        share = 1 if loss != "mean_squared_error" else (2 * length + 1) / 11  # a mean over the sums there are
        losses.append(share * model.compute_gradients(x, y))
        expected += share / 7 * model.gradients
        assert (predictions[row, :2 * length + 1] == model.predict(x)[0]).all()
        assert not predictions[row, 2 * length + 1:].any()
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, np.mean(losses), rtol=tolerance)
    np.testing.assert_allclose(gradients, expected, rtol=100 * tolerance, atol=tolerance * np.abs(expected).max())
    assert model.evaluate(data, batch_size=3) == pytest.approx(found, rel=tolerance)


def test_a_distribution_for_each_step_does_not_look_at_the_lengths(rng):
    """Rows that are parts of samples are whole."""
    data = Sums(rng, "labels")
    data.sample_shape = (5, 2, 1)
    model = Sequential([layers.TimeDistributed(layers.SumDistribution())], (5, 2, 1))
    assert (model.predict(data)[0] == data.items[data.indices[0]].astype("f4").prod(axis=1)[:, None]).all()
