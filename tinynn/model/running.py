"""Training, evaluation and prediction: what stands between the model and the engine's jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.engine.plan import DONE, FAILED, NOT_FINITE, Job, Plan, apply_update, shuffled
from tinynn.kernels import op as ops
from tinynn.model.arrays import (
    as_sample_weight,
    as_samples,
    check_count,
    check_real,
    class_weight_to_sample_weight,
    split_validation,
)
from tinynn.model.callbacks import CallbackList, History
from tinynn.model.data import Samples, as_samples_of, is_data_set, targets_for
from tinynn.model.progress import Progress, check_verbose, describe

if TYPE_CHECKING:
    from tinynn.model.sequential import Sequential


class Pass:
    """One pass over data with one plan: the data checked, and the job that runs it."""

    def __init__(self, model: Sequential, kind: str, x: Any, y: Any, batch_size: Any, sample_weight: Any, function: str,
                 finite: bool = True, output: str | None = None) -> None:
        self.model, self.kind, self.function, self.finite = model, kind, function, finite
        self.batch_size = check_count(batch_size, "batch_size", function)
        self.samples: Samples = as_samples_of(x, model.input_shape, function, finite)
        if model.input_shape is None:
            if kind != "train":
                model._require_built(function)
            model.build(self.samples.sample_shape)
        self.plan: Plan = model._plan(kind, self.samples.sample_shape, output)
        self.n = len(self.samples)
        self.targets: np.ndarray | None = None
        self.weights: np.ndarray | None = None
        if kind == "predict":
            return
        self.prediction_shape = self.plan.program.output.shape
        if is_data_set(self.samples.x):
            if y is not None:
                raise ValueError(f"{function}: y must be left out when x is a data set, which holds its targets itself")
        else:
            if y is None:
                raise ValueError(f"{function}: y is missing; give the targets of x")
            self.targets = self.check_targets(y)
        if sample_weight is not None:
            self.weights = np.ascontiguousarray(
                as_sample_weight(sample_weight, (self.n, *self.prediction_shape[:-1]), "sample_weight", function))

    def check_targets(self, y: Any) -> np.ndarray:
        return targets_for(y, self.n, self.prediction_shape, self.model.loss, self.plan.dtype, self.function, self.finite)

    def data_at(self, epoch: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Items, indices and targets of an epoch."""
        items, indices, targets = self.samples.at(epoch)
        if self.kind != "predict" and indices is not None:
            return items, indices, self.check_targets(targets)
        return items, indices, self.targets

    @contextmanager
    def job(self, epoch: int, order: np.ndarray | None = None) -> Iterator[Job]:
        """The job of one epoch, with an arena of its own."""
        items, indices, targets = self.data_at(epoch)
        with self.plan.lease(min(self.batch_size, self.n)) as arena:
            yield Job(self.plan, arena, items, indices, self.n, self.batch_size, targets, self.weights, order)


def run(job: Job, model: Sequential, function: str, after_slice: Callable[[], bool] | None = None) -> None:
    """Run a job to its end, a tenth of a second at a time, so that Ctrl-C and callbacks come through."""
    while True:
        reason = job.run()
        if reason == FAILED:
            raise job.python_error() or RuntimeError(f"{function}: an op written in Python failed")
        if reason == NOT_FINITE:
            raise FloatingPointError(
                f"{function}: the loss became {job.last_loss} in step {job.next_step + 1}; it began in "
                f"{job.first_not_finite()}. The model keeps its weights from before this step; try a smaller "
                "learning rate")
        if (after_slice is not None and after_slice()) or reason == DONE:
            return


def logs_of(job: Job, model: Sequential, prefix: str = "") -> dict[str, float]:
    """Mean loss and metrics of the samples so far."""
    totals = job.totals
    names = ["loss", *metric_names(model)]
    return {prefix + name: float(total / totals[0]) if totals[0] else float("nan")
            for name, total in zip(names, totals[1:], strict=True)}


def metric_names(model: Sequential) -> list[str]:
    """The metrics' keys in History: a class of your own goes by its name."""
    return [metric.name or metric.__class__.__name__ for metric in model.metrics]


@contextmanager
def exclusive(model: Sequential, function: str) -> Iterator[None]:
    """The right to change the model's weights."""
    if not model._training.acquire(blocking=False):
        raise RuntimeError(f"{function}: this model is being trained by another thread; train a copy, or wait")
    try:
        yield
    finally:
        model._training.release()


def optimizer_states(model: Sequential) -> list[np.ndarray]:
    """The optimizer's vectors, zero before the first step."""
    if not model._states:
        model._states = [np.zeros_like(model.parameters) for _ in range(model.optimizer.states())]
    return model._states


def start(job: Job, model: Sequential, epoch: int, steps: int, update: bool = True) -> None:
    """Make a job train, or only compute gradients."""
    if not update:
        job.train(None, (), None, model._iteration, [], model._key, epoch, update=False)
        return
    job.train(ops.registered[model.optimizer.rule], model.optimizer.configuration(),
              model.optimizer.rates(model._iteration, steps), model._iteration, optimizer_states(model), model._key,
              epoch)


