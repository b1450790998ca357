"""Callbacks: what happens between the epochs of a training, with Keras' names and arguments.

`fit` calls a `CallbackList`, which calls each callback in the order given and the History last. ``logs`` is
one dict per epoch, name of a quantity -> float, shared by all callbacks: what one adds (a learning rate), the
later ones see.
"""

from __future__ import annotations

import copy
import csv
import errno
import math
import os
import string
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tinynn.model.arrays import check_count, check_real
from tinynn.model.registry import nearest

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


class Callback:
    """Base class: override what you need.

    Attributes
    ----------
    model : Sequential
        The model in training: ``model.stop_training = True`` ends it after this epoch,
        ``model.optimizer.learning_rate`` can be read and set. Not pickled with the callback.
    params : dict
        ``epochs``, ``steps`` (per epoch), ``verbose`` and ``metrics`` (the names that the epochs' logs will
        hold).

    Examples
    --------
    >>> class StopWhenGood(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         if logs["loss"] < 0.1:
    ...             self.model.stop_training = True
    """

    #: Names of the attributes that `get_state` returns.
    _state: tuple[str, ...] = ()
    #: Whether `set_state` was called and no epoch has ended since: a training resumes, nothing is reset.
    _resumes: bool = False

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

    def on_batch_end(self, step: int, logs: Logs | None = None) -> None:
        """Every tenth of a second or so within an epoch; `step` is the number of its steps done so far."""

    def close(self) -> None:
        """Release what is held (a progress bar); the last call of `fit`, after errors and Ctrl-C too."""

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
            If it is the state of another kind of callback.
        """
        if set(state) != set(self._state):
            raise ValueError(
                f"{type(self).__name__}.set_state: expected the keys {sorted(self._state)}, "
                f"got {sorted(state)}"
            )
        for name, value in state.items():
            setattr(self, name, copy.deepcopy(value))
        self._resumes = True

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "model"}


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

    Raises
    ------
    TypeError
        If an item is no Callback (a class instead of an object, for example).
    ValueError
        If an item is there twice.
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Callback] | None,
        model: Any,
        params: Mapping[str, Any],
        then: Iterable[Callback] = (),
    ) -> None:
        given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        for i, callback in enumerate(given):
            if not isinstance(callback, Callback):
                is_class = isinstance(callback, type) and issubclass(callback, Callback)
                got = f"the class {callback.__name__}, not an object of it" if is_class else repr(callback)
                raise TypeError(f"fit: callbacks[{i}] must be a tinynn.callbacks.Callback, got {got}")
            if any(callback is other for other in given[:i]):
                raise ValueError(f"fit: callbacks[{i}] is the same object as an earlier one: {callback!r}")
        self.callbacks: list[Callback] = [*given, *then]
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

    def on_train_begin(self, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_begin(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)
            callback._resumes = False

    def on_batch_end(self, step: int, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_batch_end(step, logs)

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
        for name, callback_state in state.items():
            if name not in names:
                raise ValueError(
                    f"callbacks: the saved state belongs to {name!r} (position and class), but the callbacks "
                    f"are {names}; pass the same ones in the same order to resume"
                )
            self.callbacks[names.index(name)].set_state(callback_state)


class History(Callback):
    """Records what the epochs report; `fit` returns one.

    Attributes
    ----------
    epoch : list of int
        The epochs, counted from 0.
    history : dict of list of float
        Name of a quantity (``loss``, ``val_accuracy``, ``learning_rate``) -> its value after each epoch.
    """

    _state = ("epoch", "history")

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
            _check_known([self.monitor], self.params["metrics"], type(self).__name__, "monitor")
            self._higher_is_better()

    def _current(self, logs: Logs | None) -> float:
        _check_known([self.monitor], logs or {}, type(self).__name__, "monitor")
        return float((logs or {})[self.monitor])

    def _improves(self, value: float, reference: float | None) -> bool:
        higher = self._higher_is_better()
        if reference is None:
            return not math.isnan(value)
        return value > reference + self.min_delta if higher else value < reference - self.min_delta


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
        Epochs that do not improve on it count as epochs without improvement.
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

    _state = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

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
        improves = self._improves(value, self.best)
        if improves:
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
        if improves and (self.baseline is None or self._improves(value, self.baseline)):
            self.wait = 0
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                _say(f"Epoch {epoch + 1}: early stopping, {self.monitor} is no better for {self.wait} epochs")

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)
            if self.verbose:
                _say(f"Weights of the best epoch, {self.best_epoch + 1}, restored")


def _cannot_write(path: str, function: str, error: OSError) -> OSError:
    """Say which callback cannot write where; the subclass (PermissionError, ...) follows from the number."""
    return OSError(error.errno, f"{function}: cannot write {path!r} ({error.strerror}); choose another path")


def check_writable(path: str, function: str) -> None:
    """Make the directory of a file and check that files can be made in it."""
    import tempfile  # slow to import, and only needed here

    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with tempfile.TemporaryFile(dir=os.path.dirname(path) or "."):
            pass
        if os.path.isdir(path):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise _cannot_write(path, function, error) from error


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

    _state = ("best",)

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
            names = [field for field in self._fields if field != "epoch"]
            _check_known(names, self.params["metrics"], "ModelCheckpoint", "filepath's field")
        # with fields the file's name is not known yet, but the directory may be
        check_writable(self._known_path + "0" * bool(self._fields), "ModelCheckpoint")
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
    precision.
    """

    _state = ("columns", "size")

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self.columns: list[str] | None = None
        self.size = 0  # of what is to stay, in bytes
        self._fresh = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        # An old table is only replaced when there is a first line to put in its place. The file is open only
        # while a line is written, so that it is whole at any time.
        with self._open("a"):
            pass
        self._fresh = True
        if not self._resumes:
            self.size = os.path.getsize(self.filename) if self.append else 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row: dict[str, Any] = {"epoch": epoch, **(logs or {})}
        lines = []
        if self._fresh:
            self._fresh = False
            # A training that was killed may have written lines after its last checkpoint: those epochs come again.
            with self._open("a") as file:
                file.truncate(min(self.size, file.tell()))
            header = self._header()
            if header is None:
                lines.append(list(row))
            elif set(header) != set(row):
                raise ValueError(
                    f"CSVLogger: {self.filename!r} has the columns {header}, this training {list(row)}; "
                    "choose another file, or append=False to replace it"
                )
            self.columns = header or list(row)
        lines.append([row.get(name, "") for name in self.columns or ()])
        with self._open("a") as file:
            csv.writer(file, delimiter=self.separator, lineterminator="\n").writerows(lines)
        self.size = os.path.getsize(self.filename)

    def _header(self) -> list[str] | None:
        with self._open("r") as file:
            return next(csv.reader(file, delimiter=self.separator), None)

    def _open(self, mode: str) -> Any:
        try:
            os.makedirs(os.path.dirname(self.filename) or ".", exist_ok=True)
            return open(self.filename, mode, newline="", encoding="utf-8")
        except OSError as error:
            raise _cannot_write(self.filename, "CSVLogger", error) from error


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

    _state = ("epoch",)

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

    _state = ("best", "cooldown_counter", "wait")

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
