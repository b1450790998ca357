"""The report's network: its hand calculation, its training, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinynn.graph.report_network import ReportNetwork

X, Y, WEIGHTS, LR = 2.0, 3.0, [2.0, 1.0, 2.0, 4.0, 1.0], 0.1
OUTPUTS = {
    "n1": 0.982013790,
    "n2": 0.727507614,
    "n3": 0.876968168,
    "n4": 0.977838731,
    "z4": 3.786998622,
    "L": 2.044568099,
}
NEW_WEIGHTS = [2.000156152, 1.003412300, 2.000464298, 4.003187977, 1.003842921]


def s(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def slope(z: float) -> float:
    return math.exp(-z) / (1 + math.exp(-z)) ** 2


def by_hand(x: float, y: float, w: list[float], term: int = 5) -> list[float]:
    """The five gradients in the report's own equations; term=4 is its slip in the path of w1 through n3."""
    w1, w2, w3, w4, w5 = w
    z1 = w1 * x
    n1 = s(z1)
    z2, z3 = w2 * n1, w3 * n1
    n2, n3 = s(z2), s(z3)
    z4 = w4 * n2 + w5 * n3
    a = (s(z4) - y) * slope(z4)
    wrong_or_right = {4: w4, 5: w5}[term]
    return [
        a * (w4 * slope(z2) * w2 + wrong_or_right * slope(z3) * w3) * slope(z1) * x,
        a * w4 * slope(z2) * n1,
        a * w5 * slope(z3) * n1,
        a * n2,
        a * n3,
    ]


def loss(x: float, y: float, w: list[float]) -> float:
    n1 = s(w[0] * x)
    return (s(w[3] * s(w[1] * n1) + w[4] * s(w[2] * n1)) - y) ** 2 / 2


def random_networks() -> list[tuple[float, float, list[float]]]:
    random = np.random.default_rng(0)
    return [(random.normal(), random.normal(), list(random.normal(size=5))) for _ in range(20)]


def test_the_outputs_are_those_of_the_hand_calculation():
    network = ReportNetwork(X, Y, WEIGHTS)
    assert network.forward() == pytest.approx(OUTPUTS["L"], abs=1e-9)
    for name, expected in OUTPUTS.items():
        assert network.nodes[name].output == pytest.approx(expected, abs=1e-9)


def test_the_new_weights_are_those_of_the_hand_calculation():
    network = ReportNetwork(X, Y, WEIGHTS)
    assert network.step(LR) == pytest.approx(OUTPUTS["L"], abs=1e-9)
    assert network.get_weights() == pytest.approx(NEW_WEIGHTS, abs=1e-9)
    assert [f"{weight:.3f}" for weight in network.get_weights()] == [
        "2.000",
        "1.003",
        "2.000",
        "4.003",
        "1.004",
    ]


def test_the_slip_of_the_report_gives_another_first_weight():
    wrong = WEIGHTS[0] - LR * by_hand(X, Y, WEIGHTS, term=4)[0]
    assert f"{wrong:.6f}" == "2.000256"
    assert f"{wrong:.4f}" == "2.0003"  # what the report prints
    network = ReportNetwork(X, Y, WEIGHTS)
    network.step(LR)
    assert f"{network.get_weights()[0]:.6f}" == "2.000156"


@pytest.mark.parametrize(("x", "y", "w"), [(X, Y, WEIGHTS), *random_networks()])
def test_gradients_equal_the_equations_and_finite_differences(x, y, w):
    network = ReportNetwork(x, y, w)
    assert network.forward() == pytest.approx(loss(x, y, w), rel=1e-13)
    network.backward()
    assert network.gradients() == pytest.approx(by_hand(x, y, w), rel=1e-11, abs=1e-15)
    h = 1e-5
    for i in range(5):
        above, below = ([v + sign * h * (j == i) for j, v in enumerate(w)] for sign in (1, -1))
        difference = (loss(x, y, above) - loss(x, y, below)) / (2 * h)
        assert network.gradients()[i] == pytest.approx(difference, rel=1e-7, abs=1e-10)


def test_backward_scales_with_d_and_does_not_accumulate():
    network = ReportNetwork(X, Y, WEIGHTS)
    network.forward()
    network.backward()
    once = network.gradients()
    network.backward(4.0)
    assert network.gradients() == [4.0 * gradient for gradient in once]
    network.backward()
    assert network.gradients() == once


def test_the_report_is_the_default():
    assert repr(ReportNetwork()) == "ReportNetwork(x=2.0, y=3.0, weights=[2.0, 1.0, 2.0, 4.0, 1.0])"


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize(("x", "y", "w"), [(X, Y, WEIGHTS), random_networks()[0]])
def test_train_equals_repeated_steps_bit_for_bit(x, y, w, steps):
    compiled, stepwise = ReportNetwork(x, y, w), ReportNetwork(x, y, w)
    last = stepwise.forward()
    for _ in range(steps):
        last = stepwise.step(0.3)
    assert compiled.train(steps, 0.3) == last
    assert compiled.get_weights() == stepwise.get_weights()
    assert {n: node.output for n, node in compiled.nodes.items()} == {
        n: node.output for n, node in stepwise.nodes.items()
    }
    if steps:
        assert compiled.gradients() == stepwise.gradients()


