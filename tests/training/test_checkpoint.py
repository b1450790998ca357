"""Checkpoints: cut off anywhere, a training ends with the bits of one that was not; what does not fit is refused."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import tinynn
from tests.model.reference import to_bytes
from tinynn import Augmentation, Sequential, fit_many, layers, losses, optimizers
from tinynn.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from tinynn.datasets import DigitSums
from tinynn.io.atomic import atomic_file
from tinynn.io.format import canonical, decode, digest, encode
from tinynn.optimizers import schedules
from tinynn.training import checkpoint as module


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
    """A state of everything that one may hold, and weights changed where no step does it."""

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


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def written(monkeypatch):
    """The contents of all checkpoints that are written."""
    contents = []
    really = module.write_file

    def write_file(path, content):
        contents.append(content)
        really(path, content)

    monkeypatch.setattr(module, "write_file", write_file)
    return contents


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


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_resumed_anywhere_it_ends_with_the_same_bits(case, every, written):
    alone, history = train(case)
    plain = files()
    model, same = train(case, checkpoint="checkpoint", checkpoint_every=every)
    assert same.history == history.history
    assert model.fingerprint() == alone.fingerprint()
    assert files() == {**plain, **({"best": files()["best"]} if plain else {})}  # which now holds the data's hash, too
    whole, finished = to_bytes(model), files()
    contents, positions = list(written), [position(content) for content in written]
    assert len(contents) >= 3
    assert every != 1 or any(0 < step < 3 for _, step in positions)
    assert len(set(positions)) == len(positions)
    assert positions == sorted(positions)
    for content in contents:  # as if the process had been killed after each
        put("checkpoint", content)
        model, history = train(case, resume="checkpoint", checkpoint_every=60.0 if every == 1 else every)
        assert history.history == same.history
        assert list(history.history) == list(same.history)
        assert history.epoch == same.epoch
        assert to_bytes(model) == whole
        assert read("checkpoint") == contents[-1]
        assert files() == finished


def test_every_so_many_steps(written):
    train("sgd", checkpoint="checkpoint", checkpoint_every=3)
    assert [position(content) for content in written] == [(0, 3), (1, 2), (2, 1), (2, 4), (3, 0)]


@pytest.mark.parametrize(
    "every, positions",
    [
        (0.5, [(0, 4), (1, 0), (1, 4), (2, 0), (2, 4), (3, 0)]),
        (1.0, [(1, 0), (2, 0), (3, 0)]),
        (1.5, [(1, 4), (3, 0)]),
    ],
)
def test_every_so_many_seconds(every, positions, written, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(module.time, "monotonic", lambda: 0.5 * next(clock))
    # It is looked at after each epoch's last step, and after each epoch but the last; a write looks once more.
    train("sgd", checkpoint="checkpoint", checkpoint_every=every)
    assert [position(content) for content in written] == positions


def test_by_default_a_short_training_is_written_at_its_end(written):
    train("sgd", checkpoint="checkpoint")
    assert [position(content) for content in written] == [(3, 0)]


def test_without_a_path_nothing_is_written_nor_hashed(monkeypatch):
    monkeypatch.setattr("tinynn.training.passes.digest", None)
    monkeypatch.setattr(module, "write_file", None)
    model, _ = train("sums")
    assert os.listdir() == []
    assert model.provenance["data"]["training"] == {"samples": 20, "sample_shape": [2, 4, 4]}


def test_load_gives_the_model_as_it_stands(written):
    train("nesterov", checkpoint="checkpoint", checkpoint_every=5)
    put("checkpoint", written[0])  # in the second epoch
    model = tinynn.load("checkpoint")
    assert model._core.iteration == 5
    by_hand = dense(optimizers.SGD(0.1, 0.9, nesterov=True, clipvalue=0.1))
    by_hand.fit(X, Y, 6, 1, verbose=0)
    order = tinynn.engine.arrays.shuffled(22, by_hand._core.key, 1)[:6]
    by_hand.train_on_batch(X[order], Y[order])
    assert model.parameters.tobytes() == by_hand.parameters.tobytes()
    assert model._core.states["velocity"].tobytes() == by_hand._core.states["velocity"].tobytes()
    assert "training" not in json.dumps(model.notes)
    model.save("model", include_optimizer=True)
    assert not any(name.startswith("training") for name in load_tensors(read("model")))


def test_a_finished_training_can_be_made_longer():
    _, longer = train("adamw", checkpoint="other")
    model, arguments = CASES["adamw"]()
    model.fit(**{**arguments, "epochs": 2}, verbose=0, checkpoint="checkpoint")
    again, history = train("adamw", resume="checkpoint")
    assert history.history == longer.history
    assert tinynn.load("checkpoint").fingerprint() == tinynn.load("other").fingerprint()


def test_a_training_that_was_stopped_stays_stopped(written):
    class Stop(Callback):
        def on_progress(self, step, logs=None):
            self.model.stop_training = self.model._core.iteration == 6

    for arguments in ({"checkpoint": "checkpoint"}, {"resume": "checkpoint"}):
        model = dense()
        history = model.fit(**DENSE, verbose=0, callbacks=Stop(), checkpoint_every=2, **arguments)
        assert model._core.iteration == 6
        assert len(history.epoch) == 2
    assert [position(content) for content in written] == [(0, 2), (0, 4), (2, 0)]


def test_another_path_to_go_on_with(written):
    train("sgd", checkpoint="checkpoint", checkpoint_every=5)
    put("checkpoint", written[0])
    whole, _ = train("sgd")
    model, _ = train("sgd", resume="checkpoint", checkpoint="other")
    assert model.fingerprint() == whole.fingerprint()
    assert read("checkpoint") == written[0]
    assert position(read("other")) == (3, 0)


# --- interrupted ---------------------------------------------------------------------------------------


class Interrupt(Callback):
    def __init__(self, at):
        self.at = at

    def on_progress(self, step, logs=None):
        if self.model._core.iteration == self.at:
            raise KeyboardInterrupt


def test_ctrl_c_writes_first():
    whole = dense()
    same = whole.fit(**DENSE, verbose=0, callbacks=Interrupt(-1))
    model = dense()
    with pytest.raises(KeyboardInterrupt):
        model.fit(**DENSE, verbose=0, callbacks=Interrupt(6), checkpoint="checkpoint", checkpoint_every=3)
    assert position(read("checkpoint")) == (1, 2)
    assert model._core.iteration == 6
    model = dense()
    assert model.fit(**DENSE, verbose=0, callbacks=Interrupt(-1), resume="checkpoint").history == same.history
    assert model.parameters.tobytes() == whole.parameters.tobytes()


class Interrupted(losses.Loss):
    calls = 0

    def forward(self, prediction, target):
        Interrupted.calls += 1
        if Interrupted.calls == 6:
            raise KeyboardInterrupt
        return ((prediction - target) ** 2).sum(-1)

    def backward(self, prediction, target):
        return 2 * (prediction - target)


def test_ctrl_c_amid_a_step_does_not_count_it():
    def make():
        model = Sequential([layers.Dense(3)], (4,))
        model.compile("sgd", Interrupted())
        return model, {**DENSE, "y": numbers(22, 3), "verbose": 0}

    Interrupted.calls = 100
    whole, arguments = make()
    same = whole.fit(**arguments)
    Interrupted.calls = 0
    with pytest.raises(KeyboardInterrupt):
        make()[0].fit(**arguments, checkpoint="checkpoint", checkpoint_every=2)
    assert position(read("checkpoint")) == (0, 4)
    model = make()[0]
    assert model.fit(**arguments, resume="checkpoint").history == same.history
    assert model.parameters.tobytes() == whole.parameters.tobytes()


# --- what fails ----------------------------------------------------------------------------------------


def failing(monkeypatch, name, number, error):
    """Let the n-th call of a function of `os` fail, or write but a part and fail the next time."""
    really, calls = getattr(os, name), []

    def function(*arguments):
        calls.append(name)
        if len(calls) == number and error == "short":
            return really(arguments[0], arguments[1][:100])
        if len(calls) == number + (error == "short"):
            raise OSError(errno.ENOSPC if error == "short" else error, os.strerror(error if error != "short" else 28))
        return really(*arguments)

    monkeypatch.setattr(os, name, function)
    return calls


FAILURES = [
    ("write", errno.ENOSPC),
    ("write", errno.EIO),
    ("write", "short"),
    ("fsync", errno.EIO),
    ("fsync", errno.ENOSPC),
    ("replace", errno.EIO),
    ("close", errno.EIO),
]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("name, error", FAILURES, ids=lambda value: str(value))
def test_a_failed_write_leaves_the_old_one_whole(name, error, number, written, monkeypatch):
    whole, same = train("adam")
    model, arguments = CASES["adam"]()
    with monkeypatch.context() as patch:
        failing(patch, name, number, error)
        with pytest.raises(OSError, match="fit: cannot write the checkpoint 'checkpoint': .*What stood there is whole"):
            model.fit(**arguments, verbose=0, checkpoint="checkpoint", checkpoint_every=2)
    assert set(os.listdir()) <= {"checkpoint"}
    tries = len(written)
    if os.path.exists("checkpoint"):
        assert read("checkpoint") in written[-2:]
        again, history = train("adam", resume="checkpoint")
        assert again.fingerprint() == whole.fingerprint()
        assert history.history == same.history
    else:
        assert tries == 1
    # The model in memory has done its steps, no more and no less, and goes on.
    assert model._core.iteration == 2 * tries
    assert model.fingerprint() != dense().fingerprint()
    assert np.isfinite(model.fit(**arguments, verbose=0).history["loss"]).all()


def test_short_writes_alone_do_no_harm(written, monkeypatch):
    really = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: really(handle, content[:1000]))
    train("adam", checkpoint="checkpoint")
    assert read("checkpoint") == written[0]


def test_a_file_system_whose_folders_cannot_be_synchronised(monkeypatch):
    calls = failing(monkeypatch, "fsync", 2, errno.EINVAL)
    dense().save("model")
    assert calls == ["fsync"] * 2
    tinynn.load("model")


def test_what_a_killed_write_left_is_removed():
    for path in ("checkpoint", "other"):
        with atomic_file(path) as stream:
            left = os.path.basename(stream.name)
        put(left, b"")
    os.unlink("checkpoint")
    os.unlink("other")
    train("sgd", checkpoint="checkpoint")
    assert sorted(os.listdir()) == [left, "checkpoint"]


def test_before_any_work_it_is_known_that_it_can_be_written():
    os.mkdir("folder")
    model = dense()
    before = model.fingerprint()
    for path, error in (("folder", IsADirectoryError), ("/proc/none/checkpoint", OSError)):
        with pytest.raises(error, match="fit: checkpoint: cannot write"):
            model.fit(**DENSE, checkpoint=path)
    callback = Tensors()
    callback.get_state = lambda: {"seen": {"file": open}}
    callback.on_train_begin = lambda logs=None: None
    with pytest.raises(TypeError, match=r"fit: checkpoint: the state of .*'0 Tensors'.*\['file'\] holds <built"):
        model.fit(**DENSE, checkpoint="checkpoint", callbacks=callback)
    with pytest.raises(TypeError, match="which a model file cannot hold"):
        dense(optimizers.SGD(lambda step: 0.1)).fit(**DENSE, checkpoint="checkpoint")
    assert model.fingerprint() == before
    assert os.listdir() == ["folder"]


@pytest.mark.parametrize(
    "every, error, message",
    [
        (0, ValueError, "checkpoint_every must be at least 1"),
        (-1.0, ValueError, "checkpoint_every must be"),
        (math.nan, ValueError, "checkpoint_every must be"),
        ("60", TypeError, "checkpoint_every must be"),
        (True, TypeError, "checkpoint_every must be"),
    ],
)
def test_nonsense_as_time(every, error, message):
    with pytest.raises(error, match=f"fit: {message}"):
        dense().fit(**DENSE, checkpoint="checkpoint", checkpoint_every=every)


# --- what is refused -----------------------------------------------------------------------------------


def other_layer():
    model = Sequential([layers.Dense(7, "tanh"), layers.Dropout(0.3), layers.Dense(3, "softmax")], (4,), rng=5)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def other_metrics():
    model = dense()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def frozen():
    model = dense()
    model.layers[0].trainable = False
    return model


REFUSED = {
    "layer": ({"model": other_layer}, r"architecture.layers\[0\].config.units is 6 in the checkpoint, but 7 here"),
    "frozen": ({"model": frozen}, r"architecture.layers\[0\].config.trainable is nothing in the checkpoint, but False"),
    "optimizer": (
        {"model": lambda: dense("sgd")},
        "compile.optimizer.class is 'optimizers.Adam' in the checkpoint, but 'optimizers.SGD' here",
    ),
    "rate": (
        {"model": lambda: dense(optimizers.Adam(0.002))},
        "compile.optimizer.config.learning_rate is 0.001 in the checkpoint, but 0.002 here",
    ),
    "schedule": (
        {"model": lambda: dense(optimizers.Adam(schedules.OneCycle(0.01, 12)))},
        "compile.optimizer.config.learning_rate is 0.001 in the checkpoint, but a schedules.OneCycle here",
    ),
    "metrics": ({"model": other_metrics}, r"compile.metrics\[0\] is a metrics.Accuracy in the checkpoint, but nothing"),
    "batch_size": ({"batch_size": 5}, "recipe.batch_size is 6 in the checkpoint, but 5 here"),
    "shuffle": ({"shuffle": False}, "recipe.shuffle is True in the checkpoint, but False here"),
    "initial_epoch": ({"initial_epoch": 1}, "recipe.initial_epoch is 0 in the checkpoint, but 1 here"),
    "callbacks": (
        {"callbacks": [EarlyStopping("loss")]},
        r"callbacks\[0\] is 'Progress' in the checkpoint, but 'EarlyStopping' here",
    ),
    "samples": ({"x": X[:21], "y": Y[:21]}, "data.training.samples is 22 in the checkpoint, but 21 here"),
    "dtype": ({"x": X.astype("float64")}, "items.dtype is 'float32' in the checkpoint, but 'float64' here"),
    "x": ({"x": X + 1}, "data.training.arrays.items.sha256 is '"),
    "one bit": ({"x": np.nextafter(X, X + (np.arange(88) == 50).reshape(22, 4))}, "arrays.items.sha256 is '"),
    "y": ({"y": (Y + 1) % 3}, "data.training.arrays.targets.sha256 is '"),
    "weights": ({"sample_weight": np.ones(22)}, "data.training.arrays.weights is nothing in the checkpoint, but"),
    "validation": ({"validation_data": (X, Y)}, "data.validation is None in the checkpoint, but"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_differs_is_named(what):
    arguments, message = REFUSED[what]
    dense().fit(**DENSE, verbose=0, checkpoint="checkpoint")
    make = arguments.get("model", dense)
    model = make()
    before = model.fingerprint()
    given = {**DENSE, **{name: value for name, value in arguments.items() if name != "model"}}
    with pytest.raises(ValueError, match=f"fit: resume: 'checkpoint': it is of another training: .*{message}"):
        model.fit(**given, verbose=0, resume="checkpoint")
    assert model.fingerprint() == before
    assert model._core.iteration == 0
    assert model.provenance is None


def test_another_augmentation_is_refused():
    model, arguments = images()
    model.fit(**arguments, verbose=0, checkpoint="checkpoint")
    arguments["augment"] = Augmentation(1, 11, elastic=0.5)
    with pytest.raises(ValueError, match="recipe.augment.config.rotation is 10.0 in the checkpoint, but 11.0 here"):
        images()[0].fit(**arguments, verbose=0, resume="checkpoint")


def test_another_data_set_is_refused():
    model, arguments = sums()
    model.fit(**arguments, verbose=0, checkpoint="checkpoint")
    data = arguments["x"]
    for x, y, message in (
        (DigitSums(data.images, data.labels, 2, size=20, resample=True, rng=1), data, "training.arrays.indices.sha256"),
        (data, DigitSums(data.images[::-1], data.labels[::-1], 2, size=9, rng=3), "validation.arrays.items.sha256"),
    ):
        with pytest.raises(ValueError, match=f"data.{message} is "):
            sums()[0].fit(**{**arguments, "x": x, "validation_data": y}, verbose=0, resume="checkpoint")


def test_another_version_is_refused(monkeypatch):
    train("sgd", checkpoint="checkpoint")
    monkeypatch.setattr(module, "__version__", "99.0")
    with pytest.raises(ValueError, match="version is '.*' in the checkpoint, but '99.0' here"):
        train("sgd", resume="checkpoint")


def test_what_is_no_checkpoint_is_refused():
    with pytest.raises(FileNotFoundError, match="fit: resume: cannot read the checkpoint 'nowhere': .*leave resume"):
        train("sgd", resume="nowhere")
    dense("sgd").save("model", include_optimizer=True)
    with pytest.raises(ValueError, match="fit: resume: 'model' is a model, but no checkpoint"):
        train("sgd", resume="model")
    with pytest.raises(ValueError, match="fit_many: resume is one model's file"):
        fit_many([dense("sgd")], X, Y, resume="model")


def test_a_damaged_one_is_named(rng):
    train("callbacks", checkpoint="checkpoint", checkpoint_every=4)
    content = read("checkpoint")
    for length in [0, 7, 8, 100, *rng.integers(9, len(content), 30), len(content) - 1]:
        put("checkpoint", content[:length])
        with pytest.raises(ValueError, match="checkpoint"):
            train("callbacks", resume="checkpoint")
    for place in [0, 9, *rng.integers(10, len(content), 60)]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        put("checkpoint", changed)
        try:
            assert to_bytes(tinynn.load("checkpoint"))  # a flipped space after the header means nothing
        except ValueError:
            with pytest.raises(ValueError, match="checkpoint"):
                train("callbacks", resume="checkpoint")


def forged(change):
    """A checkpoint whose entry was changed, hash and all, by somebody who knows the format."""
    content = read("checkpoint")
    length = int.from_bytes(content[:8], "little")
    description = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["tinynn"])
    change(description)
    tensors = load_tensors(content)
    description["sha256"] = digest(description, tensors)
    put("forged", save_tensors(tensors, {"tinynn": canonical(description)}))


def set_state(name, value):
    def change(description):
        pairs = description["training"]["state"]["dict"]
        pairs[[key for key, _ in pairs].index(name)][1] = value

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d["training"].pop("given"), "KeyError: 'given'"),
        (lambda d: d.update(training=3), "TypeError"),
        (set_state("epoch", -1), "epoch must be from 0"),
        (set_state("step", 1.5), "step must be a whole number"),
        (set_state("step", 10**6), "step must be from 0 to 3, got 1000000"),
        (set_state("totals", [1.0]), "there are 1 totals"),
        (set_state("callbacks", {"tensor": "training/77"}), "KeyError: 'training/77'"),
        (lambda d: d.update(notes=3), "the entry 'notes' must be a dict"),
    ],
)
def test_forged_ones_are_refused(change, message, written):
    train("sgd", checkpoint="checkpoint", checkpoint_every=3)
    put("checkpoint", written[0])
    forged(change)
    with pytest.raises(ValueError, match=f"forged.*{message}"):
        train("sgd", resume="forged")
    forged(lambda description: None)  # it is the change that is refused
    train("sgd", resume="forged")


# --- what a model's file says about its training -------------------------------------------------------


def provenance_in(path):
    content = read(path)
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["tinynn"])["provenance"]


def test_a_model_file_says_how_it_came_about():
    model = dense()
    assert "provenance" not in str(to_bytes(model))
    history = model.fit(**DENSE, verbose=0, validation_data=(X, Y), hash_data=True)
    model.save("model")
    found = provenance_in("model")
    assert found == model.provenance
    assert found["metrics"] == {name: values[-1] for name, values in history.history.items()}
    assert set(found["metrics"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert found["recipe"] == {
        "batch_size": 6,
        "epochs": 3,
        "initial_epoch": 0,
        "shuffle": True,
        "augment": None,
    }
    items = found["data"]["training"]["arrays"]["items"]
    assert (items["dtype"], items["shape"]) == ("float32", [22, 4])
    assert found["data"]["validation"] == found["data"]["training"]

    other = tinynn.load("model")
    other.save("other")
    assert read("other") == read("model")
    other.fit(X + 1, Y, verbose=0, hash_data=True)
    assert other.provenance["data"]["training"]["arrays"]["items"]["sha256"] != items["sha256"]


def test_what_a_callback_saves_says_what_that_epoch_reached(tmp_path):
    model = dense()
    history = model.fit(**DENSE, verbose=0, callbacks=[ModelCheckpoint("epoch{epoch}")])
    for epoch in range(3):
        metrics = {name: values[epoch] for name, values in history.history.items()}
        assert provenance_in(f"epoch{epoch + 1}")["metrics"] == metrics


def test_a_quantity_that_is_no_number_can_be_written():
    model, _ = train("callbacks")
    assert model.provenance["metrics"]["seen"] is None
    model.save("model")
    assert provenance_in("model") == model.provenance


def test_notes_are_kept():
    model = dense()
    model.notes = {"who": "me", "rates": (0.1, np.float64(0.5))}
    model.save("model")
    assert tinynn.load("model").notes == {"who": "me", "rates": [0.1, 0.5]}
    model.notes = {"what": open}
    with pytest.raises(TypeError, match="notes"):
        model.save("model")


# --- what callbacks may remember -------------------------------------------------------------------------


class Remembers(Callback):
    def __init__(self, value):
        self.value = value
        self.got = None

    def on_train_batch_end(self, batch, logs=None):
        if self.model._core.iteration == 5 and self.got is None:
            raise KeyboardInterrupt

    def get_state(self):
        return {"value": self.value}

    def set_state(self, state):
        self.got = state["value"]


def remembered(value):
    """A value as a training that resumes gets it."""
    with pytest.raises(KeyboardInterrupt):
        dense().fit(**DENSE, verbose=0, checkpoint="checkpoint", callbacks=Remembers(value))
    tinynn.load("checkpoint")
    callback = Remembers(None)
    dense().fit(**DENSE, verbose=0, resume="checkpoint", callbacks=callback)
    os.unlink("checkpoint")
    return callback.got


ARRAYS = [
    np.arange(3, dtype=">i4"),
    np.arange(3, dtype=">f8"),
    np.array(2.5),
    np.array(True),
    np.zeros((0, 3), "u2"),
    np.arange(12).reshape(3, 4)[:, ::2],
    np.arange(12.0).reshape(3, 4).T,
    np.arange(4, dtype="f2"),
    np.broadcast_to(np.float32(3), (2, 2)),
    np.array([2**64 - 1], np.uint64),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_arrays_come_back_as_they_were(array):
    found = remembered(array)
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("value", [(1, (2.5, "a")), {(1, 2): [None]}, {True: 1, 2.5: {}}, "\u00e4\ud800", 10**30, -0.0,
                                   {"tuple": ()}, {"float": 1}, {"dict": {"tensor": 0}}, np.float32(0.1)])
def test_values_come_back_as_they_were(value):
    found = remembered(value)
    assert found == value
    assert repr(found) == repr(value if not isinstance(value, np.generic) else value.item())


def holding_itself():
    value = []
    value.append(value)
    return value


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        np.arange(3, dtype=np.longdouble),
        np.longdouble(2),
        np.zeros(2, complex),
        np.ma.masked_array([1, 2], [True, False]),
        np.array(["a"]),
        np.array([None]),
        np.zeros(2, "M8[s]"),
        {1, 2},
        b"bytes",
        object(),
        holding_itself(),
        nested(5000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_checkpoint_cannot_hold_is_refused_before_training(value):
    model = dense()
    with pytest.raises(TypeError, match="fit: checkpoint: the state of "):
        model.fit(**DENSE, verbose=0, checkpoint="checkpoint", callbacks=Remembers(value))
    assert model._core.iteration == 0
    assert os.listdir() == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(
        st.text(max_size=3) | st.integers(-2, 2), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(JSON)
def test_any_state_comes_back(value):
    tensors = {}
    written = canonical({"state": encode(value, tensors, "training/", "it")})
    assert repr(decode(json.loads(written)["state"], tensors)) == repr(value)


def state_of(callback, name, value):
    """Change one entry in the state of a callback of a checkpoint."""
    def change(description):
        pairs = description["training"]["state"]["dict"]
        callbacks = dict(pairs)["callbacks"]["dict"]
        (state,) = [state["dict"] for key, state in callbacks if callback in key]
        state[[key for key, _ in state].index(name)][1] = value

    return change


@pytest.mark.parametrize("callback, name, value", [
    ("EarlyStopping", "best", "low"), ("EarlyStopping", "wait", None), ("EarlyStopping", "wait", -1),
    ("EarlyStopping", "best_epoch", 1.5), ("EarlyStopping", "best_weights", [1, 2]), ("EarlyStopping", "best", True),
    ("EarlyStopping", "best_weights", []), ("ReduceLROnPlateau", "best", {"dict": []}),
    ("ReduceLROnPlateau", "cooldown_counter", "1"), ("LearningRateScheduler", "epoch", [1]),
    ("ModelCheckpoint", "best", "x"), ("CSVLogger", "columns", "loss"), ("CSVLogger", "size", -5),
    ("History", "epoch", 3), ("History", "epoch", ["a"]), ("History", "history", [1]),
    ("History", "history", {"dict": [["loss", 3]]}), ("History", "history", {"dict": [[1, [1.0]]]}),
    ("Tensors", "seen", 3),
])
def test_a_state_of_the_wrong_type_is_refused_before_training(callback, name, value):
    model, arguments = with_callbacks()
    model.fit(**{**arguments, "epochs": 2}, verbose=0, checkpoint="checkpoint")
    forged(state_of(callback, name, value))
    model, arguments = with_callbacks()
    before = model.fingerprint(), model._core.epochs
    tensors = arguments["callbacks"][-1]
    tensors.on_train_begin = lambda logs=None: setattr(tensors, "seen", {})  # its own changes a weight
    with pytest.raises(ValueError, match=f"fit: resume: 'forged': .*({callback}|TypeError)"):
        model.fit(**arguments, verbose=0, resume="forged")
    assert (model.fingerprint(), model._core.epochs, model._core.iteration) == (*before, 0)


# --- paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, message", [
    ("", "fit: checkpoint: the path is empty"),
    ("/dev/null", "fit: checkpoint: '/dev/null' would be replaced, but it is not a regular file"),
    ("fifo", "fit: checkpoint: 'fifo' would be replaced, but it is not a regular file"),
])
def test_what_is_no_file_is_refused_before_training(path, message):
    os.mkfifo("fifo")
    model = dense()
    with pytest.raises(ValueError, match=message):
        model.fit(**DENSE, verbose=0, checkpoint=path)
    assert model._core.iteration == 0
    with pytest.raises((ValueError, OSError), match="fit: resume"):  # and none is read, for ever
        model.fit(**DENSE, verbose=0, resume=path, checkpoint="new")
    for read_from in ("fifo", "/dev/zero"):
        with pytest.raises(ValueError, match=f"load: {read_from}: it is not a regular file"):
            tinynn.load(read_from)
    assert os.listdir() == ["fifo"]


def test_a_symbolic_link_is_written_through():
    os.mkdir("folder")
    os.symlink("folder/real", "link")
    dense().fit(**DENSE, verbose=0, checkpoint="link")
    assert os.path.islink("link")
    model = dense()
    model.fit(**{**DENSE, "epochs": 4}, verbose=0, resume="link")
    assert tinynn.load("folder/real").fingerprint() == model.fingerprint()


SECOND = """
import sys
from tests.training.test_checkpoint import DENSE, dense
try:
    dense().fit(**DENSE, verbose=0, checkpoint=sys.argv[1])
