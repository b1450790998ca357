"""EarlyStopping, and what all callbacks that monitor a quantity share; outcomes derived by hand."""

import math
import pickle

import pytest

from tests.callbacks.helpers import FakeModel, X, Y, compiled, epochs_of, train
from tinynn.callbacks import Callback, EarlyStopping, History, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau
from tinynn.callbacks.callback_list import CallbackList

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
    assert "Epoch 2: early stopping, loss has not improved for 1 epoch\n" in out
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
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


# --- quantities that callbacks add -------------------------------------------------------------------


class Adds(Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["f1"] = 1.0 + epoch


def test_a_quantity_that_an_earlier_callback_adds_can_be_monitored(tmp_path):
    stop = EarlyStopping("f1", patience=2, mode="min")
    keep = ModelCheckpoint(tmp_path / "{f1:.0f}", monitor="f1", save_best_only=True, mode="max")
    compiled().fit(X, Y, epochs=9, verbose=0, callbacks=[Adds(), keep, stop])
    assert stop.stopped_epoch == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]
    stop = EarlyStopping("learning_rate", patience=1, mode="max")
    scheduler = LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))
    compiled().fit(X, Y, epochs=9, verbose=0, callbacks=[scheduler, stop])
    assert stop.stopped_epoch == 1


@pytest.mark.parametrize("callbacks", [
    [EarlyStopping("f1", mode="max"), Adds()],  # added too late
    [EarlyStopping("learning_rate", mode="max"), ReduceLROnPlateau("loss")],
    [History(), EarlyStopping("f1", mode="max")],
    [EarlyStopping("val_loss")],
], ids=len)
def test_a_quantity_that_no_callback_adds_is_refused_before_training(callbacks):
    model = compiled()
    with pytest.raises(ValueError, match="EarlyStopping: monitor '.*' is not among the quantities"):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks)
    assert model._core.iteration == 0


def test_a_quantity_that_was_not_added_is_found_after_the_first_epoch():
    with pytest.raises(ValueError, match="EarlyStopping: monitor 'f2' is not among the quantities .*: loss, f1$"):
        compiled().fit(X, Y, epochs=3, verbose=0, callbacks=[Adds(), EarlyStopping("f2", mode="max")])


# --- divergence --------------------------------------------------------------------------------------


class Explode(Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            self.model.optimizer.learning_rate = 1e30


@pytest.mark.parametrize("restore", [True, False])
def test_a_late_divergence_gives_the_best_weights_back_and_carries_the_history(restore):
    model = compiled()
    stop = EarlyStopping("loss", patience=5, restore_best_weights=restore)
    with pytest.raises(FloatingPointError) as caught:
        model.fit(X, Y, 2, epochs=9, verbose=0, callbacks=[Explode(), stop])
    good = compiled()
    good.fit(X, Y, 2, epochs=3, verbose=0)
    assert (model.fingerprint() == good.fingerprint()) is restore
    assert caught.value.history is model.history
    assert model.history.epoch == [0, 1, 2]
    assert model.history.history["loss"] == good.history.history["loss"]
