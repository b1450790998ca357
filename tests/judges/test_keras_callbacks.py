"""Keras 3's callbacks on random sequences of epochs: the same decisions, and the same weights at the end."""

import os
import types

import numpy as np
import pytest

from tests.callbacks.helpers import FakeModel, epochs_of, train
from tests.judges import required
from tinynn import callbacks

os.environ["KERAS_BACKEND"] = "jax"
required("jax")
keras = required("keras")


class Theirs(FakeModel):
    """What Keras' callbacks know of a model."""

    def __init__(self):
        super().__init__()
        self.optimizer = types.SimpleNamespace(learning_rate=np.float64(0.1))


def by_keras(callback, logs):
    """Do what Keras' `fit` does with a callback; returns the model and how many epochs ran."""
    model = Theirs()
    callback.set_model(model)
    callback.set_params({"epochs": len(logs)})
    callback.on_train_begin()
    epochs = 0
    for epoch, each in enumerate(logs):
        callback.on_epoch_begin(epoch)
        model.weights[0][0] = epoch + 1
        callback.on_epoch_end(epoch, dict(each))
        epochs += 1
        if model.stop_training:
            break
    callback.on_train_end()
    return model, epochs


@pytest.mark.parametrize("seed", range(60))
def test_early_stopping(seed):
    rng = np.random.default_rng(seed)
    values = np.round(rng.uniform(0, 1, 25), 1) - 0.02 * np.arange(25) * rng.integers(0, 2)
    options = {
        "monitor": "val_loss",
        "min_delta": float(rng.choice([0, 0.05, 0.2])),
        "patience": int(rng.integers(0, 6)),
        "mode": str(rng.choice(["min", "max"])),
        "baseline": None if rng.integers(2) else float(np.round(rng.uniform(0, 1), 1)),
        "restore_best_weights": bool(rng.integers(2)),
        "start_from_epoch": int(rng.choice([0, 0, 3])),
    }
    logs = epochs_of("val_loss", values.tolist())
    ours, theirs = callbacks.EarlyStopping(**options), keras.callbacks.EarlyStopping(**options)
    model, history = train(ours, logs)
    other, epochs = by_keras(theirs, logs)
    assert len(history.epoch) == epochs
    assert model.weights[0][0] == other.weights[0][0]
    assert ours.stopped_epoch == theirs.stopped_epoch
    assert ours.best == theirs.best
    assert not options["restore_best_weights"] or ours.best_epoch == theirs.best_epoch


@pytest.mark.parametrize("written", ["mae", "acc", "mse", "accuracy", "mean_absolute_error", "binary_accuracy"])
def test_names_in_history(written):
    """As they were written."""
    x, y = np.ones((4, 2), "f4"), np.array([[0.0], [1], [1], [0]], "f4")
    theirs = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, "sigmoid")])
    theirs.compile("sgd", "binary_crossentropy", metrics=[written])
    expected = theirs.fit(x, y, validation_data=(x, y), verbose=0).history
    from tinynn import Sequential, layers

    ours = Sequential([layers.Dense(1, "sigmoid")], (2,))
    ours.compile("sgd", "binary_crossentropy", metrics=[written])
    assert set(ours.fit(x, y, validation_data=(x, y), verbose=0).history) == set(expected)
