"""Training, evaluation and prediction: what stands between the model and the engine's jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinynn.engine.memory import aligned, aligned_copy
from tinynn.engine.network import view
from tinynn.engine.plan import DONE, FAILED, NOT_FINITE, Job, Plan, Predictor, apply_update, shuffled
from tinynn.kernels import op as ops
from tinynn.model.arrays import (
    as_sample_weight,
    as_samples,
    as_targets,
    check_count,
    check_real,
    check_same_length,
    class_weight_to_sample_weight,
    split_validation,
)
from tinynn.model.augmentation import Augmentation, check_augmentation
from tinynn.model.callbacks import CallbackList, History
from tinynn.model.checkpoint import MANY, Keeper, Position, data_of
from tinynn.model.data import Samples, as_samples_of, is_data_set, targets_for
from tinynn.model.progress import Progress, check_verbose, describe
from tinynn.model.registry import serialize

if TYPE_CHECKING:
    from tinynn.model.sequential import Sequential

#: A batch size: all samples at once.
ALL: Any = object()


class Pass:
    """One pass over data with one plan: the data checked, and the job that runs it."""

    def __init__(self, model: Sequential, kind: str, x: Any, y: Any, batch_size: Any, sample_weight: Any, function: str,
                 finite: bool = True, output: str | None = None) -> None:
        self.model, self.kind, self.function, self.finite = model, kind, function, finite
        batch_size = batch_size if batch_size is ALL else check_count(batch_size, "batch_size", function)
        self.samples: Samples = as_samples_of(x, model.input_shape, function, finite)
        if model.input_shape is None:
            if kind != "train":
                model._require_built(function)
            model.build(self.samples.sample_shape)
        self.plan: Plan = model._plan(kind, self.samples.sample_shape, output)
        self.n = len(self.samples)
        self.batch_size = self.n if batch_size is ALL else min(batch_size, self.n)
        self.targets: np.ndarray | None = None
        self.weights: np.ndarray | None = None
        self.augmentation: Augmentation | None = None
        if kind == "predict":
            return
        self.prediction_shape = cast(tuple[int, ...], self.plan.program.output.shape)  # a plan knows all sizes
        if is_data_set(self.samples.x):
            if y is not None:
                raise ValueError(f"{function}: y must be left out when x is a data set, which holds its targets itself")
        else:
            if y is None:
                raise ValueError(f"{function}: y is missing; give the targets of x")
            self.targets = self.check_targets(y)
        if sample_weight is not None:
            losses = (self.n, *self.prediction_shape[:-1])
            weights = as_sample_weight(sample_weight, losses, "sample_weight", function)
            if weights.ndim > 1:  # the engine knows one weight per sample, or one for each of its losses
                weights = np.broadcast_to(weights.reshape(weights.shape + (1,) * (len(losses) - weights.ndim)), losses)
            self.weights = np.ascontiguousarray(weights)

    def check_targets(self, y: Any) -> np.ndarray:
        return targets_for(y, self.n, self.prediction_shape, self.model.loss, self.plan.dtype, self.function,
                           self.finite)

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
        with self.plan.lease(self.batch_size) as arena:
            job = Job(self.plan, arena, items, indices, self.n, self.batch_size, targets, self.weights, order,
                      self.function)
            if self.augmentation is not None:
                job.augment(items.shape[1:], vars(self.augmentation), self.model._key, epoch)
            yield job


def run(job: Job, model: Sequential, function: str, after_slice: Callable[[], bool] | None = None,
        most: Callable[[], int] = lambda: MANY) -> None:
    """Run a job to its end, a tenth of a second or `most` steps at a time, so that callbacks and Ctrl-C get through."""
    while True:
        reason = job.run(most())
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
    """The optimizer's vectors, zero before the first step; the first may be a moving average of the weights."""
    if model.optimizer.use_ema and not model._states:
        model._states.append(aligned_copy(model.parameters))
    while len(model._states) < model.optimizer.states():  # its options may have changed: momentum needs a velocity
        model._states.append(aligned(model.parameters.size, model._dtype, np.zeros))
    return model._states


def take_average(model: Sequential) -> None:
    """Put the moving average of the weights in their place."""
    for parameter in model._parameters.values():
        if parameter.trainable:
            view(model.parameters, parameter)[...] = view(optimizer_states(model)[0], parameter)


