"""The teaching graph: backpropagation one number at a time.

Start with `nodes` (what a node is, its value and its derivatives), continue with `report_network` (four sigmoid
units, small enough to check by hand), and print ``WorkedExample().explain()``.

>>> from tinynn.graph import AdditionNode, MultiplicationNode, VariableNode
>>> a, b = VariableNode(3.0), VariableNode(4.0)
>>> y = AdditionNode([MultiplicationNode([a, b]), a])           # y = a b + a
>>> y.forward()
15.0
>>> y.backward()
>>> a.gradient, b.gradient                                      # dy/da = b + 1, dy/db = a
(5.0, 3.0)
"""

from tinynn.graph.compiled import CompiledGraph, compile_graph
from tinynn.graph.nodes import (
    AdditionNode,
    ConstantNode,
    MSNode,
    MultiplicationNode,
    Node,
    ReluNode,
    SigmoidNode,
    TanhNode,
    VariableNode,
    topological_order,
)
from tinynn.graph.worked_example import WorkedExample

__all__ = [
    "AdditionNode",
    "CompiledGraph",
    "ConstantNode",
    "MSNode",
    "MultiplicationNode",
    "Node",
    "ReluNode",
    "SigmoidNode",
    "TanhNode",
    "VariableNode",
    "WorkedExample",
    "compile_graph",
    "topological_order",
]
