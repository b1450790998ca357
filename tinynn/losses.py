"""Losses, by Keras' names and rules. The arithmetic is a kernel; this names it and the targets it takes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tinynn.checks import check_real
from tinynn.engine.graph import Network, Tensor
from tinynn.engine.program import LossSpec
from tinynn.registry import Configurable, Fixed, lookup

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "HalfSquaredError",
    "Loss",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
]


class Loss(Configurable, kind="losses"):
    """Base of all losses: the mean of one number for each row of the prediction.

    A loss of your own derives from this class and writes `forward` and `backward` with NumPy.

    Attributes
    ----------
    labels : bool
        Whether the target is a whole number for each row instead of an array shaped as the prediction.
    categorical : bool
        Whether the prediction of a row says how likely each class is, of which one is right.
    regression : bool
        Whether targets are any numbers, so that none is simply right or wrong.
    from_logits : bool
        Whether the prediction comes before sigmoid or softmax.
    """

    labels: ClassVar[bool] = False
    categorical: ClassVar[bool] = False
    regression: ClassVar[bool] = False
    from_logits: bool = False

    def spec(self) -> LossSpec:
        """The op that computes it."""
        return LossSpec("python_loss", self.labels, python=self)

    def prepare(self, targets: np.ndarray) -> np.ndarray:
        """The targets as the loss wants them, before training; here: as they are."""
        return targets

    def forward(self, prediction: Any, target: Any, /) -> Any:
        """Loss of each row, shape of the prediction without its last axis."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, prediction: Any, target: Any, /) -> Any:
        """Gradient of the sum of the rows' losses with respect to the prediction."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")


class KernelLoss(Fixed, Loss):
    """Base of losses that have a kernel."""

    op: ClassVar[str]

    def spec(self) -> LossSpec:
        return LossSpec(f"{self.op}_from_logits" if self.from_logits else self.op, self.labels)


class MeanSquaredError(KernelLoss):
    """Mean of ``(prediction - target)^2`` over the last axis."""

    op = "mean_squared_error"
    regression = True

    def __init__(self) -> None:
        pass


class HalfSquaredError(KernelLoss):
    """Sum of ``(prediction - target)^2 / 2`` over the last axis: the report's loss."""

    op = "half_squared_error"
    regression = True

    def __init__(self) -> None:
        pass


class BinaryCrossentropy(KernelLoss):
    """``-t log p - (1 - t) log(1 - p)``, mean over the last axis.

    Parameters
    ----------
    from_logits : bool
        The prediction is z with p = sigmoid(z). A sigmoid as the model's last activation is fused into this
        stable form anyway.
    """

    op = "binary_crossentropy"

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits


class CategoricalCrossentropy(KernelLoss):
    """``-sum_k t_k log(p_k / sum_j p_j)`` over the last axis, for targets shaped as the prediction (one-hot).

    Parameters
    ----------
    from_logits : bool
        The prediction is z with p = softmax(z). A softmax or sigmoid as the model's last activation is fused
        into a stable form anyway.
    label_smoothing : float
        In [0, 1]: the share of a target that is spread evenly over all K classes, ``t (1 - share) + share / K``.
    """

    op = "categorical_crossentropy"
    categorical = True

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = from_logits
        self.label_smoothing = check_real("CategoricalCrossentropy", "label_smoothing", label_smoothing, minimum=0,
                                          maximum=1)

    def prepare(self, targets: np.ndarray) -> np.ndarray:
        if self.label_smoothing:
            share = targets.dtype.type(self.label_smoothing)
            targets = targets * (1 - share) + share / targets.shape[-1]
        return targets


class SparseCategoricalCrossentropy(KernelLoss):
    """The same for targets that are the number of the class, 0, 1, ...

    Parameters
    ----------
    from_logits : bool
        As for `CategoricalCrossentropy`.
    """

    op = "categorical_crossentropy"
    categorical = True
    labels = True

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits


def check_output(loss: Loss, network: Network, output: Tensor) -> None:
    """Refuse one output as a share of all classes: it is 1 whatever the weights, so that nothing can be learnt.

    Raises
    ------
    ValueError
        If a categorical loss has one output to look at, or any loss one that softmax made.
    """
    way_out = "for yes or no use Dense(1, activation='sigmoid') with loss='binary_crossentropy'"
    if output.shape[-1] == 1 and loss.categorical:
        raise ValueError(f"compile: {type(loss).__name__} needs an output for each class, but the model has one, which "
                         f"is always the whole; {way_out}, or give the last layer as many units as there are classes")
    makers = {tensor.buffer: node for node in network.nodes for tensor in node.outputs}
    waiting = [output.buffer]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None:
            continue
        if node.op == "stack":
            waiting += [tensor.buffer for tensor in node.inputs]
        elif node.op == "softmax" and node.outputs[0].shape[-1] == 1:
            raise ValueError(f"compile: softmax over the one output of layer {node.layer!r} is always 1; {way_out}")


_KNOWN: dict[str, type[Loss]] = {
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "half_squared_error": HalfSquaredError,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(identifier: str | Loss) -> Loss:
    """Return a loss from its name or itself.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or there is none of that name.
    """
    return identifier if isinstance(identifier, Loss) else lookup("loss", identifier, _KNOWN)()
