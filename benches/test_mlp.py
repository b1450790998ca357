"""Small multilayer perceptrons: training by `fit` and `train_on_batch`, prediction of one row and of many."""

import numpy as np
import pytest

from benches.agreement import assert_agree, assert_trained_alike
from benches.numpy_networks import multilayer_perceptron
from tinynn import Sequential
from tinynn.layers import Dense
from tinynn.optimizers import Adam

VERSIONS = ["numpy", "tinynn-1", "tinynn-2"]
STEPS = 50

# Small enough that the same steps, repeated ten thousands of times, stay the same work. (A network trained to
# the end has gradients in the range where NumPy computes with slow denormal numbers and tinynn does not.)
RATE = 1e-7


def name_of(widths):
    return "-".join(map(str, widths))


def pair(widths, dtype, learning_rate=RATE):
    """The same network twice, with the same weights."""
    hidden = [Dense(width, activation="relu") for width in widths[1:-1]]
    output = Dense(widths[-1], activation="softmax")
    model = Sequential([*hidden, output], input_shape=widths[:1], dtype=dtype)
    model.compile(optimizer=Adam(learning_rate), loss="sparse_categorical_crossentropy")
    network = multilayer_perceptron(widths, dtype)
    network.set_weights(model.get_weights())
    return model, network


def data(widths, samples, dtype, rng):
    x = rng.standard_normal((samples, widths[0])).astype(dtype)
    return x, rng.integers(0, widths[-1], samples)


TRAINING = [((784, 128, 10), 32), ((784, 128, 10), 128), ((16, 64, 64, 4), 32), ((2, 8, 2), 4)]
TRAINING_IDS = [f"{name_of(widths)} B {batch}" for widths, batch in TRAINING]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths, batch", TRAINING, ids=TRAINING_IDS)
def test_fit(widths, batch, dtype, version, measure, set_threads, rng):
    """An epoch of 50 steps in a new random order, with all that an epoch costs besides."""
    x, y = data(widths, STEPS * batch, dtype, rng)

    def check():
        model, network = pair(widths, dtype, 1e-3)
        before = model.get_weights()
        few = 5 * batch - 1  # so that the last batch is smaller
        history = model.fit(x[:few], y[:few], batch, verbose=0, shuffle=False)
        loss = network.fit(x.__getitem__, y[:few], batch, 1e-3)
        np.testing.assert_allclose(history.history["loss"][0], loss, rtol=1e-4)
        assert_trained_alike(before, model.get_weights(), network.get_weights())

    model, network = pair(widths, dtype)
    set_threads(version)
    measure(
        version,
        f"{STEPS} steps of fit, {name_of(widths)} B {batch} {dtype}",
        lambda: model.fit(x, y, batch, verbose=0),
        lambda: network.fit(x.__getitem__, y, batch, RATE, rng.permutation(len(x))),
        check,
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("widths, batch", TRAINING, ids=TRAINING_IDS)
def test_train_on_batch(widths, batch, version, measure, set_threads, rng):
    """One step, called from Python."""
    x, y = data(widths, batch, "float32", rng)

    def check():
        model, network = pair(widths, "float32", 1e-3)
        before = model.get_weights()
        np.testing.assert_allclose(model.train_on_batch(x, y), network.train_on_batch(x, y, 1e-3), rtol=1e-4)
        assert_trained_alike(before, model.get_weights(), network.get_weights())

    model, network = pair(widths, "float32")
    set_threads(version)
    measure(
        version,
        f"train_on_batch, {name_of(widths)} B {batch}",
        lambda: model.train_on_batch(x, y),
        lambda: network.train_on_batch(x, y, RATE),
        check,
    )


@pytest.mark.parametrize("version", VERSIONS[:2])
@pytest.mark.parametrize("rows", [1, 1024])
@pytest.mark.parametrize("widths", [(784, 128, 10), (4, 120, 84, 2), (16, 64, 64, 4), (2, 8, 2)], ids=name_of)
def test_predict(widths, rows, version, measure, set_threads, rng):
    x, _ = data(widths, rows, "float32", rng)
    model, network = pair(widths, "float32")
    set_threads(version)
    measure(
        version,
        f"predict {rows} row{'s' if rows > 1 else ''}, {name_of(widths)}",
        lambda: model.predict(x),
        lambda: network.predict(x),
        lambda: assert_agree(model.predict(x), network.predict(x)),
    )
