"""Metrics, by Keras' names: the mean over all rows of a number computed from prediction and target."""

from __future__ import annotations

from typing import Any, ClassVar

from tinynn.engine.compiler import LossSpec
from tinynn.engine.network import Shape
from tinynn.model.losses import Loss
from tinynn.model.registry import Configurable, lookup


class Metric(Configurable, kind="metrics"):
    """Base of all metrics. One of your own writes `forward` with NumPy and is named by its class.

    Attributes
    ----------
    name : str
        Its key in History.
    """

    name: str = ""
    op: ClassVar[str | None] = None

    def __init__(self) -> None:
        pass

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        """The op that computes it, given the loss whose targets it shares."""
        if self.op is None:
            return LossSpec("python_loss", loss.labels, python=self)
        if loss.labels:
            raise ValueError(f"compile: the metric {self.name!r} compares the output with targets of its shape, but "
                             f"the targets of {type(loss).__name__} are labels; use 'accuracy'")
        return LossSpec(self.op, loss.labels)

    def forward(self, prediction: Any, target: Any) -> Any:
        """Value of each row, shape of the prediction without its last axis."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")


class Accuracy(Metric):
    """Share of rows that are right: the largest class, or for a single output (or a binary loss) p > 0.5."""

    name = "accuracy"

    def spec(self, loss: Loss, prediction_shape: Shape) -> LossSpec:
        binary = not loss.labels and (prediction_shape[-1] == 1 or type(loss).__name__ == "BinaryCrossentropy")
        return LossSpec("binary_accuracy" if binary else "categorical_accuracy", loss.labels)


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
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(identifier: str | Metric) -> Metric:
    """Return a metric from its name or itself.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or there is none of that name.
    """
    return identifier if isinstance(identifier, Metric) else lookup("metric", identifier, _KNOWN)()
