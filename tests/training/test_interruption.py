"""Ctrl-C stops a training within a slice and leaves a model whose weights fit its count of updates."""

import os
import signal

import pytest

from tests.processes import run_python
from tests.training.classifier import classifier

INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
from tests.model.digests import MODELS
from tinynn import set_num_threads
from tinynn.callbacks import Callback
set_num_threads(int(sys.argv[1]))
model, x, y, keywords = MODELS["dense"]("float32")
x, y = np.tile(x, (300, 1)), np.tile(y, 300)   # epochs of many slices

class Ready(Callback):
    def on_progress(self, step, logs=None):
        if not ready.is_set():
            ready.set()

ready = threading.Event()
def interrupt():
    ready.wait()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    model.fit(x, y, batch_size=128, epochs=10**6, callbacks=Ready(), verbose=0)
except KeyboardInterrupt:
    pass
else:
    raise SystemExit("no KeyboardInterrupt")
assert model._core.iteration > 0
assert np.isfinite(model.parameters).all()
# The count of updates fits the weights: the same number of steps again gives the same bits.
other, *_ = MODELS["dense"]("float32")
from tinynn.engine.arrays import shuffled
epoch, count = 0, model._core.iteration
done = 0
while done < count:
    order = shuffled(len(x), other._core.key, epoch)
    for start in range(0, len(x), 128):
        if done == count:
            break
        rows = order[start:start + 128]
        other.train_on_batch(x[rows], y[rows])
        done += 1
    epoch += 1
assert other.parameters.tobytes() == model.parameters.tobytes(), "weights do not fit the count"
model.fit(x[:1000], y[:1000], batch_size=128, verbose=0)
print("fine", count)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_and_leaves_a_usable_model(threads):
    assert run_python("-c", INTERRUPTED, str(threads)).startswith("fine")


STEPS_INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from tinynn import Sequential, layers
step = {
    "train_on_batch": lambda model: model.train_on_batch(x, y),
    "apply_gradients": lambda model: model.apply_gradients(),
}[sys.argv[1]]

def made():
    model = Sequential([layers.Dense(2000)], (1000,), rng=1)
    model.compile("adam", "mse")
    model.compute_gradients(x, y)
    return model

x, y = np.ones((8, 1000), "float32"), np.zeros((8, 2000), "float32")
model = made()

def interrupt():   # in the middle of the C code of some call, where nearly all the time goes
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

interrupted = 0
for _ in range(10):
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        while True:
            step(model)
    except KeyboardInterrupt:
        interrupted += 1
    thread.join()
other = made()
for _ in range(model._core.iteration):
    step(other)
assert other.parameters.tobytes() == model.parameters.tobytes(), "weights do not fit the count"
print("fine", interrupted, model._core.iteration)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("call", ["train_on_batch", "apply_gradients"])
def test_ctrl_c_within_a_step_by_hand_counts_the_update(call):
    assert run_python("-c", STEPS_INTERRUPTED, call).startswith("fine 10 ")


def test_sigint_is_not_blocked_afterwards(data):
    """The pool's threads do not take signals; this one still does."""
    classifier().fit(*data, verbose=0)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