@contextmanager
def undone_on_failure(model: Sequential) -> Iterator[None]:
    """A model that was built for data which then turn out not to fit goes back to where it was."""
    was_built = model.input_shape is not None
    try:
        yield
    except BaseException:
        if not was_built:
            model._unbuild()
        raise


def start(job: Job, model: Sequential, plan: Plan, steps: int, update: bool = True) -> None:
    """Make a job train, or only compute gradients. Its randomness is keyed by the number of updates before it."""
    iteration = model._iteration - job.next_step
    for parameter in model._parameters.values():  # what is frozen keeps no gradient of earlier steps
        if parameter.path not in plan.learning:
            view(model.gradients, parameter)[...] = 0
    if not update:
        job.train(None, (), None, iteration, [], model._key, (), update=False)
        return
    job.train(ops.registered[model.optimizer.rule], model.optimizer.configuration(),
              model.optimizer.rates(iteration, steps), iteration, optimizer_states(model), model._key,
              model.optimizer.limits())


def fit(model: Sequential, x: Any, y: Any, batch_size: Any, epochs: Any, verbose: Any, callbacks: Any,
        validation_split: Any, validation_data: Any, shuffle: bool, class_weight: Any, sample_weight: Any,
        initial_epoch: Any, finite: bool, augment: Any, checkpoint: Any, checkpoint_every: Any, resume: Any,
        hash_data: bool) -> History:
    """See `Sequential.fit`."""
    model._require_compiled("fit")
    epochs = check_count(epochs, "epochs", "fit")
    initial_epoch = check_count(initial_epoch, "initial_epoch", "fit", minimum=0)
    verbose = check_verbose(verbose)
    fraction = check_real(validation_split, "validation_split", "fit", minimum=0, below=1)
    check_augmentation(augment, "fit")
    keeper = Keeper(model, checkpoint, checkpoint_every, resume)
    if class_weight is not None and sample_weight is not None:
        raise ValueError("fit: give class_weight or sample_weight, not both")
    if fraction > 0:
        if validation_data is not None:
            raise ValueError("fit: give validation_split or validation_data, not both")
        if is_data_set(x):
            raise ValueError("fit: validation_split splits arrays; give a second data set as validation_data")
        x, y = as_samples(x, "x", "fit"), as_targets(y, "y", "fit")
        weight = None if sample_weight is None else as_targets(sample_weight, "sample_weight", "fit")
        check_same_length("fit", x=x, y=y, sample_weight=weight)
        (x, y, sample_weight), validation_data = split_validation(x, y, weight, fraction)
    with exclusive(model, "fit"):
        with undone_on_failure(model):
            training = Pass(model, "train", x, y, batch_size, sample_weight, "fit", finite)
            training.augmentation = augment
            if class_weight is not None:
                if training.targets is None:
                    raise ValueError("fit: class_weight needs y; a data set holds its targets itself")
                training.weights = class_weight_to_sample_weight(class_weight, as_targets(y, "y", "fit"))
            validation = None if validation_data is None else _validation(model, validation_data, batch_size, finite)
        hashed = hash_data or keeper.path is not None
        data = {"training": data_of(training, hashed),
                "validation": None if validation is None else data_of(validation, hashed)}
        return _epochs(model, training, validation, data, initial_epoch, epochs, verbose, callbacks, bool(shuffle),
                       keeper)


def _validation(model: Sequential, data: Any, batch_size: Any, finite: bool) -> Pass:
    if is_data_set(data):
        return Pass(model, "evaluate", data, None, batch_size, None, "fit", finite)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("fit: validation_data must be (x, y), (x, y, sample_weight) or a data set, got "
                         f"{type(data).__name__}")
    x, y, weight = (*data, None)[:3]
    return Pass(model, "evaluate", x, y, batch_size, weight, "fit: validation_data", finite)


