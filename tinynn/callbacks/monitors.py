"""Callbacks that monitor one quantity."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tinynn.callbacks.base import Callback, Logs, is_count, is_list_of, is_number, is_optional
from tinynn.checks import check_choice, check_count, check_real
from tinynn.names import nearest


def check_known(names: Iterable[str], known: Iterable[str], function: str, argument: str) -> None:
    """Raise ValueError unless all names are known quantities."""
    known = list(known)
    for name in names:
        if name not in known:
            hint = nearest(name, known)
            if name.startswith("val_") and not any(k.startswith("val_") for k in known):
                hint = "; pass validation_data or validation_split to fit to have it"
            raise ValueError(f"{function}: {argument} {name!r} is not among the quantities of this training: "
                             f"{', '.join(known) or 'none'}{hint}")


def say(message: str) -> None:
    """Print a line without breaking a progress bar."""
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(message)
    else:
        print(message, flush=True)


class Monitor(Callback):
    """Base of callbacks that compare one quantity between epochs."""

    _HIGHER = ("acc", "auc", "precision", "recall", "f1", "score")
    _LOWER = ("loss", "error", "crossentropy", "entropy", "divergence", "mse", "mae", "mape", "msle", "rmse")

    def __init__(self, monitor: str, mode: str, min_delta: float, verbose: int) -> None:
        name = type(self).__name__
        check_choice(name, "mode", mode, ("auto", "min", "max"))
        if not isinstance(monitor, str):
            raise TypeError(f"{name}: monitor must be the name of a quantity, got {monitor!r}")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(check_real(name, "min_delta", min_delta))
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
        raise ValueError(f"{type(self).__name__}: cannot tell from its name whether {self.monitor!r} should rise or "
                         "fall; pass mode='max' or mode='min'")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if "metrics" in self.params:
            self._check_at_begin([self.monitor], "monitor")
            self._higher_is_better()

    def _check_at_begin(self, names: Iterable[str], argument: str) -> None:
        """Raise ValueError for unknown quantities, unless a user's callback may still add them."""
        if self._added_before is not None:
            check_known(names, [*self.params["metrics"], *self._added_before], type(self).__name__, argument)

    def _current(self, logs: Logs | None) -> float:
        check_known([self.monitor], logs or {}, type(self).__name__, "monitor")
        return float((logs or {})[self.monitor])

    def _improves(self, value: float, reference: float | None) -> bool:
        higher = self._higher_is_better()
        if reference is None:
            return not math.isnan(value)
        # As in Keras, min_delta goes to the side of value; this decides how 0.6 - 0.2 > 0.4 rounds.
        return value - self.min_delta > reference if higher else value + self.min_delta < reference


class EarlyStopping(Monitor):
    """Stop training when a quantity has stopped improving.

    Parameters
    ----------
    monitor : str
        The quantity: ``"val_loss"``, ``"accuracy"``, ...
    min_delta : float
        Smallest change that counts as an improvement.
    patience : int
        Number of epochs in a row without improvement after which training stops (0 and 1 are equivalent).
    verbose : int
        1 prints a message when training stops.
    mode : {"auto", "min", "max"}
        Whether lower or higher is better; "auto" infers it from the name.
    baseline : float, optional
        `wait` is reset only by an epoch that also improves on this value. Training never stops at an epoch that is the
        best so far.
    restore_best_weights : bool
        Whether to restore the weights of the best epoch at the end of training.
    start_from_epoch : int
        Epochs before this one are ignored.

    Attributes
    ----------
    best : float or None
        The best value so far.
    best_epoch, stopped_epoch : int
        The epoch of the best value, and the epoch at which training stopped (0 if it did not), counted from 0.
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

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0, verbose: int = 0,
                 mode: Literal["auto", "min", "max"] = "auto", baseline: float | None = None,
                 restore_best_weights: bool = False, start_from_epoch: int = 0) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.patience = check_count("EarlyStopping", "patience", patience, minimum=0)
        self.baseline = None if baseline is None else check_real("EarlyStopping", "baseline", baseline)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = check_count("EarlyStopping", "start_from_epoch", start_from_epoch, minimum=0)
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
        if self.best is None:  # all values so far were NaN
            self._keep_weights(epoch)
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                wait = "1 epoch" if self.wait == 1 else f"{self.wait} epochs"
                say(f"Epoch {epoch + 1}: early stopping, {self.monitor} has not improved for {wait}")

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
                say(f"Weights of the best epoch, {self.best_epoch + 1}, restored")
