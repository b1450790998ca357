"""Training, evaluation and prediction: what stands between the model and the engine's jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinynn.engine.arrays import shuffled
from tinynn.engine.job import DONE, FAILED, NOT_FINITE, Job, apply_update
from tinynn.engine.memory import aligned, aligned_copy
from tinynn.engine.network import view
from tinynn.engine.plan import Plan
from tinynn.engine.predictor import Predictor
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
from tinynn.model.batches import Batches
from tinynn.model.callbacks import CallbackList, History
from tinynn.model.checkpoint import MANY, Keeper, Position, data_of
from tinynn.model.data import Samples, as_samples_of, is_data_set, targets_for, warn_of_empty_rows
from tinynn.model.optimizers import AVERAGE
from tinynn.model.progress import Progress, check_verbose, describe
from tinynn.model.registry import serialize
from tinynn.model.warning import warn

if TYPE_CHECKING:
    from tinynn.model.sequential import Sequential

#: A batch size: all samples at once.
ALL: Any = object()

#: Epochs that a model can begin: what is random is keyed by a number of 32 bits.
MOST_EPOCHS = 2**32 - 1


class Pass:
    """One pass over data with one plan: the data checked, and the job that runs it."""

    def __init__(self, model: Sequential, kind: str, x: Any, y: Any, batch_size: Any, sample_weight: Any, function: str,
                 finite: bool = True, output: str | None = None) -> None:
        self.model, self.kind, self.function, self.finite = model, kind, function, finite
        batch_size = batch_size if batch_size is ALL else check_count(batch_size, "batch_size", function)
        self.samples: Samples = as_samples_of(x, model.input_shape, function, finite, model._dtype)
        if model.input_shape is None:
            if kind != "train":
                model._require_built(function)
            model.build(self.samples.sample_shape)
        self.plan: Plan = model._plan(kind, self.samples.sample_shape, output)
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
            if weights.ndim > 1:  # the engine knows one weight per sample, or one for each of its losses
                weights = np.broadcast_to(weights.reshape(weights.shape + (1,) * (len(losses) - weights.ndim)), losses)
            self.weights = np.ascontiguousarray(weights)
        if is_data_set(self.samples.x):
            if y is not None:
                raise ValueError(f"{function}: y must be left out when x is a data set, which holds its targets itself")
        else:
            if y is None:
                raise ValueError(f"{function}: y is missing; give the targets of x")
            self.targets = self.check_targets(y)

    def check_targets(self, y: Any) -> np.ndarray:
        loss = self.model.loss
        targets = targets_for(y, self.n, self.prediction_shape, loss, self.plan.dtype, self.function, self.finite)
        for metric in self.model.metrics:
            metric.check_targets(targets, loss, self.function)
        self.warned = self.warned or warn_of_empty_rows(targets, self.weights, loss, self.function)
        return targets if loss.labels else np.ascontiguousarray(loss.prepare(targets))

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
                job.set_augmentation(items.shape[1:], vars(self.augmentation), self.model._key, epoch)
            yield job


def run(job: Job, model: Sequential, function: str, after_slice: Callable[[], bool] | None = None,
        most: Callable[[], int] = lambda: MANY) -> None:
    """Run a job to its end, a tenth of a second or `most` steps at a time, so that callbacks and Ctrl-C get through."""
    while True:
        reason = job.run(most())
        check_reason(job, reason, function)
        if (after_slice is not None and after_slice()) or reason == DONE:
            return


def check_reason(job: Job, reason: int, function: str) -> None:
    """Raise what made a job end early."""
    if reason == FAILED:
        raise job.python_error() or RuntimeError(f"{function}: an op written in Python failed")
    if reason == NOT_FINITE:
        raise FloatingPointError(
            f"{function}: the loss became {job.last_loss} in step {job.next_step + 1}; it began in "
            f"{job.first_not_finite()}. The model keeps its weights from before this step; try a smaller "
            "learning rate")


def run_test(job: Job, model: Sequential, calls: CallbackList, function: str) -> None:
    """Run a job that evaluates, with the callbacks' methods for each batch if there are any."""
    if not calls.wants_batches("test"):
        run(job, model, function)
        return

    def after_batch() -> bool:
        done = job.next_step
        calls.on_test_batch_end(done - 1, logs_of(job, model))
        if done < job.steps:
            calls.on_test_batch_begin(done)
        return False

    calls.on_test_batch_begin(0)
    run(job, model, function, after_batch, lambda: 1)


