"""A fake model whose epochs callbacks watch, and a small real one."""

import types

import numpy as np

from tinynn import Sequential, layers
from tinynn.callbacks import History
from tinynn.callbacks.callback_list import CallbackList


class FakeModel:
    """What callbacks know of a model; its only weight is the number of epochs it was trained for."""

    def __init__(self, learning_rate=0.1):
        self.optimizer = types.SimpleNamespace(learning_rate=learning_rate)
        self.weights = [np.array([0.0])]
        self.stop_training = False
        self.saved = []

    def get_weights(self):
        return [weight.copy() for weight in self.weights]

    def set_weights(self, weights):
        self.weights = [weight.copy() for weight in weights]

    def check_can_be_saved(self, function):
        pass

    def save(self, path):
        self.saved.append(path)
        with open(path, "w") as file:
            file.write(str(self.weights[0][0]))


def train(callbacks, epochs_of_logs, model=None, first_epoch=0, end=True, metrics=None):
    """Do what `fit` does with callbacks; returns the model and the history."""
    model = model or FakeModel()
    history = History()
    params = {"epochs": first_epoch + len(epochs_of_logs), "steps": 4, "verbose": 0}
    if metrics is not None:
        params["metrics"] = metrics
    with CallbackList(callbacks, model, params, then=[history]) as calls:
        calls.on_train_begin()
        for epoch, logs in enumerate(epochs_of_logs, first_epoch):
            calls.on_epoch_begin(epoch)
            model.weights[0][0] = epoch + 1
            calls.on_progress(4, {"loss": 0.0})
            calls.on_epoch_end(epoch, dict(logs))
            if model.stop_training:
                break
        if end:
            calls.on_train_end()
    return model, history


def epochs_of(name, values):
    return [{name: value} for value in values]


X = np.linspace(-1, 1, 22).reshape(11, 2).astype("f4")
Y = X[:, :1] * 2 + 1


def compiled(optimizer="sgd", metrics=()):
    model = Sequential([layers.Dense(4, "tanh"), layers.Dense(1)], (2,), rng=1)
    model.compile(optimizer, "mse", metrics)
    return model
