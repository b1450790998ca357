"""Callbacks that set the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from tinynn.callbacks.base import Callback, Logs, is_count, is_number, is_optional
from tinynn.callbacks.monitors import Monitor, say
from tinynn.checks import check_count, check_real


def _learning_rate(model: Any, function: str) -> float:
    rate = model.optimizer.learning_rate
    try:
        return check_real(function, "learning_rate", rate)
    except TypeError:
        raise TypeError(f"{function}: the learning rate follows a schedule ({rate!r}), which decides for every step; "
                        "compile with a number, or leave this callback out") from None


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch, and logs it.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate) -> float`` or ``schedule(epoch) -> float``, with the epoch counted from 0.
    verbose : int
        1 prints the learning rate.
    """

    _state = {"epoch": is_optional(is_count)}
    adds = ("learning_rate",)

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        import inspect  # only now: import time counts

        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be callable, got {type(schedule).__name__}")
        self.schedule = schedule
        self.verbose = verbose
        self.epoch: int | None = None  # the epoch whose rate is set
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
        new = check_real("LearningRateScheduler", f"schedule({epoch})", new, minimum=0)
        self.model.optimizer.learning_rate = new
        if self.verbose:
            say(f"Epoch {epoch + 1}: learning rate {new:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = _learning_rate(self.model, "LearningRateScheduler")


class ReduceLROnPlateau(Monitor):
    """Reduces the learning rate when a quantity has stopped improving, and logs it.

    Parameters
    ----------
    monitor : str
        The quantity: ``"val_loss"``, ``"accuracy"``, ...
    factor : float
        Factor by which to multiply the learning rate, in (0, 1).
    patience : int
        Number of epochs in a row without improvement after which the rate is reduced (0 and 1 are equivalent).
    verbose : int
        1 prints a message at each reduction.
    mode : {"auto", "min", "max"}
        Whether lower or higher is better; "auto" infers it from the name.
    min_delta : float
        Smallest change that counts as an improvement.
    cooldown : int
        Number of epochs after a reduction in which a lack of improvement does not count.
    min_lr : float
        Lower bound of the learning rate.
    """

    _state = {"best": is_optional(is_number), "cooldown_counter": is_count, "wait": is_count}
    adds = ("learning_rate",)

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0,
                 mode: Literal["auto", "min", "max"] = "auto", min_delta: float = 1e-4, cooldown: int = 0,
                 min_lr: float = 0.0) -> None:
        super().__init__(monitor, mode, min_delta, verbose)
        self.factor = check_real("ReduceLROnPlateau", "factor", factor, above=0, below=1)
        self.patience = check_count("ReduceLROnPlateau", "patience", patience, minimum=0)
        self.cooldown = check_count("ReduceLROnPlateau", "cooldown", cooldown, minimum=0)
        self.min_lr = check_real("ReduceLROnPlateau", "min_lr", min_lr, minimum=0)
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
                say(f"Epoch {epoch + 1}: {self.monitor} is on a plateau, learning rate lowered to {new:g}")
