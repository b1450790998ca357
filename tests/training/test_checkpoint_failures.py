"""Checkpoints that cannot be written: the old one stays whole, and most failures are found before training."""

import errno
import math
import os

import numpy as np
import pytest

import tinynn
from tests.training.trainings import CASES, DENSE, Tensors, dense, put, read, train
from tinynn import optimizers
from tinynn.io.atomic import atomic_file

pytestmark = pytest.mark.usefixtures("empty_folder")


def failing(monkeypatch, name, number, error):
    """Let the n-th call of a function of `os` fail, or write but a part and fail the next time."""
    really, calls = getattr(os, name), []

    def function(*arguments):
        calls.append(name)
        if len(calls) == number and error == "short":
            return really(arguments[0], arguments[1][:100])
        if len(calls) == number + (error == "short"):
            raise OSError(errno.ENOSPC if error == "short" else error, os.strerror(error if error != "short" else 28))
        return really(*arguments)

    monkeypatch.setattr(os, name, function)
    return calls


FAILURES = [
    ("write", errno.ENOSPC),
    ("write", errno.EIO),
    ("write", "short"),
    ("fsync", errno.EIO),
    ("fsync", errno.ENOSPC),
    ("replace", errno.EIO),
    ("close", errno.EIO),
]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("name, error", FAILURES, ids=lambda value: str(value))
def test_a_failed_write_leaves_the_old_one_whole(name, error, number, written, monkeypatch):
    whole, same = train("adam")
    model, arguments = CASES["adam"]()
    with monkeypatch.context() as patch:
        failing(patch, name, number, error)
        with pytest.raises(OSError, match="fit: cannot write the checkpoint 'checkpoint': .* earlier .* is intact"):
            model.fit(**arguments, verbose=0, checkpoint="checkpoint", checkpoint_every=2)
    assert set(os.listdir()) <= {"checkpoint"}
    tries = len(written)
    if os.path.exists("checkpoint"):
        assert read("checkpoint") in written[-2:]
        again, history = train("adam", resume="checkpoint")
        assert again.fingerprint() == whole.fingerprint()
        assert history.history == same.history
    else:
        assert tries == 1
    # The model in memory has done its steps, no more and no less, and goes on.
    assert model._core.iteration == 2 * tries
    assert model.fingerprint() != dense().fingerprint()
    assert np.isfinite(model.fit(**arguments, verbose=0).history["loss"]).all()


def test_short_writes_alone_do_no_harm(written, monkeypatch):
    really = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: really(handle, content[:1000]))
    train("adam", checkpoint="checkpoint")
    assert read("checkpoint") == written[0]


def test_a_file_system_whose_folders_cannot_be_synchronised(monkeypatch):
    calls = failing(monkeypatch, "fsync", 2, errno.EINVAL)
    dense().save("model")
    assert calls == ["fsync"] * 2
    tinynn.load("model")


def test_leftovers_of_a_killed_write_are_removed():
    for path in ("checkpoint", "other"):
        with atomic_file(path) as stream:
            left = os.path.basename(stream.name)
        put(left, b"")
    os.unlink("checkpoint")
    os.unlink("other")
    train("sgd", checkpoint="checkpoint")
    assert sorted(os.listdir()) == [left, "checkpoint"]


def test_writability_is_checked_before_training():
    os.mkdir("folder")
    model = dense()
    before = model.fingerprint()
    for path, error in (("folder", IsADirectoryError), ("/proc/none/checkpoint", OSError)):
        with pytest.raises(error, match="fit: checkpoint: cannot write"):
            model.fit(**DENSE, checkpoint=path)
    callback = Tensors()
    callback.get_state = lambda: {"seen": {"file": open}}
    callback.on_train_begin = lambda logs=None: None
    with pytest.raises(TypeError, match=r"fit: checkpoint: the state of .*'0 Tensors'.*\['file'\] holds <built"):
        model.fit(**DENSE, checkpoint="checkpoint", callbacks=callback)
    with pytest.raises(TypeError, match="which a model file cannot hold"):
        dense(optimizers.SGD(lambda step: 0.1)).fit(**DENSE, checkpoint="checkpoint")
    assert model.fingerprint() == before
    assert os.listdir() == ["folder"]


@pytest.mark.parametrize(
    "every, error, message",
    [
        (0, ValueError, "checkpoint_every must be at least 1"),
        (-1.0, ValueError, "checkpoint_every must be"),
        (math.nan, ValueError, "checkpoint_every must be"),
        ("60", TypeError, "checkpoint_every must be"),
        (True, TypeError, "checkpoint_every must be"),
    ],
)
def test_invalid_checkpoint_every(every, error, message):
    with pytest.raises(error, match=f"fit: {message}"):
        dense().fit(**DENSE, checkpoint="checkpoint", checkpoint_every=every)


@pytest.mark.parametrize("path, message", [
    ("", "fit: checkpoint: the path is empty"),
    ("/dev/null", "fit: checkpoint: '/dev/null' is not a regular file"),
    ("fifo", "fit: checkpoint: 'fifo' is not a regular file"),
])
def test_special_files_are_refused_before_training(path, message):
    os.mkfifo("fifo")
    model = dense()
    with pytest.raises(ValueError, match=message):
        model.fit(**DENSE, verbose=0, checkpoint=path)
    assert model._core.iteration == 0
    with pytest.raises((ValueError, OSError), match="fit: resume"):  # nor is one read without end
        model.fit(**DENSE, verbose=0, resume=path, checkpoint="new")
    for read_from in ("fifo", "/dev/zero"):
        with pytest.raises(ValueError, match=f"load: {read_from}: it is not a regular file"):
            tinynn.load(read_from)
    assert os.listdir() == ["fifo"]
