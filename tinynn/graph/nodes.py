"""Nodes: numbers that know how they were computed.

A graph is made of leaves (`ConstantNode`, `VariableNode`) and of operations on one or two nodes. It is
written from the leaves up, as the formula is, so it can have no cycle.

* ``forward()`` computes the node and everything it depends on, inputs first.
* ``backward(d)`` goes the same way back. Every node receives its ``gradient``: `d` times the derivative, by
  this node, of the node on which backward() was called. A node that is used twice receives a share from each
  use, and the shares add up: that is the chain rule for a variable that reaches the result on two paths.

The order matters. If a node passed its gradient on as soon as the first share came in, the second share
would have to travel the same road again, and with every reuse the number of roads doubles. In topological
order each node waits until all shares are in, and passes their sum on once: linear in the number of nodes.

The arithmetic of each operation stands in ``tinynn/kernels/simd/tape.h``, once for the nodes and for the
compiled graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from tinynn.graph import checks
from tinynn.kernels import tape


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
    finished: dict[Node, bool] = {}  # absent: not seen; False: we are among its inputs; True: in the order
    to_do = [root]  # our own stack: a recursive search would reach Python's limit in a long chain
    while to_do:
        node = to_do[-1]
        if node not in finished:
            finished[node] = False
            for operand in reversed(node.inputs):
                if operand not in finished:
                    to_do.append(operand)
                elif not finished[operand]:
                    raise ValueError(
                        f"{node.label} depends on itself through {operand.label}; remove the cycle"
                    )
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
        The nodes this one is computed from; the same node may stand there twice.
    name : str, optional
        Shown in messages.

    Raises
    ------
    TypeError
        If an input is not a node.
    ValueError
        If there are more or fewer inputs than the operation takes.
    """

    #: The operation's name in the tape (`tinynn.kernels.tape.OPERATIONS`).
    operation: ClassVar[str]

    def __init__(self, inputs: Sequence[Node], *, name: str | None = None) -> None:
        kind = type(self).__name__
        if isinstance(inputs, Node):
            raise TypeError(f"{kind}: inputs is a single node, expected a list; write {kind}([...])")
        if not isinstance(inputs, Iterable):
            raise TypeError(
                f"{kind}: inputs is {inputs!r} ({type(inputs).__name__}), expected a list of nodes"
            )
        self._inputs = tuple(inputs)
        for i, node in enumerate(self._inputs):
            if not isinstance(node, Node):
                raise TypeError(
                    f"{kind}: inputs[{i}] is {node!r} ({type(node).__name__}), expected a node; "
                    "wrap numbers in ConstantNode or VariableNode"
                )
        expected = tape.OPERATIONS[self.operation]
        if len(self._inputs) != expected:
            raise ValueError(f"{kind}: inputs has {len(self._inputs)} nodes, expected {expected}")
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
            node._evaluate()
        return self.output

    def backward(self, d: float = 1.0) -> None:
        """Compute the gradients of this node, which is `d`, and of every node it depends on.

        They belong to the outputs of the last forward pass. Earlier gradients are replaced.

        Parameters
        ----------
        d : float
            The gradient of some final result by this node: 1 if this node is the result.

        Raises
        ------
        RuntimeError
            If there was no forward pass.
        TypeError, ValueError
            If `d` is not a finite number.
        """
        d = checks.finite_number(f"{type(self).__name__}.backward: d", d)
        order = topological_order(self)
        for node in order:
            if node._output is None:
                raise RuntimeError(f"backward: {node.label} has no output yet; call forward() first")
        for node in order:  # the one place where gradients start again
            node._gradient = None
        self._gradient = d
        for node in reversed(order):  # users before inputs: all shares of a node are in when its turn comes
            node._distribute()

    def _evaluate(self) -> None:
        """output = f(outputs of the inputs)"""
        self._output = tape.operation_forward(self.operation, *[node.output for node in self._inputs])

    def _distribute(self) -> None:
        """gradient of each input += gradient of this node times df / d input"""
        outputs = [node.output for node in self._inputs]
        shares = tape.operation_backward(self.operation, self.gradient, *outputs)
        for node, share in zip(self._inputs, shares, strict=True):
            node._gradient = share if node._gradient is None else node._gradient + share

    def __repr__(self) -> str:
        output = "" if self._output is None else f", output={self._output!r}"
        gradient = "" if self._gradient is None else f", gradient={self._gradient!r}"
        return f"<{self.label}{output}{gradient}>"


class Leaf(Node):
    """A number that is given, not computed."""

    operation = "leaf"

    def __init__(self, value: float, *, name: str | None = None) -> None:
        super().__init__((), name=name)
        self._value = checks.finite_number(f"{self.label}: value", value)
        self._output = self._value

    @property
    def value(self) -> float:
        """The number itself."""
        return self._value

    def _evaluate(self) -> None:
        self._output = self._value

    def _distribute(self) -> None:
        pass


class ConstantNode(Leaf):
    """A number that stays as it is: an input or a target.

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
        """The number itself. A new value takes effect, as `output`, in the next forward pass."""
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        self._value = checks.finite_number(f"{self.label}: value", value)


class MultiplicationNode(Node):
    """The product of two nodes: ``y = a b``, so ``da = dy b`` and ``db = dy a``.

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


class AdditionNode(Node):
    """The sum of two nodes: ``y = a + b``, so ``da = dy`` and ``db = dy``.

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


class SigmoidNode(Node):
    """``y = s(a) = 1 / (1 + exp(-a))``, so ``da = dy s(a) s(-a)``.

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


class ReluNode(Node):
    """``y = max(a, 0)``, so ``da = dy`` if a > 0, else 0.

    Examples
    --------
    >>> ReluNode([ConstantNode(-3.0)]).forward()
    0.0
    """

    operation = "relu"


class TanhNode(Node):
    """``y = tanh(a)``, so ``da = dy (1 - y^2)``.

    Examples
    --------
    >>> TanhNode([ConstantNode(0.0)]).forward()
    0.0
    """

    operation = "tanh"


class MSNode(Node):
    """Half the squared error: ``L = (p - t)^2 / 2``, so ``dp = dL (p - t)`` and ``dt = dL (t - p)``.

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
