"""The nodes: values, gradients, order, and what they refuse."""

from __future__ import annotations

import cmath
import doctest
import importlib
from collections import Counter
from fractions import Fraction

import numpy as np
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
    topological_order,
)

UNARY = {"sigmoid": SigmoidNode, "relu": ReluNode, "tanh": TanhNode}
BINARY = {"multiply": MultiplicationNode, "add": AdditionNode, "half_squared_error": MSNode}


@pytest.mark.parametrize(
    "module",
    ["", ".nodes", ".compiled", ".report_network", ".worked_example", ".explanation", ".drawing"],
)
def test_the_examples_in_the_documentation_run(module):
    assert doctest.testmod(importlib.import_module(f"tinynn.graph{module}")).failed == 0


# --- Random graphs --------------------------------------------------------------------------------


def oracle(operation: str, a: complex, b: complex) -> complex:
    """The operations written anew, for complex numbers."""
    match operation:
        case "sigmoid":
            return 1 / (1 + cmath.exp(-a))
        case "tanh":
            return cmath.sinh(a) / cmath.cosh(a)
        case "relu":
            return a if a.real > 0 else 0 * a
        case "multiply":
            return a * b
        case "add":
            return a + b
        case _:
            return (a - b) * (a - b) / 2


@st.composite
def programs(draw):
    """Leaves, and instructions (operation, first input, second input) that keep the values moderate."""
    leaves = draw(st.lists(st.floats(-2, 2).filter(lambda v: abs(v) > 1e-3), min_size=1, max_size=4))
    values, instructions = [complex(leaf) for leaf in leaves], []
    for _ in range(draw(st.integers(1, 15))):
        operation = draw(st.sampled_from([*UNARY, *BINARY]))
        first, second = (draw(st.integers(0, len(values) - 1)) for _ in range(2))
        if abs(oracle(operation, values[first], values[second])) > 10:
            operation = "tanh"
        if operation == "relu" and abs(values[first]) < 1e-3:  # too near the kink
            operation = "sigmoid"
        values.append(oracle(operation, values[first], values[second]))
        instructions.append((operation, first, second))
    return leaves, instructions


def run(leaves: list[complex], instructions: list[tuple[str, int, int]]) -> complex:
    values = list(leaves)
    for operation, first, second in instructions:
        values.append(oracle(operation, values[first], values[second]))
    return values[-1]


def build(leaves: list[float], instructions: list[tuple[str, int, int]]) -> tuple[Node, list[VariableNode]]:
    variables = [VariableNode(leaf) for leaf in leaves]
    nodes: list[Node] = list(variables)
    for operation, first, second in instructions:
        if operation in UNARY:
            nodes.append(UNARY[operation]([nodes[first]]))
        else:
            nodes.append(BINARY[operation]([nodes[first], nodes[second]]))
    return nodes[-1], variables


@given(programs())
@settings(deadline=None, max_examples=200)
def test_gradients_of_random_graphs_equal_complex_step_differences(program):
    leaves, instructions = program
    root, variables = build(leaves, instructions)
    used = set(topological_order(root))
    assert root.forward() == pytest.approx(run(leaves, instructions).real, rel=1e-10, abs=1e-12)
    root.backward()
    for i, variable in enumerate(variables):
        step = 1e-30  # f(v + ih) = f(v) + ih f'(v): no difference of two numbers, so no cancellation
        moved = [leaf + 1j * step * (j == i) for j, leaf in enumerate(leaves)]
        expected = run(moved, instructions).imag / step
        if variable in used:
            assert variable.gradient == pytest.approx(expected, rel=1e-9, abs=1e-10)
        else:
            assert expected == 0.0


@given(programs())
@settings(deadline=None, max_examples=100)
def test_gradients_of_random_graphs_equal_central_differences(program):
    leaves, instructions = program
    root, variables = build(leaves, instructions)
    root.forward()
    root.backward()
    used = set(topological_order(root))
    for variable in used.intersection(variables):
        value, gradient, h = variable.value, variable.gradient, 1e-6
        variable.value = value + h
        above = root.forward()
        variable.value = value - h
        below = root.forward()
        variable.value = value
        difference = (above - below) / (2 * h)
        # A sigmoid or tanh may bend sharply after large slopes; the complex-step test is the strict one.
        assert difference == pytest.approx(gradient, rel=1e-3, abs=1e-3 * max(1.0, abs(gradient)))


# --- Nodes used more than once --------------------------------------------------------------------


