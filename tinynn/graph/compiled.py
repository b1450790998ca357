"""A graph of nodes compiled into a tape, which trains without Python and without the GIL."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from tinynn.checks import check_count, check_real
from tinynn.graph.nodes import Leaf, Node, VariableNode, topological_order
from tinynn.kernels.tape import Tape

MAX_SECONDS_PER_CALL = 0.1  # Ctrl-C waits no longer than about this


def compile_graph(loss: Node, variables: Sequence[VariableNode]) -> CompiledGraph:
    """Compile everything `loss` depends on, for training `variables`.

    Parameters
    ----------
    loss : Node
        The node to minimize.
    variables : sequence of VariableNode
        The variables to train. Other variables of the graph keep their values.

    Returns
    -------
    CompiledGraph

    Raises
    ------
    TypeError
        If `loss` is not a node, or a variable is not a `VariableNode`.
    ValueError
        If a variable is listed twice, or `loss` does not depend on it.

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
    """What `compile_graph` returns: the same nodes, computed by `tinynn.kernels.tape` instead of by themselves.

    Every method starts from the leaves' current values and stores the results in the nodes, with the bits that the
    nodes' own ``evaluate`` and ``differentiate`` give. Two threads must not use the same nodes at once.
    """

    def __init__(self, loss: Node, variables: Sequence[VariableNode]) -> None:
        if not isinstance(loss, Node):
            raise TypeError(f"compile_graph: loss must be a node, got {loss!r} ({type(loss).__name__})")
        if not isinstance(variables, Iterable):
            raise TypeError(f"compile_graph: variables must be a list of VariableNode, got {variables!r}")
        self._nodes = topological_order(loss)
        self._variables = list(variables)
        positions = {node: i for i, node in enumerate(self._nodes)}
        seen: set[Node] = set()
        for i, variable in enumerate(self._variables):
            if not isinstance(variable, VariableNode):
                raise TypeError(
                    f"compile_graph: variables[{i}] must be a VariableNode, got {variable!r} "
                    f"({type(variable).__name__})"
                )
            if variable not in positions:
                raise ValueError(f"compile_graph: variables[{i}] must be part of {loss.label}, got {variable.label}")
            if variable in seen:
                raise ValueError(f"compile_graph: variables must differ, got {variable.label} twice")
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

        Runs without the GIL. Ctrl-C works: the steps are taken in slices of at most about 0.1 s, and an interrupted
        training leaves the nodes as they were after the last complete slice.

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
            If a step would make a variable infinite or NaN. The variables are then those before that step.
        """
        steps = check_count("train", "steps", steps, minimum=0)
        lr = check_real("train", "lr", lr, minimum=0)
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
                        f"train: step {done + 1} would make a variable infinite or NaN; the variables are left as "
                        "they were before it; use a smaller lr"
                    )
                if seconds < MAX_SECONDS_PER_CALL / 2:
                    size *= 2
                elif seconds > MAX_SECONDS_PER_CALL:
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
