"""The network of the 2018 report: one input, four sigmoid units, five weights, small enough to check by hand.

::

    n1 = s(w1 x)                            +-- w2 -- n2 -- w4 --+
    n2 = s(w2 n1)             x -- w1 -- n1 |                    +-- n4 -- L
    n3 = s(w3 n1)                           +-- w3 -- n3 -- w5 --+
    n4 = s(w4 n2 + w5 n3)
    L  = (n4 - y)^2 / 2
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from tinynn.checks import check_real, described
from tinynn.graph.compiled import CompiledGraph, compile_graph
from tinynn.graph.nodes import (
    AdditionNode,
    ConstantNode,
    MSNode,
    MultiplicationNode,
    Node,
    SigmoidNode,
    VariableNode,
)

WEIGHT_NAMES = ("w1", "w2", "w3", "w4", "w5")


class ReportNetwork:
    """The report's network, built from nodes.

    Parameters
    ----------
    x : float
        The input.
    y : float
        The target.
    weights : sequence of five floats
        w1 to w5.

    Attributes
    ----------
    nodes : dict of str to Node
        All nodes by name: the leaves x, y and w1 to w5, the units' inputs z1 to z4, the products p4 = w4 n2 and
        p5 = w5 n3 that make up z4, the units' outputs n1 to n4, and the loss L.
    """

    def __init__(
        self, x: float = 2.0, y: float = 3.0, weights: Sequence[float] = (2.0, 1.0, 2.0, 4.0, 1.0)
    ) -> None:
        kind = type(self).__name__
        numbers = _numbers(kind, weights)
        self._x = ConstantNode(check_real(kind, "x", x), name="x")
        self._y = ConstantNode(check_real(kind, "y", y), name="y")
        self._weights = [VariableNode(number, name=name) for name, number in zip(WEIGHT_NAMES, numbers, strict=True)]
        w1, w2, w3, w4, w5 = self._weights

        z1 = MultiplicationNode([w1, self._x], name="z1")
        n1 = SigmoidNode([z1], name="n1")
        z2 = MultiplicationNode([w2, n1], name="z2")
        n2 = SigmoidNode([z2], name="n2")
        z3 = MultiplicationNode([w3, n1], name="z3")
        n3 = SigmoidNode([z3], name="n3")
        p4 = MultiplicationNode([w4, n2], name="p4")
        p5 = MultiplicationNode([w5, n3], name="p5")
        z4 = AdditionNode([p4, p5], name="z4")
        n4 = SigmoidNode([z4], name="n4")
        self._loss = MSNode([n4, self._y], name="L")

        everything = [self._x, self._y, *self._weights, z1, n1, z2, n2, z3, n3, p4, p5, z4, n4, self._loss]
        self.nodes: dict[str, Node] = {str(node.name): node for node in everything}
        self._compiled: CompiledGraph | None = None

    @property
    def x(self) -> float:
        """The input."""
        return self._x.value

    @property
    def y(self) -> float:
        """The target."""
        return self._y.value

    def forward(self) -> float:
        """Compute all nodes and return the loss."""
        return self._loss.forward()

    def backward(self, d: float = 1.0) -> None:
        """Compute the gradients of all nodes, `d` times dL/d(node). Needs a forward pass first."""
        self._loss.backward(d)

    def get_weights(self) -> list[float]:
        """Return the current values of w1 to w5."""
        return [weight.value for weight in self._weights]

    def set_weights(self, weights: Sequence[float]) -> None:
        """Set w1 to w5. They take effect in the next forward pass.

        Raises
        ------
        TypeError, ValueError
            If `weights` are not five finite numbers. No weight is changed then.

        Examples
        --------
        >>> network = ReportNetwork()
        >>> network.set_weights(5)
        Traceback (most recent call last):
        TypeError: set_weights: weights must be a list of 5 numbers (w1 to w5), got 5 (int)
        """
        numbers = _numbers("set_weights", weights)
        for node, number in zip(self._weights, numbers, strict=True):
            node.value = number

    def gradients(self) -> list[float]:
        """Return dL/dw1 to dL/dw5 of the last backward pass; RuntimeError if there has been none."""
        return [weight.gradient for weight in self._weights]

    def step(self, lr: float) -> float:
        """Take one step of gradient descent, node by node: forward, backward, ``w <- w - lr dL/dw``.

        Parameters
        ----------
        lr : float
            The learning rate, 0 or more.

        Returns
        -------
        float
            The loss before the update.

        Raises
        ------
        TypeError, ValueError
            If `lr` is not such a number.
        FloatingPointError
            If a weight would become infinite or NaN. No weight is changed then.
        """
        lr = check_real("step", "lr", lr, minimum=0)
        loss = self.forward()
        self.backward()
        new = [weight - lr * dw for weight, dw in zip(self.get_weights(), self.gradients(), strict=True)]
        if not all(map(math.isfinite, new)):
            raise FloatingPointError(
                f"step: the new weights must be finite, got {new}; they are left unchanged; use a smaller lr"
            )
        self.set_weights(new)
        return loss

    def train(self, steps: int, lr: float) -> float:
        """Take `steps` steps, compiled: the same bits as `step` gives, a million steps in well under a second.

        Parameters
        ----------
        steps : int
            0 or more.
        lr : float
            The learning rate, 0 or more.

        Returns
        -------
        float
            The loss before the last update.

        Raises
        ------
        TypeError, ValueError
            If `steps` or `lr` is not such a number.
        FloatingPointError
            If a weight would become infinite or NaN. The weights are then those before that step.

        Examples
        --------
        >>> network = ReportNetwork(y=0.5)
        >>> network.train(steps=10_000, lr=0.1) < 1e-6
        True
        """
        if self._compiled is None:
            self._compiled = compile_graph(self._loss, self._weights)
        return self._compiled.train(steps, lr)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(x={self.x!r}, y={self.y!r}, weights={self.get_weights()!r})"


def _numbers(function: str, weights: Any) -> list[float]:
    """The weights as a list of floats, one for each name in `WEIGHT_NAMES`.

    Raises
    ------
    TypeError
        If they are not a sequence of numbers.
    ValueError
        If there are more or fewer, or if one is NaN or infinite.
    """
    expected = f"a list of {len(WEIGHT_NAMES)} numbers ({WEIGHT_NAMES[0]} to {WEIGHT_NAMES[-1]})"
    ordered = isinstance(weights, Iterable) and not isinstance(weights, str | bytes | Mapping | Set)
    if not ordered or getattr(weights, "shape", None) == ():
        raise TypeError(f"{function}: weights must be {expected}, got {described(weights)}")
    items = list(weights)
    if len(items) != len(WEIGHT_NAMES):
        raise ValueError(f"{function}: weights must be {expected}, got {len(items)}")
    return [check_real(function, f"weights[{i}] ({name})", item)
            for i, (name, item) in enumerate(zip(WEIGHT_NAMES, items, strict=True))]
