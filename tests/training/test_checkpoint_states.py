"""What callbacks may remember in a checkpoint, and what it cannot hold."""

import os

import numpy as np
import pytest

import tinynn
from tests.training.trainings import DENSE, dense
from tinynn.callbacks import Callback

pytestmark = pytest.mark.usefixtures("empty_folder")


class Remembers(Callback):
    def __init__(self, value):
        self.value = value
        self.got = None

    def on_train_batch_end(self, batch, logs=None):
        if self.model._core.iteration == 5 and self.got is None:
            raise KeyboardInterrupt

    def get_state(self):
        return {"value": self.value}

    def set_state(self, state):
        self.got = state["value"]


def remembered(value):
    """A value as a training that resumes gets it."""
    with pytest.raises(KeyboardInterrupt):
        dense().fit(**DENSE, verbose=0, checkpoint="checkpoint", callbacks=Remembers(value))
    tinynn.load("checkpoint")
    callback = Remembers(None)
    dense().fit(**DENSE, verbose=0, resume="checkpoint", callbacks=callback)
    os.unlink("checkpoint")
    return callback.got


ARRAYS = [
    np.arange(3, dtype=">i4"),
    np.arange(3, dtype=">f8"),
    np.array(2.5),
    np.array(True),
    np.zeros((0, 3), "u2"),
    np.arange(12).reshape(3, 4)[:, ::2],
    np.arange(12.0).reshape(3, 4).T,
    np.arange(4, dtype="f2"),
    np.broadcast_to(np.float32(3), (2, 2)),
    np.array([2**64 - 1], np.uint64),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_arrays_come_back_as_they_were(array):
    found = remembered(array)
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("value", [(1, (2.5, "a")), {(1, 2): [None]}, {True: 1, 2.5: {}}, "\u00e4\ud800", 10**30, -0.0,
                                   {"tuple": ()}, {"float": 1}, {"dict": {"tensor": 0}}, np.float32(0.1)])
def test_values_come_back_as_they_were(value):
    found = remembered(value)
    assert found == value
    assert repr(found) == repr(value if not isinstance(value, np.generic) else value.item())


def holding_itself():
    value = []
    value.append(value)
    return value


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        np.arange(3, dtype=np.longdouble),
        np.longdouble(2),
        np.zeros(2, complex),
        np.ma.masked_array([1, 2], [True, False]),
        np.array(["a"]),
        np.array([None]),
        np.zeros(2, "M8[s]"),
        {1, 2},
        b"bytes",
        object(),
        holding_itself(),
        nested(5000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_state_that_a_checkpoint_cannot_hold_is_refused_before_training(value):
    model = dense()
    with pytest.raises(TypeError, match="fit: checkpoint: the state of "):
        model.fit(**DENSE, verbose=0, checkpoint="checkpoint", callbacks=Remembers(value))
    assert model._core.iteration == 0
    assert os.listdir() == []
