"""Steps on one small batch after the other: what the calls before have found out is not looked at again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from tinynn.engine.job import Job
from tinynn.engine.network import view
from tinynn.engine.plan import Plan
from tinynn.engine.predictor import BatchTrainer
from tinynn.model import losses
from tinynn.model.metrics import Metric

if TYPE_CHECKING:
    from tinynn.model.layer import Layer
    from tinynn.model.sequential import Sequential

#: Losses whose targets are only converted, and checked to be finite or labels; those of the last two are numbers, which
#: have no accuracy.
PLAIN = (losses.SparseCategoricalCrossentropy, losses.BinaryCrossentropy, losses.MeanSquaredError,
         losses.HalfSquaredError)


class Batches:
    """Jobs that do one training step each, for a model as it is now: its optimizer, its states, its frozen layers.

    Parameters
    ----------
    model : Sequential
        The model, compiled and built.
    plan : Plan
        Its plan for training.
    sample_shape : tuple of int
        Shape of one sample.
    layers : sequence of Layer
        All its layers, inner ones too.
    start : callable
        ``start(job, model, plan, steps)`` makes a job train.
    """

    def __init__(self, model: Sequential, plan: Plan, sample_shape: Sequence[int], layers: Sequence[Layer],
                 start: Callable[..., Any]) -> None:
        self.plan, self.start, self.layers = plan, start, layers
        prediction = cast(tuple[int, ...], plan.program.output.shape)  # a plan knows all sizes
        labels = model.loss.labels
        self.trainer = BatchTrainer(plan, sample_shape, prediction[:-1] if labels else prediction,
                                    prediction[-1] if labels else 0)
        self.optimizer, self.version, self.states = model.optimizer, model.optimizer.version, model._states
        self.trainable = [model.trainable, *(layer.trainable for layer in layers)]
        self.frozen = [view(model.gradients, parameter) for parameter in model._parameters.values()
                       if parameter.path not in plan.learning]

    @staticmethod
    def serve(model: Sequential) -> bool:
        """Whether the model's targets need no closer look than a `BatchTrainer` takes."""
        looks = [metric for metric in model.metrics if type(metric).check_targets is not Metric.check_targets]
        return type(model.loss) in PLAIN and not (looks and type(model.loss) in PLAIN[2:])

    def fit(self, model: Sequential) -> bool:
        """Whether the model is still as it was."""
        return (self.optimizer is model._optimizer and self.version == self.optimizer.version
                and self.states is model._states
                and self.trainable == [model.trainable, *[layer.trainable for layer in self.layers]])

    def step(self, model: Sequential, x: Any, y: Any, update: bool) -> tuple[Job, int] | None:
        """Do a step; returns its job and why that ended, or None if the batch needs a closer look."""
        job = self.trainer.job(x, y)
        if job is None:
            return None
        if not job.trains:
            self.start(job, model, self.plan, 1)
        for gradient in self.frozen:
            gradient[...] = 0
        rate = self.optimizer.learning_rate
        if type(rate) is not float or not 0 <= rate < math.inf:
            rate = self.optimizer.rates(model._iteration, 1)[0]
        try:
            return job, job.train_batch(model._iteration, rate, update)
        finally:  # also after Ctrl-C: an update that was done counts
            if update:
                model._iteration += job.next_step