def test_train_and_step_mix():
    mixed, stepwise = ReportNetwork(), ReportNetwork()
    for _ in range(30):
        stepwise.step(0.1)
    mixed.train(10, 0.1)
    for _ in range(5):
        mixed.step(0.1)
    mixed.train(15, 0.1)
    assert mixed.get_weights() == stepwise.get_weights()


def test_set_weights_after_train_takes_effect():
    network = ReportNetwork()
    network.train(100, 0.1)
    network.set_weights(WEIGHTS)
    network.train(1, LR)
    assert network.get_weights() == pytest.approx(NEW_WEIGHTS, abs=1e-9)


def test_training_reaches_a_target_that_can_be_reached():
    network = ReportNetwork(y=0.5)
    assert network.train(100_000, 0.1) < 1e-20
    assert network.nodes["n4"].output == pytest.approx(0.5, abs=1e-9)


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0] * 4, ValueError, "weights must be a list of 5 numbers \\(w1 to w5\\), got 4"),
        ([1.0] * 6, ValueError, "weights must be .*, got 6"),
        ([], ValueError, "weights must be .*, got 0"),
        ([1.0, 2.0, float("nan"), 4.0, 5.0], ValueError, "weights\\[2\\] \\(w3\\) must be a finite number, got nan"),
        ([1.0, 2.0, 3.0, 4.0, "5"], TypeError, "weights\\[4\\] \\(w5\\) must be a real number, got '5'"),
        (5, TypeError, "weights must be a list of 5 numbers .*, got 5 \\(int\\)"),
        (np.array(5.0), TypeError, "must be a list of 5 numbers"),
        ("12345", TypeError, "must be a list"),
        ({1, 2, 3, 4, 5}, TypeError, "must be a list"),
        (dict.fromkeys(range(5)), TypeError, "must be a list"),
        (np.ones((5, 1)), TypeError, "must be a real number"),
        (None, TypeError, "must be a list"),
    ],
)
def test_wrong_weights(weights, error, message):
    with pytest.raises(error, match=f"ReportNetwork: .*{message}"):
        ReportNetwork(X, Y, weights)
    network = ReportNetwork()
    with pytest.raises(error, match=f"set_weights: .*{message}"):
        network.set_weights(weights)
    assert network.get_weights() == WEIGHTS


@pytest.mark.parametrize("weights", [(1, 2, 3, 4, 5), np.arange(1, 6), np.arange(1, 6, dtype="float32")])
def test_weights_in_other_forms(weights):
    network = ReportNetwork(weights=weights)
    assert network.get_weights() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert all(type(weight) is float for weight in network.get_weights())


def test_wrong_input_and_target():
    with pytest.raises(ValueError, match="ReportNetwork: x must be a finite number, got nan"):
        ReportNetwork(x=float("nan"))
    with pytest.raises(TypeError, match="ReportNetwork: y must be a real number, got 'three'"):
        ReportNetwork(y="three")


def test_order_of_calls():
    network = ReportNetwork()
    with pytest.raises(RuntimeError, match=r"call forward\(\) first"):
        network.backward()
    network.forward()
    with pytest.raises(RuntimeError, match=r"VariableNode 'w1' has no gradient yet; call backward\(\)"):
        network.gradients()


@pytest.mark.parametrize("method", ["step", "train"])
def test_wrong_learning_rates(method):
    network = ReportNetwork()
    arguments = {"steps": 1} if method != "step" else {}
    for lr, error in [(-0.1, ValueError), (float("nan"), ValueError), ("0.1", TypeError), (None, TypeError)]:
        with pytest.raises(error, match=f"{method}: lr must be"):
            getattr(network, method)(lr=lr, **arguments)
    assert network.get_weights() == WEIGHTS


@pytest.mark.parametrize(
    ("steps", "error"), [(-1, ValueError), (1.0, TypeError), ("1", TypeError), (None, TypeError)]
)
def test_wrong_numbers_of_steps(steps, error):
    network = ReportNetwork()
    with pytest.raises(error, match="train: steps must be"):
        network.train(steps, 0.1)
    assert network.get_weights() == WEIGHTS


def test_a_step_out_of_the_finite_numbers_is_not_taken():
    x, lr = 1e-3, 1e308
    stepwise, compiled = (ReportNetwork(x, 1e5, WEIGHTS) for _ in range(2))
    with pytest.raises(FloatingPointError, match=r"step: .* use a smaller lr"):
        stepwise.step(lr)
    with pytest.raises(FloatingPointError, match="train: step 1 would make a variable infinite or NaN"):
        compiled.train(10, lr)
    assert stepwise.get_weights() == compiled.get_weights() == WEIGHTS
    compiled.train(10, 1e-9)
    assert all(map(math.isfinite, compiled.get_weights()))
