"""Who may change a model's weights: one thread at a time, and a forked child its own copy."""

import os
import threading
import traceback
import warnings

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.callbacks import Callback
from tinynn.core.exclusive import Exclusive


def test_one_thread_at_a_time():
    right = Exclusive()
    with right.held("fit"):
        assert right.is_held()
        with pytest.raises(RuntimeError, match="train_on_batch: the model is already being trained; wait"):
            right.taken("train_on_batch")
    assert not right.is_held()
    right.taken("fit").release()
    with pytest.raises(ZeroDivisionError), right.held("fit"):
        raise ZeroDivisionError
    assert not right.is_held()


def in_child(work):
    """Run work in a forked child; returns whether it ended well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a process with threads that forks
        child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("forker", ["the training thread", "another thread"])
def test_a_child_forked_while_its_parent_trains_can_train(forker):
    x, y = np.ones((8, 3), "f4"), np.ones((8, 1), "f4")
    model = Sequential([layers.Dense(1)], (3,))
    model.compile("sgd", "mse")
    done = []

    def child():
        assert not model._core.lock.is_held()
        model.fit(x, y, epochs=2, verbose=0)
        model.train_on_batch(x, y)
        model.compile("adam", "mse")

    class Fork(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if forker == "the training thread":
                done.append(in_child(child))
            else:
                thread = threading.Thread(target=lambda: done.append(in_child(child)))
                thread.start()
                thread.join()

    model.fit(x, y, epochs=1, verbose=0, callbacks=Fork())
    assert done == [True]
    assert not model._core.lock.is_held()
    model.fit(x, y, epochs=1, verbose=0)
