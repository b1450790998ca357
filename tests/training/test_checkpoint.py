"""Checkpoints: cut off anywhere, a training ends with the bits of one that was not."""

import json
import os
import re
import subprocess
import sys

import pytest
from safetensors.numpy import load as load_tensors

import tinynn
from tests.model.reference import to_bytes
from tests.training.trainings import CASES, DENSE, Interrupt, X, Y, dense, files, numbers, position, put, read, train
from tinynn import Sequential, layers, losses, optimizers
from tinynn.callbacks import Callback
from tinynn.training import checkpoint as module

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_resuming_anywhere_gives_the_same_bits(case, every, written):
    alone, history = train(case)
    plain = files()
    model, same = train(case, checkpoint="checkpoint", checkpoint_every=every)
    assert same.history == history.history
    assert model.fingerprint() == alone.fingerprint()
    assert files() == {**plain, **({"best": files()["best"]} if plain else {})}  # which now holds the data's hash, too
    whole, finished = to_bytes(model), files()
    contents, positions = list(written), [position(content) for content in written]
    assert len(contents) >= 3
    assert every != 1 or any(0 < step < 3 for _, step in positions)
    assert len(set(positions)) == len(positions)
    assert positions == sorted(positions)
    for content in contents:  # as if the process had been killed after each
        put("checkpoint", content)
        model, history = train(case, resume="checkpoint", checkpoint_every=60.0 if every == 1 else every)
        assert history.history == same.history
        assert list(history.history) == list(same.history)
        assert history.epoch == same.epoch
        assert to_bytes(model) == whole
        assert read("checkpoint") == contents[-1]
        assert files() == finished


def test_checkpoints_every_n_steps(written):
    train("sgd", checkpoint="checkpoint", checkpoint_every=3)
    assert [position(content) for content in written] == [(0, 3), (1, 2), (2, 1), (2, 4), (3, 0)]


