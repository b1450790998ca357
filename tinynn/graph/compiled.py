"""A graph of nodes, compiled into a tape that trains without the GIL."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from tinynn.graph import checks
from tinynn.graph.nodes import Leaf, Node, VariableNode, topological_order
from tinynn.kernels.tape import Tape

SECONDS_PER_CALL = 0.1  # how long Ctrl-C may have to wait


def compile_graph(loss: Node, variables: Sequence[VariableNode]) -> CompiledGraph:
    """Compile everything `loss` depends on, for training `variables`.

    Parameters
    ----------
    loss : Node
        The node to be made small.
    variables : sequence of VariableNode
        What training changes. Other variables of the graph stay as they are.

    Returns
    -------
    CompiledGraph

    Raises
    ------
    TypeError
        If `loss` is not a node, or a variable not a `VariableNode`.
    ValueError
        If a variable is named twice or `loss` does not depend on it.

    Examples
    --------
    >>> from tinynn.graph import ConstantNode, MSNode, MultiplicationNode
    >>> w = VariableNode(5.0)
    >>> loss = MSNode([MultiplicationNode([w, ConstantNode(2.0)]), ConstantNode(12.0)])
    >>> graph = compile_graph(loss, [w])
    >>> graph.train(steps=1000, lr=0.05) < 1e-20
    True
    >>> round(w.value, 9)
    6.0
    """
    return CompiledGraph(loss, variables)


class CompiledGraph:
    """What `compile_graph` returns: the same nodes, with the arithmetic done by `tinynn.kernels.tape`.

    Every method starts from the values the leaves have now, and leaves the nodes as they would be if each had
    computed for itself: the same bits in outputs, gradients and values. Two threads must not use the same
    nodes at once.
    """

    def __init__(self, loss: Node, variables: Sequence[VariableNode]) -> None:
        if not isinstance(loss, Node):
            raise TypeError(f"compile_graph: loss is {loss!r} ({type(loss).__name__}), expected a node")
        if not isinstance(variables, Iterable):
            raise TypeError(f"compile_graph: variables is {variables!r}, expected a list of VariableNode")
        self._nodes = topological_order(loss)
        self._variables = list(variables)
        positions = {node: i for i, node in enumerate(self._nodes)}
        seen: set[Node] = set()
        for i, variable in enumerate(self._variables):
            if not isinstance(variable, VariableNode):
                raise TypeError(
                    f"compile_graph: variables[{i}] is {variable!r} ({type(variable).__name__}), "
                    "expected a VariableNode"
                )
            if variable not in positions:
                raise ValueError(
                    f"compile_graph: variables[{i}], {variable.label}, is not part of {loss.label}"
                )
            if variable in seen:
                raise ValueError(f"compile_graph: variables[{i}], {variable.label}, is there twice")
            seen.add(variable)
        self._tape = Tape(
            [node.operation for node in self._nodes],
            [tuple(positions[operand] for operand in node.inputs) for node in self._nodes],
            [positions[variable] for variable in self._variables],
        )

    def forward(self) -> float:
        """Compute all nodes and return the loss."""
        self._load()
        self._tape.forward()
        self._store(gradients=False)
        return self._nodes[-1].output

    def train(self, steps: int, lr: float) -> float:
        """Take `steps` steps of gradient descent: forward, backward, ``w <- w - lr dL/dw``.

        Runs without the GIL, in slices of about 0.1 s so that Ctrl-C works; it leaves the nodes as they were
        after the last whole slice.

        Parameters
        ----------
        steps : int
            0 or more.
        lr : float
            The learning rate, 0 or more.

        Returns
        -------
        float
            The loss of the last forward pass, which is the loss before the last update.

        Raises
        ------
        TypeError, ValueError
            If `steps` or `lr` is not such a number.
        FloatingPointError
            If a step would make a variable infinite or NaN. The variables then stand as before that step.
        """
        steps = checks.count("train: steps", steps)
        lr = checks.learning_rate("train: lr", lr)
        if steps == 0:
            return self.forward()
        self._load()
        done, size = 0, 1
        try:
            while done < steps:
                size = min(size, steps - done)
                started = time.perf_counter()
                finished = self._tape.train(size, lr)
                seconds = time.perf_counter() - started
                done += finished
                if finished < size:
                    raise FloatingPointError(
                        f"train: step {done + 1} would make a variable infinite or NaN; "
                        "the variables stand as before it; take a smaller lr"
                    )
                if seconds < SECONDS_PER_CALL / 2:
                    size *= 2
                elif seconds > SECONDS_PER_CALL:
                    size = max(1, size // 2)
        finally:
            self._store(gradients=True)
        return self._nodes[-1].output

    def _load(self) -> None:
        self._tape.set_leaves([node.value if isinstance(node, Leaf) else 0.0 for node in self._nodes])

    def _store(self, gradients: bool) -> None:
        for node, output in zip(self._nodes, self._tape.get_values(), strict=True):
            node._output = output
        if gradients:
            for node, gradient in zip(self._nodes, self._tape.get_gradients(), strict=True):
                node._gradient = gradient
            for variable, value in zip(self._variables, self._tape.get_weights(), strict=True):
                variable._value = value