def logs_of(job: Job, model: Sequential) -> dict[str, float]:
    """Mean loss and metrics of the samples so far."""
    return dict(zip(["loss", *metric_names(model)], job.means(), strict=True))


def metric_names(model: Sequential) -> list[str]:
    """The metrics' keys in History: a class of your own goes by its name."""
    return [metric.name or metric.__class__.__name__ for metric in model.metrics]


def optimizer_states(model: Sequential) -> list[np.ndarray]:
    """The optimizer's vectors in its rule's order, an average of the weights first; zero before the first step."""
    names = model.optimizer.states()
    new = [name for name in names if name not in model._states]
    if new and model._iteration:
        warn(f"the options of {type(model.optimizer).__name__} have changed since its last step: its {', '.join(new)} "
             "begins anew")
    for name in new:
        model._states[name] = (aligned_copy(model.parameters) if name == AVERAGE
                               else aligned(model.parameters.size, model._dtype, np.zeros))
    for name in model._states.keys() - set(names):
        del model._states[name]
    return [model._states[name] for name in names]


def take_average(model: Sequential) -> None:
    """Put the moving average of the weights in their place."""
    average = model._states[AVERAGE]
    for parameter in model._parameters.values():
        if parameter.trainable:
            view(model.parameters, parameter)[...] = view(average, parameter)


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


def start(job: Job, model: Sequential, plan: Plan, steps: int, update: bool = True) -> np.ndarray:
    """Make a job train, or only compute gradients. Its randomness is keyed by the number of updates before it.

    Returns the learning rates of its steps: what is written there holds for the steps to come.
    """
    iteration = model._iteration - job.next_step
    for parameter in model._parameters.values():  # what is frozen keeps no gradient of earlier steps
        if parameter.path not in plan.learning:
            view(model.gradients, parameter)[...] = 0
    if not update:
        job.set_gradients(model._key, iteration)
        return np.empty(0)
    rates: np.ndarray = model.optimizer.rates(iteration, steps)
    job.set_training(ops.registered[model.optimizer.rule], model.optimizer.configuration(), rates, iteration,
                     optimizer_states(model), model._key, model.optimizer.limits())
    return rates


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
    trained_before = max(model._epochs - initial_epoch, 0)
    if trained_before + epochs > MOST_EPOCHS:
        raise ValueError(f"fit: epochs must be at most {MOST_EPOCHS - trained_before}, got {epochs}")
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
    with model._training.held("fit"):
        with undone_on_failure(model):
            training = Pass(model, "train", x, y, batch_size, sample_weight, "fit", finite)
            training.augmentation = augment
            if class_weight is not None:
                if training.targets is None:
                    raise ValueError("fit: class_weight needs y; a data set holds its targets itself")
                training.weights = class_weight_to_sample_weight(class_weight, as_targets(y, "y", "fit"), "fit",
                                                                 model._dtype)
            validation = None if validation_data is None else _validation(model, validation_data, batch_size, finite)
        hashed = hash_data or keeper.path is not None
        data = {"training": data_of(training, hashed),
                "validation": None if validation is None else data_of(validation, hashed)}
        with keeper:
            return _epochs(model, training, validation, data, Position(initial_epoch, trained_before=trained_before),
                           epochs, verbose, callbacks, bool(shuffle), keeper)


def _validation(model: Sequential, data: Any, batch_size: Any, finite: bool) -> Pass:
    if is_data_set(data):
        return Pass(model, "evaluate", data, None, batch_size, None, "fit", finite)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("fit: validation_data must be (x, y), (x, y, sample_weight) or a data set, got "
                         f"{type(data).__name__}")
    x, y, weight = (*data, None)[:3]
    return Pass(model, "evaluate", x, y, batch_size, weight, "fit: validation_data", finite)