def diamonds(length: int, start: float = 1.0) -> tuple[VariableNode, Node]:
    leaf = VariableNode(start)
    top: Node = leaf
    for _ in range(length):
        top = AdditionNode([top, top])
    return leaf, top


def test_a_chain_of_200_diamonds_doubles_200_times():
    leaf, top = diamonds(200, 3.0)
    assert Fraction(top.forward()) == 3 * 2**200
    top.backward()
    assert Fraction(leaf.gradient) == 2**200


def test_a_chain_of_200_diamonds_of_two_operations_each():
    # h <- h * 0.5 + h * 0.75, so the derivative is 1.25^200
    leaf = VariableNode(1.0)
    top: Node = leaf
    for _ in range(200):
        left = MultiplicationNode([top, ConstantNode(0.5)])
        right = MultiplicationNode([ConstantNode(0.75), top])
        top = AdditionNode([left, right])
    top.forward()
    top.backward()
    assert leaf.gradient == pytest.approx(float(Fraction(5, 4) ** 200), rel=1e-12)


def test_powers_by_repeated_squaring():
    # x^(2^k) by k squarings has the derivative 2^k x^(2^k - 1)
    x = VariableNode(1.0 + 2.0**-12)
    top: Node = x
    for _ in range(12):
        top = MultiplicationNode([top, top])
    top.forward()
    top.backward()
    exact = 2**12 * (1 + Fraction(1, 2**12)) ** (2**12 - 1)
    assert x.gradient == pytest.approx(float(exact), rel=1e-12)


def test_each_node_works_once_per_pass(monkeypatch):
    work: Counter[str] = Counter()
    for method in ("evaluate", "differentiate"):
        original = getattr(AdditionNode, method)

        def counting(*arguments, original=original, method=method):
            work[method] += 1
            return original(*arguments)

        monkeypatch.setattr(AdditionNode, method, counting)
    _, top = diamonds(200)
    top.forward()
    top.backward()
    assert work == {"evaluate": 200, "differentiate": 200}


def test_the_order_looks_at_each_edge_once(monkeypatch):
    looks = 0
    inputs = Node.inputs.fget

    def counting(self):
        nonlocal looks
        looks += 1
        return inputs(self)

    monkeypatch.setattr(Node, "inputs", property(counting))
    _, top = diamonds(200)
    assert len(topological_order(top)) == 201
    assert looks == 201


def test_a_chain_far_longer_than_the_recursion_limit():
    leaf = VariableNode(0.5)
    top: Node = leaf
    for _ in range(20_000):
        top = AdditionNode([top, ConstantNode(1.0)])
    assert top.forward() == 20_000.5
    top.backward()
    assert leaf.gradient == 1.0


def test_the_order_puts_inputs_first():
    a, b = VariableNode(1.0, name="a"), VariableNode(2.0, name="b")
    product = MultiplicationNode([a, b], name="product")
    total = AdditionNode([product, a], name="total")
    assert [node.name for node in topological_order(total)] == ["a", "b", "product", "total"]


# --- Passes ---------------------------------------------------------------------------------------


def test_repeated_backward_passes_replace_the_gradients():
    a = VariableNode(3.0)
    square = MultiplicationNode([a, a])
    square.forward()
    for d in (1.0, 1.0, 10.0, 0.0, -2.0):
        square.backward(d)
        assert a.gradient == 6.0 * d
        assert square.gradient == d


def test_two_results_on_a_shared_part_do_not_mix_their_gradients():
    a = VariableNode(3.0)
    square = MultiplicationNode([a, a])
    first, second = AdditionNode([square, a]), MultiplicationNode([square, a])
    first.forward()
    second.forward()
    first.backward()
    assert a.gradient == 7.0
    second.backward()
    assert a.gradient == 27.0


def test_backward_can_start_inside_the_graph():
    a = VariableNode(3.0)
    square = MultiplicationNode([a, a])
    loss = MSNode([square, ConstantNode(0.0)])
    loss.forward()
    square.backward()
    assert a.gradient == 6.0
    with pytest.raises(RuntimeError, match="no gradient yet"):
        _ = loss.gradient


def test_a_new_value_takes_effect_in_the_next_forward_pass():
    a = VariableNode(3.0)
    square = MultiplicationNode([a, a])
    square.forward()
    a.value = 5.0
    square.backward()
    assert (square.output, a.gradient) == (9.0, 6.0)  # the pass of 3.0, undisturbed
    assert square.forward() == 25.0


