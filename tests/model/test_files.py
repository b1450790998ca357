"""Model files: the same bits back, equal bytes for equal models, and nothing believed that a file says."""

import copy
import json
import os
import pickle
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import tinynn
from tests.model.reference import from_bytes, to_bytes
from tinynn import Sequential, layers, losses, metrics, optimizers
from tinynn.callbacks import Callback
from tinynn.io.format import canonical, digest
from tinynn.optimizers import schedules


def everything(dtype="float32"):
    """A model with every layer, not compiled."""
    frozen = layers.Dense(6, name="frozen")
    frozen.trainable = False
    inside = layers.Dense(3, use_bias=False)
    inside.trainable = False
    return Sequential(
        [
            layers.Rescaling(0.5, 1.0),
            layers.LSTM(5, True, unit_forget_bias=False),
            layers.GRU(4, True, reset_after=False),
            layers.SimpleRNN(6, True, use_bias=False, recurrent_initializer="glorot_normal"),
            layers.TimeDistributed([frozen, layers.Activation("tanh"), layers.Dropout(0.25)]),
            layers.Towers([inside, layers.Reshape((1, 3)), layers.Flatten()], 4),
            layers.Activation("softmax"),
            layers.SumDistribution(),
            layers.RepeatVector(2),
            layers.Flatten(),
            layers.Dense(3, "sigmoid", name="last"),
        ],
        (4, 2),
        rng=11,
        dtype=dtype,
        name="everything",
    )


def compiled(optimizer=None, rng=3):
    model = Sequential([layers.Dense(4, "relu"), layers.Dropout(0.3), layers.Dense(3, "softmax")], (5,), rng=rng)
    model.compile(optimizer or optimizers.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(20, 5)), rng.integers(0, 3, 20)


def test_round_trip_of_every_layer(dtype, tmp_path, rng):
    model = everything(dtype)
    path = tmp_path / "model.safetensors"
    model.save(path)
    other = tinynn.load(path)
    assert to_bytes(other) == path.read_bytes()
    x = rng.normal(size=(3, 4, 2))
    assert other.parameters.tobytes() == model.parameters.tobytes()
    assert other.predict(x).tobytes() == model.predict(x).tobytes()
    assert list(other._core.parameters) == list(model._core.parameters)
    assert other._core.names == model._core.names
    assert other.name == "everything"
    assert other.optimizer is None
    assert other._core.dtype == dtype
    assert [layer.get_config() for layer in other.layers] == [
        {**layer.get_config(), "name": name} for name, layer in zip(model._core.names, model.layers, strict=True)
    ]
    for each in (model, other):
        each.compile("adam", "mse")
        each.fit(x, np.ones((3, 3)), epochs=2, batch_size=2, verbose=0)
    assert other.parameters.tobytes() == model.parameters.tobytes()
    assert to_bytes(other) == to_bytes(model)


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(schedules.OneCycle(0.01, 30)),
    "adamw": lambda: optimizers.AdamW(0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.9),
}


