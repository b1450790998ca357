"""Nodes: numbers that know how they were computed.

A graph consists of leaves (`ConstantNode`, `VariableNode`) and operations on one or two nodes. It is built from the
leaves up, the way a formula is written, so it cannot contain a cycle.

* ``forward()`` computes the node and everything it depends on, inputs first. Each node computes its output from its
  inputs' outputs: ``y = evaluate(a, b)``.
* ``backward(d)`` goes the same way back. Every node receives its ``gradient``: `d` times the derivative, with respect
  to this node, of the node on which backward() was called. Each node passes a share on to each of its inputs:
  ``da, db = differentiate(dy, a, b)``. A node that is used twice receives two shares, and they add up: that is the
  chain rule for a variable that reaches the result on two paths.

The order matters. If a node passed its gradient on as soon as the first share arrived, the second share would have to
travel the same paths again, and the number of paths doubles with every reuse. In topological order a node waits until
all its shares have arrived and passes on their sum, once: the work is linear in the number of nodes.

Every operation is a class of two formulas, at the end of this file. `tinynn.graph.compiled` computes the same numbers
without Python, bit for bit; to agree with it in the last digit, `exp` and `tanh` come from there, not from `math`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from tinynn.checks import check_real
from tinynn.kernels.tape import OPERATIONS, exp, tanh


def topological_order(root: Node) -> list[Node]:
    """Return `root` and every node it depends on, each once and after all of its inputs.

    Parameters
    ----------
    root : Node

    Returns
    -------
    list of Node
        The last one is `root`. The same graph always gives the same order.

    Raises
    ------
    ValueError
        If the graph has a cycle.

    Examples
    --------
    >>> a = VariableNode(3.0, name="a")
    >>> square = MultiplicationNode([a, a], name="square")
    >>> [node.name for node in topological_order(square)]
    ['a', 'square']
    """
    order: list[Node] = []
    finished: dict[Node, bool] = {}  # absent: not seen; False: visiting its inputs; True: in the order
    to_do = [root]  # a stack of our own: recursion would reach Python's limit in a long chain
    while to_do:
        node = to_do[-1]
        if node not in finished:
            finished[node] = False
            for operand in reversed(node.inputs):
                if operand not in finished:
                    to_do.append(operand)
                elif not finished[operand]:
                    raise ValueError(f"{node.label} depends on itself through {operand.label}; remove the cycle")
        else:
            to_do.pop()
            if not finished[node]:
                finished[node] = True
                order.append(node)
    return order


class Node:
    """What all nodes have in common.

    Parameters
    ----------
    inputs : sequence of Node
        The nodes this one is computed from; the same node may appear twice.
    name : str, optional
        Shown in messages.

    Raises
    ------
    TypeError
        If an input is not a node.
    ValueError
        If the number of inputs is not the operation's.
    """

    #: The operation's name in the tape (`tinynn.kernels.tape.OPERATIONS`).
    operation: ClassVar[str]
    #: The output, given the inputs' outputs.
    evaluate: Callable[..., float]
    #: The share of each input's gradient, given this node's gradient and the inputs' outputs.
    differentiate: Callable[..., tuple[float, ...]]

    def __init__(self, inputs: Sequence[Node], *, name: str | None = None) -> None:
        kind = type(self).__name__
        if isinstance(inputs, Node):
            raise TypeError(f"{kind}: inputs must be a list of nodes, got a single node; write {kind}([...])")
        if not isinstance(inputs, Iterable):
            raise TypeError(f"{kind}: inputs must be a list of nodes, got {inputs!r} ({type(inputs).__name__})")
        self._inputs = tuple(inputs)
        for i, node in enumerate(self._inputs):
            if not isinstance(node, Node):
                raise TypeError(
                    f"{kind}: inputs[{i}] must be a node, got {node!r} ({type(node).__name__}); wrap numbers in "
                    "ConstantNode or VariableNode"
                )
        expected = OPERATIONS[self.operation]
        if len(self._inputs) != expected:
            raise ValueError(f"{kind}: inputs must be {expected} nodes, got {len(self._inputs)}")
        self._name = name
        self._output: float | None = None
        self._gradient: float | None = None

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes this one is computed from."""
        return self._inputs

    @property
    def name(self) -> str | None:
        """The name given to the node, or None."""
        return self._name

    @property
    def label(self) -> str:
        """What messages call the node: its type, and its name if it has one."""
        return type(self).__name__ + (f" {self._name!r}" if self._name is not None else "")

    @property
    def output(self) -> float:
        """The node's value in the last forward pass; RuntimeError if there was none."""
        if self._output is None:
            raise RuntimeError(f"{self.label} has no output yet; call forward() on it or a node that uses it")
        return self._output

    @property
    def gradient(self) -> float:
        """The node's gradient in the last backward pass; RuntimeError if there was none."""
        if self._gradient is None:
            raise RuntimeError(f"{self.label} has no gradient yet; call backward() on the loss")
        return self._gradient

    def forward(self) -> float:
        """Compute everything this node depends on, then the node itself.

        Returns
        -------
        float
            The node's new `output`.
        """
        for node in topological_order(self):
            node._output = node.evaluate(*[operand._output for operand in node._inputs])
        return self.output

    def backward(self, d: float = 1.0) -> None:
        """Compute the gradients of this node, which is `d`, and of every node it depends on.

        They belong to the outputs of the last forward pass. Earlier gradients are replaced.

        Parameters
        ----------
        d : float
            The gradient of the final result with respect to this node: 1 if this node is the result.

        Raises
        ------
        RuntimeError
            If there has been no forward pass.
        TypeError, ValueError
            If `d` is not a finite number.
        """
        d = check_real(f"{type(self).__name__}.backward", "d", d)
        order = topological_order(self)
        for node in order:
            if node._output is None:
                raise RuntimeError(f"backward: {node.label} has no output yet; call forward() first")
        for node in order:  # the only place where gradients are reset
            node._gradient = None
        self._gradient = d
        for node in reversed(order):  # users before inputs: when a node's turn comes, all its shares have arrived
            for operand, share in zip(node._inputs, node.shares(), strict=True):
                operand._gradient = share if operand._gradient is None else operand._gradient + share

    def shares(self) -> tuple[float, ...]:
        """Return what this node added to the gradient of each of its inputs in the last backward pass."""
        return self.differentiate(self.gradient, *[operand._output for operand in self._inputs])

    def __repr__(self) -> str:
        output = "" if self._output is None else f", output={self._output!r}"
        gradient = "" if self._gradient is None else f", gradient={self._gradient!r}"
        return f"<{self.label}{output}{gradient}>"


