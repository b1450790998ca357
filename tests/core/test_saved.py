"""Descriptions of models: nothing that a file says is believed, and what old files leave out."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import tinynn
from tests.model.files import at, compiled, forged, parts
from tests.model.reference import from_bytes, to_bytes
from tinynn import Sequential, layers, losses, optimizers
from tinynn.registry import serialize

FIRST = ("architecture", "layers", 0)

HOSTILE = {
    "format": (at("format", 2), "the file has format 2, but this version reads 1"),
    "unknown class": (at(*FIRST, "class", "layers.Evil"), "unknown class 'layers.Evil'"),
    "class of another kind": (at(*FIRST, "class", "losses.MeanSquaredError"), "no argument 'activation'"),
    "class that is no layer": (
        lambda d: d["architecture"]["layers"].__setitem__(
            0, {"class": "losses.MeanSquaredError", "config": {}, "name": "a"}
        ),
        "must be a layer",
    ),
    "class that is no text": (at(*FIRST, "class", {"a": 1}), "unhashable type: 'dict'"),
    "builtin": (at(*FIRST, "class", "os.system"), "unknown class 'os.system'"),
    "unknown argument": (at(*FIRST, "config", "evil", 3), "no argument 'evil'"),
    "private argument": (at(*FIRST, "config", "__class__", 3), "no argument"),
    "huge layer": (at(*FIRST, "config", "units", 10**11), "needs 'dense/kernel' with shape"),
    "enormous layer": (at(*FIRST, "config", "units", 10**100), "needs 'dense/kernel' with shape"),
    "negative layer": (at(*FIRST, "config", "units", -1), "units must be at least 1"),
    "wrong layer": (at(*FIRST, "config", "units", "many"), "units must be a whole number"),
    "name with a slash": (at(*FIRST, "name", "a/b"), "a layer's name must be"),
    "name that is no text": (at(*FIRST, "name", ["a"]), r"a layer's name must be .*, got \['a'\]"),
    "two equal names": (at(*FIRST, "name", "dense_1"), "two layers are named 'dense_1'"),
    "no layers": (at("architecture", "layers", []), "has tensors that the architecture does not have"),
    "layers that are none": (at("architecture", "layers", [3]), "'int' object is not subscriptable"),
    "shape": (at("architecture", "input_shape", [7]), r"needs 'dense/kernel' with shape \(7, 4\)"),
    "huge shape": (at("architecture", "input_shape", [10**11]), "needs 'dense/kernel' with shape"),
    "enormous shape": (at("architecture", "input_shape", [10**100]), "more than 1,099,511,627,776 numbers"),
    "negative shape": (at("architecture", "input_shape", [-5]), "input_shape must hold positive"),
    "shape of text": (at("architecture", "input_shape", "ab"), "input_shape must"),
    "no shape": (at("architecture", "input_shape", None), "the file has tensors"),
    "dtype": (at("architecture", "dtype", "float64"), "has dtype float32, but the model is float64"),
    "object": (at("architecture", "dtype", "object"), "dtype must be"),
    "key": (at("state", "key", -1), "key must be from 0 to 18446744073709551615, got -1"),
    "huge key": (at("state", "key", 2**64), "key must be from 0 to"),
    "key of text": (at("state", "key", "1"), "key must be a whole number, got '1'"),
    "iteration": (at("state", "iteration", -1), "iteration must be from 0 to 4294967295, got -1"),
    "real iteration": (at("state", "iteration", 1.5), "iteration must be a whole number, got 1.5"),
    "rate": (at("compile", "optimizer", "config", "learning_rate", -1), "learning_rate must be"),
    "optimizer": (at("compile", "optimizer", 3), "optimizer"),
    "loss": (at("compile", "loss", {"class": "metrics.Accuracy", "config": {}}), "loss"),
    "metrics": (at("compile", "metrics", 3), "'int' object is not iterable"),
    "many towers": (
        at(
            "architecture",
            "layers",
            [{"class": "layers.Towers", "name": "t", "config": {
                "layers": [{"class": "layers.Flatten", "config": {}}], "count": 10**12}}],
        ),
        "Towers: count must be from 1 to 4096, got 1000000000000",
    ),
    "deep": (at(*FIRST, "config", "units", json.loads("[" * 400 + "]" * 400)), "units must be a whole number, got "),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_descriptions(how):
    change, message = HOSTILE[how]
    with pytest.raises(ValueError, match=f"load: the model's bytes: .*{message}"):
        from_bytes(forged(change))


def test_the_forger_can_do_it_right():
    """The tests above fail for the reason they name."""
    assert from_bytes(forged(lambda d: None)).count_params() == compiled().count_params()


@pytest.mark.parametrize("count", [10**6, 10**9])
def test_a_few_bytes_do_not_make_a_huge_model(count):
    """Layers without weights need no tensors in the file, and yet must not fill the memory."""
    flat = {"class": "layers.Flatten", "config": {"name": None}}
    change = at(
        "architecture",
        {
            "dtype": "float32",
            "input_shape": [count, 1],
            "name": "m",
            "layers": [
                {"class": "layers.Towers", "name": "t", "config": {"layers": [flat], "count": count, "name": "t"}}
            ],
        },
    )
    with pytest.raises(ValueError, match="load: .*Towers: count"):
        from_bytes(forged(change, {}))


def test_tensors_that_do_not_fit():
    description, tensors = parts()
    for change, message in (
        ({"extra": np.ones(3)}, "has tensors that the architecture does not have: extra"),
        ({"optimizer/0": np.ones(3, "f4")}, "the optimizer's vectors do not fit"),
        ({"optimizer/velocity": np.ones(3, "f4")}, "the optimizer's vectors do not fit"),
        ({"optimizer/1": np.ones(3, "f4")}, "the optimizer's vectors do not fit"),
        ({"optimizer/a/b": np.ones(3, "f4")}, "the optimizer's vectors do not fit"),
        ({"dense/bias": np.ones((2, 2), "f4")}, "needs 'dense/bias' with shape"),
        ({"dense/bias": np.ones(4)}, "'dense/bias' has dtype float64"),
    ):
        with pytest.raises(ValueError, match=message):
            from_bytes(forged(lambda d: None, {**tensors, **change}))
    with pytest.raises(ValueError, match="needs 'dense/bias' .* the file has nothing"):
        from_bytes(forged(lambda d: None, {k: v for k, v in tensors.items() if k != "dense/bias"}))
    size = sum(t.size for t in tensors.values())
    with pytest.raises(ValueError, match="the optimizer's vectors do not fit"):
        from_bytes(forged(lambda d: None, {**tensors, "optimizer/0": np.zeros(size), "optimizer/2": np.zeros(size)}))
    # Of what fits, the optimizer takes what it needs.
    for names in (["0"], ["0", "1", "2"], ["velocity"], ["velocity", "average"]):
        states = {f"optimizer/{name}": np.zeros(size, "f4") for name in names}
        assert from_bytes(forged(lambda d: None, {**tensors, **states}))._core.states == {}
    assert from_bytes(forged(at("compile", None), {**tensors, "optimizer/0": np.zeros(size, "f4")}))._core.states == {}


def test_loading_runs_no_initializer(monkeypatch):
    """A large orthogonal matrix takes its time, for numbers that are then thrown away."""
    content = to_bytes(Sequential([layers.LSTM(4)], (3, 2)))
    from tinynn import initializers

    monkeypatch.setattr(initializers.Orthogonal, "__call__", None)
    assert from_bytes(content).count_params() == 112


def test_a_model_with_a_user_defined_loss_can_be_loaded_elsewhere_to_predict(rng, tmp_path):
    class TheirLoss(losses.Loss):
        def forward(self, prediction, target):
            return np.abs(prediction - target).mean(-1)

        def backward(self, prediction, target):
            return np.sign(prediction - target) / prediction.shape[-1]

    model = compiled()
    model.compile("adam", TheirLoss())
    x = rng.normal(size=(20, 5))
    y = model.predict(x) * 0
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m", include_optimizer=True)
    code = f"""
