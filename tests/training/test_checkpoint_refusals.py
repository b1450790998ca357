"""Checkpoints that do not fit, are damaged, or forged: refused with what differs."""

import json

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import tinynn
from tests.model.reference import to_bytes
from tests.training.trainings import DENSE, X, Y, dense, images, put, read, sums, train, with_callbacks
from tinynn import Augmentation, Sequential, fit_many, layers, optimizers
from tinynn.callbacks import EarlyStopping
from tinynn.datasets import DigitSums
from tinynn.io.format import canonical, digest
from tinynn.optimizers import schedules
from tinynn.training import checkpoint as module

pytestmark = pytest.mark.usefixtures("empty_folder")


# --- another training --------------------------------------------------------------------------------


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
def test_the_difference_is_named(what):
    arguments, message = REFUSED[what]
    dense().fit(**DENSE, verbose=0, checkpoint="checkpoint")
    make = arguments.get("model", dense)
    model = make()
    before = model.fingerprint()
    given = {**DENSE, **{name: value for name, value in arguments.items() if name != "model"}}
    with pytest.raises(ValueError, match=f"fit: resume: 'checkpoint': another training wrote it: .*{message}"):
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


# --- damage ------------------------------------------------------------------------------------------


def test_a_file_that_is_not_a_checkpoint_is_refused():
    with pytest.raises(FileNotFoundError, match="fit: resume: cannot read the checkpoint 'nowhere': .*omit resume"):
        train("sgd", resume="nowhere")
    dense("sgd").save("model", include_optimizer=True)
    with pytest.raises(ValueError, match="fit: resume: 'model' is a model file, not a checkpoint"):
        train("sgd", resume="model")
    with pytest.raises(ValueError, match="fit_many: resume must be None: a file holds one model"):
        fit_many([dense("sgd")], X, Y, resume="model")


def test_a_damaged_checkpoint_is_named(rng):
    train("callbacks", checkpoint="checkpoint", checkpoint_every=4)
    content, whole = read("checkpoint"), to_bytes(tinynn.load("checkpoint"))
    for length in [0, 7, 8, 100, *rng.integers(9, len(content), 30), len(content) - 1]:
        put("checkpoint", content[:length])
        with pytest.raises(ValueError, match="checkpoint"):
            train("callbacks", resume="checkpoint")
    for place in [0, 9, *rng.integers(10, len(content), 60)]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        put("checkpoint", changed)
        try:
            assert to_bytes(tinynn.load("checkpoint")) == whole  # a flipped space after the header means nothing
        except ValueError:
            with pytest.raises(ValueError, match="checkpoint"):
                train("callbacks", resume="checkpoint")


# --- forgery -----------------------------------------------------------------------------------------


def forged(change):
    """Write a checkpoint with a changed description and a valid hash to the file "forged"."""
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
        (set_state("epoch", 2**32), "epoch must be from 0 to 4294967295, got 4294967296"),
        (set_state("trained_before", 2**32), "trained_before must be from 0 to 4294967295, got 4294967296"),
        (set_state("step", 1.5), "step must be a whole number"),
        (set_state("step", 10**6), "step must be from 0 to 3, got 1000000"),
        (set_state("totals", [1.0]), "totals must hold 3 numbers, got 1"),
        (set_state("callbacks", {"tensor": "training/77"}), "KeyError: 'training/77'"),
        (lambda d: d.update(notes=3), "the entry 'notes' must be a dict"),
    ],
)
def test_forged_checkpoints_are_refused(change, message, written):
    train("sgd", checkpoint="checkpoint", checkpoint_every=3)
    put("checkpoint", written[0])
    forged(change)
    with pytest.raises(ValueError, match=f"forged.*{message}"):
        train("sgd", resume="forged")
    forged(lambda description: None)  # it is the change that is refused
    train("sgd", resume="forged")


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
