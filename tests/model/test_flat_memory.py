"""Memory stays flat: over a few hundred calls, and in the proofs (``pytest -m proof -s``) over a million."""

import gc
import pickle
import weakref
from pathlib import Path

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.callbacks import EarlyStopping

X = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
Y = np.arange(50) % 3


def made(number):
    model = Sequential([layers.Dense(8, "tanh"), layers.Dropout(0.2), layers.Dense(3, "softmax")], (4,), rng=number)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


MODEL = made(0)


def predict_on_the_fast_path(number):
    MODEL.predict(X[: 1 + number % 10])


def predict_on_the_general_path(number):
    MODEL.predict(X[:: 1 + number % 3], batch_size=5 + number % 7)


def fit(number):
    MODEL.fit(X, Y, batch_size=10 + number % 40, validation_split=0.2, callbacks=EarlyStopping("loss"), verbose=0)


def everything(number):
    """Batches of every size, by turns in training, prediction and evaluation."""
    MODEL.fit(X, Y, batch_size=1 + number % 40, verbose=0)
    MODEL.predict(X[: 1 + number % 50])
    MODEL.evaluate(X, Y, batch_size=1 + number % 30)
    MODEL.train_on_batch(X[: 1 + number % 50], Y[: 1 + number % 50])


def make_train_and_drop(number):
    model = made(number)
    model.fit(X, Y, verbose=0)
    pickle.loads(pickle.dumps(model)).predict(X)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.predict(X),
        lambda model: (model.predict(X[:2]), model.predict(X[:2])),
        lambda model: model.evaluate(X, Y),
        lambda model: model.train_on_batch(X, Y),
        lambda model: (model.compute_gradients(X, Y), model.apply_gradients()),
        lambda model: model.fit(X, Y, validation_split=0.2, verbose=0),
    ],
    ids=["predict", "fast path", "evaluate", "train_on_batch", "gradients", "fit"],
)
def test_a_dropped_model_gives_its_memory_back_at_once(use):
    """Python looks for cycles when there are many objects, which large models are not."""
    model = made(1)
    gc.collect()
    gc.disable()
    try:
        use(model)
        kept = weakref.ref(model.parameters)
        del model
        assert kept() is None
    finally:
        gc.enable()


def resident():
    """Bytes of this process's own memory: pages of files come and go as the system likes."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    ("work", "times", "allowed"),
    [
        (predict_on_the_general_path, 10_000, 1e6),
        (fit, 200, 1e6),
        (everything, 400, 1e6),
        (make_train_and_drop, 200, 1e6),
        pytest.param(predict_on_the_fast_path, 1_000_000, 1e6, marks=pytest.mark.proof),
        pytest.param(predict_on_the_general_path, 1_000_000, 1e6, marks=pytest.mark.proof),
        pytest.param(fit, 10_000, 1e6, marks=pytest.mark.proof),
        pytest.param(make_train_and_drop, 10_000, 1e6, marks=pytest.mark.proof),
    ],
)
def test_flat(work, times, allowed):
    for number in range(times // 10):
        work(number)
    before = resident()
    for number in range(times):
        work(number)
    after = resident()
    print(f"{work.__name__}: {times:,} times, {before / 1e6:.2f} MB resident before, {after / 1e6:.2f} MB after")
    assert after - before < allowed
