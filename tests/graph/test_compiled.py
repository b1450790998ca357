"""Compiled graphs: the same bits as the nodes, and what they refuse."""

from __future__ import annotations

import _thread
import math
import threading
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynn.graph import (
    AdditionNode,
    ConstantNode,
    MSNode,
    MultiplicationNode,
    Node,
    ReluNode,
    SigmoidNode,
    TanhNode,
    VariableNode,
    WorkedExample,
    compile_graph,
    topological_order,
)
from tinynn.kernels.tape import OPERATIONS, Tape

KINDS = (MultiplicationNode, AdditionNode, SigmoidNode, ReluNode, TanhNode, MSNode)


@st.composite
def graphs(draw):
    """A function that builds the same random graph anew: (loss, variables)."""
    leaves = draw(st.lists(st.floats(-2, 2), min_size=1, max_size=4))
    choices = draw(
        st.lists(
            st.tuples(st.sampled_from(KINDS), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=15
        )
    )

    def build() -> tuple[Node, list[VariableNode]]:
        variables = [VariableNode(leaf) for leaf in leaves]
        nodes: list[Node] = [*variables, ConstantNode(0.5)]
        for kind, first, second in choices:
            operands = [nodes[first % len(nodes)], nodes[second % len(nodes)]]
            nodes.append(
                kind(operands if kind in (MultiplicationNode, AdditionNode, MSNode) else operands[:1])
            )
        loss = MSNode([TanhNode([nodes[-1]]), ConstantNode(0.25)])
        used = set(topological_order(loss))
        return loss, [variable for variable in variables if variable in used]

    return build


@given(graphs())
@settings(deadline=None, max_examples=200)
def test_a_compiled_graph_gives_the_bits_of_its_nodes(build):
    loss, variables = build()
    twin, twin_variables = build()
    graph = compile_graph(twin, twin_variables)
    assert repr(graph.forward()) == repr(loss.forward())
    failed = False
    for _ in range(5):
        loss.forward()
        loss.backward()
        new = [variable.value - 0.05 * variable.gradient for variable in variables]
        if not all(map(math.isfinite, new)):
            failed = True
            break
        for variable, value in zip(variables, new, strict=True):
            variable.value = value
    if failed:
        with pytest.raises(FloatingPointError):
            graph.train(5, 0.05)
    else:
        graph.train(5, 0.05)
    for one, other in zip(topological_order(loss), topological_order(twin), strict=True):
        assert repr(one) == repr(other)  # repr also tells 0.0 from -0.0
    assert [v.value for v in variables] == [v.value for v in twin_variables]


POINTS = [0.0, 5e-324, 1e-300, 0.3, 0.4999, 0.5, 0.6, 1.0, 36.7, 350.0, 699.9, 700.1, 745.0, 1e4, 1e200, 1e308]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1.0, -3.0, 1e-300, math.inf])
def test_each_operation_has_the_bits_of_the_tape_far_out_too(kind, d):
    points = [sign * point for point in POINTS for sign in (1.0, -1.0)]
    inputs = OPERATIONS[kind.operation]
    operation = kind([ConstantNode(0.0)] * inputs)
    tape = Tape(["leaf"] * inputs + [kind.operation], [()] * inputs + [tuple(range(inputs))])
    for numbers in product([*points, math.inf, -math.inf, math.nan], repeat=inputs):
        tape.set_leaves([*numbers, 0.0])
        assert repr(operation.evaluate(*numbers)) == repr(tape.forward()), numbers
        tape.backward(d)
        expected = tape.get_gradients()[:inputs]
        assert repr(list(operation.differentiate(d, *numbers))) == repr(expected), numbers


def test_only_the_named_variables_are_trained():
    a, b = VariableNode(1.0), VariableNode(2.0)
    loss = MSNode([MultiplicationNode([a, b]), ConstantNode(10.0)])
    graph = compile_graph(loss, [a])
    graph.train(1000, 0.1)
    assert (a.value, b.value) == (pytest.approx(5.0), 2.0)
    b.value = 4.0  # the next call sees it
    graph.train(1000, 0.05)
    assert (a.value, b.value) == (pytest.approx(2.5), 4.0)


def test_training_no_variable_computes_only():
    a = VariableNode(3.0)
    assert compile_graph(MultiplicationNode([a, a]), []).train(3, 0.1) == 9.0
    assert a.value == 3.0


def test_a_leaf_alone_is_a_graph():
    a = VariableNode(3.0)
    assert compile_graph(a, [a]).train(2, 0.5) == 2.5  # dL/da = 1
    assert a.value == 2.0


def test_wrong_losses_and_variables():
    a, b = VariableNode(1.0, name="a"), VariableNode(2.0, name="b")
    loss = MultiplicationNode([a, a], name="L")
    with pytest.raises(TypeError, match=r"loss must be a node, got 3.0 \(float\)"):
        compile_graph(3.0, [a])
    with pytest.raises(TypeError, match=r"variables\[0\] must be a VariableNode, got <MultiplicationNode 'L'>"):
        compile_graph(loss, [loss])
    with pytest.raises(TypeError, match=r"variables must be a list of VariableNode, got <VariableNode 'a'"):
        compile_graph(loss, a)
    with pytest.raises(ValueError, match="must be part of MultiplicationNode 'L', got VariableNode 'b'"):
        compile_graph(loss, [a, b])
    with pytest.raises(ValueError, match="variables must differ, got VariableNode 'a' twice"):
        compile_graph(loss, [a, a])


def test_a_step_to_infinity_is_counted_and_not_taken():
    a = VariableNode(1.0)
    loss = MultiplicationNode([a, a])  # a <- a - 1e100 * 2 a: 1, -2e100, 4e200, -8e300, infinity
    with pytest.raises(FloatingPointError, match="train: step 4 would make a variable infinite"):
        compile_graph(loss, [a]).train(100, 1e100)
    assert a.value == pytest.approx(-8e300)


def test_an_interrupt_stops_training_and_leaves_a_usable_example():
    example = WorkedExample(y=0.5)
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            example.train(10**15, 0.01)
    finally:
        timer.join()
    weights = example.get_weights()
    assert weights != WorkedExample().get_weights()
    assert all(map(math.isfinite, weights))
    again = WorkedExample(y=0.5, weights=weights)
    assert example.train(1000, 0.01) == again.train(1000, 0.01)
