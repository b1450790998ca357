"""A pass over data with one plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from tinynn.augmentation import Augmentation
from tinynn.checks import check_count
from tinynn.core.core import Core
from tinynn.engine.job import Job
from tinynn.engine.plan import Plan
from tinynn.io.format import digest
from tinynn.training.arrays import as_sample_weight
from tinynn.training.data import Samples, as_samples_of, is_data_set, targets_for, warn_of_empty_rows

#: A batch size: all samples in one batch.
ALL: Any = object()


class Pass:
    """A pass over data with one plan: it checks the data and makes the job that runs it."""

    def __init__(self, core: Core, kind: str, x: Any, y: Any, batch_size: Any, sample_weight: Any, function: str,
                 finite: bool = True, output: str | None = None) -> None:
        self.core, self.kind, self.function, self.finite = core, kind, function, finite
        batch_size = batch_size if batch_size is ALL else check_count(function, "batch_size", batch_size)
        self.samples: Samples = as_samples_of(x, core.input_shape, function, finite, core.dtype)
        if core.input_shape is None:
            if kind != "train":
                core.built(function)
            core.build(self.samples.sample_shape)
        self.plan: Plan = core.plan(kind, self.samples.sample_shape, output)
        self.n = len(self.samples)
        self.batch_size = self.n if batch_size is ALL else min(batch_size, self.n)
        self.steps = -(-self.n // max(1, self.batch_size))
        self.targets: np.ndarray | None = None
        self.weights: np.ndarray | None = None
        self.warned = False
        self.augmentation: Augmentation | None = None
        if kind == "predict":
            return
        self.prediction_shape = cast(tuple[int, ...], self.plan.program.output.shape)  # a plan knows all sizes
        if sample_weight is not None:
            losses = (self.n, *self.prediction_shape[:-1])
            weights = as_sample_weight(sample_weight, losses, "sample_weight", function, self.plan.dtype)
            if weights.ndim > 1:  # the engine takes one weight per sample, or one per loss
                weights = np.broadcast_to(weights.reshape(weights.shape + (1,) * (len(losses) - weights.ndim)), losses)
            self.weights = np.ascontiguousarray(weights)
        if is_data_set(self.samples.x):
            if y is not None:
                raise ValueError(f"{function}: y must be omitted if x is a data set, which has its own targets")
        else:
            if y is None:
                raise ValueError(f"{function}: y is missing; give the targets of x")
            self.targets = self.check_targets(y)

    def check_targets(self, y: Any) -> np.ndarray:
        """Check the targets and convert them to the form that the engine reads."""
        _, loss = self.core.compiled(self.function)
        targets = targets_for(y, self.n, self.prediction_shape, loss, self.plan.dtype, self.function, self.finite)
        for metric in self.core.metrics:
            metric.check_targets(targets, loss, self.function)
        self.warned = self.warned or warn_of_empty_rows(targets, self.weights, loss, self.function)
        return targets if loss.labels else np.ascontiguousarray(loss.prepare(targets))

    def data_at(self, epoch: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return items, indices and targets of an epoch."""
        items, indices, targets = self.samples.at(epoch)
        if self.kind != "predict" and indices is not None:
            return items, indices, self.check_targets(targets)
        return items, indices, self.targets

    @contextmanager
    def job(self, epoch: int, order: np.ndarray | None = None) -> Iterator[Job]:
        """Make the job of one epoch, with its own arena."""
        items, indices, targets = self.data_at(epoch)
        with self.plan.lease(self.batch_size) as arena:
            job = Job(self.plan, arena, items, indices, self.n, self.batch_size, targets, self.weights, order,
                      self.function)
            if self.augmentation is not None:
                job.set_augmentation(items.shape[1:], vars(self.augmentation), self.core.key, epoch)
            yield job

    def described(self, hashed: bool) -> dict[str, Any]:
        """Describe the data for JSON: their sizes and, if `hashed`, their digests (of a data set: for epoch 0)."""
        record: dict[str, Any] = {"samples": self.n, "sample_shape": list(self.samples.sample_shape)}
        if hashed:
            items, indices, targets = self.data_at(0)
            arrays = {"items": items, "indices": indices, "targets": targets, "weights": self.weights}
            record["arrays"] = {name: {"dtype": array.dtype.name, "shape": list(array.shape),
                                       "sha256": digest({}, {name: array})}
                                for name, array in arrays.items() if array is not None}
        return record
