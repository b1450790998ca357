"""The tape: its operations, its passes, and what it refuses."""

from __future__ import annotations

import doctest
import math
import threading

import numpy as np
import pytest

from tinynn.kernels import tape
from tinynn.kernels.tape import OPERATIONS, Tape

UNARY = [name for name, inputs in OPERATIONS.items() if inputs == 1]
BINARY = [name for name, inputs in OPERATIONS.items() if inputs == 2]


def test_the_examples_in_the_documentation_run():
    results = doctest.testmod(tape)
    assert results.failed == 0
    assert results.attempted > 8


# --- Operations -----------------------------------------------------------------------------------


def operation_forward(operation: str, *inputs: float) -> float:
    """The result of a tape of one operation."""
    return of_one_operation(operation, *inputs).forward()


def operation_backward(operation: str, d: float, *inputs: float) -> tuple[float, ...]:
    """`d` times the derivative by each input, from a tape of one operation."""
    machine = of_one_operation(operation, *inputs)
    machine.forward()
    machine.backward(d)
    return tuple(machine.get_gradients()[:-1])


def of_one_operation(operation: str, *inputs: float) -> Tape:
    count = len(inputs)
    machine = Tape(["leaf"] * count + [operation], [()] * count + [tuple(range(count))])
    machine.set_leaves([*inputs, 0.0])
    return machine


def ulps(actual: float, expected: float) -> float:
    return abs(actual - expected) / math.ulp(expected)


POINTS = np.concatenate(
    [np.linspace(-40, 40, 4001), np.linspace(-0.6, 0.6, 2001), np.geomspace(1e-300, 700, 500)]
)


def test_sigmoid_is_exact_to_rounding():
    # 1 / (1 + exp(-z)) with 18 digits; for negative z in the form that keeps the small result exact
    z = POINTS.astype(np.longdouble)
    expected = np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))
    for point, value in zip(POINTS, expected.astype(np.float64), strict=True):
        assert ulps(operation_forward("sigmoid", point), value) <= 2


def test_tanh_is_exact_to_rounding():
    for point in POINTS:
        assert ulps(operation_forward("tanh", point), math.tanh(point)) <= 5


@pytest.mark.parametrize("z", [37.0, 50.0, 300.0, 700.0])
def test_slopes_of_saturated_units_keep_their_digits(z):
    for sign in (1, -1):
        (slope,) = operation_backward("sigmoid", 1.0, sign * z)
        assert slope == pytest.approx(math.exp(-z), rel=1e-14)  # s(z) (1 - s(z)) would be 0
        (slope,) = operation_backward("tanh", 1.0, sign * z / 2)
        assert slope == pytest.approx(4 * math.exp(-z), rel=1e-14)


@pytest.mark.parametrize("z", [1e4, 1e308, math.inf])
def test_the_far_ends(z):
    assert [operation_forward("sigmoid", v) for v in (-z, z)] == [0.0, 1.0]
    assert [operation_forward("tanh", v) for v in (-z, z)] == [-1.0, 1.0]
    assert [operation_forward("relu", v) for v in (-z, z)] == [0.0, z]
    for v in (-z, z):
        assert operation_backward("sigmoid", 1.0, v) == operation_backward("tanh", 1.0, v) == (0.0,)


@pytest.mark.parametrize("operation", UNARY)
def test_nan_comes_through(operation):
    assert math.isnan(operation_forward(operation, math.nan))


def test_the_kink_of_relu_belongs_to_the_flat_side():
    assert operation_backward("relu", 3.0, 0.0) == (0.0,)
    assert operation_backward("relu", 3.0, 5e-324) == (3.0,)
    assert operation_backward("relu", 3.0, -5e-324) == (0.0,)


@pytest.mark.parametrize("operation", [*UNARY, *BINARY])
def test_derivatives_equal_central_differences(operation):
    random = np.random.default_rng(1)
    for _ in range(100):
        inputs = random.uniform(0.1, 3, OPERATIONS[operation]) * random.choice([-1, 1], OPERATIONS[operation])
        d, h = random.normal(), 1e-6
        for i, derivative in enumerate(operation_backward(operation, d, *inputs)):
            step = h * (np.arange(len(inputs)) == i)
            above, below = (
                operation_forward(operation, *(inputs + step)),
                operation_forward(operation, *(inputs - step)),
            )
            assert derivative == pytest.approx(d * (above - below) / (2 * h), rel=1e-6, abs=1e-8)


def test_simple_values():
    assert operation_forward("multiply", 3.0, -4.0) == -12.0
    assert operation_forward("add", 3.0, -4.0) == -1.0
    assert operation_forward("half_squared_error", 1.0, 5.0) == 8.0
    assert operation_backward("half_squared_error", 2.0, 1.0, 5.0) == (-8.0, 8.0)


@pytest.mark.parametrize("x", [-745.0, -700.0, -1.5, -1e-300, 0.0, 0.5, 700.0])
def test_exp_and_tanh_alone(x):
    assert ulps(tape.exp(x), math.exp(x)) <= 1
    assert tape.tanh(x) == operation_forward("tanh", x)


# --- Tapes ----------------------------------------------------------------------------------------


