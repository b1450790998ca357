"""Several threads with models at once, and what a training forbids and allows meanwhile."""

import sys
import threading
import time

import numpy as np
import pytest

from tests.model.digests import MODELS, trained
from tests.threads import run_threads
from tests.training.classifier import classifier
from tinynn.callbacks import Callback


def test_two_models_train_at_once(threads):
    alone = [trained(name, "float32") for name in MODELS]
    threads(2)
    for _ in range(3):
        assert run_threads(*(lambda name=name: trained(name, "float32") for name in MODELS)) == alone


def test_sixteen_threads_predict_with_one_model(threads):
    model, x, *_ = MODELS["dense"]("float32")
    expected = model.predict(x)
    threads(3)
    parts = [slice(number * 5, number * 5 + 150) for number in range(16)]
    for batch_size in (32, 7, 150):
        found = run_threads(*(lambda part=part, size=batch_size: model.predict(x[part], size) for part in parts))
        for part, got in zip(parts, found, strict=True):
            assert got.tobytes() == expected[part].tobytes()


def test_threads_predict_while_the_model_trains(data):
    """No crash, finite numbers, and training is not disturbed."""
    x, y = data
    model, alone = classifier(), classifier()
    alone.fit(x, y, batch_size=4, epochs=40, verbose=0)
    done = threading.Event()

    def predict():
        while not done.is_set():
            assert np.isfinite(model.predict(x, batch_size=7)).all()
            assert np.isfinite(model.evaluate(x, y))

    def fit():
        try:
            model.fit(x, y, batch_size=4, epochs=40, verbose=0)
        finally:
            done.set()

    run_threads(fit, predict, predict)
    assert model.parameters.tobytes() == alone.parameters.tobytes()


class Meanwhile(Callback):
    """Calls a function once, in the middle of training."""

    def __init__(self, function):
        self.function = function
        self.error = None

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            try:
                self.function()
            except Exception as error:  # checked by the test
                self.error = error


@pytest.mark.parametrize("call", ["fit", "train_on_batch", "compute_gradients", "apply_gradients", "compile"])
def test_a_model_in_use_is_not_trained_again(call, data):
    x, y = data
    model, alone = classifier(), classifier()
    model.compute_gradients(x, y)
    arguments = {"apply_gradients": (), "compile": ("sgd", "mse")}.get(call, (x, y))
    meanwhile = Meanwhile(lambda: getattr(model, call)(*arguments))
    model.fit(x, y, epochs=3, callbacks=meanwhile, verbose=0)
    assert isinstance(meanwhile.error, RuntimeError), meanwhile.error
    why = "cannot be changed while it is" if call == "compile" else "is already"
    assert f"{call}: the model {why} being trained" in str(meanwhile.error)
    alone.fit(x, y, epochs=3, verbose=0)
    assert model.parameters.tobytes() == alone.parameters.tobytes()


def test_callbacks_may_predict_save_and_set_weights(data, tmp_path):
    x, y = data
    model = classifier()
    meanwhile = Meanwhile(
        lambda: (
            model.predict(x),
            model.evaluate(x, y),
            model.save(tmp_path / "m"),
            model.set_weights(model.get_weights()),
        )
    )
    model.fit(x, y, epochs=3, callbacks=meanwhile, verbose=0)
    assert meanwhile.error is None
    assert (tmp_path / "m").exists()


def test_an_epoch_runs_without_the_gil():
    """Another Python thread counts on while a single call into C runs: from its beginning to its end."""
    model, x, y, keywords = MODELS["dense"]("float32")
    epochs, counts = [], []
    stop = threading.Event()
    counted = [0]

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0)

    class Watch(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(counted[0])

        def on_epoch_end(self, epoch, logs=None):
            counts.append(counted[0] - epochs[-1])
            self.model.stop_training = len(counts) >= 500 or sum(n > 10 for n in counts) >= 3

    thread = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # only who gives the lock up lets another thread run
    thread.start()
    try:
        model.fit(np.tile(x, (20, 1)), np.tile(y, 20), epochs=500, batch_size=128, callbacks=Watch(), verbose=0)
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert sum(n > 10 for n in counts) >= 3, counts
