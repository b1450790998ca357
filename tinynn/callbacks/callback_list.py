"""The list of callbacks of a training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinynn.callbacks.base import HOOKS, Callback, Logs
from tinynn.names import nearest


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether a callback overrides a hook."""
    method = getattr(callback, hook)
    return getattr(method, "__func__", method) is not getattr(Callback, hook)


class CallbackList(Callback):
    """Calls several callbacks in order. As a context manager, it closes them all at the end.

    Parameters
    ----------
    callbacks : Callback or iterable of Callback
        The callbacks that the user passed to `fit`.
    model : Sequential
        The model.
    params : dict
        See `Callback.params`.
    then : iterable of Callback
        Called after the user's: Progress, History.
    function : str
        The function that the user called, for errors.

    Raises
    ------
    TypeError
        If an item is not a Callback (a class instead of an object, for example).
    ValueError
        If an item occurs twice, or has a method ``on_...`` that is not a hook.
    """

    def __init__(self, callbacks: Callback | Iterable[Callback] | None, model: Any, params: Mapping[str, Any],
                 then: Iterable[Callback] = (), function: str = "fit") -> None:
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
            # A user's callback may add any quantity to the logs.
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
        """Whether a callback overrides a batch hook of this kind: train, test or predict."""
        hooks = [f"on_{kind}_batch_begin", f"on_{kind}_batch_end"]
        if kind == "train":
            hooks += ["on_batch_begin", "on_batch_end"]
        return any(_overrides(callback, hook) for callback in self._given for hook in hooks)

    def progress_is_due(self) -> bool:
        """Whether a tenth of a second has passed since this last returned True; for training batch by batch."""
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
        """Return the states of all callbacks that have one, by "position ClassName"."""
        states = {f"{i} {type(c).__name__}": c.get_state() for i, c in enumerate(self.callbacks)}
        return {name: state for name, state in states.items() if state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the states from `get_state` of a list with the same callbacks in the same order."""
        names = [f"{i} {type(c).__name__}" for i, c in enumerate(self.callbacks)]
        for name in state:
            if name not in names:
                raise ValueError(f"callbacks: the saved state belongs to {name!r} (position and class), but the "
                                 f"callbacks are {names}; pass the same ones in the same order to resume")
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
    """Raise ValueError if a callback has a method ``on_...`` that is not a hook."""
    for name in dir(callback):
        if name.startswith("on_") and name not in HOOKS and callable(getattr(callback, name)):
            raise ValueError(f"{where}: {type(callback).__name__} has the method {name!r}, which is never called; "
                             f"methods that are: {', '.join(HOOKS)}{nearest(name, HOOKS)}")
