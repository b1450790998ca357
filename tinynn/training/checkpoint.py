"""Checkpoints: an interrupted training resumes and ends with the same bits.

A checkpoint is a model file with one more entry, ``training``. It holds the training's arguments, which must be the
same on resume, and its position: epoch, step, the totals of loss and metrics, and the state of the callbacks,
including History. There is no generator state: all random numbers are a function of the model's key, epoch and step.
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
from tinynn.training.steps import UNLIMITED
from tinynn.version import __version__

NOTHING = "nothing"


@dataclass(frozen=True)
class Position:
    """The position of a training: epoch, steps done in it, and their totals of samples, loss and metrics.

    `trained_before` is the number of epochs that the model had begun before this training, minus `initial_epoch`.
    The sum of `epoch` and `trained_before` seeds the random numbers of an epoch.
    """

    epoch: int
    step: int = 0
    totals: tuple[float, ...] = ()
    stopped: bool = False
    trained_before: int = 0


class Keeper:
    """Reads and writes a training's checkpoint; without a path it does nothing.

    As a context manager, it locks the path against other trainings.

    Parameters
    ----------
    core : Core
        The model in training.
    path : path or None
        The file to write.
    every : float or int
        Interval between checkpoints: seconds if a float, steps if an int.
    resume : path or None
        The checkpoint to resume from; also the file to write if `path` is None.
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
        self._lock: ExitStack | None = None
        self._restart_interval()

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *error: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def begin(self, calls: CallbackList, recipe: dict[str, Any], data: dict[str, Any], start: Position) -> Position:
        """Lock the path and check it and the checkpoint; return the position to start from.

        The position is that of the checkpoint if the training resumes, otherwise `start`.

        Raises
        ------
        OSError
            If the checkpoint cannot be read, or a new one cannot be written.
        TypeError
            If an argument of the training cannot be saved.
        ValueError
            If the file is damaged or not a checkpoint, or if another training wrote it; says what differs.
        """
        self.calls = calls
        if self.path is not None:
            model = describe(self.core, True)
            given = {"version": __version__, "architecture": model["architecture"], "compile": model["compile"],
                     "recipe": {name: value for name, value in recipe.items() if name != "epochs"}, "data": data,
                     "callbacks": [type(callback).__name__ for callback in calls.callbacks]}
            self._given = json.loads(json.dumps(given))  # in the form in which it is read back
            check_path(self.path, "fit: checkpoint")
            try:
                self._lock = ExitStack()
                self._lock.enter_context(exclusive_writer(self.path))
            except BlockingIOError as error:
                words = (f"fit: checkpoint: {self.path!r} is in use by another training ({error.strerror}); give each "
                         "training its own file")
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
            raise OSError(error.errno, f"fit: resume: cannot read the checkpoint {path!r}: {error.strerror}; omit "
                                       "resume to start a new training") from None
        description, tensors = unpack(content, path)
        with refused(f"load: {path}"):
            core = assemble(description, tensors)
        if "training" not in description:
            raise ValueError(f"fit: resume: {path!r} is a model file, not a checkpoint; give the path that was passed "
                             "to fit as checkpoint")
        try:
            training = description["training"]
            different = difference(training["given"], self._given)
            if different:
                raise ValueError(f"another training wrote it: {different}; resume with the arguments of that training")
            state = {"trained_before": 0, **decode(training["state"], tensors)}  # 0.1.0 did not write it
            counts = (("epoch", 2**32 - 1), ("step", core.iteration), ("trained_before", 2**32 - 1))
            epoch, step, before = (check_count("state", name, state[name], 0, most) for name, most in counts)
            start = Position(epoch, step, tuple(map(float, state["totals"])), bool(state["stopped"]), before)
            if start.step and len(start.totals) != 2 + len(core.metrics):
                raise ValueError(f"totals must hold {2 + len(core.metrics)} numbers, got {len(start.totals)}")
            self._saved = core, dict(state["callbacks"])
        except ValueError as error:
            raise ValueError(f"fit: resume: {path!r}: {error}") from None
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"fit: resume: {path!r}: {type(error).__name__}: {error}") from None
        return start, (core.provenance or {}).get("metrics", {})

    def check(self) -> None:
        """Raise TypeError if a checkpoint cannot hold the callbacks' state: now, not at the first write."""
        if self.path is None:
            return
        try:
            # Read it back, too: a deeply nested state may be writable but not readable.
            json.loads(json.dumps({"training": self._encoded(self.calls.get_state(), {})}))
        except RecursionError:
            raise TypeError("fit: checkpoint: the state of the callbacks is nested too deeply, or contains "
                            "itself") from None

    @staticmethod
    def _encoded(state: Any, tensors: Tensors) -> Any:
        try:
            return encode(state, tensors, TRAINING, "the callbacks")
        except TypeError as error:
            raise TypeError(f"fit: checkpoint: {error}") from None

    def restore(self) -> None:
        """Restore model, optimizer and callbacks from the checkpoint, if the training resumes."""
        if self._saved is None:
            return
        core, (saved, callbacks) = self.core, self._saved
        try:
            self.calls.set_state(callbacks)  # first: if it raises, the model has not changed
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"fit: resume: {self.resume!r}: {type(error).__name__}: {error}") from error
        core.built("fit")[...] = saved.built("fit")
        core.states = {name: aligned_copy(state) for name, state in saved.states.items()}
        core.key, core.iteration, core.epochs = saved.key, saved.iteration, saved.epochs
        optimizer, _ = saved.compiled("fit")
        for name in optimizer.get_config():  # callbacks may have changed the learning rate
            setattr(core.optimizer, name, getattr(optimizer, name))
        self._restart_interval()

    def _restart_interval(self) -> None:
        self._time, self._iteration = time.monotonic(), self.core.iteration

    def steps_to_go(self) -> int:
        """Number of steps until the next checkpoint is due."""
        return UNLIMITED if self.path is None or self.steps is None else self.steps - self._steps_done()

    def _steps_done(self) -> int:
        return self.core.iteration - self._iteration

    def is_due(self) -> bool:
        """Whether the interval is over."""
        if self.path is None:
            return False
        if self.steps is not None:
            return self._steps_done() >= self.steps
        return time.monotonic() - self._time >= self.seconds

    def write(self, position: Position) -> None:
        """Write the checkpoint, unless the file already holds this position.

        Raises
        ------
        OSError
            If it cannot be written; the old file stays intact.
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
            raise OSError(error.errno, f"fit: cannot write the checkpoint {self.path!r}: {error.strerror}. An "
                                       "earlier checkpoint there is intact, and the model keeps its weights; free "
                                       "disk space or choose another path, then resume from it") from error
        self._written = position
        self._restart_interval()


def difference(there: Any, here: Any, where: str = "") -> str:
    """Describe the first difference of two descriptions; an empty string if they are equal.

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