def _epochs(model: Sequential, training: Pass, validation: Pass | None, data: dict[str, Any], initial_epoch: int,
            epochs: int, verbose: int, callbacks: Any, shuffle: bool, keeper: Keeper) -> History:
    history = History()
    steps = -(-training.n // training.batch_size)
    names = ["loss", *metric_names(model)]
    parameters = {"epochs": epochs, "steps": steps, "verbose": verbose,
                  "metrics": names + [f"val_{name}" for name in names if validation is not None]}
    model.stop_training = False
    with CallbackList(callbacks, model, parameters, then=[Progress(verbose), history]) as calls:
        recipe = {"batch_size": training.batch_size, "initial_epoch": initial_epoch, "epochs": epochs,
                  "shuffle": shuffle, "augment": serialize(training.augmentation)}
        position = keeper.begin(calls, recipe, data, Position(initial_epoch))
        calls.on_train_begin()
        keeper.check()
        keeper.restore()
        for epoch in range(position.epoch, position.epoch if position.stopped else epochs):
            calls.on_epoch_begin(epoch)
            if position.step:
                keeper.restore()
            logs = _train_epoch(model, training, position, steps, shuffle, calls, keeper)
            if validation is not None:
                with validation.job(0) as job:
                    run(job, model, "fit")
                    logs.update(logs_of(job, model, "val_"))
            model.provenance = {"recipe": recipe, "data": data, "metrics": _finite(logs)}  # for callbacks that save it
            calls.on_epoch_end(epoch, logs)
            model.provenance = {**model.provenance, "metrics": _finite(logs)}
            position = Position(epoch + 1, stopped=model.stop_training)
            if model.stop_training:
                break
            if keeper.is_due():
                keeper.write(position)
        keeper.write(position)  # before anything that only the end of a training does, so that it can be continued
        if model.optimizer.use_ema:
            take_average(model)
        calls.on_train_end()
    return history


def _finite(logs: dict[str, float]) -> dict[str, float | None]:
    """Quantities as JSON can hold them."""
    return {name: float(value) if math.isfinite(value) else None for name, value in logs.items()}


def _train_epoch(model: Sequential, training: Pass, position: Position, steps: int, shuffle: bool,
                 calls: CallbackList, keeper: Keeper) -> dict[str, float]:
    epoch = position.epoch
    order = shuffled(training.n, model._key, epoch) if shuffle else None
    with training.job(epoch, order) as job:
        if position.step:
            job.resume(position.step, position.totals)
        start(job, model, training.plan, steps)
        before = model._iteration - position.step

        def reached() -> Position:
            model._iteration = before + job.next_step
            return Position(epoch, job.next_step, tuple(job.totals.tolist()))

        def after_slice() -> bool:
            here = reached()
            calls.on_batch_end(job.next_step, logs_of(job, model))
            if keeper.is_due() and not model.stop_training:
                keeper.write(here)
            return model.stop_training

        try:
            run(job, model, "fit", after_slice, keeper.steps_to_go)
        except KeyboardInterrupt:
            here = reached()
            # Not if an op in Python was interrupted, amid a step.
            if here.totals[0] == min(here.step * training.batch_size, training.n):
                keeper.write(here)
            raise
        finally:  # also after errors: the updates that were done count
            reached()
        return logs_of(job, model)


def evaluate(model: Sequential, x: Any, y: Any, batch_size: Any, verbose: Any, sample_weight: Any,
             finite: bool, function: str = "evaluate") -> dict[str, float]:
    """See `Sequential.evaluate`."""
    model._require_compiled(function)
    verbose = check_verbose(verbose, function)
    with Pass(model, "evaluate", x, y, batch_size, sample_weight, function, finite).job(0) as job:
        run(job, model, function)
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
    if output is None and (model._predictor is None or model._predictor.plan is not work.plan):
        # The next call of this kind goes a shorter way.
        model._predictor = Predictor(work.plan, work.samples.sample_shape, predictions.shape[1:])
    return predictions


def result_shape(tensor: Any) -> tuple[int, ...]:
    """Shape of a tensor for one sample."""
    return tensor.shape if tensor.fold == 1 else (tensor.fold, *tensor.shape)


def step(model: Sequential, function: str, x: Any, y: Any, sample_weight: Any, update: bool) -> dict[str, float]:
    """One training step on one batch, or its gradient segment alone."""
    model._require_compiled(function)
    with exclusive(model, function):
        with undone_on_failure(model):
            work = Pass(model, "train", x, y, ALL, sample_weight, function)
        with work.job(0) as job:
            start(job, model, work.plan, 1, update)
            try:
                run(job, model, function)
            finally:  # also after Ctrl-C: an update that was done counts
                if update:
                    model._iteration += job.next_step
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
        done: list[bool] = []
        try:
            apply_update(ops.registered[optimizer.rule], optimizer.configuration(),
                         float(optimizer.rates(model._iteration, 1)[0]), model._iteration, optimizer_states(model),
                         optimizer.limits(), plan, done)
        finally:  # also after Ctrl-C, as in step
            model._iteration += len(done)