def _epochs(model: Sequential, training: Pass, validation: Pass | None, data: dict[str, Any], position: Position,
            epochs: int, verbose: int, callbacks: Any, shuffle: bool, keeper: Keeper) -> History:
    history = History()
    steps = training.steps
    names = ["loss", *metric_names(model)]
    parameters = {"epochs": epochs, "steps": steps, "verbose": verbose,
                  "metrics": names + [f"val_{name}" for name in names if validation is not None]}
    model.stop_training = False
    with CallbackList(callbacks, model, parameters, then=[Progress(verbose), history]) as calls:
        recipe = {"batch_size": training.batch_size, "initial_epoch": position.epoch, "epochs": epochs,
                  "shuffle": shuffle, "augment": serialize(training.augmentation)}
        position = keeper.begin(calls, recipe, data, position)
        calls.on_train_begin()
        keeper.check()
        keeper.restore()
        model.history = history
        try:
            for epoch in range(position.epoch, position.epoch if position.stopped else epochs):
                calls.on_epoch_begin(epoch)
                if position.step:
                    keeper.restore()
                logs = _train_epoch(model, training, position, steps, shuffle, calls, keeper)
                if validation is not None:
                    logs.update(_validate(model, validation, calls))
                # for callbacks that save it
                model.provenance = {"recipe": recipe, "data": data, "metrics": _finite(logs)}
                calls.on_epoch_end(epoch, logs)
                model.provenance = {**model.provenance, "metrics": _finite(logs)}
                position = Position(epoch + 1, stopped=model.stop_training, trained_before=position.trained_before)
                if model.stop_training:
                    break
                if keeper.is_due():
                    keeper.write(position)
        except FloatingPointError as error:
            calls._on_divergence()
            error.history = history  # type: ignore[attr-defined]
            raise
        finally:
            history.set_model(None)  # which holds it: a circle would keep a dropped model's memory
        keeper.write(position)  # before anything that only the end of a training does, so that it can be continued
        if model.optimizer.use_ema and AVERAGE in model._states:
            take_average(model)
        calls.on_train_end()
    return history


def _validate(model: Sequential, validation: Pass, calls: CallbackList) -> dict[str, float]:
    """The quantities of the validation after an epoch."""
    calls.on_test_begin()
    with validation.job(0) as job:
        run_test(job, model, calls, "fit")
        logs = logs_of(job, model)
    calls.on_test_end(logs)
    return {f"val_{name}": value for name, value in logs.items()}


def _finite(logs: dict[str, float]) -> dict[str, float | None]:
    """Quantities as JSON can hold them."""
    return {name: float(value) if math.isfinite(value) else None for name, value in logs.items()}


def _train_epoch(model: Sequential, training: Pass, position: Position, steps: int, shuffle: bool,
                 calls: CallbackList, keeper: Keeper) -> dict[str, float]:
    begun = position.epoch + position.trained_before
    model._epochs = begun + 1
    order = shuffled(training.n, model._key, begun) if shuffle else None
    by_batch = calls.wants_batches("train")
    with training.job(begun, order) as job:
        if position.step:
            job.set_position(position.step, position.totals)
        rates = start(job, model, training.plan, steps)
        before = model._iteration - position.step

        def here() -> Position:
            return replace(position, step=job.next_step, totals=tuple(job.totals.tolist()))

        def begin_batch() -> None:
            calls.on_train_batch_begin(job.next_step)
            # The callback, or one of those after the last batch, may have set another learning rate.
            rates[job.next_step:job.next_step + 1] = model.optimizer.rates(model._iteration, 1)

        def after_slice() -> bool:
            model._iteration = before + job.next_step
            logs = logs_of(job, model)
            if by_batch:
                calls.on_train_batch_end(job.next_step - 1, logs)
            if not by_batch or calls.progress_is_due():
                calls.on_progress(job.next_step, logs)
            if keeper.is_due() and not model.stop_training:
                keeper.write(here())
            if by_batch and job.next_step < steps and not model.stop_training:
                begin_batch()
            return model.stop_training

        try:
            if by_batch:
                begin_batch()
            run(job, model, "fit", after_slice, lambda: 1 if by_batch else keeper.steps_to_go())
        except KeyboardInterrupt:
            model._iteration = before + job.next_step
            # Not if an op in Python was interrupted, amid a step.
            if job.totals[0] == min(job.next_step * training.batch_size, training.n):
                keeper.write(here())
            raise
        finally:  # also after errors: the updates that were done count
            model._iteration = before + job.next_step
        return logs_of(job, model)


