"""The base class of callbacks: hooks with Keras' names and arguments.

``logs`` maps the name of a quantity to a float. All callbacks share the dict of an epoch: what one adds to it (the
learning rate, for example), later ones see.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tinynn.checks import shortened

Logs = dict[str, float]


def is_number(value: Any) -> bool:
    """Whether it is a real number, including NaN and infinity."""
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
    """Make a check that also accepts None."""
    return lambda value: value is None or check(value)


def is_list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Make a check for a list whose items all pass the given check."""
    return lambda value: isinstance(value, list) and all(map(check, value))


class Callback:
    """Base class of callbacks. Override the hooks that you need.

    Attributes
    ----------
    model : Sequential
        The model. ``model.stop_training = True`` stops training after the current step or epoch.
        ``model.optimizer.learning_rate`` can be read and set. Not pickled with the callback.
    params : dict
        ``epochs``, ``steps`` (per epoch), ``verbose`` and ``metrics`` (the names of the quantities in an epoch's logs).
    adds : tuple of str
        Names of the quantities that this callback adds to an epoch's logs. Later callbacks can monitor them.

    Notes
    -----
    Training runs for about a tenth of a second at a time without Python. If a callback overrides a batch hook, training
    returns to Python after each batch, which costs a few microseconds per step. A learning rate set in a batch hook
    applies from the next step. A method ``on_...`` that is not one of the hooks is an error.

    Examples
    --------
    >>> class StopWhenGood(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         if logs["loss"] < 0.1:
    ...             self.model.stop_training = True
    """

    #: The attributes that make up the state, each with the check of its value in `set_state`.
    _state: Mapping[str, Callable[[Any], bool]] = {}
    #: Whether `set_state` was called and no epoch has ended since. Then `on_train_begin` resets nothing.
    _resumes: bool = False
    #: The quantities that earlier callbacks add to the logs; None if unknown.
    _added_before: tuple[str, ...] | None = ()

    adds: tuple[str, ...] = ()
    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Set the model. `fit` calls this first."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Set `params`. `fit` calls this after `set_model`."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch. The best place to check arguments."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch, also after an early stop, but not after an error."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before each epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after each epoch and its validation. `logs` holds the epoch's quantities."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each step of an epoch, counted from 0."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each step of an epoch. `logs` holds the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Alias of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Alias of `on_train_batch_end`."""

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        """Called about every tenth of a second during an epoch. `step` is the number of its steps done so far."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before `evaluate` and before the validation of an epoch."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after `evaluate` and after a validation. `logs` holds loss and metrics."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of an evaluation, counted from 0."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of an evaluation. `logs` holds the means so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before each batch of a prediction, counted from 0."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after each batch of a prediction. ``logs["outputs"]`` holds its predictions."""

    def close(self) -> None:
        """Release resources, such as a progress bar. `fit` calls this last, also after errors and Ctrl-C."""

    def _on_divergence(self) -> None:
        """Called before `fit` raises the error of a loss that is not finite."""

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint: a dict of numbers, strings, None, lists, dicts and NumPy arrays.

        Override this if later calls depend on earlier ones. When a training resumes, `on_train_begin` is called again,
        and so is `on_epoch_begin` if it was interrupted within an epoch. Then the states of model, optimizer and
        callbacks are restored.
        """
        return {name: copy.deepcopy(getattr(self, name)) for name in self._state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state from `get_state`, before a training or just after it has begun.

        Raises
        ------
        ValueError
            If the keys are those of another class of callback, or if a value is invalid. Nothing changes in that case.
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


#: The names of the hooks.
HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
