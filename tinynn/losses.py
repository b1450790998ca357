"""Losses, with Keras' names and rules. Kernels compute them; these classes name the kernel and the kind of targets."""

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
    """Base of all losses. The loss is the mean of one number for each row of the prediction.

    To write a loss in NumPy, derive from this class and override `forward` and `backward`.

    Attributes
    ----------
    labels : bool
        Whether the targets are labels (one whole number for each row) instead of arrays with the prediction's shape.
    categorical : bool
        Whether a row of the prediction is a distribution over classes.
    regression : bool
        Whether the targets are real numbers, for which accuracy has no meaning.
    from_logits : bool
        Whether the prediction consists of logits, the inputs of sigmoid or softmax.
    """

    labels: ClassVar[bool] = False
    categorical: ClassVar[bool] = False
    regression: ClassVar[bool] = False
    from_logits: bool = False

    def spec(self) -> LossSpec:
        """Return the spec of the loss's op."""
        return LossSpec("python_loss", self.labels, python=self)

    def prepare(self, targets: np.ndarray) -> np.ndarray:
        """Transform the targets before training. The default returns them unchanged."""
        return targets

    def forward(self, prediction: Any, target: Any, /) -> Any:
        """Compute the loss of each row: the shape of the prediction without its last axis."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, prediction: Any, target: Any, /) -> Any:
        """Compute the gradient of the sum of the rows' losses with respect to the prediction."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")


class _KernelLoss(Fixed, Loss):
    """Base of the losses that a kernel computes."""

    op: ClassVar[str]

    def spec(self) -> LossSpec:
        return LossSpec(f"{self.op}_from_logits" if self.from_logits else self.op, self.labels)


class MeanSquaredError(_KernelLoss):
    """Mean of ``(prediction - target)^2`` over the last axis."""

    op = "mean_squared_error"
    regression = True


class HalfSquaredError(_KernelLoss):
    """Sum of ``(prediction - target)^2 / 2`` over the last axis, the loss of the report (see README.md)."""

    op = "half_squared_error"
    regression = True


class BinaryCrossentropy(_KernelLoss):
    """``-t log p - (1 - t) log(1 - p)``, mean over the last axis.

    Parameters
    ----------
    from_logits : bool
        Whether the prediction is z with p = sigmoid(z). If the model ends with a sigmoid, it is fused with the loss
        into this numerically stable form anyway.
    """

    op = "binary_crossentropy"

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits


class CategoricalCrossentropy(_KernelLoss):
    """``-sum_k t_k log(p_k / sum_j p_j)`` over the last axis, for targets with the prediction's shape (one-hot).

    Parameters
    ----------
    from_logits : bool
        Whether the prediction is z with p = softmax(z). If the model ends with a softmax or sigmoid, it is fused with
        the loss into a numerically stable form anyway.
    label_smoothing : float
        In [0, 1]: the share of each target to spread evenly over all K classes, ``t (1 - share) + share / K``.
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


class SparseCategoricalCrossentropy(_KernelLoss):
    """`CategoricalCrossentropy` for targets that are labels, 0, 1, ...

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
    """Reject a normalized distribution over one class: it is always 1, so nothing can be learned.

    Raises
    ------
    ValueError
        If the loss is categorical and the model has one output, or if the output is a softmax over one number.
    """
    way_out = "for yes or no use Dense(1, activation='sigmoid') with loss='binary_crossentropy'"
    if output.shape[-1] == 1 and loss.categorical:
        raise ValueError(f"compile: {type(loss).__name__} needs one output per class, but the model has one, which "
                         f"would always be 1; {way_out}, or give the last layer as many units as there are classes")
    makers = {tensor.buffer: node for node in network.nodes for tensor in node.outputs}
    stack = [output.buffer]
    while stack:
        node = makers.get(stack.pop())
        if node is None:
            continue
        if node.op == "stack":
            stack += [tensor.buffer for tensor in node.inputs]
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
    """Return a loss, given its name or object.

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or the type is invalid.
    """
    return identifier if isinstance(identifier, Loss) else lookup("loss", identifier, _KNOWN)()