@pytest.mark.parametrize(
    "every, positions",
    [
        (0.5, [(0, 4), (1, 0), (1, 4), (2, 0), (2, 4), (3, 0)]),
        (1.0, [(1, 0), (2, 0), (3, 0)]),
        (1.5, [(1, 4), (3, 0)]),
    ],
)
def test_checkpoints_every_n_seconds(every, positions, written, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(module.time, "monotonic", lambda: 0.5 * next(clock))
    # The clock is read after each epoch's last step, after each epoch but the last, and once more by a write.
    train("sgd", checkpoint="checkpoint", checkpoint_every=every)
    assert [position(content) for content in written] == positions


def test_by_default_a_short_training_is_written_at_its_end(written):
    train("sgd", checkpoint="checkpoint")
    assert [position(content) for content in written] == [(3, 0)]


def test_load_gives_the_model_as_it_stands(written):
    train("nesterov", checkpoint="checkpoint", checkpoint_every=5)
    put("checkpoint", written[0])  # in the second epoch
    model = tinynn.load("checkpoint")
    assert model._core.iteration == 5
    by_hand = dense(optimizers.SGD(0.1, 0.9, nesterov=True, clipvalue=0.1))
    by_hand.fit(X, Y, 6, 1, verbose=0)
    order = tinynn.engine.arrays.shuffled(22, by_hand._core.key, 1)[:6]
    by_hand.train_on_batch(X[order], Y[order])
    assert model.parameters.tobytes() == by_hand.parameters.tobytes()
    assert model._core.states["velocity"].tobytes() == by_hand._core.states["velocity"].tobytes()
    assert "training" not in json.dumps(model.notes)
    model.save("model", include_optimizer=True)
    assert not any(name.startswith("training") for name in load_tensors(read("model")))


def test_a_finished_training_can_be_made_longer():
    _, longer = train("adamw", checkpoint="other")
    model, arguments = CASES["adamw"]()
    model.fit(**{**arguments, "epochs": 2}, verbose=0, checkpoint="checkpoint")
    again, history = train("adamw", resume="checkpoint")
    assert history.history == longer.history
    assert tinynn.load("checkpoint").fingerprint() == tinynn.load("other").fingerprint()


def test_a_training_that_was_stopped_stays_stopped(written):
    class Stop(Callback):
        def on_progress(self, step, logs=None):
            self.model.stop_training = self.model._core.iteration == 6

    for arguments in ({"checkpoint": "checkpoint"}, {"resume": "checkpoint"}):
        model = dense()
        history = model.fit(**DENSE, verbose=0, callbacks=Stop(), checkpoint_every=2, **arguments)
        assert model._core.iteration == 6
        assert len(history.epoch) == 2
    assert [position(content) for content in written] == [(0, 2), (0, 4), (2, 0)]


def test_another_path_to_go_on_with(written):
    train("sgd", checkpoint="checkpoint", checkpoint_every=5)
    put("checkpoint", written[0])
    whole, _ = train("sgd")
    model, _ = train("sgd", resume="checkpoint", checkpoint="other")
    assert model.fingerprint() == whole.fingerprint()
    assert read("checkpoint") == written[0]
    assert position(read("other")) == (3, 0)


# --- Ctrl-C ------------------------------------------------------------------------------------------


def test_ctrl_c_writes_first():
    whole = dense()
    same = whole.fit(**DENSE, verbose=0, callbacks=Interrupt(-1))
    model = dense()
    with pytest.raises(KeyboardInterrupt):
        model.fit(**DENSE, verbose=0, callbacks=Interrupt(6), checkpoint="checkpoint", checkpoint_every=3)
    assert position(read("checkpoint")) == (1, 2)
    assert model._core.iteration == 6
    model = dense()
    assert model.fit(**DENSE, verbose=0, callbacks=Interrupt(-1), resume="checkpoint").history == same.history
    assert model.parameters.tobytes() == whole.parameters.tobytes()


class Interrupted(losses.Loss):
    calls = 0

    def forward(self, prediction, target):
        Interrupted.calls += 1
        if Interrupted.calls == 6:
            raise KeyboardInterrupt
        return ((prediction - target) ** 2).sum(-1)

    def backward(self, prediction, target):
        return 2 * (prediction - target)


def test_ctrl_c_during_a_step_does_not_count_it():
    def make():
        model = Sequential([layers.Dense(3)], (4,))
        model.compile("sgd", Interrupted())
        return model, {**DENSE, "y": numbers(22, 3), "verbose": 0}

    Interrupted.calls = 100
    whole, arguments = make()
    same = whole.fit(**arguments)
    Interrupted.calls = 0
    with pytest.raises(KeyboardInterrupt):
        make()[0].fit(**arguments, checkpoint="checkpoint", checkpoint_every=2)
    assert position(read("checkpoint")) == (0, 4)
    model = make()[0]
    assert model.fit(**arguments, resume="checkpoint").history == same.history
    assert model.parameters.tobytes() == whole.parameters.tobytes()


# --- paths -------------------------------------------------------------------------------------------


def test_a_symbolic_link_is_written_through():
    os.mkdir("folder")
    os.symlink("folder/real", "link")
    dense().fit(**DENSE, verbose=0, checkpoint="link")
    assert os.path.islink("link")
    model = dense()
    model.fit(**{**DENSE, "epochs": 4}, verbose=0, resume="link")
    assert tinynn.load("folder/real").fingerprint() == model.fingerprint()


SECOND = """
import sys
from tests.training.trainings import DENSE, dense
try:
    dense().fit(**DENSE, verbose=0, checkpoint=sys.argv[1])
except OSError as error:
    print(error)
"""


def test_a_second_training_with_the_same_checkpoint_is_refused_and_the_first_goes_on():
    said = []

    class Meanwhile(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch:
                return
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            for path in ("checkpoint", "link", os.path.abspath("checkpoint")):
                said.append(subprocess.run([sys.executable, "-c", SECOND, path], env=environment, check=True,
                                           capture_output=True, text=True).stdout)
            with pytest.raises(BlockingIOError) as caught:  # in this process, too
                dense().fit(**DENSE, verbose=0, checkpoint="checkpoint")
            said.append(str(caught.value))

    os.symlink("checkpoint", "link")
    model = dense()
    model.fit(**DENSE, verbose=0, checkpoint="checkpoint", checkpoint_every=1, callbacks=Meanwhile())
    for words in said:
        assert re.search("fit: checkpoint: '.*' is in use by another training", words)
        assert f"(process {os.getpid()} is writing it); give each training its own file" in words
    assert tinynn.load("checkpoint").fingerprint() == model.fingerprint()
    assert sorted(os.listdir()) == ["checkpoint", "link"]
    dense().fit(**DENSE, verbose=0, checkpoint="checkpoint")  # afterwards it may


def test_an_interrupted_training_releases_its_path():
    with pytest.raises(KeyboardInterrupt):
        dense().fit(**DENSE, verbose=0, checkpoint="checkpoint", checkpoint_every=3, callbacks=Interrupt(6))
    assert os.listdir() == ["checkpoint"]
    dense().fit(**DENSE, verbose=0, resume="checkpoint", callbacks=Interrupt(-1))