def evaluate(model: Sequential, x: Any, y: Any, batch_size: Any, verbose: Any, sample_weight: Any,
             finite: bool, callbacks: Any = (), function: str = "evaluate") -> dict[str, float]:
    """See `Sequential.evaluate`."""
    model._require_compiled(function)
    verbose = check_verbose(verbose, function)
    work = Pass(model, "evaluate", x, y, batch_size, sample_weight, function, finite)
    with CallbackList(callbacks, model, {"steps": work.steps, "verbose": verbose}, function=function) as calls:
        calls.on_test_begin()
        with work.job(0) as job:
            run_test(job, model, calls, function)
            logs = logs_of(job, model)
        calls.on_test_end(logs)
    if verbose:
        print(describe(logs))
    return logs


def predict(model: Sequential, x: Any, batch_size: Any, output: str | None, finite: bool,
            callbacks: Any = ()) -> np.ndarray:
    """See `Sequential.predict`."""
    model._require_built("predict")
    work = Pass(model, "predict", x, None, batch_size, None, "predict", finite, output)
    result = work.plan.program.output
    if work.n == 0:
        return np.empty((0, *result_shape(result)), work.plan.dtype)
    with CallbackList(callbacks, model, {"steps": work.steps}, function="predict") as calls, work.job(0) as job:
        predictions = np.empty((work.n, *result_shape(result)), work.plan.dtype)
        job.set_predictions(predictions)
        calls.on_predict_begin()
        if calls.wants_batches("predict"):
            _predict_batches(job, work, model, calls, predictions)
        else:
            run(job, model, "predict")
        calls.on_predict_end()
    if output is None and (model._predictor is None or model._predictor.plan is not work.plan):
        # The next call of this kind goes a shorter way.
        model._predictor = Predictor(work.plan, work.samples.sample_shape, predictions.shape[1:])
    return predictions


def _predict_batches(job: Job, work: Pass, model: Sequential, calls: CallbackList, predictions: np.ndarray) -> None:
    """Predict batch by batch, with the callbacks' methods for each."""
    def after_batch() -> bool:
        done, size = job.next_step, work.batch_size
        calls.on_predict_batch_end(done - 1, {"outputs": predictions[(done - 1) * size:done * size]})
        if done < job.steps:
            calls.on_predict_batch_begin(done)
        return False

    calls.on_predict_batch_begin(0)
    run(job, model, "predict", after_batch, lambda: 1)


def result_shape(tensor: Any) -> tuple[int, ...]:
    """Shape of a tensor for one sample."""
    return tensor.shape if tensor.fold == 1 else (tensor.fold, *tensor.shape)


def step(model: Sequential, function: str, x: Any, y: Any, sample_weight: Any, update: bool) -> list[float]:
    """One training step on one batch, or its gradient segment alone; returns loss and metrics."""
    model._require_compiled(function)
    lock = model._training.taken(function)
    try:
        batches = model._batches
        if batches is not None and sample_weight is None and batches.fit(model):
            done = batches.step(model, x, y, update)
            if done is not None:
                job, reason = done
                check_reason(job, reason, function)
                model._last_gradient_plan = batches.plan
                return job.means()
        return _first_step(model, function, x, y, sample_weight, update)
    finally:
        lock.release()


def _first_step(model: Sequential, function: str, x: Any, y: Any, sample_weight: Any, update: bool) -> list[float]:
    """The same for a batch, or a model, that has not been looked at yet."""
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
        if Batches.serve(model) and not is_data_set(x):
            model._batches = Batches(model, work.plan, work.samples.sample_shape, model.all_layers(), start)
        return job.means()


def apply_gradients(model: Sequential) -> None:
    """See `Sequential.apply_gradients`."""
    model._require_compiled("apply_gradients")
    plan = model._last_gradient_plan
    if plan is None:
        raise ValueError("apply_gradients: there are no gradients; call compute_gradients first")
    with model._training.held("apply_gradients"):
        optimizer = model.optimizer
        done: list[bool] = []
        try:
            apply_update(ops.registered[optimizer.rule], optimizer.configuration(),
                         float(optimizer.rates(model._iteration, 1)[0]), model._iteration, optimizer_states(model),
                         optimizer.limits(), plan, done)
        finally:  # also after Ctrl-C, as in step
            model._iteration += len(done)