except OSError as error:
    print(error)
"""


def test_a_second_training_with_the_same_checkpoint_is_refused_and_the_first_goes_on():
    said = []

    class Meanwhile(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch:
                return
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            for path in ("checkpoint", "link", os.path.abspath("checkpoint")):
                said.append(subprocess.run([sys.executable, "-c", SECOND, path], env=environment, check=True,
                                           capture_output=True, text=True).stdout)
            with pytest.raises(BlockingIOError) as caught:  # in this process, too
                dense().fit(**DENSE, verbose=0, checkpoint="checkpoint")
            said.append(str(caught.value))

    os.symlink("checkpoint", "link")
    model = dense()
    model.fit(**DENSE, verbose=0, checkpoint="checkpoint", checkpoint_every=1, callbacks=Meanwhile())
    for words in said:
        assert "fit: checkpoint: another training writes '" in words
        assert f"(process {os.getpid()} is writing it); give each training a file of its own" in words
    assert tinynn.load("checkpoint").fingerprint() == model.fingerprint()
    assert sorted(os.listdir()) == ["checkpoint", "link"]
    dense().fit(**DENSE, verbose=0, checkpoint="checkpoint")  # afterwards it may


def test_an_interrupted_training_lets_go_of_its_path():
    with pytest.raises(KeyboardInterrupt):
        dense().fit(**DENSE, verbose=0, checkpoint="checkpoint", callbacks=Remembers(1))
    assert os.listdir() == ["checkpoint"]
    dense().fit(**DENSE, verbose=0, resume="checkpoint", callbacks=Remembers(1))
