"""Metrics, with Keras' names. A metric is the mean of one number for each row of the prediction."""

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
    """Base of all metrics. To write a metric in NumPy, derive from this class and override `forward`.

    Parameters
    ----------
    name : str, optional
        The key in History. The default for a class of your own is its name. A metric that `compile` got as a string,
        such as ``"mae"``, has that string as its name.
    """

    name: str = ""
    op: ClassVar[str | None] = None

    def __init__(self, name: str | None = None) -> None:
        if name is not None:
            if not isinstance(name, str) or not name.isprintable():
                raise TypeError(f"{type(self).__name__}: name must be a string of printable characters, got {name!r}")
            self.name = name

    def _arguments(self) -> dict[str, Any]:
        """The constructor arguments; the name is None if it is the class's default."""
        arguments = super()._arguments()
        if arguments.get("name") == type(self).name:
            arguments["name"] = None
        return arguments

    def get_config(self) -> dict[str, Any]:
        return {argument: value for argument, value in super().get_config().items()
                if (argument, value) != ("name", None)}

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        """Return the spec of the metric's op. The metric shares the targets of the loss."""
        if self.op is None:
            return LossSpec("python_loss", loss.labels, python=self)
        if loss.labels:
            raise ValueError(f"compile: the metric {self.name!r} compares the output with targets of its shape, but "
                             f"the targets of {type(loss).__name__} are labels; use 'accuracy'")
        return LossSpec(self.op, loss.labels)

    def check_targets(self, targets: Any, loss: Loss, function: str) -> None:
        """Raise ValueError if the metric has no meaning for these targets. The default accepts all."""

    def forward(self, prediction: Any, target: Any, /) -> Any:
        """Compute the value of each row: the shape of the prediction without its last axis."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")


class BinaryAccuracy(Fixed, Metric):
    """Fraction of outputs that are on the target's side: above the threshold if and only if the target is above 1/2.

    Parameters
    ----------
    name : str, optional
        The key in History.
    threshold : float, optional
        The default is 1/2, or 0 if the loss takes logits (``BinaryCrossentropy(from_logits=True)``). Keras uses 1/2 for
        logits, too.
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
    """Fraction of rows whose largest output is at the label, or at the largest number of the target."""

    name = "categorical_accuracy"

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        return LossSpec("categorical_accuracy", loss.labels)


class Accuracy(Metric):
    """Fraction of correct predictions. The kind depends on the output's shape, as in Keras.

    With one output it is `BinaryAccuracy`, with several `CategoricalAccuracy`, whatever the loss. For several
    independent yes-or-no outputs, use ``"binary_accuracy"`` instead.

    With a loss for regression, targets other than 0 and 1 are an error.
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
        wrong = ~right & ~np.isnan(targets)  # NaN is the subject of `check_finite`
        if wrong.any():
            index = first_index(wrong)
            raise ValueError(f"{function}: y must be 0 or 1 for the metric 'accuracy' with {type(loss).__name__}, got "
                             f"{targets[index]:g} at index {index}; use 'mae', or 'categorical_accuracy' if the "
                             "largest output is the prediction")


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
    """Return a metric, given its name or object. A given name becomes the metric's key in History.

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or the type is invalid.
    """
    if isinstance(identifier, Metric):
        return identifier
    metric = lookup("metric", identifier, _KNOWN)
    return metric(name=str(identifier))
