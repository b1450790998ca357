"""Child processes, forked at any moment, train and predict as their parent does."""

import multiprocessing
import os
import sys
import threading

import numpy as np
import pytest

from tests.model.digests import MODELS, digest_of, trained
from tinynn import Sequential, layers, set_num_threads
from tinynn.callbacks import Callback


def train_in_child(connection, model):
    """What a child process does: go on training the model it got, and train one of its own."""
    set_num_threads(3)
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(300, 150)).astype("float32"), rng.integers(0, 10, 300)
    model.fit(x, y, batch_size=128, epochs=2, verbose=0)
    connection.send((digest_of(model.parameters), trained("dense", "float32")))
    connection.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_a_child_process_trains_after_its_parent_did(method, threads):
    threads(3)
    model, x, y, keywords = MODELS["dense"]("float32")
    model.fit(x, y, verbose=0, **keywords)
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=train_in_child, args=(sender, model))
    process.start()
    sender.close()
    found = receiver.recv()
    process.join()
    assert process.exitcode == 0
    receiver, sender = context.Pipe(duplex=False)
    train_in_child(sender, model)
    assert receiver.recv() == found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_in_the_middle_of_another_threads_training(threads):
    """The child's pool must not wait for parts that only the parent's threads can finish."""
    expected = trained("dense", "float32")
    threads(3)
    stop = threading.Event()

    class Until(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = stop.is_set()

    def train():
        model, x, y, keywords = MODELS["dense"]("float32")
        model.fit(x, y, **{**keywords, "epochs": 10**6}, callbacks=Until(), verbose=0)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(8):
            child = os.fork()
            if child == 0:
                os._exit(0 if trained("dense", "float32") == expected else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_other_threads_predict():
    """The child, in which those threads are gone, must not wait for anything that they held."""
    model = Sequential([layers.SimpleRNN(3)], (None, 2))
    x = np.ones((2, 8, 2), "float32")
    expected = [model.predict(x[:, :steps], output="simple_rnn").tobytes() for steps in range(1, 9)]
    stop = threading.Event()

    def predict():
        while not stop.is_set():
            for steps in range(1, 9):
                model.predict(x[:, :steps], output="simple_rnn")  # the general path
            model._core._plans.clear()

    threads = [threading.Thread(target=predict) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            child = os.fork()
            if child == 0:
                found = [model.predict(x[:, :steps], output="simple_rnn").tobytes() for steps in range(1, 9)]
                os._exit(0 if found == expected else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        for thread in threads:
            thread.join()
