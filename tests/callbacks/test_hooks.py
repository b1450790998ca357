"""The methods of callbacks that are called for every batch, and those that nobody calls."""

import numpy as np
import pytest

import tinynn
from tinynn import Sequential, layers, optimizers
from tinynn.callbacks import Callback, EarlyStopping, History, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau
from tinynn.callbacks.base import HOOKS

X = np.linspace(-1, 1, 22).reshape(11, 2).astype("f4")
Y = X[:, :1] * 2 + 1


def compiled(optimizer="sgd", metrics=()):
    model = Sequential([layers.Dense(4, "tanh"), layers.Dense(1)], (2,), rng=1)
    model.compile(optimizer, "mse", metrics)
    return model


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
def test_a_method_that_nobody_calls_is_refused(name, nearest):
    callback = type("Mine", (Callback,), {name: lambda self, epoch, logs=None: None})()
    model = compiled()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=rf"callbacks\[0\]: Mine has the method '{name}', which") as caught:
            call(X, Y, callbacks=[callback])
        assert nearest is None or f"did you mean '{nearest}'" in str(caught.value)
    with pytest.raises(ValueError, match="predict: callbacks"):
        model.predict(X, callbacks=[callback])
    assert model._core.iteration == 0


def test_attributes_that_only_look_like_methods():
    callback = Callback()
    callback.on_gpu = False
    compiled().fit(X, Y, verbose=0, callbacks=callback)


@pytest.mark.parametrize("callbacks", [3, EarlyStopping, "early"])
def test_what_is_no_list_of_callbacks(callbacks):
    with pytest.raises(TypeError, match="callbacks"):
        compiled().fit(X, Y, callbacks=callbacks)


# --- quantities that callbacks add ---------------------------------------------------------------------


class Adds(Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["f1"] = 1.0 + epoch


def test_what_an_earlier_callback_adds_can_be_monitored(tmp_path):
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
def test_what_none_adds_is_refused_before_training(callbacks):
    model = compiled()
    with pytest.raises(ValueError, match="EarlyStopping: monitor '.*' is not among the quantities"):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks)
    assert model._core.iteration == 0


def test_what_none_has_added_is_found_after_the_first_epoch():
    with pytest.raises(ValueError, match="EarlyStopping: monitor 'f2' is not among .* f1; did you mean 'f1'|f1"):
        compiled().fit(X, Y, epochs=3, verbose=0, callbacks=[Adds(), EarlyStopping("f2", mode="max")])


# --- what is lost and what is kept ----------------------------------------------------------------------


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


def test_a_model_that_cannot_be_saved_is_refused_before_training(tmp_path):
    model = compiled(optimizers.SGD(lambda step: 0.1))
    with pytest.raises(TypeError, match="ModelCheckpoint: the model cannot be saved: .*which a model file cannot hold"):
        model.fit(X, Y, verbose=0, callbacks=ModelCheckpoint(tmp_path / "m"))
    assert model._core.iteration == 0
    assert not list(tmp_path.iterdir())
    assert tinynn.Sequential  # the model is as usable as before
    model.fit(X, Y, verbose=0)
