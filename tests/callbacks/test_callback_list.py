"""The list of callbacks: who is called when, with what, and who is refused."""

import numpy as np
import pytest

from tests.callbacks.helpers import FakeModel, X, Y, compiled, train
from tinynn import optimizers
from tinynn.callbacks import Callback, EarlyStopping, History
from tinynn.callbacks.base import HOOKS
from tinynn.callbacks.callback_list import CallbackList


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


def test_later_callbacks_see_what_earlier_ones_log():
    class Add(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch * 2.0

    _, history = train([Add()], [{"loss": 1.0}, {"loss": 0.5}])
    assert history.history == {"loss": [1.0, 0.5], "extra": [0.0, 2.0]}


@pytest.mark.parametrize("nothing", [None, (), []])
def test_no_callbacks(nothing):
    _, history = train(nothing, [{"loss": 1.0}])
    assert history.epoch == [0]


def test_an_item_that_is_not_a_callback_is_named():
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


# --- methods called for each batch -------------------------------------------------------------------


class Everything(Callback):
    """Notes every call of every method."""

    def __init__(self):
        self.calls = []


def _noting(hook):
    def call(self, *arguments):
        self.calls.append((hook, *(argument for argument in arguments if isinstance(argument, int))))
        if hook == "on_train_batch_end":
            self.on_batch_end(*arguments)
        if hook == "on_train_batch_begin":
            self.on_batch_begin(*arguments)

    return call


for _hook in HOOKS:
    setattr(Everything, _hook, _noting(_hook))


def test_order_and_numbers_of_all_calls():
    callback = Everything()
    model = compiled()
    model.fit(X, Y, 4, epochs=2, verbose=0, callbacks=callback, validation_data=(X[:5], Y[:5]))
    calls = [call for call in callback.calls if call[0] != "on_progress"]  # by the clock

    def batches(kind, count):
        for batch in range(count):
            for when in ("begin", "end"):
                yield f"on_{kind}_batch_{when}", batch
                if kind == "train":
                    yield f"on_batch_{when}", batch

    expected = ["on_train_begin"]
    for epoch in range(2):
        expected += [("on_epoch_begin", epoch), *batches("train", 3), "on_test_begin", *batches("test", 2)]
        expected += ["on_test_end", ("on_epoch_end", epoch)]
    expected.append("on_train_end")
    assert [call if isinstance(call[-1], int) else call[0] for call in calls] == expected
    callback.calls.clear()
    model.evaluate(X, Y, 4, callbacks=callback)
    assert [call[0] for call in callback.calls] == ["on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 3,
                                                    "on_test_end"]
    callback.calls.clear()
    model.predict(X, 4, callbacks=[callback])
    assert [call[:2] for call in callback.calls if len(call) > 1] == [
        (f"on_predict_batch_{when}", batch) for batch in range(3) for when in ("begin", "end")]
    assert callback.calls[0][0] == "on_predict_begin"
    assert callback.calls[-1][0] == "on_predict_end"


def test_the_same_bits_with_and_without_them():
    class Idle(Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

        def on_test_batch_begin(self, batch, logs=None):
            pass

    one, other = compiled(optimizers.Adam(0.01)), compiled(optimizers.Adam(0.01))
    arguments = {"batch_size": 3, "epochs": 3, "verbose": 0, "validation_data": (X, Y)}
    assert one.fit(X, Y, **arguments, callbacks=Idle()).history == other.fit(X, Y, **arguments).history
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_logs_are_means_so_far():
    seen, outputs = [], []

    class Note(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

        def on_test_batch_end(self, batch, logs=None):
            seen.append((logs["loss"], logs["mae"]))

        def on_test_end(self, logs=None):
            seen.append(logs)

        def on_predict_batch_end(self, batch, logs=None):
            outputs.append(logs["outputs"].copy())

    model, by_hand = compiled(metrics=["mae"]), compiled()
    history = model.fit(X, Y, 4, verbose=0, shuffle=False, callbacks=Note())
    losses = np.array([by_hand.train_on_batch(X[i:i + 4], Y[i:i + 4]) for i in (0, 4, 8)])
    sizes = np.array([4, 4, 3])
    np.testing.assert_allclose(seen, np.cumsum(losses * sizes) / np.cumsum(sizes), rtol=1e-6)
    assert seen[-1] == history.history["loss"][-1]
    seen.clear()
    result = model.evaluate(X, Y, 4, callbacks=Note(), return_dict=True)
    error = np.abs(model.predict(X, 4, callbacks=Note()) - Y)[:, 0]
    np.testing.assert_allclose([mae for _, mae in seen[:-1]], [error[:n].mean() for n in (4, 8, 11)], rtol=1e-5)
    assert seen[-1] == result
    np.testing.assert_array_equal(np.concatenate(outputs), model.predict(X))


def test_a_learning_rate_set_for_a_batch_holds_for_it():
    rates = [0.1, 0.0, 0.3]

    class Set(Callback):
        def on_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = rates[batch]

    model, by_hand = compiled(), compiled()
    model.fit(X, Y, 4, verbose=0, shuffle=False, callbacks=Set())
    for batch, rate in enumerate(rates):
        by_hand.optimizer.learning_rate = rate
        by_hand.train_on_batch(X[4 * batch:4 * batch + 4], Y[4 * batch:4 * batch + 4])
    assert model.parameters.tobytes() == by_hand.parameters.tobytes()


def test_a_training_stops_after_a_batch():
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model = compiled()
    history = model.fit(X, Y, 2, epochs=5, verbose=0, callbacks=Stop())
    assert (model._core.iteration, len(history.epoch)) == (2, 1)


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook not in ("on_progress", "on_predict_begin",
                                  "on_predict_end", "on_predict_batch_begin", "on_predict_batch_end")])
def test_an_error_in_any_of_them_ends_the_training(hook):
    def fail(*arguments):
        raise ZeroDivisionError

    callback, model = Callback(), compiled()
    setattr(callback, hook, fail)  # on the object: that counts, too
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, 4, verbose=0, callbacks=callback, validation_data=(X, Y))
    assert not model._core.lock.is_held()
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("name, nearest", [("on_epoch_ended", "on_epoch_end"), ("on_everything", None),
                                           ("on_train_batch_ends", "on_train_batch_end")])
def test_a_misspelled_hook_is_refused(name, nearest):
    callback = type("Mine", (Callback,), {name: lambda self, epoch, logs=None: None})()
    model = compiled()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=rf"callbacks\[0\]: Mine has the method '{name}', which") as caught:
            call(X, Y, callbacks=[callback])
        assert nearest is None or f"did you mean '{nearest}'" in str(caught.value)
    with pytest.raises(ValueError, match="predict: callbacks"):
        model.predict(X, callbacks=[callback])
    assert model._core.iteration == 0


def test_attributes_that_look_like_hooks_are_fine():
    callback = Callback()
    callback.on_gpu = False
    compiled().fit(X, Y, verbose=0, callbacks=callback)


@pytest.mark.parametrize("callbacks", [3, EarlyStopping, "early"])
def test_callbacks_must_be_a_list_of_callbacks(callbacks):
    with pytest.raises(TypeError, match="callbacks"):
        compiled().fit(X, Y, callbacks=callbacks)
