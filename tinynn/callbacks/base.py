"""What a callback is: the methods that training calls, with Keras' names and arguments.

``logs`` is one dict per epoch, name of a quantity -> float, shared by all callbacks: what one adds (a learning rate)
is seen by the later ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tinynn.checks import shortened

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
