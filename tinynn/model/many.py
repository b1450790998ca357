"""Training many small models at once, each on a thread of its own."""

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
from tinynn.checks import check_count, nearest
from tinynn.engine.pool import get_num_threads, limit_this_thread
from tinynn.model.model import Model

#: Seconds between two looks at whether all models have stopped.
POLL = 0.02


def fit_many(models: Sequence[Model], x: Any = None, y: Any = None, callbacks: Sequence[Any] | None = None,
             workers: int | None = None, each: Sequence[Mapping[str, Any]] | None = None,
             **arguments: Any) -> list[History]:
    """Train several models, as many at a time as there are threads.

    A network too small to keep several threads busy trains on one; many such networks, a sweep over seeds or learning
    rates, or the folds of a cross-validation, keep all of them busy. Each model ends with the same bits as after
    ``model.fit(x, y, ...)`` alone.

    Parameters
    ----------
    models : sequence of Sequential
        The models, compiled; each once.
    x, y
        The data, as for `Sequential.fit`. They are shared, not copied.
    callbacks : sequence, optional
        For each model its callbacks.
    workers : int, optional
        How many models train at a time; None: `tinynn.get_num_threads()`.
    each : sequence of dict, optional
        For each model, arguments of `Sequential.fit` in place of those for all: its own ``x`` and ``y`` (a fold),
        ``epochs``, ``validation_data``, ...
    **arguments
        Others of `Sequential.fit`: batch_size, epochs, validation_data, ... Unless `verbose` is given, all is silent;
        with it, the lines of a model begin with its number and name.

    Returns
    -------
    list of History
        In the order of the models.

    Raises
    ------
    TypeError, ValueError
        If the models, callbacks or arguments do not fit together.
    Exception
        What the first model that failed raised, once all others have ended; a note says which model it was. Its
        attribute ``histories`` holds for each model what it has recorded, as do the models' attributes ``history``.

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
            raise ValueError(f"fit_many: models[{number}] is models[{first}] again; give each model once")
    for name, of_each in (("callbacks", callbacks), ("each", each)):
        if of_each is not None and len(of_each) != len(models):
            raise ValueError(f"fit_many: there are {len(models)} models, but {name} for {len(of_each)}")
    own = [dict(arguments, x=x, y=y, callbacks=() if callbacks is None else callbacks[number],
                **({} if "verbose" in arguments else {"verbose": 0})) for number in range(len(models))]
    for number, more in enumerate(each or ()):
        if not isinstance(more, Mapping):
            raise TypeError(f"fit_many: each[{number}] must be a dict of arguments of fit, got {type(more).__name__}")
        own[number].update(more)
    known = inspect.signature(Model.fit).parameters
    for number, given in enumerate(own):
        for name in given:
            if name not in known:
                where = f"each[{number}]" if each is not None and name in each[number] else "arguments"
                raise TypeError(f"fit_many: {where}: fit has no argument {name!r}{nearest(name, known)}")
        for name in ("checkpoint", "resume"):
            if given.get(name) is not None:
                raise ValueError(f"fit_many: {name} is one model's file; call fit of each model instead")
    _check_callbacks([given["callbacks"] for given in own])
    workers = get_num_threads() if workers is None else check_count("fit_many", "workers", workers)

    at_work: set[int] = set()
    interrupted = threading.Event()

    def train(number: int) -> History:
        at_work.add(number)
        try:
            if interrupted.is_set():
                raise CancelledError
            label.set(f"models[{number}] {models[number].name}: ")  # in the context of this thread alone
            return models[number].fit(**own[number])
        finally:
            at_work.remove(number)

    with ThreadPoolExecutor(workers, "fit_many", initializer=limit_this_thread, initargs=(1,)) as pool:
        try:
            futures = [pool.submit(train, number) for number in range(len(models))]
            errors = [future.exception() for future in futures]
        except BaseException:  # Ctrl-C: what has not begun does not, what runs ends after its step
            interrupted.set()
            pool.shutdown(wait=False, cancel_futures=True)
            while at_work:  # said again and again, for a fit that is just beginning clears it
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
    """Raise ValueError if a callback that remembers is to watch two models: one would decide about the other."""
    first: dict[int, int] = {}
    for number, callbacks in enumerate(given):
        for callback in [callbacks] if isinstance(callbacks, Callback) else callbacks or ():
            if getattr(callback, "_state", None) and first.setdefault(id(callback), number) != number:
                raise ValueError(f"fit_many: the {type(callback).__name__} of models[{number}] is that of "
                                 f"models[{first[id(callback)]}], too; give each model callbacks of its own")