@pytest.mark.parametrize("way", ["file", "pickle"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_with_the_same_bits(name, way, data, tmp_path):
    model = compiled(OPTIMIZERS[name]())
    model.fit(*data, batch_size=8, epochs=2, verbose=0)
    if way == "file":
        model.save(str(tmp_path / "model"), include_optimizer=True)
        other = tinynn.load(str(tmp_path / "model"))
    else:
        other = pickle.loads(pickle.dumps(model))
    assert other.optimizer == model.optimizer
    assert other._core.iteration == model._core.iteration == 6
    for each in (model, other):
        each.fit(*data, batch_size=8, epochs=4, initial_epoch=2, verbose=0)
    assert other.parameters.tobytes() == model.parameters.tobytes()
    assert other.evaluate(*data) == model.evaluate(*data)


def test_what_the_optimizer_remembers_is_left_out_unless_asked_for(data, tmp_path):
    model = compiled()
    model.fit(*data, verbose=0)
    model.save(tmp_path / "model")
    other = tinynn.load(tmp_path / "model")
    assert other._core.iteration == 0
    assert other._core.states == {}
    assert other.evaluate(*data) == model.evaluate(*data)
    assert np.isfinite(other.fit(*data, verbose=0).history["loss"]).all()


def test_equal_models_give_equal_bytes(data, tmp_path):
    for number in range(2):
        model = compiled()
        model.fit(*data, epochs=2, verbose=0)
        model.save(tmp_path / str(number))
        model.save(tmp_path / str(number))  # over itself
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    assert to_bytes(compiled(rng=4)) != to_bytes(compiled(rng=5))


def test_readable_by_any_safetensors_reader():
    model = compiled()
    tensors = load_tensors(to_bytes(model))
    assert set(tensors) == {"dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"}
    np.testing.assert_array_equal(tensors["dense/kernel"], model.get_weights()[0])


def test_weights_that_are_no_numbers_survive():
    model = compiled()
    model.parameters[:4] = [np.nan, np.inf, -np.inf, -0.0]
    assert from_bytes(to_bytes(model)).parameters.tobytes() == model.parameters.tobytes()


def test_a_model_without_parameters(tmp_path):
    model = Sequential([layers.Flatten(), layers.Rescaling(2.0)], (2, None))
    model.save(tmp_path / "m")
    other = tinynn.load(tmp_path / "m")
    assert other.input_shape == (2, None)
    assert other.predict(np.ones((1, 2, 3))).tolist() == [[2.0] * 6]


class Ramp(schedules.Schedule):
    def __init__(self, slope):
        self.slope = slope

    def rates(self, steps):
        return self.slope * steps


class MyLoss(losses.Loss):
    def forward(self, prediction, target):
        return ((prediction - target) ** 2).sum(-1)

    def backward(self, prediction, target):
        return 2 * (prediction - target)


class MyMetric(metrics.Metric):
    def forward(self, prediction, target):
        return prediction.sum(-1)


def test_classes_of_ones_own(rng):
    model = Sequential([layers.Dense(2)], (2,))
    model.compile(optimizers.SGD(Ramp(0.01)), MyLoss(), [MyMetric()])
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    model.fit(x, y, batch_size=2, verbose=0)
    other = from_bytes(to_bytes(model))
    assert other.evaluate(x, y) == model.evaluate(x, y)


def test_a_function_as_schedule_cannot_be_saved(tmp_path):
    model = compiled(optimizers.SGD(lambda step: 0.1))
    with pytest.raises(TypeError, match="which a model file cannot hold"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# --- where it is written -------------------------------------------------------------------------------


def test_nothing_is_left_behind(tmp_path):
    compiled().save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_as_readable_as_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    compiled().save(tmp_path / "model")
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_unwritable_paths_are_named(tmp_path):
    model = compiled()
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    for path, error in (
        (tmp_path / "missing" / "m", FileNotFoundError),
        (tmp_path / "folder", IsADirectoryError),
        (tmp_path / "file" / "m", NotADirectoryError),
        (tmp_path / ("x" * 300), OSError),
    ):
        with pytest.raises(error, match="save: cannot write '.*"):
            model.save(path)
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices")
def test_a_device_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(ValueError, match="save: .*null.* not a regular file"):
        compiled().save(tmp_path / "null")
    assert (tmp_path / "null").is_symlink()


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    compiled().save(path)
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="save: cannot write '.*': No space left on device"):
        compiled(rng=9).save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="which file a descriptor is")
def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_the_name_is(tmp_path, monkeypatch):
    events = []

    def fsync(handle):
        events.append(os.readlink(f"/proc/self/fd/{handle}"))

    def replace(old, new):
        events.append(("replace", os.fspath(old), os.fspath(new)))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    compiled().save(tmp_path / "model")
    temporary, (_, old, new), folder = events
    assert temporary == old
    assert (new, folder) == (str(tmp_path / "model"), str(tmp_path))


def test_the_longest_name_there_can_be(tmp_path):
    compiled().save(tmp_path / ("m" * 255))


# --- what is read --------------------------------------------------------------------------------------


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        tinynn.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        tinynn.load(tmp_path)


def test_every_truncation_is_found():
    content = to_bytes(compiled())
    for length in [0, 1, 7, 8, 9, *range(10, len(content), 37), len(content) - 1]:
        with pytest.raises(ValueError, match="load: "):
            from_bytes(content[:length])
    with pytest.raises(ValueError, match="load: "):
        from_bytes(content + b"\0")


def test_a_flipped_bit_is_found_or_changes_nothing(rng, data):
    """Some bytes mean nothing: spaces that pad the header. Nothing else may pass."""
    model = compiled()
    model.fit(*data, verbose=0)
    content = to_bytes(model)
    passed = 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        try:
            other = from_bytes(bytes(changed))
        except ValueError:
            continue
        passed += 1
        assert to_bytes(other) == content
    assert passed < 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\0" * 100,
        b"\xff" * 100,
        b"{}" * 50,
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
    ],
)
def test_garbage(content):
    with pytest.raises(ValueError, match="load: "):
        from_bytes(content)


def test_foreign_safetensors(tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(save_tensors({"a": np.ones(3)}))
    with pytest.raises(ValueError, match="load: .*foreign is a safetensors file, but holds no tinynn model"):
        tinynn.load(path)
    for entry in ("", "[]", "3", "null", "{", '{"format":1}', "[" * 100_000):
        with pytest.raises(ValueError, match="load: "):
            from_bytes(save_tensors({"a": np.ones(3)}, {"tinynn": entry}))


def parts():
    content = to_bytes(compiled())
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["tinynn"]), load_tensors(content)


def forged(change, tensors=None):
    """A file whose description was changed, hash and all, by somebody who knows the format."""
    description, own = parts()
    change(description)
    tensors = own if tensors is None else tensors
    description["sha256"] = digest(description, tensors)
    return save_tensors(tensors, {"tinynn": canonical(description)})


def at(*path):
    """Set the entry of a description at a path."""
    *path, value = path

    def change(description):
        for key in path[:-1]:
            description = description[key]
        description[path[-1]] = value

    return change


FIRST = ("architecture", "layers", 0)

