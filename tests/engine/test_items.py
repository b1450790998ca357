"""Data sets whose samples lack items: each sample counts as if it were alone and unpadded, or the model is refused."""

import numpy as np
import pytest

from tests import oracles
from tinynn import Sequential, layers

STEPS, FEATURES = 6, 2


class Sequences:
    """Samples of 1 to 6 items; what stands where an item is missing must not matter, so the first item is huge."""

    sample_shape: tuple[int, ...] = (STEPS, FEATURES)

    def __init__(self, rng, samples=9, lacking=True, targets=(3,)):
        self.items = rng.normal(size=(30, FEATURES))
        self.indices = rng.integers(0, 30, (samples, STEPS))
        self.counts = 1 + np.arange(samples) % STEPS if lacking else np.full(samples, STEPS)
        self.indices[np.arange(STEPS) >= self.counts[:, None]] = -1
        self.targets = rng.normal(size=(samples, *targets))

    def __len__(self):
        return len(self.indices)

    def samples(self, epoch=0):
        return self.items, self.indices, self.targets

    def alone(self, row):
        return self.items[self.indices[row, : self.counts[row]]][None]

    def padded(self):
        return np.where(self.indices[..., None] < 0, 0, self.items[self.indices])


CELLS = {
    "rnn": lambda units, sequences=False: layers.SimpleRNN(units, sequences),
    "lstm": lambda units, sequences=False: layers.LSTM(units, sequences),
    "gru": lambda units, sequences=False: layers.GRU(units, sequences),
    "gru reset before": lambda units, sequences=False: layers.GRU(units, sequences, reset_after=False),
}
CHAINS = {
    "alone": lambda cell: [cell(4), layers.Dense(3)],
    "stacked": lambda cell: [cell(4, True), cell(5, True), cell(4), layers.Dense(3)],
    "behind TimeDistributed": lambda cell: [
        layers.TimeDistributed([layers.Dense(4, "relu"), layers.Dense(2)]),
        cell(3),
    ],
    "behind layers of one row": lambda cell: [
        layers.Rescaling(0.5, 1.0),
        layers.Dense(4, "tanh"),
        layers.LayerNormalization(),
        layers.Activation("softmax"),
        cell(3),
    ],
    "layers of one row in between": lambda cell: [
        cell(4, True),
        layers.Dense(3, "sigmoid"),
        layers.TimeDistributed(layers.Reshape((3, 1))),
        layers.Reshape((STEPS, 3)),
        cell(3),
    ],
    "repeated": lambda cell: [cell(4), layers.RepeatVector(2), cell(4, True), layers.Flatten(), layers.Dense(3)],
}


@pytest.mark.parametrize("chain", [name for name in CHAINS if name != "layers of one row in between"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_predicts_what_it_does_unpadded(cell, chain, dtype, rng):
    data = Sequences(rng)
    model = Sequential(CHAINS[chain](CELLS[cell]), (None, FEATURES), dtype=dtype)
    found = model.predict(data, batch_size=4)
    for row in range(len(data)):
        assert found[row].tobytes() == model.predict(data.alone(row).astype(dtype))[0].tobytes()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_the_mean_of_those_of_unpadded_samples(cell, chain, count, threads, rng):
    data = Sequences(rng)
    model = Sequential(CHAINS[chain](CELLS[cell]), (STEPS, FEATURES), dtype="float64")
    model.compile("sgd", "mse")
    threads(count)
    loss, found = model.compute_gradients(data), model.gradients.copy()
    losses, expected = [], np.zeros_like(found)
    for row, length in enumerate(data.counts):
        one = CHAINS[chain](CELLS[cell])
        one = [layers.Reshape((length, 3)) if isinstance(layer, layers.Reshape) else layer for layer in one]
        alone = Sequential(one, (length, FEATURES), dtype="float64")
        alone.set_weights(model.get_weights())
        alone.compile("sgd", "mse")
        losses.append(alone.compute_gradients(data.alone(row), data.targets[row : row + 1]))
        expected += alone.gradients / len(data)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-12)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_states_behind_the_end_repeat_the_last_one_as_in_keras(cell, rng):
    data = Sequences(rng)
    model = Sequential([CELLS[cell](4, True)], (STEPS, FEATURES), dtype="float64")
    arguments = data.padded(), *model.get_weights()
    forward = getattr(oracles, f"{cell.split()[0]}_forward")
    options = {"reset_after": not cell.endswith("before")} if cell.startswith("gru") else {}
    expected = forward(*arguments, lengths=data.counts, **options)
    expected = expected[0] if cell == "lstm" else expected
    np.testing.assert_allclose(model.predict(data), expected, rtol=1e-12, atol=1e-14)


def test_towers_of_items_then_a_recurrent_layer(rng):
    data = Sequences(rng)
    model = Sequential(
        [layers.Towers(layers.Dense(3, "tanh"), STEPS), layers.GRU(4)], (STEPS, FEATURES), dtype="float64"
    )
    found = model.predict(data)
    hidden = model.predict(data.padded(), output="towers")
    *_, w, u, b = model.get_weights()
    states = oracles.gru_forward(hidden, w, u, b, lengths=data.counts)
    np.testing.assert_allclose(found, states[:, -1], rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 4])
