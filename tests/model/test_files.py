"""Model files: the same bits back, equal bytes for equal models, and never half a file."""

import copy
import os
import pickle
import stat
import threading

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors

import tinynn
from tests.model.files import compiled, everything
from tests.model.reference import from_bytes, to_bytes
from tinynn import Sequential, layers, losses, metrics, optimizers
from tinynn.callbacks import Callback
from tinynn.optimizers import schedules


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


def test_the_optimizers_state_is_saved_only_on_request(data, tmp_path):
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


def test_non_finite_weights_survive():
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


def test_user_defined_classes(rng):
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


# --- where it is written -----------------------------------------------------------------------------


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


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        tinynn.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        tinynn.load(tmp_path)


# --- while a thread trains ---------------------------------------------------------------------------


def test_a_model_saved_while_it_trains_can_be_loaded(data, tmp_path):
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


def test_notes_are_kept(tmp_path):
    model = compiled()
    model.notes = {"who": "me", "rates": (0.1, np.float64(0.5))}
    model.save(tmp_path / "m")
    assert tinynn.load(tmp_path / "m").notes == {"who": "me", "rates": [0.1, 0.5]}
    model.notes = {"what": open}
    with pytest.raises(TypeError, match="notes"):
        model.save(tmp_path / "m")
