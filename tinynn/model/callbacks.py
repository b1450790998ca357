"""Callbacks: what happens between the steps and epochs of a training, with Keras' names and arguments.

`fit` calls a `CallbackList`, which calls each callback in the order given and the History last. ``logs`` is
one dict per epoch, name of a quantity -> float, shared by all callbacks: what one adds (a learning rate), the
later ones see.
"""

from __future__ import annotations

import copy
import csv
import math
import os
import string
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinynn.io.atomic import check_writable
from tinynn.io.suffixes import check_suffix
from tinynn.model.arrays import check_count, check_real, shortened
from tinynn.model.registry import nearest
from tinynn.model.warning import warn

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
]

Logs = dict[str, float]


def is_number(value: Any) -> bool:
    """Whether it is a real number, NaN and infinity among them."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Whether it is a whole number of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_text(value: Any) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    """Whether it is True or False."""
    return isinstance(value, bool)


def is_optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether it is None, or passes the check."""
    return lambda value: value is None or check(value)


def is_list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether it is a list whose items all pass the check."""
    return lambda value: isinstance(value, list) and all(map(check, value))


class Callback:
    """Base class: override what you need.

    Attributes
    ----------
    model : Sequential
        The model in training: ``model.stop_training = True`` ends it after this step or epoch,
        ``model.optimizer.learning_rate`` can be read and set. Not pickled with the callback.
    params : dict
        ``epochs``, ``steps`` (per epoch), ``verbose`` and ``metrics`` (the names that the epochs' logs will
        hold).
    adds : tuple of str
        Names of the quantities that it adds to the logs of an epoch, so that later callbacks can monitor them.

    Notes
    -----
    A training runs for a tenth of a second or so at a time without Python. When a callback overrides a method that is
    called for every batch, it comes back to Python after each one, which costs some microseconds a step; without such
    a callback it costs nothing. A learning rate that is set in such a method holds from the next step on. A method
    whose name begins with ``on_`` and that nobody calls is refused.

    Examples
    --------
    >>> class StopWhenGood(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         if logs["loss"] < 0.1:
    ...             self.model.stop_training = True
    """

    #: Names of the attributes that `get_state` returns, and what each must be to be taken back.
    _state: Mapping[str, Callable[[Any], bool]] = {}
    #: Whether `set_state` was called and no epoch has ended since: a training resumes, nothing is reset.
    _resumes: bool = False
    #: What earlier callbacks add to the logs; None if that is not known.
    _added_before: tuple[str, ...] | None = ()

    adds: tuple[str, ...] = ()
    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Take the model; called by `fit` first of all."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Take the facts of the training, see `params`; called by `fit` after `set_model`."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch. What can go wrong is best found here."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, also when training was stopped early; not after an error."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before each epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After each epoch and its validation; `logs` holds the epoch's quantities."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before each step of an epoch, counted from 0."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After each step of an epoch; `logs` holds the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        """Every tenth of a second or so within an epoch; `step` is the number of its steps done so far."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before `evaluate`, and before the validation of an epoch."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After it; `logs` holds loss and metrics."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before each batch that is evaluated, counted from 0."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After each batch that is evaluated; `logs` holds the means so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch that is predicted, counted from 0."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch that is predicted; ``logs["outputs"]`` holds its predictions."""

    def close(self) -> None:
        """Release what is held (a progress bar); the last call of `fit`, after errors and Ctrl-C too."""

    def _on_divergence(self) -> None:
        """Before `fit` raises the error of a loss that is not finite."""

    def get_state(self) -> dict[str, Any]:
        """Return what training needs to resume: a dict of numbers, strings, None, lists, dicts and NumPy arrays.

        A training that resumes calls `on_train_begin`, and `on_epoch_begin` if it was cut off within an epoch, once
        more; then model, optimizer and callbacks are put where they were. So a callback that depends on what it has
        seen says so here.
        """
        return {name: copy.deepcopy(getattr(self, name)) for name in self._state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a state from `get_state`; the training that follows, or has just begun, resumes from it.

        Raises
        ------
        ValueError
            If it is the state of another kind of callback, or a value in it has the wrong type; nothing has been
            changed then.
        """
        kind = type(self).__name__
        if set(state) != set(self._state):
            raise ValueError(f"{kind}.set_state: expected the keys {sorted(self._state)}, got {sorted(state)}")
        for name, value in state.items():
            if not self._state[name](value):
                raise ValueError(f"{kind}.set_state: {name} cannot be {shortened(repr(value))}")
        for name, value in state.items():
            setattr(self, name, copy.deepcopy(value))
        self._resumes = True

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "model"}


#: The methods that are called.
HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether a callback has a method of its own for a hook."""
    method = getattr(callback, hook)
    return getattr(method, "__func__", method) is not getattr(Callback, hook)


class CallbackList(Callback):
    """Callbacks called one after another; as a context manager it closes them all at the end.

    Parameters
    ----------
    callbacks : Callback or iterable of Callback
        What the user passed to `fit`.
    model : Sequential
        The model.
    params : dict
        See `Callback.params`.
    then : iterable of Callback
        Called after them: the progress, the history.
    function : str
        What the user called, for messages.

    Raises
    ------
    TypeError
        If an item is no Callback (a class instead of an object, for example).
    ValueError
        If an item is there twice, or has a method ``on_...`` that is never called.
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Callback] | None,
        model: Any,
        params: Mapping[str, Any],
        then: Iterable[Callback] = (),
        function: str = "fit",
    ) -> None:
        if callbacks is not None and not isinstance(callbacks, Callback) and not hasattr(callbacks, "__iter__"):
            raise TypeError(f"{function}: callbacks must be a list of callbacks, got {callbacks!r}")
        given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        for i, callback in enumerate(given):
            if not isinstance(callback, Callback):
                is_class = isinstance(callback, type) and issubclass(callback, Callback)
                got = f"the class {callback.__name__}, not an object of it" if is_class else repr(callback)
                raise TypeError(f"{function}: callbacks[{i}] must be a tinynn.callbacks.Callback, got {got}")
            if any(callback is other for other in given[:i]):
                raise ValueError(f"{function}: callbacks[{i}] is the same object as an earlier one: {callback!r}")
            _check_hooks(callback, f"{function}: callbacks[{i}]")
        self._given, self.callbacks = given, [*given, *then]
        self._next_progress = 0.0
        added: tuple[str, ...] | None = ()
        for callback in self.callbacks:
            callback._added_before = added
            # One of the user's may add whatever it likes.
            unknown = not type(callback).__module__.startswith("tinynn.") and _overrides(callback, "on_epoch_end")
            added = None if added is None or unknown else (*added, *callback.adds)
        self.set_model(model)
        self.set_params(params)

    def set_model(self, model: Any) -> None:
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: Mapping[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)
            callback._resumes = False

    def wants_batches(self, kind: str) -> bool:
        """Whether a callback has a method that is called for every batch of this kind: train, test or predict."""
        hooks = [f"on_{kind}_batch_begin", f"on_{kind}_batch_end"]
        if kind == "train":
            hooks += ["on_batch_begin", "on_batch_end"]
        return any(_overrides(callback, hook) for callback in self._given for hook in hooks)

    def progress_is_due(self) -> bool:
        """Whether a tenth of a second has passed since this was last said, for trainings that go batch by batch."""
        due = time.monotonic() >= self._next_progress
        if due:
            self._next_progress = time.monotonic() + 0.1
        return due

    def close(self) -> None:
        for callback in self.callbacks:
            callback.close()

    def __enter__(self) -> CallbackList:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get_state(self) -> dict[str, Any]:
        """Return the states of all callbacks that have one: "position ClassName" -> state."""
        states = {f"{i} {type(c).__name__}": c.get_state() for i, c in enumerate(self.callbacks)}
        return {name: state for name, state in states.items() if state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take what `get_state` of a list with the same callbacks in the same order returned."""
        names = [f"{i} {type(c).__name__}" for i, c in enumerate(self.callbacks)]
        for name in state:
            if name not in names:
                raise ValueError(
                    f"callbacks: the saved state belongs to {name!r} (position and class), but the callbacks "
                    f"are {names}; pass the same ones in the same order to resume"
                )
        for name, callback_state in state.items():
            self.callbacks[names.index(name)].set_state(callback_state)


def _to_all(hook: str) -> Callable[..., None]:
    def call(self: CallbackList, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)

    return call


for _hook in (*HOOKS, "_on_divergence"):
    if _hook not in vars(CallbackList):
        setattr(CallbackList, _hook, _to_all(_hook))


def _check_hooks(callback: Callback, where: str) -> None:
    """Raise ValueError for a method that looks as if `fit` would call it."""
    for name in dir(callback):
        if name.startswith("on_") and name not in HOOKS and callable(getattr(callback, name)):
            raise ValueError(
                f"{where}: {type(callback).__name__} has the method {name!r}, which is never called; methods that are: "
                f"{', '.join(HOOKS)}{nearest(name, HOOKS)}"
            )


class History(Callback):
    """Records what the epochs report; `fit` returns one.

    Attributes
    ----------
    epoch : list of int
        The epochs, counted from 0.
    history : dict of list of float
        Name of a quantity (``loss``, ``val_accuracy``, ``learning_rate``) -> its value after each epoch.
    """

    _state = {
        "epoch": is_list_of(is_count),
        "history": lambda value: isinstance(value, dict) and all(map(is_text, value)) and all(
            map(is_list_of(is_number), value.values())),
    }

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self._resumes:
            self.epoch, self.history = [], {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs{': ' * bool(last)}{last}>"


def _check_known(names: Iterable[str], known: Iterable[str], function: str, argument: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            hint = nearest(name, known)
            if name.startswith("val_") and not any(k.startswith("val_") for k in known):
                hint = "; pass validation_data or validation_split to fit to have it"
            raise ValueError(
                f"{function}: {argument} {name!r} is not among the quantities of this training: "
                f"{', '.join(known) or 'none'}{hint}"
            )


def _say(message: str) -> None:
    """Print a line without tearing a progress bar apart."""
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(message)
    else:
        print(message, flush=True)


class _Monitor(Callback):
    """Watches one quantity of the epochs and knows what is better."""

    _HIGHER = ("acc", "auc", "precision", "recall", "f1", "score")
    _LOWER = ("loss", "error", "crossentropy", "entropy", "divergence", "mse", "mae", "mape", "msle", "rmse")

    def __init__(self, monitor: str, mode: str, min_delta: float, verbose: int) -> None:
        name = type(self).__name__
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{name}: mode must be 'auto', 'min' or 'max', got {mode!r}")
        if not isinstance(monitor, str):
            raise TypeError(f"{name}: monitor must be the name of a quantity, got {monitor!r}")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(check_real(min_delta, "min_delta", name))
        self.verbose = verbose
        self.best: float | None = None

    def _higher_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        quantity = self.monitor.removeprefix("val_").lower()
        if quantity.endswith(self._LOWER):
            return False
        if any(part in quantity for part in self._HIGHER):
            return True
        raise ValueError(
            f"{type(self).__name__}: cannot tell from its name whether {self.monitor!r} should rise or fall; "
            "pass mode='max' or mode='min'"
        )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if "metrics" in self.params:
            self._check_at_begin([self.monitor], "monitor")
            self._higher_is_better()

    def _check_at_begin(self, names: Iterable[str], argument: str) -> None:
        """Refuse names of quantities that this training cannot have, as far as that is known before it."""
        if self._added_before is not None:
            _check_known(names, [*self.params["metrics"], *self._added_before], type(self).__name__, argument)

    def _current(self, logs: Logs | None) -> float:
        _check_known([self.monitor], logs or {}, type(self).__name__, "monitor")
        return float((logs or {})[self.monitor])

    def _improves(self, value: float, reference: float | None) -> bool:
        higher = self._higher_is_better()
        if reference is None:
            return not math.isnan(value)
        # The side that min_delta is added to decides how 0.6 - 0.2 > 0.4 rounds; Keras' side.
        return value - self.min_delta > reference if higher else value + self.min_delta < reference


class EarlyStopping(_Monitor):
    """Stop training when a quantity has stopped improving.

    Parameters
    ----------
    monitor : str
        The quantity: ``"val_loss"``, ``"accuracy"``, ...
    min_delta : float
        A smaller change is no improvement.
    patience : int
        How many epochs in a row without improvement end the training (0 and 1 are the same).
    verbose : int
        1 says when it happens.
    mode : {"auto", "min", "max"}
        Whether lower or higher is better; "auto" reads it off the name.
    baseline : float, optional
        The wait for an improvement begins anew only with an epoch that also improves on this. An epoch that is the
        best so far never ends the training.
    restore_best_weights : bool
        Whether the model gets the weights of the best epoch back when training ends.
    start_from_epoch : int
        Epochs before this one are not looked at.

    Attributes
    ----------
    best : float or None
        The best value so far.
    best_epoch, stopped_epoch : int
        Where it was seen, and where training was stopped (0 if it was not), counted from 0.
    wait : int
        Epochs since the last improvement.
    """

    _state = {
        "best": is_optional(is_number),
        "best_epoch": is_count,
        "best_weights": is_optional(is_list_of(lambda value: isinstance(value, np.ndarray))),
        "stopped_epoch": is_count,
        "wait": is_count,
    }

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.patience = check_count(patience, "patience", "EarlyStopping", minimum=0)
        self.baseline = None if baseline is None else check_real(baseline, "baseline", "EarlyStopping")
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = check_count(start_from_epoch, "start_from_epoch", "EarlyStopping", minimum=0)
        self.best_epoch = self.stopped_epoch = self.wait = 0
        self.best_weights: Sequence[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        if not self._resumes:
            self.best = self.best_weights = None
            self.best_epoch = self.stopped_epoch = self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self._current(logs)
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._improves(value, self.best):
            self.best = value
            self._keep_weights(epoch)
            if self.baseline is None or self._improves(value, self.baseline):
                self.wait = 0
            return
        if self.best is None:  # nothing but NaN yet
            self._keep_weights(epoch)
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                _say(f"Epoch {epoch + 1}: early stopping, {self.monitor} is no better for {self.wait} epochs")

    def _keep_weights(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        if self.best_weights is not None and self.model is not None:
            shapes = [w.shape for w in self.model.get_weights()]
            if [w.shape for w in self.best_weights] != shapes:
                raise ValueError(f"EarlyStopping.set_state: best_weights must have the model's shapes {shapes}")

    def _on_divergence(self) -> None:
        self.on_train_end()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)
            if self.verbose:
                _say(f"Weights of the best epoch, {self.best_epoch + 1}, restored")


def check_path(path: str, argument: str) -> None:
    """Make the directory of a file and check that a file of this name can be written; names the argument if not."""
    try:
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        check_writable(path)
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from None
    except OSError as error:
        # the subclass (PermissionError, ...) follows from the number
        words = f"{argument}: cannot write {path!r} ({error.strerror}); choose another path"
        raise OSError(error.errno, words) from error


class ModelCheckpoint(_Monitor):
    """Save the model after each epoch, or after each epoch that is the best so far.

    Parameters
    ----------
    filepath : str or PathLike
        Where to. May hold ``{epoch:02d}`` (counted from 1) and quantities, ``{val_loss:.2f}``. The directory
        is made if need be, and whether it can be written to is found out before training.
    monitor : str
        The quantity that decides what is best; only used with `save_best_only`.
    verbose : int
        1 says when it happens.
    save_best_only : bool
        Whether only improvements are saved.
    mode : {"auto", "min", "max"}
        Whether lower or higher is better; "auto" reads it off the name.
    save_freq : {"epoch"}
        When to save.
    initial_value_threshold : float, optional
        What the first save must improve on.

    Attributes
    ----------
    best : float or None
        The best value so far.
    """

    _state = {"best": is_optional(is_number)}

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        *,
        mode: str = "auto",
        save_freq: str = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0.0, verbose)
        if save_freq != "epoch":
            raise ValueError(f"ModelCheckpoint: save_freq must be 'epoch', got {save_freq!r}")
        self.filepath = os.fspath(filepath)
        check_suffix(self.filepath, "ModelCheckpoint: filepath")
        self.save_best_only = save_best_only
        self.save_freq = save_freq
        if initial_value_threshold is not None:
            initial_value_threshold = check_real(
                initial_value_threshold, "initial_value_threshold", "ModelCheckpoint"
            )
        self.initial_value_threshold = self.best = initial_value_threshold
        try:
            parts = list(string.Formatter().parse(self.filepath))
            self._fields = [field for _, field, _, _ in parts if field is not None]
            if not all(field.isidentifier() for field in self._fields):
                raise ValueError("a field has no name")
            self.filepath.format_map({**dict.fromkeys(self._fields, 1.0), "epoch": 1})
        except ValueError as error:
            raise ValueError(
                f"ModelCheckpoint: filepath {self.filepath!r} is no valid template ({error}); "
                "write {epoch:02d} or {val_loss:.2f}, and {{ }} for braces"
            ) from error
        # what stands before the first field: the part of the path that is known before training
        self._known_path = ""
        for text, field, _, _ in parts:
            self._known_path += text
            if field is not None:
                break

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)
        if "metrics" in self.params:
            self._check_at_begin([field for field in self._fields if field != "epoch"], "filepath's field")
        self.model.check_can_be_saved("ModelCheckpoint")
        # with fields the file's name is not known yet, but the directory may be
        check_path(self._known_path + "0" * bool(self._fields), "ModelCheckpoint")
        if not self._resumes:
            self.best = self.initial_value_threshold

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        _check_known(self._fields, ["epoch", *(logs or {})], "ModelCheckpoint", "filepath's field")
        path = self.filepath.format_map({**(logs or {}), "epoch": epoch + 1})
        if self.save_best_only:
            value = self._current(logs)
            if not self._improves(value, self.best):
                return
            self.best = value
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.model.save(path)
        if self.verbose:
            _say(f"Epoch {epoch + 1}: model saved to {path}")


class CSVLogger(Callback):
    """Write the quantities of each epoch into a table, one line per epoch, on disk as soon as it ends.

    Parameters
    ----------
    filename : str or PathLike
        The file. Its directory is made if need be; whether it can be written to is found out before training.
    separator : str
        Between two columns, one character.
    append : bool
        Whether to continue the table that is there; otherwise it is replaced. A training that resumes
        continues it.

    Notes
    -----
    The columns are ``epoch`` (counted from 0) and the quantities of the first epoch, numbers in full
    precision. A line that cannot be written (the disk is full) does not end the training: a RuntimeWarning says so, and
    the line is written together with the next one.
    """

    _state = {"columns": is_optional(is_list_of(is_text)), "size": is_count}

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self.columns: list[str] | None = None
        self.size = 0  # of what is to stay, in bytes
        self._fresh = self._torn = False
        self._waiting: list[dict[str, Any]] = []  # rows that are not in the file yet

    def on_train_begin(self, logs: Logs | None = None) -> None:
        check_path(self.filename, "CSVLogger")
        # An old table is only replaced when there is a first line to put in its place. The file is open only
        # while a line is written, so that it is whole at any time.
        with self._open("a"):
            pass
        self._fresh = True
        self._waiting = []
        if not self._resumes:
            self.size = os.path.getsize(self.filename) if self.append else 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._waiting.append({"epoch": epoch, **(logs or {})})
        self._write()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._waiting:
            self._write()

    def _write(self) -> None:
        """Append the rows that wait, if that is possible now."""
        try:
            if self._fresh or self._torn:
                # Half a line, if the disk was full; or epochs that come again, if a training was killed after its last
                # checkpoint.
                with self._open("a") as file:
                    file.truncate(min(self.size, file.tell()))
            lines = self._lines()
            with self._open("a") as file:
                csv.writer(file, delimiter=self.separator, lineterminator="\n").writerows(lines)
            self.size = os.path.getsize(self.filename)
        except OSError as error:
            self._torn = True
            epochs = ", ".join(str(row["epoch"] + 1) for row in self._waiting)
            warn(f"CSVLogger: cannot write {self.filename!r} ({error.strerror}): epoch {epochs} is not in it",
                 RuntimeWarning)
        else:
            self._fresh, self._torn, self._waiting = False, False, []

    def _lines(self) -> list[list[Any]]:
        """The rows that wait as lines, behind the header if there is none yet."""
        lines: list[list[Any]] = []
        if self._fresh:
            row, header = self._waiting[0], self._header()
            if header is None:
                lines.append(list(row))
            elif set(header) != set(row):
                raise ValueError(
                    f"CSVLogger: {self.filename!r} has the columns {header}, this training {list(row)}; "
                    "choose another file, or append=False to replace it"
                )
            self.columns = header or list(row)
        return lines + [[row.get(name, "") for name in self.columns or ()] for row in self._waiting]

    def _header(self) -> list[str] | None:
        with self._open("r") as file:
            return next(csv.reader(file, delimiter=self.separator), None)

    def _open(self, mode: str) -> Any:
        return open(self.filename, mode, newline="", encoding="utf-8")


def _learning_rate(model: Any, function: str) -> float:
    rate = model.optimizer.learning_rate
    try:
        return check_real(rate, "learning_rate", function)
    except TypeError:
        raise TypeError(
            f"{function}: the learning rate follows a schedule ({rate!r}), which decides for every "
            "step; compile with a number, or leave this callback out"
        ) from None


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch, and log it.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate) -> float``, the epoch counted from 0; or ``schedule(epoch) ->
        float``.
    verbose : int
        1 prints it.
    """

    _state = {"epoch": is_optional(is_count)}
    adds = ("learning_rate",)

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        import inspect

        if not callable(schedule):
            raise TypeError(
                f"LearningRateScheduler: schedule must be callable, got {type(schedule).__name__}"
            )
        self.schedule = schedule
        self.verbose = verbose
        self.epoch: int | None = None  # the one whose rate is set
        self._arguments = 2
        try:
            inspect.signature(schedule).bind(0, 0.0)
        except TypeError:
            self._arguments = 1
        except ValueError:  # a built-in function without a signature
            pass

    def on_train_begin(self, logs: Logs | None = None) -> None:
        _learning_rate(self.model, "LearningRateScheduler")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._resumes and epoch == self.epoch:
            return
        self.epoch = epoch
        rate = _learning_rate(self.model, "LearningRateScheduler")
        new = self.schedule(*(epoch, rate)[: self._arguments])
        new = check_real(new, f"schedule({epoch})", "LearningRateScheduler", minimum=0)
        self.model.optimizer.learning_rate = new
        if self.verbose:
            _say(f"Epoch {epoch + 1}: learning rate {new:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = _learning_rate(self.model, "LearningRateScheduler")


class ReduceLROnPlateau(_Monitor):
    """Lower the learning rate when a quantity has stopped improving, and log it.

    Parameters
    ----------
    monitor : str
        The quantity: ``"val_loss"``, ``"accuracy"``, ...
    factor : float
        What the learning rate is multiplied with, in (0, 1).
    patience : int
        How many epochs in a row without improvement lower it (0 and 1 are the same).
    verbose : int
        1 says when it happens.
    mode : {"auto", "min", "max"}
        Whether lower or higher is better; "auto" reads it off the name.
    min_delta : float
        A smaller change is no improvement.
    cooldown : int
        After it was lowered, this many epochs without improvement are not counted.
    min_lr : float
        It is not lowered below this.
    """

    _state = {"best": is_optional(is_number), "cooldown_counter": is_count, "wait": is_count}
    adds = ("learning_rate",)

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.factor = check_real(factor, "factor", "ReduceLROnPlateau", above=0, below=1)
        self.patience = check_count(patience, "patience", "ReduceLROnPlateau", minimum=0)
        self.cooldown = check_count(cooldown, "cooldown", "ReduceLROnPlateau", minimum=0)
        self.min_lr = check_real(min_lr, "min_lr", "ReduceLROnPlateau", minimum=0)
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        _learning_rate(self.model, "ReduceLROnPlateau")
        if not self._resumes:
            self.best = None
            self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self._current(logs)
        rate = _learning_rate(self.model, "ReduceLROnPlateau")
        if logs is not None:
            logs["learning_rate"] = rate
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(value, self.best):
            self.best = value
            self.wait = 0
            return
        if self.cooldown_counter > 0:
            return
        self.wait += 1
        if self.wait >= self.patience and rate > self.min_lr:
            new = max(rate * self.factor, self.min_lr)
            self.model.optimizer.learning_rate = new
            self.cooldown_counter = self.cooldown
            self.wait = 0
            if self.verbose:
                _say(f"Epoch {epoch + 1}: {self.monitor} is on a plateau, learning rate lowered to {new:g}")
