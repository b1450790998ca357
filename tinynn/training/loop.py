"""The loops of training, evaluation and prediction."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tinynn.augmentation import Augmentation, check_augmentation
from tinynn.callbacks.callback_list import CallbackList
from tinynn.callbacks.history import History
from tinynn.callbacks.progress import Progress, check_verbose, describe
from tinynn.checks import check_count, check_real
from tinynn.core.core import Core
from tinynn.engine.arrays import shuffled
from tinynn.engine.graph import view
from tinynn.engine.job import Job
from tinynn.engine.predictor import Predictor
from tinynn.optimizers import AVERAGE
from tinynn.registry import serialize
from tinynn.training.arrays import (
    as_samples,
    as_targets,
    check_same_length,
    class_weight_to_sample_weight,
    split_validation,
)
from tinynn.training.checkpoint import Keeper, Position
from tinynn.training.data import is_data_set
from tinynn.training.passes import Pass
from tinynn.training.steps import logs_of, run, start, undone_on_failure

#: Epochs that a model can begin: the seed of an epoch's random numbers has 32 bits.
MAX_EPOCHS = 2**32 - 1


@dataclass(kw_only=True)
class FitOptions:
    """The options of `tinynn.Sequential.fit`, checked."""

    batch_size: int
    epochs: int
    verbose: Literal["auto", 0, 1, 2] | bool
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool
    class_weight: Mapping[int, float] | None
    sample_weight: Any
    initial_epoch: int
    check_finite: bool
    augment: Augmentation | None
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float
    resume: str | os.PathLike[str] | None
    hash_data: bool

    def __post_init__(self) -> None:
        self.epochs = check_count("fit", "epochs", self.epochs)
        self.initial_epoch = check_count("fit", "initial_epoch", self.initial_epoch, minimum=0)
        self.verbose = check_verbose(self.verbose)  # type: ignore[assignment]
        self.validation_split = check_real("fit", "validation_split", self.validation_split, minimum=0, below=1)
        self.shuffle = bool(self.shuffle)
        check_augmentation(self.augment, "fit")


def fit(core: Core, model: Any, x: Any, y: Any, options: FitOptions) -> History:
    """Train a core; callbacks get `model`. See `tinynn.Sequential.fit`."""
    core.compiled("fit")
    trained_before = max(core.epochs - options.initial_epoch, 0)
    if trained_before + options.epochs > MAX_EPOCHS:
        raise ValueError(f"fit: epochs must be at most {MAX_EPOCHS - trained_before}, got {options.epochs}")
    keeper = Keeper(core, options.checkpoint, options.checkpoint_every, options.resume)
    x, y, sample_weight, validation_data = _split(x, y, options)
    with core.lock.held("fit"):
        with undone_on_failure(core):
            training = Pass(core, "train", x, y, options.batch_size, sample_weight, "fit", options.check_finite)
            training.augmentation = options.augment
            if options.class_weight is not None:
                if training.targets is None:
                    raise ValueError("fit: class_weight needs y, but a data set has its own targets; use sample_weight")
                training.weights = class_weight_to_sample_weight(options.class_weight, as_targets(y, "y", "fit"), "fit",
                                                                 core.dtype)
            validation = None if validation_data is None else _validation(core, validation_data, options)
        with keeper:
            return _Training(core, model, training, validation, options, keeper).run(
                Position(options.initial_epoch, trained_before=trained_before))


def _split(x: Any, y: Any, options: FitOptions) -> tuple[Any, Any, Any, Any]:
    """Return samples, targets and sample weights for training, and the validation data."""
    weight, validation_data = options.sample_weight, options.validation_data
    if options.class_weight is not None and weight is not None:
        raise ValueError("fit: give class_weight or sample_weight, not both")
    if options.validation_split == 0:
        return x, y, weight, validation_data
    if validation_data is not None:
        raise ValueError("fit: give validation_split or validation_data, not both")
    if is_data_set(x):
        raise ValueError("fit: validation_split splits arrays; give a second data set as validation_data")
    x, y = as_samples(x, "x", "fit"), as_targets(y, "y", "fit")
    weight = None if weight is None else as_targets(weight, "sample_weight", "fit")
    check_same_length("fit", x=x, y=y, sample_weight=weight)
    (x, y, weight), validation_data = split_validation(x, y, weight, options.validation_split)
    return x, y, weight, validation_data


def _validation(core: Core, data: Any, options: FitOptions) -> Pass:
    """Make the pass of the validation."""
    if is_data_set(data):
        return Pass(core, "evaluate", data, None, options.batch_size, None, "fit", options.check_finite)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("fit: validation_data must be (x, y), (x, y, sample_weight) or a data set, got "
                         f"{type(data).__name__}")
    x, y, weight = (*data, None)[:3]
    return Pass(core, "evaluate", x, y, options.batch_size, weight, "fit: validation_data", options.check_finite)


class _Training:
    """One call of `fit`."""

    def __init__(self, core: Core, model: Any, training: Pass, validation: Pass | None, options: FitOptions,
                 keeper: Keeper) -> None:
        self.core, self.training, self.validation = core, training, validation
        self.options, self.keeper = options, keeper
        self.history = History()
        hashed = options.hash_data or keeper.path is not None
        self.data = {"training": training.described(hashed),
                     "validation": None if validation is None else validation.described(hashed)}
        self.recipe = {"batch_size": training.batch_size, "initial_epoch": options.initial_epoch,
                       "epochs": options.epochs, "shuffle": options.shuffle, "augment": serialize(options.augment)}
        names = ["loss", *core.metric_names()]
        parameters = {"epochs": options.epochs, "steps": training.steps, "verbose": options.verbose,
                      "metrics": names + [f"val_{name}" for name in names if validation is not None]}
        core.stop_training = False
        self.calls = CallbackList(options.callbacks, model, parameters,
                                  then=[Progress(options.verbose), self.history])

    def run(self, position: Position) -> History:
        """Train to the last epoch, from a position or, if the training resumes, from that of the checkpoint."""
        core, calls, keeper = self.core, self.calls, self.keeper
        with calls:
            position = keeper.begin(calls, self.recipe, self.data, position)
            calls.on_train_begin()
            keeper.check()
            keeper.restore()
            core.history = self.history
            try:
                position = self._epochs(position)
            except FloatingPointError as error:
                calls._on_divergence()
                error.history = self.history  # type: ignore[attr-defined]
                raise
            finally:
                self.history.set_model(None)  # avoids a reference cycle: core.history refers to it
            keeper.write(position)  # before the final steps below, so that training can continue from the checkpoint
            if core.optimizer is not None and core.optimizer.use_ema and AVERAGE in core.states:
                _use_average(core)
            calls.on_train_end()
        return self.history

    def _epochs(self, position: Position) -> Position:
        core, calls, keeper = self.core, self.calls, self.keeper
        for epoch in range(position.epoch, position.epoch if position.stopped else self.options.epochs):
            calls.on_epoch_begin(epoch)
            if position.step:
                keeper.restore()
            logs = self._epoch(position)
            if self.validation is not None:
                logs.update({f"val_{name}": value for name, value in _test(self.validation, calls).items()})
            # Set it before the callbacks, which may save the model, and again after: they may add to the logs.
            core.provenance = {"recipe": self.recipe, "data": self.data, "metrics": _finite(logs)}
            calls.on_epoch_end(epoch, logs)
            core.provenance = {**core.provenance, "metrics": _finite(logs)}
            position = Position(epoch + 1, stopped=core.stop_training, trained_before=position.trained_before)
            if core.stop_training:
                break
            if keeper.is_due():
                keeper.write(position)
        return position

    def _epoch(self, position: Position) -> dict[str, float]:
        """Train one epoch, or the rest of it after a resume; return its logs."""
        core, calls, keeper, training = self.core, self.calls, self.keeper, self.training
        begun = position.epoch + position.trained_before
        core.epochs = begun + 1
        order = shuffled(training.n, core.key, begun) if self.options.shuffle else None
        by_batch = calls.wants_batches("train")
        with training.job(begun, order) as job:
            if position.step:
                job.set_position(position.step, position.totals)
            rates = start(job, core, training.plan, training.steps)
            first_iteration = core.iteration - position.step

            def here() -> Position:
                return replace(position, step=job.next_step, totals=tuple(job.totals.tolist()))

            def begin_batch() -> None:
                calls.on_train_batch_begin(job.next_step)
                # A callback may have set another learning rate.
                optimizer, _ = core.compiled("fit")
                rates[job.next_step:job.next_step + 1] = optimizer.rates(core.iteration, 1)

            def after_slice() -> bool:
                core.iteration = first_iteration + job.next_step
                logs = logs_of(job, core)
                if by_batch:
                    calls.on_train_batch_end(job.next_step - 1, logs)
                if not by_batch or calls.progress_is_due():
                    calls.on_progress(job.next_step, logs)
                if keeper.is_due() and not core.stop_training:
                    keeper.write(here())
                if by_batch and job.next_step < training.steps and not core.stop_training:
                    begin_batch()
                return core.stop_training

            try:
                if by_batch:
                    begin_batch()
                run(job, "fit", after_slice, lambda: 1 if by_batch else keeper.steps_to_go())
            except KeyboardInterrupt:
                core.iteration = first_iteration + job.next_step
                # Without a checkpoint if Ctrl-C interrupted a Python op, within a step.
                if job.totals[0] == min(job.next_step * training.batch_size, training.n):
                    keeper.write(here())
                raise
            finally:  # after errors, too: count the updates that were done
                core.iteration = first_iteration + job.next_step
            return logs_of(job, core)


def _finite(logs: dict[str, float]) -> dict[str, float | None]:
    """Convert logs for JSON: None replaces NaN and infinity."""
    return {name: float(value) if math.isfinite(value) else None for name, value in logs.items()}


def _use_average(core: Core) -> None:
    """Replace the trainable weights by their moving average."""
    weights, average = core.built("fit"), core.states[AVERAGE]
    for parameter in core.parameters.values():
        if parameter.trainable:
            view(weights, parameter)[...] = view(average, parameter)


def evaluate(core: Core, model: Any, x: Any, y: Any, batch_size: Any, verbose: Any, sample_weight: Any,
             finite: bool, callbacks: Any = (), function: str = "evaluate") -> dict[str, float]:
    """Compute loss and metrics. See `tinynn.Sequential.evaluate`."""
    core.compiled(function)
    verbose = check_verbose(verbose, function)
    work = Pass(core, "evaluate", x, y, batch_size, sample_weight, function, finite)
    with CallbackList(callbacks, model, {"steps": work.steps, "verbose": verbose}, function=function) as calls:
        logs = _test(work, calls)
    if verbose:
        print(describe(logs))
    return logs


def _test(work: Pass, calls: CallbackList) -> dict[str, float]:
    """Evaluate a pass and call the callbacks."""
    calls.on_test_begin()
    with work.job(0) as job:
        _run_batches(job, work.function, calls, "test", lambda done: logs_of(job, work.core))
        logs = logs_of(job, work.core)
    calls.on_test_end(logs)
    return logs


def _run_batches(job: Job, function: str, calls: CallbackList, kind: str,
                 logs: Callable[[int], dict[str, Any]]) -> None:
    """Run a job of kind "test" or "predict", batch by batch if a callback needs it; `logs(done)` makes their logs."""
    if not calls.wants_batches(kind):
        run(job, function)
        return
    begin, end = getattr(calls, f"on_{kind}_batch_begin"), getattr(calls, f"on_{kind}_batch_end")

    def after_batch() -> bool:
        done = job.next_step
        end(done - 1, logs(done))
        if done < job.steps:
            begin(done)
        return False

    begin(0)
    run(job, function, after_batch, lambda: 1)


def predict(core: Core, model: Any, x: Any, batch_size: Any, output: str | None, finite: bool,
            callbacks: Any = ()) -> NDArray[Any]:
    """Compute the output for x. See `tinynn.Sequential.predict`."""
    core.built("predict")
    work = Pass(core, "predict", x, None, batch_size, None, "predict", finite, output)
    tensor = work.plan.program.output
    shape = cast(tuple[int, ...], tensor.shape if tensor.fold == 1 else (tensor.fold, *tensor.shape))
    if work.n == 0:
        return np.empty((0, *shape), work.plan.dtype)
    with CallbackList(callbacks, model, {"steps": work.steps}, function="predict") as calls, work.job(0) as job:
        predictions: NDArray[Any] = np.empty((work.n, *shape), work.plan.dtype)
        job.set_predictions(predictions)
        size = work.batch_size
        calls.on_predict_begin()
        _run_batches(job, "predict", calls, "predict",
                     lambda done: {"outputs": predictions[(done - 1) * size:done * size]})
        calls.on_predict_end()
    if output is None and (core.predictor is None or core.predictor.plan is not work.plan):
        core.predictor = Predictor(work.plan, work.samples.sample_shape, shape)
    return predictions
