"""Metrics, by Keras' names: the mean over all rows of a number computed from prediction and target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from tinynn.checks import check_real, first_index
from tinynn.engine.graph import Shape
from tinynn.engine.program import LossSpec
from tinynn.losses import Loss
from tinynn.registry import Configurable, Fixed, lookup

__all__ = ["Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "MeanAbsoluteError", "MeanSquaredError", "Metric"]


class Metric(Configurable, kind="metrics"):
    """Base of all metrics. One of your own writes `forward` with NumPy and is named by its class.

    Parameters
    ----------
    name : str, optional
        Its key in History. A metric that `compile` is given as a string is called as it was written: ``"mae"``.
    """

    name: str = ""
    op: ClassVar[str | None] = None

    def __init__(self, name: str | None = None) -> None:
        if name is not None:
            if not isinstance(name, str) or not name.isprintable():
                raise TypeError(f"{type(self).__name__}: name must be a string of printable characters, got {name!r}")
            self.name = name

    def _arguments(self) -> dict[str, Any]:
        """The arguments that make an equal metric; the class's own name is none."""
        arguments = super()._arguments()
        if arguments.get("name") == type(self).name:
            arguments["name"] = None
        return arguments

    def get_config(self) -> dict[str, Any]:
        return {argument: value for argument, value in super().get_config().items()
                if (argument, value) != ("name", None)}

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        """The op that computes it, given the loss whose targets it shares."""
        if self.op is None:
            return LossSpec("python_loss", loss.labels, python=self)
        if loss.labels:
            raise ValueError(f"compile: the metric {self.name!r} compares the output with targets of its shape, but "
                             f"the targets of {type(loss).__name__} are labels; use 'accuracy'")
        return LossSpec(self.op, loss.labels)

    def check_targets(self, targets: Any, loss: Loss, function: str) -> None:
        """Raise ValueError if it has no meaning for these targets; here: it has one for all."""

    def forward(self, prediction: Any, target: Any, /) -> Any:
        """Value of each row, shape of the prediction without its last axis."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")


class BinaryAccuracy(Fixed, Metric):
    """Share of outputs that are right, each by itself: above the threshold just where the target is above 1/2.

    Parameters
    ----------
    name : str, optional
        Its key in History.
    threshold : float, optional
        Left out, it is 1/2, or 0 when the loss takes logits (``BinaryCrossentropy(from_logits=True)``), where Keras
        has 1/2, too.
    """

    name = "binary_accuracy"
    op = "binary_accuracy"

    def __init__(self, name: str | None = None, threshold: float | None = None) -> None:
        super().__init__(name)
        self.threshold = None if threshold is None else check_real("BinaryAccuracy", "threshold", threshold)

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        threshold = self.threshold
        if threshold is None:
            threshold = 0.0 if loss.from_logits and not loss.categorical else 0.5
        return replace(super().spec(loss, prediction_shape), attributes=(("threshold", threshold),))


class CategoricalAccuracy(Metric):
    """Share of rows whose largest output is the target's largest, or the one that its label names."""

    name = "categorical_accuracy"

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        return LossSpec("categorical_accuracy", loss.labels)


class Accuracy(Metric):
    """Share of right answers, told by the shape of the output, as Keras does.

    With one output it is `BinaryAccuracy`, with several `CategoricalAccuracy`, whatever the loss. Several outputs that
    each say yes or no are therefore compared by their largest; for the share of right ones take
    ``"binary_accuracy"``.

    Under a loss for regression, targets other than 0 and 1 are refused.
    """

    name = "accuracy"

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        one_output = prediction_shape[-1] == 1 and not loss.labels
        return (BinaryAccuracy() if one_output else CategoricalAccuracy()).spec(loss, prediction_shape)

    def check_targets(self, targets: Any, loss: Loss, function: str) -> None:
        if not loss.regression:
            return
        right = (targets == 0) | (targets == 1)
        if np.count_nonzero(right) == right.size:
            return
        wrong = ~right & ~np.isnan(targets)  # whether there may be NaN is not asked here
        if wrong.any():
            index = first_index(wrong)
            raise ValueError(f"{function}: the metric 'accuracy' counts right answers, but under "
                             f"{type(loss).__name__} y holds {targets[index]:g} at index {index}, neither 0 nor 1; use "
                             "'mae', or 'categorical_accuracy' if the largest output is the answer")


class MeanAbsoluteError(Metric):
    """Mean of ``|prediction - target|``."""

    name = "mean_absolute_error"
    op = "mean_absolute_error"


class MeanSquaredError(Metric):
    """Mean of ``(prediction - target)^2``."""

    name = "mean_squared_error"
    op = "mean_squared_error"


_KNOWN: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": CategoricalAccuracy,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(identifier: str | Metric) -> Metric:
    """Return a metric from its name, by which it is then called, or itself.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or there is none of that name.
    """
    if isinstance(identifier, Metric):
        return identifier
    metric = lookup("metric", identifier, _KNOWN)
    return metric(name=str(identifier))
