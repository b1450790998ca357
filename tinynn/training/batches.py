"""Single training steps: the general path, and a fast path for further small batches of the same form."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from tinynn.core.core import Core
from tinynn.engine.graph import view
from tinynn.engine.job import Job, apply_update
from tinynn.engine.plan import Plan
from tinynn.engine.predictor import BatchTrainer
from tinynn.kernels import op as ops
from tinynn.layers.chain import with_inner
from tinynn.losses import Loss
from tinynn.metrics import Metric
from tinynn.training.data import is_data_set
from tinynn.training.passes import ALL, Pass
from tinynn.training.steps import check_reason, optimizer_states, run, start, undone_on_failure


def step(core: Core, function: str, x: Any, y: Any, sample_weight: Any, update: bool) -> list[float]:
    """Train one step on one batch, or only compute its gradient; return loss and metrics."""
    core.compiled(function)
    lock = core.lock.taken(function)
    try:
        batches: Batches | None = core.derived.get("batches")
        if batches is not None and sample_weight is None and batches.is_current(core):
            done = batches.step(core, x, y, update)
            if done is not None:
                job, reason = done
                check_reason(job, reason, function)
                core.last_gradient_plan = batches.plan
                return job.means()
        return _general_step(core, function, x, y, sample_weight, update)
    finally:
        lock.release()


def _general_step(core: Core, function: str, x: Any, y: Any, sample_weight: Any, update: bool) -> list[float]:
    """The general path: it checks all arguments, then prepares the fast path for the next batches."""
    with undone_on_failure(core):
        work = Pass(core, "train", x, y, ALL, sample_weight, function)
    with work.job(0) as job:
        start(job, core, work.plan, 1, update)
        try:
            run(job, function)
        finally:  # after Ctrl-C, too: count an update that was done
            if update:
                core.iteration += job.next_step
        core.last_gradient_plan = work.plan
        if Batches.supports(core) and not is_data_set(x):
            core.derived["batches"] = Batches(core, work.plan, work.samples.sample_shape)
        return job.means()


def apply_gradients(core: Core) -> None:
    """Update the weights with the gradients. See `tinynn.Sequential.apply_gradients`."""
    optimizer, _ = core.compiled("apply_gradients")
    plan = core.last_gradient_plan
    if plan is None:
        raise ValueError("apply_gradients: there are no gradients; call compute_gradients first")
    with core.lock.held("apply_gradients"):
        done: list[bool] = []
        try:
            apply_update(ops.registered[optimizer.rule], optimizer.configuration(),
                         float(optimizer.rates(core.iteration, 1)[0]), core.iteration, optimizer_states(core),
                         optimizer.limits(), plan, done)
        finally:  # after Ctrl-C, too, as in _general_step
            core.iteration += len(done)


class Batches:
    """The fast path: jobs of one training step each, valid while the core's optimizer and frozen layers are the same.

    Parameters
    ----------
    core : Core
        A compiled and built core.
    plan : Plan
        Its training plan.
    sample_shape : tuple of int
        Shape of one sample.
    """

    def __init__(self, core: Core, plan: Plan, sample_shape: tuple[int, ...]) -> None:
        self.plan, self.layers = plan, list(with_inner(core.layers))
        prediction = cast(tuple[int, ...], plan.program.output.shape)  # a plan knows all sizes
        self.optimizer, loss = core.compiled("train_on_batch")
        self.trainer = BatchTrainer(plan, sample_shape, prediction[:-1] if loss.labels else prediction,
                                    prediction[-1] if loss.labels else 0)
        self.version, self.states = self.optimizer.version, core.states
        self.trainable = [core.trainable, *(layer.trainable for layer in self.layers)]
        gradients = cast(np.ndarray, core.gradients)
        self.frozen = [view(gradients, parameter) for parameter in core.parameters.values()
                       if parameter.path not in plan.learning]

    @staticmethod
    def supports(core: Core) -> bool:
        """Whether the checks of `BatchTrainer` suffice for the targets of the core's loss and metrics."""
        _, loss = core.compiled("train_on_batch")
        plain = loss.spec().python is None and type(loss).prepare is Loss.prepare
        if not plain or (loss.categorical and not loss.labels):  # rows may sum to 0
            return False
        return not loss.regression or all(type(metric).check_targets is Metric.check_targets for metric in core.metrics)

    def is_current(self, core: Core) -> bool:
        """Whether the core's optimizer, its state and the frozen layers are unchanged."""
        return (self.optimizer is core.optimizer and self.version == self.optimizer.version
                and self.states is core.states
                and self.trainable == [core.trainable, *[layer.trainable for layer in self.layers]])

    def step(self, core: Core, x: Any, y: Any, update: bool) -> tuple[Job, int] | None:
        """Train one step; return its job and the reason why it ended. None: the batch needs the general path."""
        job = self.trainer.job(x, y)
        if job is None:
            return None
        if not job.trains:
            start(job, core, self.plan, 1)
        for gradient in self.frozen:
            gradient[...] = 0
        rate = self.optimizer.learning_rate
        if type(rate) is not float or not 0 <= rate < math.inf:
            rate = self.optimizer.rates(core.iteration, 1)[0]
        try:
            return job, job.train_batch(core.iteration, rate, update)
        finally:  # after Ctrl-C, too: count an update that was done
            if update:
                core.iteration += job.next_step