def test_values_and_results_are_floats():
    node = AdditionNode([ConstantNode(1), VariableNode(np.float32(0.5))])
    assert type(node.forward()) is float
    node.backward(np.float64(1))
    assert type(node.gradient) is type(node.inputs[1].gradient) is float


@pytest.mark.parametrize("kind", [SigmoidNode, TanhNode])
@pytest.mark.parametrize("z", [-1e4, -750.0, 750.0, 1e4, 1e308])
def test_saturated_units_give_their_limit_and_no_gradient(kind, z):
    a = VariableNode(z)
    node = kind([a])
    low = 0.0 if kind is SigmoidNode else -1.0
    assert node.forward() == pytest.approx(1.0 if z > 0 else low, abs=1e-300)
    node.backward()
    assert a.gradient == pytest.approx(0.0, abs=1e-300)


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ConstantNode, VariableNode])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (float("nan"), ValueError, "value must be a finite number, got nan"),
        (float("-inf"), ValueError, "value must be a finite number, got -inf"),
        (10**400, ValueError, "must be a finite number, got 10000"),
        ("3", TypeError, "value must be a real number, got '3' \\(str\\)"),
        (None, TypeError, "value must be a real number, got None"),
        (1j, TypeError, "complex"),
        (np.complex64(1), TypeError, "complex64"),
        (np.ones(1), TypeError, "ndarray"),
        ([1.0], TypeError, "list"),
        (np.array("a"), TypeError, "ndarray"),
    ],
)
def test_leaves_refuse_what_is_not_a_finite_number(kind, value, error, message):
    with pytest.raises(error, match=message):
        kind(value)


def test_a_refused_value_changes_nothing():
    a = VariableNode(3.0, name="a")
    with pytest.raises(ValueError, match="VariableNode 'a': value must be a finite number, got nan"):
        a.value = float("nan")
    assert a.value == 3.0


def test_constants_stay_constant():
    with pytest.raises(AttributeError):
        ConstantNode(1.0).value = 2.0


@pytest.mark.parametrize("kind", [*UNARY.values(), *BINARY.values()])
def test_operations_refuse_wrong_inputs(kind):
    a = VariableNode(1.0)
    with pytest.raises(ValueError, match=rf"{kind.__name__}: inputs must be [12] nodes, got 3"):
        kind([a, a, a])
    with pytest.raises(ValueError, match="inputs must be [12] nodes, got 0"):
        kind([])
    with pytest.raises(TypeError, match=r"inputs\[0\] must be a node, got 2.0 \(float\); wrap numbers"):
        kind([2.0, a])
    with pytest.raises(TypeError, match=rf"inputs must be a list of nodes, got a single node; write {kind.__name__}"):
        kind(a)
    with pytest.raises(TypeError, match="inputs must be a list of nodes, got 5"):
        kind(5)


def test_output_and_gradient_before_their_pass():
    node = SigmoidNode([VariableNode(1.0)], name="n1")
    with pytest.raises(RuntimeError, match=r"SigmoidNode 'n1' has no output yet; call forward\(\)"):
        _ = node.output
    with pytest.raises(RuntimeError, match=r"SigmoidNode 'n1' has no output yet; call forward\(\) first"):
        node.backward()
    node.forward()
    with pytest.raises(RuntimeError, match=r"no gradient yet; call backward\(\)"):
        _ = node.gradient


def test_a_refused_backward_leaves_the_gradients():
    a = VariableNode(1.0)
    node = SigmoidNode([a])
    node.forward()
    node.backward()
    before = a.gradient
    for d in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="backward: d must be"):
            node.backward(d)
    with pytest.raises(TypeError, match="backward: d must be a real number, got None"):
        node.backward(None)
    with pytest.raises(RuntimeError, match="no output yet"):
        AdditionNode([node, a]).backward()
    assert a.gradient == before


def test_a_cycle_forced_into_a_graph_is_found():
    a = VariableNode(1.0)
    first = AdditionNode([a, a], name="first")
    second = SigmoidNode([first], name="second")
    first._inputs = (a, second)  # nothing public can do this
    for node in (first, second):
        with pytest.raises(ValueError, match="depends on itself"):
            node.forward()


def test_a_node_says_what_it_is():
    a = VariableNode(3.0, name="a")
    assert repr(a) == "<VariableNode 'a', output=3.0>"
    node = AdditionNode([a, a])
    assert repr(node) == "<AdditionNode>"
    node.forward()
    node.backward()
    assert repr(node) == "<AdditionNode, output=6.0, gradient=1.0>"