HOSTILE = {
    "format": (at("format", 2), "the file has format 2, but this version reads 1"),
    "unknown class": (at(*FIRST, "class", "layers.Evil"), "unknown class 'layers.Evil'"),
    "class of another kind": (at(*FIRST, "class", "losses.MeanSquaredError"), ""),
    "class that is no layer": (
        lambda d: d["architecture"]["layers"].__setitem__(
            0, {"class": "losses.MeanSquaredError", "config": {}, "name": "a"}
        ),
        "must be a layer",
    ),
    "class that is no text": (at(*FIRST, "class", {"a": 1}), ""),
    "builtin": (at(*FIRST, "class", "os.system"), "unknown class 'os.system'"),
    "unknown argument": (at(*FIRST, "config", "evil", 3), "no argument 'evil'"),
    "private argument": (at(*FIRST, "config", "__class__", 3), "no argument"),
    "huge layer": (at(*FIRST, "config", "units", 10**11), "needs 'dense/kernel' with shape"),
    "enormous layer": (at(*FIRST, "config", "units", 10**100), "needs 'dense/kernel' with shape"),
    "negative layer": (at(*FIRST, "config", "units", -1), "units must be at least 1"),
    "wrong layer": (at(*FIRST, "config", "units", "many"), "units must be a whole number"),
    "name with a slash": (at(*FIRST, "name", "a/b"), "a layer's name must be"),
    "name that is no text": (at(*FIRST, "name", ["a"]), ""),
    "two equal names": (at(*FIRST, "name", "dense_1"), "two layers are named 'dense_1'"),
    "no layers": (at("architecture", "layers", []), "has tensors that the architecture does not"),
    "layers that are none": (at("architecture", "layers", [3]), ""),
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
    "metrics": (at("compile", "metrics", 3), ""),
    "many towers": (
        at(
            "architecture",
            "layers",
            [{"class": "layers.Towers", "name": "t", "config": {"layers": [], "count": 10**12}}],
        ),
        "",
    ),
    "deep": (lambda d: at(*FIRST, "config", "units", json.loads("[" * 400 + "]" * 400))(d), ""),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_descriptions(how):
    change, message = HOSTILE[how]
    with pytest.raises(ValueError, match=f"load: the model's bytes: .*{message}"):
        from_bytes(forged(change))


def test_the_forger_can_do_it_right():
    """So that the tests above fail for the reason they say."""
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
        ({"extra": np.ones(3)}, "has tensors that the architecture does not: extra"),
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


# --- while a thread trains -------------------------------------------------------------------------------


def test_what_is_written_beside_a_training_can_be_read(data, tmp_path):
    """The numbers are copied before they are hashed."""
    model = compiled()
    model.fit(*data, verbose=0)
    ended = threading.Event()

    class Until(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = ended.is_set()

    thread = threading.Thread(target=lambda: model.fit(*data, 2, epochs=10**6, verbose=0, callbacks=Until()))
    thread.start()
    try:
        for number in range(60):
            model.save(tmp_path / "m", include_optimizer=number % 2 == 0)
            tinynn.load(tmp_path / "m")
            pickle.loads(pickle.dumps(model))
            copy.deepcopy(model)
    finally:
        ended.set()
        thread.join()


def test_numbers_that_change_between_hashing_and_writing(data, monkeypatch):
    """The race of the test above, lost on purpose."""
    model = compiled()
    model.fit(*data, verbose=0)
    before = from_bytes(to_bytes(model))

    def digest_and_step(description, tensors):
        result = digest(description, tensors)
        for vector in (model.parameters, *model._core.states.values()):
            vector += 1
        return result

    with monkeypatch.context() as patch:
        patch.setattr("tinynn.io.format.digest", digest_and_step)
        content = to_bytes(model)
    again = from_bytes(content)
    assert again.fingerprint() == before.fingerprint() != model.fingerprint()
    assert all(state.tobytes() == before._core.states[name].tobytes() for name, state in again._core.states.items())


# --- without compiling ------------------------------------------------------------------------------------


def test_a_model_with_a_loss_of_ones_own_can_be_loaded_elsewhere_to_predict(data, tmp_path):
    class MyLoss(losses.Loss):
        def forward(self, prediction, target):
            return np.abs(prediction - target).mean(-1)

        def backward(self, prediction, target):
            return np.sign(prediction - target) / prediction.shape[-1]

    model = compiled()
    model.compile("adam", MyLoss())
    x = data[0]
    y = model.predict(x) * 0
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m", include_optimizer=True)
    code = f"""
import numpy as np, tinynn
try:
    tinynn.load({str(tmp_path / "m")!r})
except ValueError as error:
    assert "unknown class 'losses.MyLoss'" in str(error), error
else:
    raise AssertionError
model = tinynn.load({str(tmp_path / "m")!r}, compile=False)
assert model.optimizer is None and model._core.states == {{}}
model.predict(np.ones((2, {x.shape[1]}), "f4"))
model.compile("sgd", "mse")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=os.getcwd())
    assert tinynn.load(tmp_path / "m", compile=False).fingerprint() == model.fingerprint()
