"""Training many small models at once, each on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

from tinynn.engine.pool import get_num_threads, limit_this_thread
from tinynn.model.arrays import check_count
from tinynn.model.callbacks import History
from tinynn.model.sequential import Sequential

#: Seconds between two looks at whether all models have stopped.
POLL = 0.02


def fit_many(models: Sequence[Sequential], x: Any, y: Any = None, callbacks: Sequence[Any] | None = None,
             workers: int | None = None, **arguments: Any) -> list[History]:
    """Train several models on the same data, as many at a time as there are threads.

    A network too small to keep several threads busy trains on one; many such networks, a sweep over seeds or learning
    rates, keep all of them busy. Each model ends with the same bits as after ``model.fit(x, y, ...)`` alone.

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
    **arguments
        Others of `Sequential.fit`: batch_size, epochs, validation_data, ... Unless `verbose` is given, all is silent.

    Returns
    -------
    list of History
        In the order of the models.

    Raises
    ------
    TypeError, ValueError
        If the models or callbacks do not fit together.
    Exception
        What the first model that failed raised, once all others have ended; a note says which model it was.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> models = [tinynn.Sequential([tinynn.layers.Dense(1)], input_shape=(2,), rng=seed) for seed in range(3)]
    >>> for model in models:
    ...     model.compile("sgd", "mse")
    >>> histories = fit_many(models, np.ones((4, 2), "float32"), np.ones((4, 1)), epochs=5)
    >>> len(histories), len(histories[0].history["loss"])
    (3, 5)
    """
    models = list(models)
    for number, model in enumerate(models):
        if not isinstance(model, Sequential):
            raise TypeError(f"fit_many: models[{number}] must be a Sequential, got {type(model).__name__}")
        first = next(i for i, other in enumerate(models) if other is model)
        if first < number:
            raise ValueError(f"fit_many: models[{number}] is models[{first}] again; give each model once")
    if callbacks is not None and len(callbacks) != len(models):
        raise ValueError(f"fit_many: there are {len(models)} models, but callbacks for {len(callbacks)}")
    for name in ("checkpoint", "resume"):
        if arguments.get(name) is not None:
            raise ValueError(f"fit_many: {name} is one model's file; call fit of each model instead")
    workers = get_num_threads() if workers is None else check_count(workers, "workers", "fit_many")
    arguments = {"verbose": 0, **arguments}

    at_work: set[int] = set()
    interrupted = threading.Event()

    def train(number: int) -> History:
        at_work.add(number)
        try:
            if interrupted.is_set():
                raise CancelledError
            return models[number].fit(x, y, callbacks=() if callbacks is None else callbacks[number], **arguments)
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
            raise error
    return [future.result() for future in futures]
