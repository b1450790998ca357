"""Training many small models concurrently, each in its own thread."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

from tinynn.callbacks.base import Callback
from tinynn.callbacks.history import History
from tinynn.callbacks.progress import label
from tinynn.checks import check_count
from tinynn.engine.pool import get_num_threads, limit_this_thread
from tinynn.model.model import Model
from tinynn.names import nearest

#: After Ctrl-C, seconds between two checks whether all models have stopped.
POLL = 0.02


def fit_many(models: Sequence[Model], x: Any = None, y: Any = None, callbacks: Sequence[Any] | None = None,
             workers: int | None = None, each: Sequence[Mapping[str, Any]] | None = None,
             **arguments: Any) -> list[History]:
    """Train several models concurrently, each on one thread.

    A small network cannot keep several threads busy, but many of them can: a sweep over seeds or learning rates, or
    the folds of a cross-validation. Each model ends with the same bits as after ``model.fit(x, y, ...)``.

    Parameters
    ----------
    models : sequence of Sequential
        The compiled models. No model may occur twice.
    x, y
        The data, as for `Sequential.fit`. They are shared, not copied.
    callbacks : sequence, optional
        The callbacks of each model.
    workers : int, optional
        Number of models to train at a time. The default is `tinynn.get_num_threads()`.
    each : sequence of dict, optional
        For each model, arguments of `Sequential.fit` that override the common ones: ``x`` and ``y`` (a fold),
        ``epochs``, ``validation_data``, ...
    **arguments
        Common arguments of `Sequential.fit`: batch_size, epochs, validation_data, ... `verbose` defaults to 0; other
        values prefix each line with the model's number and name.

    Returns
    -------
    list of History
        One per model, in the same order.

    Raises
    ------
    TypeError, ValueError
        If the models, callbacks or arguments do not fit together.
    Exception
        The error of the first model that failed, raised after all others have ended. A note names the model. The
        attribute ``histories`` of the error holds the History of each model.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> models = [tinynn.Sequential([tinynn.layers.Dense(1)], input_shape=(2,), rng=seed) for seed in range(3)]
    >>> for model in models:
    ...     model.compile("sgd", "mse")
    >>> histories = fit_many(models, np.ones((4, 2), "float32"), np.ones((4, 1)), epochs=5)
    >>> len(histories), len(histories[0].history["loss"])
    (3, 5)
    >>> x, y = np.ones((6, 2), "float32"), np.ones((6, 1))
    >>> folds = [{"x": x[:4], "y": y[:4]}, {"x": x[2:], "y": y[2:]}, {"x": x[::2], "y": y[::2], "epochs": 2}]
    >>> [len(history.epoch) for history in fit_many(models, each=folds, epochs=5)]
    [5, 5, 2]
    """
    models = list(models)
    for number, model in enumerate(models):
        if not isinstance(model, Model):
            raise TypeError(f"fit_many: models[{number}] must be a Sequential, got {type(model).__name__}")
        first = next(i for i, other in enumerate(models) if other is model)
        if first < number:
            raise ValueError(f"fit_many: models[{number}] is the same object as models[{first}]; give each model once")
    for name, of_each in (("callbacks", callbacks), ("each", each)):
        if of_each is not None and len(of_each) != len(models):
            raise ValueError(f"fit_many: {name} must have one entry per model ({len(models)}), got {len(of_each)}")
    merged = [{"verbose": 0, **arguments, "x": x, "y": y, "callbacks": callbacks[number] if callbacks else ()}
              for number in range(len(models))]
    for number, more in enumerate(each or ()):
        if not isinstance(more, Mapping):
            raise TypeError(f"fit_many: each[{number}] must be a dict of arguments of fit, got {type(more).__name__}")
        merged[number].update(more)
    known = inspect.signature(Model.fit).parameters
    for number, given in enumerate(merged):
        for name in given:
            if name not in known:
                where = f"each[{number}]" if each is not None and name in each[number] else "arguments"
                raise TypeError(f"fit_many: {where}: fit has no argument {name!r}{nearest(name, known)}")
        for name in ("checkpoint", "resume"):
            if given.get(name) is not None:
                raise ValueError(f"fit_many: {name} must be None: a file holds one model; call fit for each model")
    _check_callbacks([given["callbacks"] for given in merged])
    workers = get_num_threads() if workers is None else check_count("fit_many", "workers", workers)

    running: set[int] = set()
    interrupted = threading.Event()

    def train(number: int) -> History:
        running.add(number)
        try:
            if interrupted.is_set():
                raise CancelledError
            label.set(f"models[{number}] {models[number].name}: ")  # only in this thread's context
            return models[number].fit(**merged[number])
        finally:
            running.remove(number)

    with ThreadPoolExecutor(workers, "fit_many", initializer=limit_this_thread, initargs=(1,)) as pool:
        try:
            futures = [pool.submit(train, number) for number in range(len(models))]
            errors = [future.exception() for future in futures]
        except BaseException:  # Ctrl-C: start no further model; stop the running ones after their current step
            interrupted.set()
            pool.shutdown(wait=False, cancel_futures=True)
            while running:  # repeatedly, because a fit that is just starting resets stop_training
                for model in models:
                    model.stop_training = True
                time.sleep(POLL)
            raise
    for number, error in enumerate(errors):
        if error is not None:
            error.add_note(f"fit_many: this was models[{number}]")
            error.histories = [model.history for model in models]  # type: ignore[attr-defined]
            raise error
    return [future.result() for future in futures]


def _check_callbacks(given: Sequence[Any]) -> None:
    """Raise ValueError if two models share a callback with state: one would influence the other."""
    first: dict[int, int] = {}
    for number, callbacks in enumerate(given):
        for callback in [callbacks] if isinstance(callbacks, Callback) else callbacks or ():
            if getattr(callback, "_state", None) and first.setdefault(id(callback), number) != number:
                raise ValueError(f"fit_many: models[{first[id(callback)]}] and models[{number}] share one "
                                 f"{type(callback).__name__}; give each model its own callbacks")