def regression() -> Tape:
    """(w x - y)^2 / 2 with x = 2, y = 12"""
    result = Tape(
        ["leaf", "leaf", "multiply", "leaf", "half_squared_error"],
        [(), (), (0, 1), (), (2, 3)],
        variables=[0],
    )
    result.set_leaves([5.0, 2.0, 0.0, 12.0, 0.0])
    return result


def test_a_random_tape_equals_its_operations_one_by_one():
    random = np.random.default_rng(2)
    operations, inputs = ["leaf"] * 5, [()] * 5
    for i in range(5, 60):
        operations.append(str(random.choice([*UNARY, *BINARY], p=[0.3, 0.1, 0.3, 0.1, 0.1, 0.1])))
        inputs.append(tuple(int(j) for j in random.integers(0, i, OPERATIONS[operations[-1]])))
    values = [*random.uniform(-1, 1, 5), *[0.0] * 55]
    machine = Tape(operations, inputs)
    machine.set_leaves(values)
    assert len(machine) == 60

    for i in range(5, 60):
        values[i] = operation_forward(operations[i], *[values[j] for j in inputs[i]])
    assert machine.forward() == values[-1]
    assert machine.get_values() == values

    gradients = [*[0.0] * 59, 1.5]
    for i in range(59, 4, -1):
        shares = operation_backward(operations[i], gradients[i], *[values[j] for j in inputs[i]])
        for j, share in zip(inputs[i], shares, strict=True):
            gradients[j] += share
    for _ in range(2):  # a second pass starts from zero again
        machine.backward(1.5)
        assert machine.get_gradients() == gradients


def test_training_in_slices_gives_the_same_bits():
    whole, sliced = regression(), regression()
    assert whole.train(10, 0.01) == 10
    for steps in (1, 0, 2, 3, 4):
        assert sliced.train(steps, 0.01) == steps
    assert whole.get_weights() == sliced.get_weights()
    assert whole.get_values() == sliced.get_values()
    assert whole.get_gradients() == sliced.get_gradients()


def test_weights_are_ahead_of_the_values_after_training():
    machine = regression()
    machine.train(1, 0.25)
    assert (machine.get_values()[0], machine.get_weights()) == (5.0, [6.0])
    assert machine.forward() == 0.0
    assert machine.get_values()[0] == 6.0


def test_training_stops_before_a_step_to_infinity():
    machine = regression()
    done = machine.train(1000, 1e100)
    assert 0 < done < 1000
    assert math.isfinite(machine.get_weights()[0])
    assert machine.train(1, 1e100) == 0


def test_training_lets_other_threads_run_and_keeps_them_off_the_tape():
    machine, other, refused = regression(), regression(), set()
    thread = threading.Thread(target=machine.train, args=(5_000_000, 1e-9))
    thread.start()
    calls = [
        machine.forward,
        machine.backward,
        machine.get_values,
        machine.get_gradients,
        machine.get_weights,
    ]
    calls += [lambda: machine.train(1, 0.1), lambda: machine.set_leaves([0.0] * 5)]
    while thread.is_alive() and len(refused) < len(calls):
        other.train(10, 0.01)
        for i, call in enumerate(calls[:5] if not refused else calls):
            try:
                call()
            except RuntimeError as error:
                assert "another thread is training this tape" in str(error)
                refused.add(i)
    thread.join()
    assert refused
    assert machine.forward() != 2.0


def test_a_tape_without_variables_trains_nothing():
    machine = Tape(["leaf", "sigmoid"], [(), (0,)])
    assert machine.train(3, 0.1) == 3
    assert machine.get_weights() == []
    assert machine.get_values() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("operations", "inputs", "variables", "message"),
    [
        ([], [], [], "operations is empty"),
        (["leaf"], [], [], "operations has 1 entries, but inputs has 0"),
        (["leaf", "add"], [(), (0, 1)], [], "entry 1 uses entry 1, expected an earlier one"),
        (["leaf", "relu"], [(), (-1,)], [], "entry 1 uses entry -1, expected an earlier one"),
        (["leaf", "relu"], [(), (10**30,)], [], "entry 1 uses entry 10+, expected an earlier one"),
        (["leaf", "relu"], [(), (0, 0)], [], "entry 1: operation 'relu' takes 1 inputs, got 2"),
        (["leaf"], [(0,)], [], "entry 0: operation 'leaf' takes 0 inputs, got 1"),
        (["leaf", "square"], [(), (0,)], [], "entry 1: operation 'square' is unknown"),
        (["leaf", "relu"], [(), (0,)], [1], "variable 1 is not a leaf"),
        (["leaf"], [()], [5], "variable 5 is not a leaf"),
        (["leaf"], [()], [-1], "variable -1 is not a leaf"),
        (["leaf"], [()], [0, 0], "names an entry twice"),
    ],
)
def test_wrong_tapes(operations, inputs, variables, message):
    with pytest.raises(ValueError, match=message):
        Tape(operations, inputs, variables)


def test_wrong_calls():
    machine = regression()
    with pytest.raises(ValueError, match="numbers has 2 entries, but the tape has 5"):
        machine.set_leaves([1.0, 2.0])
    with pytest.raises(ValueError, match="steps is -1"):
        machine.train(-1, 0.1)
    with pytest.raises(TypeError):
        Tape(["leaf", "relu"], [(), ("0",)])
    with pytest.raises(TypeError):
        Tape(["leaf", "relu"], [(), (0.5,)])
    assert machine.forward() == 2.0
