"""The worked example: one input, four sigmoid units, five weights, and every number checkable by hand.

::

    n1 = s(w1 x)                            +-- w2 -- n2 -- w4 --+
    n2 = s(w2 n1)             x -- w1 -- n1 |                    +-- n4 -- L
    n3 = s(w3 n1)                           +-- w3 -- n3 -- w5 --+
    n4 = s(w4 n2 + w5 n3)
    L  = (n4 - y)^2 / 2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike

from tinynn.graph import checks, drawing, explanation
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
from tinynn.io.atomic import write_file

WEIGHT_NAMES = ("w1", "w2", "w3", "w4", "w5")


class WorkedExample:
    """The network of the 2018 report, built from nodes. Without arguments, with the report's numbers.

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
        All nodes by name: the leaves x, y and w1 to w5, the sums z1 to z4, the products p4 = w4 n2 and
        p5 = w5 n3 inside z4, the units n1 to n4, and the loss L.

    Raises
    ------
    TypeError
        If an argument is not a number, or `weights` not a list of numbers.
    ValueError
        If a number is NaN or infinite, or there are not five weights.

    Examples
    --------
    >>> example = WorkedExample(x=2.0, y=3.0, weights=[2.0, 1.0, 2.0, 4.0, 1.0])
    >>> round(example.forward(), 9)
    2.044568099
    >>> example.backward()
    >>> [round(gradient, 6) for gradient in example.gradients()]
    [-0.001562, -0.034123, -0.004643, -0.03188, -0.038429]
    >>> loss = example.step(lr=0.1)
    >>> [round(weight, 6) for weight in example.get_weights()]
    [2.000156, 1.003412, 2.000464, 4.003188, 1.003843]
    """

    def __init__(
        self, x: float = 2.0, y: float = 3.0, weights: Sequence[float] = (2.0, 1.0, 2.0, 4.0, 1.0)
    ) -> None:
        numbers = checks.finite_numbers("WorkedExample: weights", weights, WEIGHT_NAMES)
        self._x = ConstantNode(checks.finite_number("WorkedExample: x", x), name="x")
        self._y = ConstantNode(checks.finite_number("WorkedExample: y", y), name="y")
        self._weights = [
            VariableNode(number, name=name) for name, number in zip(WEIGHT_NAMES, numbers, strict=True)
        ]
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
        """Compute the gradients of all nodes: `d` times dL/d(node). Needs a forward pass first."""
        self._loss.backward(d)

    def get_weights(self) -> list[float]:
        """Return w1 to w5 as they are now."""
        return [weight.value for weight in self._weights]

    def set_weights(self, weights: Sequence[float]) -> None:
        """Set w1 to w5. They take effect in the next forward pass.

        Raises
        ------
        TypeError, ValueError
            If `weights` are not five finite numbers. Then no weight is changed.

        Examples
        --------
        >>> example = WorkedExample()
        >>> example.set_weights(5)
        Traceback (most recent call last):
        TypeError: set_weights: weights is 5 (int), expected a list of 5 numbers (w1 to w5)
        """
        numbers = checks.finite_numbers("set_weights: weights", weights, WEIGHT_NAMES)
        for node, number in zip(self._weights, numbers, strict=True):
            node.value = number

    def gradients(self) -> list[float]:
        """Return dL/dw1 to dL/dw5 of the last backward pass; RuntimeError if there was none."""
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
            If a weight would become infinite or NaN. Then no weight is changed.
        """
        lr = checks.learning_rate("step: lr", lr)
        loss = self.forward()
        self.backward()
        new = [
            weight - lr * gradient
            for weight, gradient in zip(self.get_weights(), self.gradients(), strict=True)
        ]
        if not all(map(math.isfinite, new)):
            raise FloatingPointError(
                f"step: the new weights would be {new}; they stay as they are; take a smaller lr"
            )
        self.set_weights(new)
        return loss

    def train(self, steps: int, lr: float) -> float:
        """Take many steps, compiled: the same bits as calling `step` as often, a million in under a second.

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
            If a weight would become infinite or NaN. The weights then stand as before that step.

        Examples
        --------
        >>> example = WorkedExample(y=0.5)
        >>> example.train(steps=10_000, lr=0.1) < 1e-6
        True
        """
        if self._compiled is None:
            self._compiled = compile_graph(self._loss, self._weights)
        return self._compiled.train(steps, lr)

    def explain(self, lr: float = 0.1, steps: int = 1) -> str:
        """Return every equation with the numbers put in: forward, gradients, new weights. Changes nothing.

        For the report's inputs its figures stand beside the exact ones; its two errors are always named.

        Parameters
        ----------
        lr : float
            The learning rate of the update, 0 or more.
        steps : int
            The number of updates: the first is shown in full, more as a table. 0 leaves the update out.

        Returns
        -------
        str
            Lines of plain ASCII, the last one ended too.

        Raises
        ------
        TypeError, ValueError
            If `lr` or `steps` is not such a number.
        FloatingPointError
            If a weight would become infinite or NaN.

        Examples
        --------
        >>> text = WorkedExample().explain()
        >>> print(text.splitlines()[0])
        Backpropagation by hand
        """
        return explanation.explain(
            self._copy(), checks.learning_rate("explain: lr", lr), checks.count("explain: steps", steps)
        )

    def svg(self, path: str | PathLike[str] | None = None, lr: float = 0.1, steps: int = 1) -> str:
        """Draw the graph with its values and gradients in the last of so many steps. Changes nothing here.

        Parameters
        ----------
        path : path, optional
            A file to write the picture to, as UTF-8, whole or not at all.
        lr : float
            The learning rate of the steps, 0 or more.
        steps : int
            The number of updates, as in `explain`: of the last one the forward and backward pass are drawn, with the
            weights that the others lead to. With 0 and 1 those are the present weights.

        Returns
        -------
        str
            The picture: an SVG document, as wide as there is room for it.

        Raises
        ------
        TypeError, ValueError
            If `lr` or `steps` is not such a number.
        FloatingPointError
            If a weight would become infinite or NaN.
        OSError
            If the file cannot be written; what stood there is as it was.

        Examples
        --------
        >>> WorkedExample().svg().startswith("<svg")
        True
        """
        lr, steps = checks.learning_rate("svg: lr", lr), checks.count("svg: steps", steps)
        copy = self._copy()
        copy.train(max(0, steps - 1), lr)
        copy.forward()
        copy.backward()
        picture = drawing.draw(copy.nodes, f"Backpropagation by hand{f', step {steps:,}' if steps > 1 else ''}")
        if path is not None:
            write_file(path, picture.encode())
        return picture

    def _copy(self) -> WorkedExample:
        return WorkedExample(self.x, self.y, self.get_weights())

    def __repr__(self) -> str:
        return f"WorkedExample(x={self.x!r}, y={self.y!r}, weights={self.get_weights()!r})"