class Leaf(Node):
    """A number that is given, not computed."""

    operation = "leaf"

    def __init__(self, value: float, *, name: str | None = None) -> None:
        super().__init__((), name=name)
        self._value = check_real(self.label, "value", value)
        self._output = self._value

    @property
    def value(self) -> float:
        """The number itself."""
        return self._value

    def evaluate(self) -> float:
        """Return the number itself."""
        return self._value

    def differentiate(self, dy: float) -> tuple[()]:
        """Pass nothing on: there are no inputs."""
        return ()


class ConstantNode(Leaf):
    """A number that does not change: an input or a target.

    Parameters
    ----------
    value : float
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If `value` is not a finite number.

    Examples
    --------
    >>> ConstantNode(2).output
    2.0
    """


class VariableNode(Leaf):
    """A number that may change: a weight.

    Parameters
    ----------
    value : float
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If `value` is not a finite number.

    Examples
    --------
    >>> w = VariableNode(2.0)
    >>> w.value = 5.0                       # takes effect in the next forward pass
    >>> w.output
    2.0
    >>> w.forward()
    5.0
    """

    @property
    def value(self) -> float:
        """The number itself. A new one becomes the `output` in the next forward pass."""
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        self._value = check_real(self.label, "value", value)


class MultiplicationNode(Node):
    """The product of two nodes: ``y = a b``.

    Examples
    --------
    >>> a, b = VariableNode(3.0), VariableNode(4.0)
    >>> y = MultiplicationNode([a, b])
    >>> y.forward()
    12.0
    >>> y.backward(10.0)
    >>> a.gradient, b.gradient
    (40.0, 30.0)
    """

    operation = "multiply"

    def evaluate(self, a: float, b: float) -> float:
        """y = a b"""
        return a * b

    def differentiate(self, dy: float, a: float, b: float) -> tuple[float, float]:
        """da = dy b,  db = dy a"""
        return dy * b, dy * a