def fit(model: Sequential, x: Any, y: Any, batch_size: Any, epochs: Any, verbose: Any, callbacks: Any,
        validation_split: Any, validation_data: Any, shuffle: bool, class_weight: Any, sample_weight: Any,
        initial_epoch: Any, finite: bool) -> History:
    """See `Sequential.fit`."""
    model._require_compiled("fit")
    epochs = check_count(epochs, "epochs", "fit")
    initial_epoch = check_count(initial_epoch, "initial_epoch", "fit", minimum=0)
    verbose = check_verbose(verbose)
    fraction = check_real(validation_split, "validation_split", "fit", minimum=0, below=1)
    if class_weight is not None and sample_weight is not None:
        raise ValueError("fit: give class_weight or sample_weight, not both")
    if fraction > 0:
        if validation_data is not None:
            raise ValueError("fit: give validation_split or validation_data, not both")
        if is_data_set(x):
            raise ValueError("fit: validation_split splits arrays; give a second data set as validation_data")
        x, y, weight = (None if a is None else as_samples(a, name, "fit") if name == "x" else np.asarray(a)
                        for name, a in (("x", x), ("y", y), ("sample_weight", sample_weight)))
        (x, y, sample_weight), validation_data = split_validation(x, y, weight, fraction)
    with exclusive(model, "fit"):
        training = Pass(model, "train", x, y, batch_size, sample_weight, "fit", finite)
        if class_weight is not None:
            if training.targets is None:
                raise ValueError("fit: class_weight needs y; a data set holds its targets itself")
            training.weights = class_weight_to_sample_weight(class_weight, np.asarray(y))
        validation = None if validation_data is None else _validation(model, validation_data, batch_size, finite)
        return _epochs(model, training, validation, initial_epoch, epochs, verbose, callbacks, shuffle)


def _validation(model: Sequential, data: Any, batch_size: Any, finite: bool) -> Pass:
    if is_data_set(data):
        return Pass(model, "evaluate", data, None, batch_size, None, "fit", finite)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("fit: validation_data must be (x, y), (x, y, sample_weight) or a data set, got "
                         f"{type(data).__name__}")
    x, y, weight = (*data, None)[:3]
    return Pass(model, "evaluate", x, y, batch_size, weight, "fit: validation_data", finite)


def _epochs(model: Sequential, training: Pass, validation: Pass | None, initial_epoch: int, epochs: int, verbose: int,
            callbacks: Any, shuffle: bool) -> History:
    history = History()
    steps = -(-training.n // training.batch_size)
    names = ["loss", *metric_names(model)]
    parameters = {"epochs": epochs, "steps": steps, "verbose": verbose,
                  "metrics": names + [f"val_{name}" for name in names if validation is not None]}
    model.stop_training = False
    with CallbackList(callbacks, model, parameters, then=[Progress(verbose), history]) as calls:
        calls.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            calls.on_epoch_begin(epoch)
            logs = _train_epoch(model, training, epoch, steps, shuffle, calls)
            if validation is not None:
                with validation.job(0) as job:
                    run(job, model, "fit")
                    logs.update(logs_of(job, model, "val_"))
            calls.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        calls.on_train_end()
    return history


def _train_epoch(model: Sequential, training: Pass, epoch: int, steps: int, shuffle: bool,
                 calls: CallbackList) -> dict[str, float]:
    order = shuffled(training.n, model._key, epoch) if shuffle else None
    with training.job(epoch, order) as job:
        start(job, model, epoch, steps)

        def after_slice() -> bool:
            calls.on_batch_end(job.next_step, logs_of(job, model))
            return model.stop_training

        try:
            run(job, model, "fit", after_slice)
        finally:  # also after Ctrl-C: the updates that were done count
            model._iteration += job.next_step
        return logs_of(job, model)


def evaluate(model: Sequential, x: Any, y: Any, batch_size: Any, verbose: Any, sample_weight: Any,
             finite: bool) -> dict[str, float]:
    """See `Sequential.evaluate`."""
    model._require_compiled("evaluate")
    verbose = check_verbose(verbose, "evaluate")
    with Pass(model, "evaluate", x, y, batch_size, sample_weight, "evaluate", finite).job(0) as job:
        run(job, model, "evaluate")
        logs = logs_of(job, model)
    if verbose:
        print(describe(logs))
    return logs


def predict(model: Sequential, x: Any, batch_size: Any, output: str | None, finite: bool) -> np.ndarray:
    """See `Sequential.predict`."""
    model._require_built("predict")
    work = Pass(model, "predict", x, None, batch_size, None, "predict", finite, output)
    result = work.plan.program.output
    with work.job(0) as job:
        predictions = np.empty((work.n, *result_shape(result)), work.plan.dtype)
        job.predict(predictions)
        run(job, model, "predict")
    return predictions


def result_shape(tensor: Any) -> tuple[int, ...]:
    """Shape of a tensor for one sample."""
    return tensor.shape if tensor.fold == 1 else (tensor.fold, *tensor.shape)


def step(model: Sequential, function: str, x: Any, y: Any, sample_weight: Any, update: bool) -> dict[str, float]:
    """One training step on one batch, or its gradient segment alone."""
    model._require_compiled(function)
    with exclusive(model, function):
        n = max(1, len(x)) if hasattr(x, "__len__") else len(as_samples(x, "x", function))
        work = Pass(model, "train", x, y, n, sample_weight, function)
        with work.job(0) as job:
            start(job, model, model._iteration, 1, update)
            run(job, model, function)
            if update:
                model._iteration += 1
            model._last_gradient_plan = work.plan
            return logs_of(job, model)


def apply_gradients(model: Sequential) -> None:
    """See `Sequential.apply_gradients`."""
    model._require_compiled("apply_gradients")
    plan = model._last_gradient_plan
    if plan is None:
        raise ValueError("apply_gradients: there are no gradients; call compute_gradients first")
    with exclusive(model, "apply_gradients"):
        optimizer = model.optimizer
        apply_update(ops.registered[optimizer.rule], optimizer.configuration(),
                     float(optimizer.rates(model._iteration, 1)[0]), model._iteration, optimizer_states(model), plan)
        model._iteration += 1
