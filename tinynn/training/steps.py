"""Runs the steps of a job: their arguments, their slices, and the errors that end them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynn.checks import warn
from tinynn.core.core import Core
from tinynn.engine.graph import view
from tinynn.engine.job import DONE, FAILED, NOT_FINITE, Job
from tinynn.engine.memory import aligned, aligned_copy
from tinynn.engine.plan import Plan
from tinynn.kernels import op as ops
from tinynn.optimizers import AVERAGE

#: No limit on the steps of a slice: only the clock ends it.
UNLIMITED = 2**31 - 1


def start(job: Job, core: Core, plan: Plan, steps: int, update: bool = True) -> NDArray[np.float64]:
    """Configure a job to train, or only to compute gradients. The number of earlier updates seeds its random numbers.

    Returns the learning rates of its steps. Writing into this array changes the rates of later steps.
    """
    assert core.optimizer is not None and core.gradients is not None
    iteration = core.iteration - job.next_step
    for parameter in core.parameters.values():  # clear old gradients of frozen parameters
        if parameter.path not in plan.learning:
            view(core.gradients, parameter)[...] = 0
    if not update:
        job.set_gradients(core.key, iteration)
        return np.empty(0)
    rates: NDArray[np.float64] = core.optimizer.rates(iteration, steps)
    job.set_training(ops.registered[core.optimizer.rule], core.optimizer.configuration(), rates, iteration,
                     optimizer_states(core), core.key, core.optimizer.limits())
    return rates


def optimizer_states(core: Core) -> list[NDArray[Any]]:
    """Return the optimizer's state vectors in the order of `Optimizer.states`; make missing ones."""
    assert core.optimizer is not None
    weights = core.built("fit")
    names = core.optimizer.states()
    new = [name for name in names if name not in core.states]
    if new and core.iteration:
        warn(f"the options of {type(core.optimizer).__name__} have changed since its last step; these start from "
             f"scratch: {', '.join(new)}")
    for name in new:
        core.states[name] = aligned_copy(weights) if name == AVERAGE else aligned(weights.size, core.dtype, np.zeros)
    for name in core.states.keys() - set(names):
        del core.states[name]
    return [core.states[name] for name in names]


def run(job: Job, function: str, after_slice: Callable[[], bool] | None = None,
        limit: Callable[[], int] = lambda: UNLIMITED) -> None:
    """Run a job to its end in slices of a tenth of a second or `limit` steps, whichever is shorter.

    Between slices, Ctrl-C and callbacks are handled. `after_slice` returns whether to stop.
    """
    while True:
        reason = job.run(limit())
        check_reason(job, reason, function)
        if (after_slice is not None and after_slice()) or reason == DONE:
            return


def check_reason(job: Job, reason: int, function: str) -> None:
    """Raise the error that ended a job early, if any."""
    if reason == FAILED:
        raise job.python_error() or RuntimeError(f"{function}: an op written in Python failed")
    if reason == NOT_FINITE:
        raise FloatingPointError(
            f"{function}: the loss became {job.last_loss} in step {job.next_step + 1}; NaN or infinity first "
            f"appeared in {job.first_not_finite()}. The model keeps its weights from before this step; try a smaller "
            "learning rate")


def logs_of(job: Job, core: Core) -> dict[str, float]:
    """Return mean loss and metrics of the samples so far."""
    return dict(zip(["loss", *core.metric_names()], job.means(), strict=True))


@contextmanager
def undone_on_failure(core: Core) -> Iterator[None]:
    """Undo the building of a core if the block raises, for example because the data do not fit."""
    was_built = core.input_shape is not None
    try:
        yield
    except BaseException:
        if not was_built:
            core.unbuild()
        raise
