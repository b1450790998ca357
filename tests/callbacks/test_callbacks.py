"""Callbacks, on a fake model: sequences of epochs replayed, with outcomes derived by hand."""

import csv
import errno
import math
import os
import pickle
import types

import numpy as np
import pytest

from tinynn.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
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


# ---- the base class and the list ----


class Recorder(Callback):
    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def on_train_begin(self, logs=None):
        self.calls.append((self.name, "train begin"))

    def on_train_end(self, logs=None):
        self.calls.append((self.name, "train end"))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append((self.name, "epoch begin", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append((self.name, "epoch end", epoch))

    def on_progress(self, step, logs=None):
        self.calls.append((self.name, "progress", step))

    def close(self):
        self.calls.append((self.name, "close"))


def test_callbacks_are_called_in_order():
    calls = []
    train([Recorder("a", calls), Recorder("b", calls)], [{}])
    kinds = [
        ("train begin",),
        ("epoch begin", 0),
        ("progress", 4),
        ("epoch end", 0),
        ("train end",),
        ("close",),
    ]
    assert calls == [(name, *kind) for kind in kinds for name in "ab"]


def test_callbacks_are_closed_after_an_error():
    calls = []
    with pytest.raises(KeyboardInterrupt), CallbackList(Recorder("a", calls), FakeModel(), {}):
        raise KeyboardInterrupt
    assert calls == [("a", "close")]


def test_what_one_callback_logs_the_later_ones_see():
    class Add(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch * 2.0

    _, history = train([Add()], [{"loss": 1.0}, {"loss": 0.5}])
    assert history.history == {"loss": [1.0, 0.5], "extra": [0.0, 2.0]}


@pytest.mark.parametrize("nothing", [None, (), []])
def test_no_callbacks(nothing):
    _, history = train(nothing, [{"loss": 1.0}])
    assert history.epoch == [0]


def test_what_is_no_callback_is_named():
    with pytest.raises(
        TypeError, match=r"fit: callbacks\[1\] must be .*got the class EarlyStopping, not an object"
    ):
        CallbackList([History(), EarlyStopping], FakeModel(), {})
    with pytest.raises(TypeError, match=r"callbacks\[0\] must be a tinynn.callbacks.Callback, got 'early'"):
        CallbackList(["early"], FakeModel(), {})
    stopping = EarlyStopping()
    with pytest.raises(ValueError, match=r"callbacks\[1\] is the same object"):
        CallbackList([stopping, stopping], FakeModel(), {})


def test_state_of_a_list_goes_back_to_the_same_callbacks():
    def make():
        return CallbackList([EarlyStopping("loss"), Callback()], FakeModel(), {}, then=[History()])

    saved = make().get_state()
    assert list(saved) == ["0 EarlyStopping", "2 History"]
    saved["0 EarlyStopping"]["best"] = 0.25
    other = make()
    other.set_state(saved)
    assert other.callbacks[0].best == 0.25
    with pytest.raises(
        ValueError, match=r"belongs to '2 History' \(position and class\).*same ones in the same order"
    ):
        CallbackList([EarlyStopping("loss"), History()], FakeModel(), {}).set_state(saved)


def test_state_of_another_callback_is_refused():
    with pytest.raises(
        ValueError, match=r"History.set_state: expected the keys \['epoch', 'history'\], got \['best'\]"
    ):
        History().set_state(ModelCheckpoint("x").get_state())


def test_callbacks_pickle_without_the_model():
    stopping = EarlyStopping("loss", patience=3)
    _, history = train([stopping], epochs_of("loss", [3.0, 2.0]))
    copies = pickle.loads(pickle.dumps([stopping, history]))
    assert copies[0].best == 2.0
    assert copies[0].model is None
    assert copies[1].history == {"loss": [3.0, 2.0]}


# ---- History ----


def test_history_starts_anew_for_each_training_but_goes_on_when_resuming():
    model, history = train([], epochs_of("loss", [3.0, 2.0]))
    state = history.get_state()
    again = CallbackList([], model, {}, then=[history])
    again.on_train_begin()
    assert history.epoch == []
    history.set_state(state)
    again.on_train_begin()
    again.on_epoch_end(2, {"loss": 1.0})
    assert history.epoch == [0, 1, 2]
    assert history.history == {"loss": [3.0, 2.0, 1.0]}
    assert state == {"epoch": [0, 1], "history": {"loss": [3.0, 2.0]}}
    again.on_train_begin()
    assert history.history == {}


def test_history_shows_the_last_epoch():
    _, history = train([], [{"loss": 0.5, "accuracy": 0.75}])
    assert repr(history) == "<History of 1 epochs: loss=0.5, accuracy=0.75>"
    assert repr(History()) == "<History of 0 epochs>"


# ---- EarlyStopping ----

# values, arguments -> epochs that run, best epoch; derived from the documentation of the arguments
STOPPING = [
    # two epochs in a row without improvement: 3 and 4
    ([1.0, 0.8, 0.6, 0.7, 0.65, 0.1], {"patience": 2}, 5, 2),
    # an improvement at epoch 4 starts the count again
    ([1.0, 0.9, 0.95, 0.95, 0.8, 0.85, 0.85, 0.85], {"patience": 3}, 8, 4),
    ([3.0, 2.0, 2.0, 1.0], {"patience": 0}, 3, 1),
    ([3.0, 2.0, 2.0, 1.0], {"patience": 1}, 3, 1),
    # 0.75 is only 0.25 better than 1, which is not more than min_delta; nor is 0.75 - 0.5
    ([1.0, 0.75, 0.75, 0.25], {"patience": 2, "min_delta": 0.25}, 3, 0),
    ([1.0, 0.75, 0.75, 0.25], {"patience": 2, "min_delta": -0.25}, 3, 0),  # only its size counts
    ([1.0, 0.5, 0.25, 0.0], {"patience": 1, "min_delta": 0.25}, 3, 1),
    # higher is better
    ([0.1, 0.3, 0.2, 0.9], {"patience": 1, "mode": "max"}, 3, 1),
    # better every time, but never better than the baseline: what improves goes on, as in Keras 3
    ([0.9, 0.8, 0.7, 0.6, 0.5], {"patience": 3, "baseline": 0.1}, 5, 4),
    # the first epoch without an improvement ends it then
    ([0.9, 0.8, 0.7, 0.6, 0.65, 0.5], {"patience": 3, "baseline": 0.1}, 5, 3),
    # the baseline is beaten at epoch 1, then two epochs without improvement
    ([0.9, 0.4, 0.45, 0.45, 0.1], {"patience": 2, "baseline": 0.5}, 4, 1),
    # the first two epochs are not looked at, so 0.1 is not the best
    ([0.1, 0.2, 0.9, 0.8, 0.85, 0.85], {"patience": 2, "start_from_epoch": 2}, 6, 3),
    # NaN is never an improvement
    ([1.0, math.nan, math.nan, 0.5], {"patience": 2}, 3, 0),
    ([math.nan, 1.0, 0.5], {"patience": 2}, 3, 2),
    ([1.0, 0.5], {"patience": 5}, 2, 1),
]


@pytest.mark.parametrize("values, arguments, epochs, best", STOPPING)
def test_early_stopping(values, arguments, epochs, best):
    stopping = EarlyStopping("val_loss", restore_best_weights=True, **arguments)
    model, history = train([stopping], epochs_of("val_loss", values))
    assert len(history.epoch) == epochs
    assert stopping.best_epoch == best
    assert stopping.best == values[best]
    assert stopping.stopped_epoch == (epochs - 1 if model.stop_training else 0)
    assert model.weights[0][0] == best + 1  # restored


def test_early_stopping_keeps_the_last_weights_unless_asked():
    model, _ = train([EarlyStopping("loss", patience=2)], epochs_of("loss", [1.0, 2.0, 2.0]))
    assert model.weights[0][0] == 3


def test_early_stopping_can_be_used_again():
    stopping = EarlyStopping("loss", patience=2, restore_best_weights=True)
    for _ in range(2):
        _, history = train([stopping], epochs_of("loss", [1.0, 0.1, 0.5, 0.5, 0.5]))
        assert len(history.epoch) == 4
    _, history = train([stopping], epochs_of("loss", [5.0, 4.0, 3.0]), model=FakeModel())
    assert len(history.epoch) == 3


def test_early_stopping_resumes():
    values = [1.0, 0.8, 0.9, 0.9, 0.9, 0.1]
    first = EarlyStopping("loss", patience=3, restore_best_weights=True)
    train([first], epochs_of("loss", values[:3]), end=False)
    second = EarlyStopping("loss", patience=3, restore_best_weights=True)
    second.set_state(pickle.loads(pickle.dumps(first.get_state())))
    model, history = train([second], epochs_of("loss", values[3:]), first_epoch=3)
    assert history.epoch == [3, 4]
    assert second.stopped_epoch == 4
    assert model.weights[0][0] == 2  # the weights of epoch 1, from before the interruption


def test_a_state_may_also_come_after_training_has_begun():
    stopping = EarlyStopping("loss", patience=3)
    state = {**stopping.get_state(), "best": 0.5, "wait": 2}
    calls = CallbackList([stopping], FakeModel(), {})
    calls.on_train_begin()
    calls.set_state({"0 EarlyStopping": state})
    calls.on_epoch_end(7, {"loss": 0.6})
    assert stopping.model.stop_training
    calls.on_train_begin()  # the next training starts from nothing
    assert stopping.best is None


def test_early_stopping_says_so(capsys):
    train([EarlyStopping("loss", verbose=1, restore_best_weights=True)], epochs_of("loss", [1.0, 2.0]))
    out = capsys.readouterr().out
    assert "Epoch 2: early stopping, loss is no better for 1 epochs" in out
    assert "best epoch, 1, restored" in out


@pytest.mark.parametrize(
    "monitor, higher",
    [
        ("loss", False),
        ("val_loss", False),
        ("mean_squared_error", False),
        ("val_categorical_crossentropy", False),
        ("accuracy", True),
        ("val_sparse_categorical_accuracy", True),
        ("auc", True),
    ],
)
def test_the_direction_is_read_off_the_name(monitor, higher):
    stopping = EarlyStopping(monitor)
    train([stopping], epochs_of(monitor, [0.5, 0.75]))
    assert stopping.best_epoch == (1 if higher else 0)


def test_a_name_that_says_nothing_needs_a_mode_before_training():
    with pytest.raises(
        ValueError, match="cannot tell from its name whether 'val_within_one' should rise or fall"
    ):
        train([EarlyStopping("val_within_one")], [], metrics=["loss", "val_within_one"])
    train([EarlyStopping("val_within_one", mode="max")], epochs_of("val_within_one", [1.0]))


@pytest.mark.parametrize(
    "make", [EarlyStopping, ReduceLROnPlateau, lambda m: ModelCheckpoint("x", m, 0, True)]
)
def test_a_missing_quantity_is_named_with_the_nearest(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = ["loss", "accuracy", "val_loss"]
    expected = (
        r"monitor 'val_los' is not .* this training: loss, accuracy, val_loss; did you mean 'val_loss'\?"
    )
    with pytest.raises(ValueError, match=expected):
        train([make("val_los")], [], metrics=known)  # before training, when fit says what there will be
    with pytest.raises(ValueError, match=expected):
        train([make("val_los")], [dict.fromkeys(known, 1.0)])  # else after the first epoch
    with pytest.raises(ValueError, match="pass validation_data or validation_split to fit"):
        train([make("val_loss")], [], metrics=["loss"])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: EarlyStopping(patience=-1), "EarlyStopping: patience must be at least 0"),
        (lambda: EarlyStopping(patience=1.5), "EarlyStopping: patience must be a whole number"),
        (lambda: EarlyStopping(mode="up"), "EarlyStopping: mode must be 'auto', 'min' or 'max', got 'up'"),
        (lambda: EarlyStopping(monitor=3), "EarlyStopping: monitor must be the name"),
        (lambda: EarlyStopping(baseline="low"), "EarlyStopping: baseline must be a real number"),
        (lambda: EarlyStopping(start_from_epoch=-1), "start_from_epoch"),
        (
            lambda: ReduceLROnPlateau(factor=1.0),
            "ReduceLROnPlateau: factor must be a finite number > 0 and < 1",
        ),
        (lambda: ReduceLROnPlateau(cooldown=-1), "cooldown"),
        (lambda: ReduceLROnPlateau(min_lr=-0.1), "min_lr"),
        (lambda: ModelCheckpoint("x", save_freq=10), "save_freq must be 'epoch', got 10"),
        (lambda: ModelCheckpoint("{}"), "no valid template"),
        (lambda: ModelCheckpoint("{0}"), "no valid template"),
        (lambda: ModelCheckpoint("{loss"), "no valid template"),
        (lambda: ModelCheckpoint("{val_loss:02d}"), "no valid template"),
        (lambda: ModelCheckpoint(3), "PathLike"),
        (lambda: CSVLogger("x", separator=", "), "separator must be one character"),
        (lambda: LearningRateScheduler(0.1), "schedule must be callable, got float"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


# ---- ReduceLROnPlateau ----

# values, arguments -> learning rate during each epoch (as logged) and after the last; from 0.1 and factor 0.5
PLATEAU = [
    # epochs 1 and 2 without improvement lower it after epoch 2, epochs 3 and 4 after 4
    ([1.0, 1.0, 1.0, 1.0, 1.0], {"patience": 2}, [0.1, 0.1, 0.1, 0.05, 0.05], 0.025),
    # an improvement starts the count again
    ([1.0, 1.0, 0.5, 0.5, 0.5], {"patience": 2}, [0.1] * 5, 0.05),
    # less than min_delta is no improvement
    ([1.0, 0.9, 0.8, 0.7], {"patience": 2, "min_delta": 0.5}, [0.1, 0.1, 0.1, 0.05], 0.05),
    # lowered after 1; 2 is cooldown, 3 ends it and counts, so it is lowered after 3, and so on
    ([1.0] * 6, {"patience": 1, "cooldown": 2}, [0.1, 0.1, 0.05, 0.05, 0.025, 0.025], 0.0125),
    # never below min_lr
    ([1.0] * 5, {"patience": 1, "min_lr": 0.04}, [0.1, 0.1, 0.05, 0.04, 0.04], 0.04),
    ([0.1, 0.2, 0.1, 0.3], {"patience": 1, "mode": "max"}, [0.1, 0.1, 0.1, 0.05], 0.05),
]


@pytest.mark.parametrize("values, arguments, rates, last", PLATEAU)
def test_reduce_learning_rate_on_plateau(values, arguments, rates, last):
    model, history = train(
        [ReduceLROnPlateau("val_loss", factor=0.5, **arguments)], epochs_of("val_loss", values)
    )
    assert history.history["learning_rate"] == pytest.approx(rates, rel=1e-15)
    assert model.optimizer.learning_rate == pytest.approx(last, rel=1e-15)


def test_reduce_learning_rate_resumes():
    first = ReduceLROnPlateau("loss", factor=0.5, patience=3)
    model, _ = train([first], epochs_of("loss", [1.0, 1.0, 1.0]), end=False)
    second = ReduceLROnPlateau("loss", factor=0.5, patience=3)
    second.set_state(first.get_state())
    train([second], epochs_of("loss", [1.0]), model=model, first_epoch=3)
    assert model.optimizer.learning_rate == 0.05


def test_reduce_learning_rate_can_be_used_again_and_says_so(capsys):
    plateau = ReduceLROnPlateau("loss", factor=0.5, patience=2, verbose=1)
    for _ in range(2):
        model, _ = train([plateau], epochs_of("loss", [1.0, 1.0, 1.0]))
        assert model.optimizer.learning_rate == 0.05
    assert "Epoch 3: loss is on a plateau, learning rate lowered to 0.05" in capsys.readouterr().out


@pytest.mark.parametrize("callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(lambda epoch: 0.1)])
def test_a_rate_that_follows_a_schedule_is_not_overruled(callback):
    with pytest.raises(TypeError, match=r"the learning rate follows a schedule .*compile with a number"):
        train([callback], [{"loss": 1.0}], model=FakeModel(learning_rate=lambda step: 0.1))


# ---- LearningRateScheduler ----


def test_learning_rate_scheduler(capsys):
    def halve(epoch, rate):
        return rate if epoch < 2 else rate / 2

    model, history = train([LearningRateScheduler(halve, verbose=1)], [{"loss": 1.0}] * 4)
    assert history.history["learning_rate"] == [0.1, 0.1, 0.05, 0.025]
    assert model.optimizer.learning_rate == 0.025
    assert "Epoch 3: learning rate 0.05" in capsys.readouterr().out


def test_the_learning_rate_of_an_epoch_that_is_resumed_is_not_set_again(capsys):
    first = LearningRateScheduler(lambda epoch, rate: rate / 2)
    model, _ = train([first], [{}, {}])
    assert model.optimizer.learning_rate == 0.025
    second = LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1)
    second.set_state(first.get_state())
    model, _ = train([second], [{}, {}], model, first_epoch=1)  # in the middle of epoch 1, whose rate is set
    assert model.optimizer.learning_rate == 0.0125
    assert capsys.readouterr().out == "Epoch 3: learning rate 0.0125\n"


def test_learning_rate_scheduler_of_one_argument():
    def schedule(epoch):
        return 1 / (1 + epoch)

    _, history = train([LearningRateScheduler(schedule)], [{"loss": 1.0}] * 3)
    assert history.history["learning_rate"] == [1.0, 1 / 2, 1 / 3]


@pytest.mark.parametrize("rate", [math.nan, -0.1, "0.1", None])
def test_learning_rate_scheduler_rejects_what_is_no_rate(rate):
    with pytest.raises((TypeError, ValueError), match=r"LearningRateScheduler: schedule\(0\) must be a"):
        train([LearningRateScheduler(lambda epoch, current: rate)], [{}])


def test_an_error_in_the_schedule_is_the_users_to_see():
    def broken(epoch, rate):
        raise TypeError("my own mistake")

    with pytest.raises(TypeError, match="my own mistake"):
        train([LearningRateScheduler(broken)], [{}])


# ---- ModelCheckpoint ----


def test_checkpoint_after_each_epoch_with_a_template(tmp_path):
    path = tmp_path / "runs" / "{epoch:02d}-{val_loss:.2f}.safetensors"
    model, _ = train([ModelCheckpoint(path)], epochs_of("val_loss", [0.5, 0.125]))
    assert sorted(os.listdir(tmp_path / "runs")) == ["01-0.50.safetensors", "02-0.12.safetensors"]
    assert model.saved == [str(tmp_path / "runs" / name) for name in sorted(os.listdir(tmp_path / "runs"))]


def test_checkpoint_in_a_directory_per_epoch(tmp_path):
    train([ModelCheckpoint(tmp_path / "{{run}}" / "{epoch}" / "model")], [{}] * 2)
    assert (tmp_path / "{run}" / "1" / "model").exists()
    assert (tmp_path / "{run}" / "2" / "model").exists()
    assert os.listdir(tmp_path) == ["{run}"]


def test_checkpoint_of_the_best_only(tmp_path, capsys):
    checkpoint = ModelCheckpoint(tmp_path / "best", "val_accuracy", 1, True)
    model, _ = train([checkpoint], epochs_of("val_accuracy", [0.5, 0.4, 0.6, 0.6, math.nan]))
    assert len(model.saved) == 2
    assert (tmp_path / "best").read_text() == "3.0"
    assert checkpoint.best == 0.6
    assert f"Epoch 3: model saved to {tmp_path / 'best'}" in capsys.readouterr().out


def test_checkpoint_with_a_value_to_beat(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "m", "loss", save_best_only=True, initial_value_threshold=0.5)
    for _ in range(2):  # and the value is that again for the next training
        model, _ = train([checkpoint], epochs_of("loss", [0.9, 0.6, 0.4]))
        assert len(model.saved) == 1


def test_checkpoint_resumes(tmp_path):
    first = ModelCheckpoint(tmp_path / "m", "loss", save_best_only=True)
    train([first], epochs_of("loss", [0.5]))
    second = ModelCheckpoint(tmp_path / "m", "loss", save_best_only=True)
    second.set_state(first.get_state())
    model, _ = train([second], epochs_of("loss", [0.6, 0.4]), first_epoch=1)
    assert len(model.saved) == 1
    assert (tmp_path / "m").read_text() == "3.0"


def test_checkpoint_needs_no_monitor_to_save_each_epoch(tmp_path):
    model, _ = train([ModelCheckpoint(tmp_path / "m")], epochs_of("loss", [0.5]), metrics=["loss"])
    assert len(model.saved) == 1


def test_checkpoint_names_an_unknown_field(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{val_acc:.2f}")
    expected = r"filepath's field 'val_acc' is not among .*did you mean 'val_accuracy'"
    with pytest.raises(ValueError, match=expected):
        train([checkpoint], [], metrics=["loss", "val_accuracy"])
    with pytest.raises(ValueError, match=expected):
        train([checkpoint], [{"loss": 1.0, "val_accuracy": 1.0}])


@pytest.mark.parametrize("make", [ModelCheckpoint, CSVLogger])
@pytest.mark.parametrize("place", ["file/below", "directory", "file/{epoch}", "file/deep/{epoch}/x"])
def test_an_unwritable_path_is_found_before_training(make, place, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    model = FakeModel()
    with pytest.raises(OSError, match=f"{make.__name__}: cannot write .*choose another path") as error:
        train([make(tmp_path / place)], [{"loss": 1.0}], model=model)
    assert error.value.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
    assert model.weights[0][0] == 0  # not one epoch was trained


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("make", [ModelCheckpoint, CSVLogger])
def test_a_directory_without_permission_is_found_before_training(make, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="cannot write"):
            train([make(tmp_path / "x")], [{"loss": 1.0}])
    finally:
        tmp_path.chmod(0o700)


def test_the_check_leaves_nothing_behind(tmp_path):
    train([ModelCheckpoint(tmp_path / "model")], [])
    assert os.listdir(tmp_path) == []


# ---- CSVLogger ----


def test_csv_of_each_epoch(tmp_path):
    path = tmp_path / "logs" / "run.csv"
    third = 1 / 3
    train([CSVLogger(path)], [{"loss": 0.5, "val_loss": third}, {"loss": 0.25, "val_loss": 0.125}])
    assert path.read_bytes() == f"epoch,loss,val_loss\n0,0.5,{third!r}\n1,0.25,0.125\n".encode()


def test_csv_is_on_disk_after_each_epoch(tmp_path):
    path = tmp_path / "run.csv"
    lines = []

    class Look(Callback):
        def on_epoch_end(self, epoch, logs=None):
            lines.append(path.read_text().splitlines()[-1])

    train([CSVLogger(path, separator=";"), Look()], epochs_of("loss", [0.5, 0.25]))
    assert lines == ["0;0.5", "1;0.25"]


def test_csv_replaces_an_old_table_only_when_it_has_a_line(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("precious\n")
    train([CSVLogger(path)], [])
    assert path.read_text() == "precious\n"
    train([CSVLogger(path)], epochs_of("loss", [0.5]))
    assert path.read_text() == "epoch,loss\n0,0.5\n"


def test_csv_appends(tmp_path):
    path = tmp_path / "run.csv"
    train([CSVLogger(path, append=True)], [{"loss": 0.5, "accuracy": 0.1}])
    train([CSVLogger(path, append=True)], [{"accuracy": 0.2, "loss": 0.25}], first_epoch=1)
    assert path.read_text() == "epoch,loss,accuracy\n0,0.5,0.1\n1,0.25,0.2\n"
    with pytest.raises(
        ValueError, match=r"has the columns \['epoch', 'loss', 'accuracy'\], this training .*append"
    ):
        train([CSVLogger(path, append=True)], epochs_of("loss", [0.5]))
    assert len(path.read_text().splitlines()) == 3


def test_csv_resumes(tmp_path):
    path = tmp_path / "run.csv"
    first = CSVLogger(path)
    train([first], epochs_of("loss", [0.5]))
    second = CSVLogger(path)
    second.set_state(first.get_state())
    train([second], epochs_of("loss", [0.25, 0.125]), first_epoch=1)
    assert path.read_text() == "epoch,loss\n0,0.5\n1,0.25\n2,0.125\n"


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("saved_after", [0, 1, 2])
def test_csv_of_a_training_that_was_killed_after_its_last_checkpoint(append, saved_after, tmp_path):
    """Lines of epochs that come again are cut off; those of an earlier table stay if it is appended to."""
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,7.0\n5,7.5\n")
    before = path.read_text() if append else "epoch,loss\n"
    first = CSVLogger(path, append=append)
    first.on_train_begin()
    states = [first.get_state()]
    for epoch in range(2):
        first.on_epoch_end(epoch, {"loss": float(epoch)})
        states.append(first.get_state())
    assert path.read_text() == before + "0,0.0\n1,1.0\n"
    second = CSVLogger(path, append=append)
    second.set_state(states[saved_after])
    second.on_train_begin()
    for epoch in range(saved_after, 3):
        second.on_epoch_end(epoch, {"loss": float(epoch)})
    assert path.read_text() == before + "0,0.0\n1,1.0\n2,2.0\n"


def test_csv_quotes_what_needs_it_and_leaves_gaps_where_a_value_is_missing(tmp_path):
    path = tmp_path / "run.csv"
    train([CSVLogger(path)], [{"a,b": 1.0, "loss": 2.0}, {"loss": 3.0, "new": 4.0}])
    with open(path, newline="") as file:
        assert list(csv.reader(file)) == [["epoch", "a,b", "loss"], ["0", "1.0", "2.0"], ["1", "", "3.0"]]


# ---- a full disk ----


class FullDisk:
    """Makes writing into a table fail, half a line at a time, while it is on."""

    def __init__(self, monkeypatch):
        self.on = False
        really = CSVLogger._open

        def open_full(logger, mode):
            file = really(logger, mode)
            if self.on and mode == "a":
                def write(text):
                    type(file).write(file, text[: len(text) // 2])
                    raise OSError(28, "No space left on device")

                return FullFile(file, write)
            return file

        monkeypatch.setattr(CSVLogger, "_open", open_full)


class FullFile:
    def __init__(self, file, write):
        self.file, self.write = file, write

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("full", [{0}, {1}, {1, 2}, {3}, {0, 1, 2}])
def test_a_table_catches_up_when_there_is_room_again(full, tmp_path, monkeypatch):
    disk, path = FullDisk(monkeypatch), tmp_path / "log.csv"

    class Fill(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            disk.on = epoch in full

        def on_train_end(self, logs=None):
            disk.on = False

    with pytest.warns(RuntimeWarning, match="CSVLogger: cannot write '.*log.csv'.*No space left.*: epoch .* is not in"):
        train([Fill(), CSVLogger(path)], epochs_of("loss", [4.0, 3.0, 2.0, 1.0]))
    assert path.read_text() == "epoch,loss\n0,4.0\n1,3.0\n2,2.0\n3,1.0\n"


def test_a_table_that_stays_full_is_whole_as_far_as_it_goes(tmp_path, monkeypatch):
    disk, path = FullDisk(monkeypatch), tmp_path / "log.csv"

    class Fill(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            disk.on = epoch >= 2

    with pytest.warns(RuntimeWarning, match="epoch 3(, 4)? is not in it"):
        _, history = train([Fill(), CSVLogger(path)], epochs_of("loss", [4.0, 3.0, 2.0, 1.0]))
    assert history.epoch == [0, 1, 2, 3]
    disk.on = False
    assert path.read_text().startswith("epoch,loss\n0,4.0\n1,3.0\n")


@pytest.mark.parametrize("make", [lambda path: CSVLogger(path), lambda path: ModelCheckpoint(path)])
def test_what_is_no_file_is_refused_before_training(make, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/null"):
        with pytest.raises(ValueError, match="would be replaced, but it is not a regular file"):
            train([make(path)], epochs_of("loss", [1.0]))
    with pytest.raises(ValueError, match="the path is empty"):
        train([make("")], epochs_of("loss", [1.0]))