import numpy as np, tinynn
try:
    tinynn.load({str(tmp_path / "m")!r})
except ValueError as error:
    assert "unknown class 'losses.TheirLoss'" in str(error), error
else:
    raise AssertionError
model = tinynn.load({str(tmp_path / "m")!r}, compile=False)
assert model.optimizer is None and model._core.states == {{}}
model.predict(np.ones((2, {x.shape[1]}), "f4"))
model.compile("sgd", "mse")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=os.getcwd())
    assert tinynn.load(tmp_path / "m", compile=False).fingerprint() == model.fingerprint()


# --- files of 0.1.0, which numbered the optimizer's vectors and counted no epochs --------------------


def test_numbered_vectors_are_read_in_their_order():
    description, tensors = parts()
    size = sum(tensor.size for name, tensor in tensors.items() if not name.startswith("optimizer/"))
    vectors = {f"optimizer/{i}": np.full(size, i + 1, "f4") for i in range(3)}

    def adam_with_average(entry):
        entry["compile"]["optimizer"] = serialize(optimizers.Adam(use_ema=True))

    plain = {name: tensor for name, tensor in tensors.items() if not name.startswith("optimizer/")}
    model = from_bytes(forged(adam_with_average, {**plain, **vectors}))
    assert {name: state[0] for name, state in model._core.states.items()} == {
        "average": 1, "first_moment": 2, "second_moment": 3}
    # With two of the three it is unknown which is missing: the optimizer begins without any.
    assert from_bytes(forged(adam_with_average, {**plain, "optimizer/0": vectors["optimizer/0"],
                                                 "optimizer/1": vectors["optimizer/1"]}))._core.states == {}


def test_files_without_a_count_begin_at_0():
    assert from_bytes(forged(lambda description: description["state"].pop("epochs")))._core.epochs == 0