class AdditionNode(Node):
    """The sum of two nodes: ``y = a + b``.

    Examples
    --------
    >>> a = VariableNode(3.0)
    >>> y = AdditionNode([a, a])            # used twice: the two shares add up
    >>> y.forward()
    6.0
    >>> y.backward()
    >>> a.gradient
    2.0
    """

    operation = "add"

    def evaluate(self, a: float, b: float) -> float:
        """y = a + b"""
        return a + b

    def differentiate(self, dy: float, a: float, b: float) -> tuple[float, float]:
        """da = dy,  db = dy"""
        return dy, dy


def sigmoid_slope(z: float) -> float:
    """s'(z) = s(z) s(-z); written s(z) (1 - s(z)) it would cancel to 0 for large z"""
    e = exp(-abs(z))
    larger = 1.0 / (1.0 + e)  # s(|z|); s(-|z|) is e times that
    return larger * (e * larger)


class SigmoidNode(Node):
    """``y = s(a) = 1 / (1 + exp(-a))``.

    Examples
    --------
    >>> a = VariableNode(0.0)
    >>> y = SigmoidNode([a])
    >>> y.forward()
    0.5
    >>> y.backward()
    >>> a.gradient
    0.25
    """

    operation = "sigmoid"

    def evaluate(self, a: float) -> float:
        """y = s(a)"""
        e = exp(-abs(a))  # at most 1: no overflow on either side
        return (1.0 if a >= 0.0 else e) / (1.0 + e)

    def differentiate(self, dy: float, a: float) -> tuple[float]:
        """da = dy s'(a)"""
        return (dy * sigmoid_slope(a),)


class ReluNode(Node):
    """``y = max(a, 0)``.

    Examples
    --------
    >>> ReluNode([ConstantNode(-3.0)]).forward()
    0.0
    """

    operation = "relu"

    def evaluate(self, a: float) -> float:
        """y = max(a, 0)"""
        return 0.0 if a <= 0.0 else a

    def differentiate(self, dy: float, a: float) -> tuple[float]:
        """da = dy if a > 0, else 0"""
        return (0.0 if a <= 0.0 else dy,)


class TanhNode(Node):
    """``y = tanh(a)``.

    Examples
    --------
    >>> TanhNode([ConstantNode(0.0)]).forward()
    0.0
    """

    operation = "tanh"

    def evaluate(self, a: float) -> float:
        """y = tanh(a)"""
        return tanh(a)

    def differentiate(self, dy: float, a: float) -> tuple[float]:
        """da = dy (1 - tanh(a)^2) = dy 4 s'(2a)"""
        return (dy * (4.0 * sigmoid_slope(2.0 * a)),)  # 1 - tanh(a)^2 would cancel to 0 for large a


class MSNode(Node):
    """Half the squared error: ``L = (p - t)^2 / 2``.

    Examples
    --------
    >>> prediction, target = VariableNode(1.0), ConstantNode(3.0)
    >>> loss = MSNode([prediction, target])
    >>> loss.forward()
    2.0
    >>> loss.backward()
    >>> prediction.gradient
    -2.0
    """

    operation = "half_squared_error"

    def evaluate(self, p: float, t: float) -> float:
        """L = (p - t)^2 / 2"""
        return 0.5 * (p - t) * (p - t)

    def differentiate(self, dL: float, p: float, t: float) -> tuple[float, float]:
        """dp = dL (p - t),  dt = dL (t - p)"""
        return dL * (p - t), dL * (t - p)