def test_training_with_full_samples_among_others_or_alone(batch, steps, rng):
    """Where nothing is missing, the bits are those of arrays."""
    data = Sequences(rng, lacking=False)
    data.indices = data.indices[:, :steps].copy()
    data.sample_shape = (steps, FEATURES)
    weights = []
    for x, y in ((data, None), (data.items[data.indices], data.targets)):
        model = Sequential([layers.LSTM(4, True), layers.GRU(3)], (steps, FEATURES), dtype="float64")
        model.compile("adam", "mse")
        model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
        weights.append(model.parameters.tobytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize("many", [2, 7])
def test_any_number_of_threads_gives_the_same_bits(many, threads, rng):
    data = Sequences(rng, 70, targets=(16,))
    weights = []
    for count in (1, many):
        threads(count)
        model = Sequential([layers.Dense(120, "tanh"), layers.LSTM(100, True), layers.GRU(16)], (STEPS, FEATURES))
        model.compile("adam", "mse")
        model.fit(data, batch_size=32, epochs=2, verbose=0)
        weights.append(model.parameters.tobytes())
    assert weights[0] == weights[1]


class Halves(layers.Layer):
    """A layer of one's own that folds the items in pairs."""

    def connect(self, network, x):
        pairs = network.fold_steps(network.reshape(x, (STEPS // 2, 2, FEATURES)))
        return network.unfold_steps(network.op("sum_distribution", pairs), STEPS // 2)


REFUSED = {
    "flatten": ([layers.Flatten, lambda: layers.Dense(3)], "layer 'dense' combines all items"),
    "states, flattened": (
        [lambda: layers.LSTM(3, True), layers.Flatten, lambda: layers.Dense(3)],
        "layer 'dense' combines",
    ),
    "reshape": ([lambda: layers.Reshape((2, 6)), lambda: layers.LSTM(3)], "layer 'lstm' combines all items"),
    "wrong sequence": ([lambda: layers.Reshape((3, 4)), lambda: layers.GRU(3)], "layer 'gru' combines all items"),
    "pooling": (
        [lambda: layers.Reshape((STEPS, FEATURES, 1)), layers.MaxPooling2D, layers.Flatten],
        "layer 'max_pooling2d' combines all items",
    ),
    "convolution": (
        [lambda: layers.Reshape((STEPS, FEATURES, 1)), lambda: layers.Conv2D(2, 2), layers.Flatten],
        "layer 'conv2d' combines all items",
    ),
    "normalization over a sample": (
        [layers.Flatten, layers.LayerNormalization],
        "layer 'layer_normalization' combines all items",
    ),
    "softmax over a sample": ([layers.Flatten, lambda: layers.Activation("softmax")], "layer 'activation' combines"),
    "repeat": ([layers.Flatten, lambda: layers.RepeatVector(2), layers.Flatten], "layer 'repeat_vector' combines all"),
    "wrong numbers": ([lambda: layers.Reshape((2, 6)), layers.SumDistribution], "layer 'sum_distribution' combines"),
    "pairs": ([Halves, layers.Flatten], "layer 'halves' combines all items"),
    "a layer in Python": ([layers.PythonLayer, lambda: layers.LSTM(3)], "layer 'python_layer' combines all"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_takes_items_together_is_refused(name, rng):
    chain, message = REFUSED[name]
    data = Sequences(rng)
    model = Sequential([make() for make in chain], data.sample_shape)
    with pytest.raises(
        ValueError, match=rf"predict: the data set has samples with fewer than 6 items .*, but {message}"
    ):
        model.predict(data)


def test_a_loss_of_every_item_is_refused(rng):
    data = Sequences(rng, targets=(STEPS, 3))
    model = Sequential([layers.LSTM(4, True), layers.Dense(3)], data.sample_shape)
    model.compile("sgd", "mse")
    before = model.parameters.tobytes()
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="but the loss and the metrics are computed for every item; give every"):
            use(data, verbose=0)
    assert model.parameters.tobytes() == before


def test_statistics_over_items_are_refused_in_training_only(rng):
    data = Sequences(rng)
    model = Sequential([layers.TimeDistributed(layers.BatchNormalization()), layers.GRU(3)], data.sample_shape)
    model.compile("sgd", "mse")
    with pytest.raises(
        ValueError, match="fit: .* 'time_distributed/batch_normalization' computes statistics over all"
    ):
        model.fit(data, verbose=0)
    row = model.predict(data.alone(5))[0]
    assert model.predict(data)[5].tobytes() == row.tobytes()
    model.layers[0].trainable = False
    model.fit(data, verbose=0)


def test_items_that_are_not_the_first_axis_are_refused(rng):
    data = Sequences(rng)
    data.sample_shape = (3, 4)
    model = Sequential([layers.LSTM(3)], data.sample_shape)
    with pytest.raises(ValueError, match=r"the items are not the first axis of the model's samples of shape \(3, 4\)"):
        model.predict(data)


def test_samples_without_gaps_are_taken_by_every_model(rng):
    data = Sequences(rng, lacking=False)
    model = Sequential([layers.Flatten(), layers.Dense(3)], data.sample_shape)
    model.compile("sgd", "mse")
    model.fit(data, verbose=0)
