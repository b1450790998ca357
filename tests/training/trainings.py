"""Trainings of every kind for checkpoints, and how their files are read and changed."""

import json
import math
import os
from pathlib import Path

import numpy as np

from tinynn import Augmentation, Sequential, layers, optimizers
from tinynn.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from tinynn.datasets import DigitSums
from tinynn.optimizers import schedules


def numbers(*shape):
    """Numbers between -1 and 1 that look random."""
    return (np.arange(math.prod(shape)).reshape(shape) * 7919 % 1009 / 504.5 - 1).astype("float32")


def dense(optimizer="adam"):
    model = Sequential([layers.Dense(6, "tanh"), layers.Dropout(0.3), layers.Dense(3, "softmax")], (4,), rng=5)
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return model


X, Y = numbers(22, 4), np.arange(22) * 5 % 3
DENSE = {"x": X, "y": Y, "batch_size": 6, "epochs": 3}


def images():
    model = Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Reshape((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3, "softmax"),
        ],
        (8, 8),
    )
    model.compile(
        optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.8), "sparse_categorical_crossentropy"
    )
    x = ((numbers(22, 8, 8) + 1) * 127).astype(np.uint8)
    return model, {"x": x, "y": Y, "batch_size": 6, "epochs": 3, "augment": Augmentation(1, 10, elastic=0.5)}


def recurrent():
    model = Sequential([layers.LSTM(5), layers.Dense(2)], (3, 2))
    model.compile(optimizers.RMSprop(0.01, global_clipnorm=0.5), "mse", ["mae"])
    x, y = numbers(20, 3, 2), numbers(20, 2)
    return model, {"x": x, "y": y, "batch_size": 8, "epochs": 3, "sample_weight": np.arange(20.0), "shuffle": False}


def sums():
    """Fresh samples in each epoch, and validation with other ones."""
    model = Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(8, "relu"),
            layers.BatchNormalization(),
            layers.Dense(19, "softmax"),
        ],
        (2, 4, 4),
    )
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    pixels, labels = ((numbers(30, 4, 4) + 1) * 127).astype(np.uint8), np.arange(30) % 10
    data = DigitSums(pixels, labels, 2, size=20, resample=True)
    validation = DigitSums(pixels, labels, 2, size=9, rng=3)
    return model, {"x": data, "batch_size": 8, "epochs": 3, "validation_data": validation}


class Tensors(Callback):
    """State of every kind that a checkpoint can hold, and weights that change outside of steps."""

    def on_train_begin(self, logs=None):
        self.seen = {"arrays": [np.arange(3), np.float32(2)], "worst": math.inf, 1: None, "nan": [math.nan]}
        self.model.parameters[1] += 1

    def on_epoch_begin(self, epoch, logs=None):
        self.model.parameters[0] += 1

    def on_epoch_end(self, epoch, logs=None):
        self.seen["arrays"][0] = self.seen["arrays"][0] + epoch
        logs["sum"] = float(self.seen["arrays"][0].sum())
        logs["seen"] = math.inf if repr(self.seen["worst"]) + repr(self.seen["nan"]) == "inf[nan]" else 0.0

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        assert list(state["seen"]) == ["arrays", "worst", 1, "nan"]
        self.seen = {**state["seen"], "arrays": list(state["seen"]["arrays"])}


def with_callbacks():
    callbacks = [
        LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        EarlyStopping("val_loss", patience=2, min_delta=10, restore_best_weights=True),
        ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10),
        ModelCheckpoint("best", save_best_only=True, initial_value_threshold=100),
        CSVLogger("log.csv"),
        Tensors(),
    ]
    return dense("sgd"), {**DENSE, "epochs": 5, "validation_split": 0.2, "callbacks": callbacks}


CASES = {
    "sgd": lambda: (dense("sgd"), DENSE),
    "nesterov": lambda: (dense(optimizers.SGD(0.1, 0.9, nesterov=True, clipvalue=0.1)), DENSE),
    "adam": lambda: (dense(optimizers.Adam(schedules.OneCycle(0.01, 12))), DENSE),
    "adamw": lambda: (dense(optimizers.AdamW(0.01, use_ema=True)), {**DENSE, "class_weight": {0: 2.0, 1: 1.0, 2: 0.5}}),
    "rmsprop": lambda: (dense(optimizers.RMSprop(0.01, momentum=0.5)), {**DENSE, "initial_epoch": 1}),
    "images": images,
    "recurrent": recurrent,
    "sums": sums,
    "callbacks": with_callbacks,
}


def read(path):
    return Path(path).read_bytes()


def put(path, content):
    Path(path).write_bytes(content)


def train(case, **keywords):
    model, arguments = CASES[case]()
    history = model.fit(**arguments, verbose=0, **keywords)
    return model, history


def files():
    """The content of the folder but for the checkpoint."""
    return {name: read(name) for name in os.listdir() if name != "checkpoint"}


def position(content):
    length = int.from_bytes(content[:8], "little")
    entry = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["tinynn"])["training"]
    state = {key: value for key, value in entry["state"]["dict"]}
    return state["epoch"], state["step"]


class Interrupt(Callback):
    def __init__(self, at):
        self.at = at

    def on_progress(self, step, logs=None):
        if self.model._core.iteration == self.at:
            raise KeyboardInterrupt
