"""History: what it records, and when it begins anew."""

import pytest

from tests.callbacks.helpers import X, Y, compiled, epochs_of, train
from tinynn.callbacks import Callback, History
from tinynn.callbacks.callback_list import CallbackList


def test_history_restarts_for_each_training_and_continues_on_resume():
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


def test_the_history_of_an_interrupted_training():
    class Interrupt(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    model = compiled()
    assert model.history is None
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=5, verbose=0, callbacks=Interrupt())
    assert model.history.epoch == [0, 1]
    assert model.fit(X, Y, verbose=0) is model.history
    assert model.history.epoch == [0]
