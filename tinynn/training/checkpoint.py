"""Checkpoints: a training that was cut off anywhere goes on, and ends with the same bits.

A checkpoint is a model file with one more entry, ``training``. It holds what the training was given, which must be the
same when it resumes, and how far it is: epoch, steps, the totals of their loss and metrics, and the callbacks, History
among them. There are no generators to keep: everything random is a function of the model's key, epoch and step.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from tinynn.callbacks.callback_list import CallbackList
from tinynn.checks import check_count, check_real
from tinynn.core.core import Core
from tinynn.core.saved import TRAINING, assemble, describe, refused, tensors_of
from tinynn.engine.memory import aligned_copy
from tinynn.io.atomic import check_path, exclusive_writer, read_file, remove_abandoned, write_file
from tinynn.io.format import Tensors, decode, encode, pack, unpack
from tinynn.io.suffixes import check_suffix
from tinynn.training.steps import MANY
from tinynn.version import __version__

NOTHING = "nothing"


@dataclass(frozen=True)
class Position:
    """How far a training is: so many steps of an epoch are done, with these sums of samples, loss and metrics.

    `trained_before` is how many more epochs the model had begun before the training than its `initial_epoch` says:
    what is random in an epoch is keyed by the sum of the two.
    """

    epoch: int
    step: int = 0
    totals: tuple[float, ...] = ()
    stopped: bool = False
    trained_before: int = 0


class Keeper:
    """Reads a training's checkpoint and writes it from time to time; without a path it does nothing.

    As a context manager, it keeps other trainings from writing to the path meanwhile.

    Parameters
    ----------
    core : Core
        The model in training.
    path : path or None
        Where to write.
    every : float or int
        Seconds (float) or steps (int) from one to the next.
    resume : path or None
        The checkpoint to begin with; written on, too, unless `path` is another.
    """

    def __init__(self, core: Core, path: Any, every: Any, resume: Any) -> None:
        self.core = core
        path = resume if path is None else path
        self.path = None if path is None else os.fspath(path)
        if self.path is not None:
            check_suffix(self.path, "fit: checkpoint")
        self.resume = None if resume is None else os.fspath(resume)
        self.steps = check_count("fit", "checkpoint_every", every) if hasattr(every, "__index__") else None
        self.seconds = check_real("fit", "checkpoint_every", every, minimum=0)
        self._given: dict[str, Any] = {}
        self._written: Position | None = None
        self._saved: tuple[Core, dict[str, Any]] | None = None
        self._held: ExitStack | None = None
        self._rest()

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *error: object) -> None:
        if self._held is not None:
            self._held.close()

    def begin(self, calls: CallbackList, recipe: dict[str, Any], data: dict[str, Any], start: Position) -> Position:
        """Find out all that may be wrong, and where to begin: at `start`, or where the checkpoint is.

        Raises
        ------
        OSError
            If the checkpoint cannot be read, or a new one not be written.
        TypeError
            If something is given that a checkpoint cannot hold.
        ValueError
            If the file is damaged or no checkpoint, or was written by another training; says what differs.
        """
        self.calls = calls
        if self.path is not None:
            model = describe(self.core, True)
            given = {"version": __version__, "architecture": model["architecture"], "compile": model["compile"],
                     "recipe": {name: value for name, value in recipe.items() if name != "epochs"}, "data": data,
                     "callbacks": [type(callback).__name__ for callback in calls.callbacks]}
            self._given = json.loads(json.dumps(given))  # as it will be read
            check_path(self.path, "fit: checkpoint")
            try:
                self._held = ExitStack()
                self._held.enter_context(exclusive_writer(self.path))
            except BlockingIOError as error:
                words = (f"fit: checkpoint: another training writes {self.path!r} ({error.strerror}); give each "
                         "training a file of its own")
                raise BlockingIOError(error.errno, words) from None
            remove_abandoned(self.path)
        metrics: dict[str, Any] = {}
        if self.resume is not None:
            start, metrics = self._read(self.resume)
            self._written = start if os.path.realpath(self.resume) == os.path.realpath(self.path or "") else None
        self.core.provenance = {"recipe": recipe, "data": data, "metrics": metrics}
        return start

    def _read(self, path: str) -> tuple[Position, dict[str, Any]]:
        try:
            content = read_file(path)
        except ValueError as error:
            raise ValueError(f"fit: resume: {error}") from None
        except OSError as error:
            raise OSError(error.errno, f"fit: resume: cannot read the checkpoint {path!r}: {error.strerror}; leave "
                                       "resume out to begin anew") from None
        description, tensors = unpack(content, path)
        with refused(f"load: {path}"):
            core = assemble(description, tensors)
        if "training" not in description:
            raise ValueError(f"fit: resume: {path!r} is a model, but no checkpoint; give the path that fit was given "
                             "as checkpoint")
        try:
            training = description["training"]
            different = difference(training["given"], self._given)
            if different:
                raise ValueError(f"it is of another training: {different}; resume with what that one was given")
            state = decode(training["state"], tensors)
            counts = (("epoch", 2**32 - 1), ("step", core.iteration), ("trained_before", 2**32 - 1))
            epoch, step, before = (check_count("state", name, state.get(name, 0), 0, most) for name, most in counts)
            start = Position(epoch, step, tuple(map(float, state["totals"])), bool(state["stopped"]), before)
            if start.step and len(start.totals) != 2 + len(core.metrics):
                raise ValueError(f"there are {len(start.totals)} totals")
            self._saved = core, dict(state["callbacks"])
        except ValueError as error:
            raise ValueError(f"fit: resume: {path!r}: {error}") from None
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"fit: resume: {path!r}: {type(error).__name__}: {error}") from None
        return start, (core.provenance or {}).get("metrics", {})

    def check(self) -> None:
        """Find out now, not at the first write, whether a checkpoint can hold the callbacks' state, else TypeError."""
        if self.path is None:
            return
        try:
            # As it will be read, too: what is nested too deep can be written, but not read.
            json.loads(json.dumps({"training": self._encoded(self.calls.get_state(), {})}))
        except RecursionError:
            raise TypeError("fit: checkpoint: the state of the callbacks is nested too deep, or holds itself") from None

    @staticmethod
    def _encoded(state: Any, tensors: Tensors) -> Any:
        try:
            return encode(state, tensors, TRAINING, "the callbacks")
        except TypeError as error:
            raise TypeError(f"fit: checkpoint: {error}") from None

    def restore(self) -> None:
        """Put model, optimizer and callbacks where the checkpoint has them, if the training resumes."""
        if self._saved is None:
            return
        core, (saved, callbacks) = self.core, self._saved
        try:
            self.calls.set_state(callbacks)  # first: what it refuses has changed nothing
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"fit: resume: {self.resume!r}: {type(error).__name__}: {error}") from error
        core.built("fit")[...] = saved.built("fit")
        core.states = {name: aligned_copy(state) for name, state in saved.states.items()}
        core.key, core.iteration, core.epochs = saved.key, saved.iteration, saved.epochs
        optimizer, _ = saved.compiled("fit")
        for name in optimizer.get_config():  # callbacks may have changed the learning rate
            setattr(core.optimizer, name, getattr(optimizer, name))
        self._rest()

    def _rest(self) -> None:
        """Begin to wait for the next write."""
        self._time, self._iteration = time.monotonic(), self.core.iteration

    def steps_to_go(self) -> int:
        """How many steps may be done at once."""
        return MANY if self.path is None or self.steps is None else self.steps - self._steps_done()

    def _steps_done(self) -> int:
        return self.core.iteration - self._iteration

    def is_due(self) -> bool:
        """Whether it is time to write."""
        if self.path is None:
            return False
        if self.steps is not None:
            return self._steps_done() >= self.steps
        return time.monotonic() - self._time >= self.seconds

    def write(self, position: Position) -> None:
        """Write the checkpoint, unless it stands there already.

        Raises
        ------
        OSError
            If it cannot be written; what stood there is whole.
        """
        if self.path is None or position == self._written:
            return
        tensors: Tensors = {}
        state = self._encoded({**asdict(position), "callbacks": self.calls.get_state()}, tensors)
        description = {**describe(self.core, True), "training": {"given": self._given, "state": state}}
        content = pack(description, {**tensors_of(self.core, True), **tensors})
        try:
            write_file(self.path, content)
        except OSError as error:
            raise OSError(error.errno, f"fit: cannot write the checkpoint {self.path!r}: {error.strerror}. What stood "
                                       "there is whole, and the model keeps what it has learnt; make room or choose "
                                       "another path, then resume from there") from error
        self._written = position
        self._rest()


def difference(there: Any, here: Any, where: str = "") -> str:
    """Where two descriptions first differ, and what stands there; empty if they do not.

    Examples
    --------
    >>> difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]})
    'a[1].b is 2 in the checkpoint, but 3 here'
    >>> difference({"a": [1]}, {"a": []}), difference([0.5], [0.5])
    ('a[0] is 1 in the checkpoint, but nothing here', '')
    """
    if isinstance(there, dict) and isinstance(here, dict):
        parts = [(f"{where}.{name}".lstrip("."), there.get(name, NOTHING), here.get(name, NOTHING))
                 for name in {**here, **there}]
    elif isinstance(there, list) and isinstance(here, list):
        pairs = zip_longest(there, here, fillvalue=NOTHING)
        parts = [(f"{where}[{i}]", *pair) for i, pair in enumerate(pairs)]
    else:
        return "" if there == here else f"{where} is {_show(there)} in the checkpoint, but {_show(here)} here"
    return next(filter(None, (difference(a, b, name) for name, a, b in parts)), "")


def _show(value: Any) -> str:
    return value if value is NOTHING else f"a {value['class']}" if isinstance(value, dict) and "class" in value else (
        repr(value))
