"""Learning-rate schedules against tables worked out by hand and against Python's own mathematics."""

import json
import math

import numpy as np
import pytest

from tinynn import schedules
from tinynn.registry import deserialize, serialize
from tinynn.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    FromFunction,
    OneCycle,
    PiecewiseConstant,
    Schedule,
    WarmUp,
)

ALL = [
    Constant(0.1),
    OneCycle(2e-3, 1000),
    OneCycle(1.0, 7, start_fraction=0.5, initial_divisor=10, final_divisor=100),
    CosineDecay(0.3, 50, alpha=0.1),
    ExponentialDecay(0.1, 30, 0.9),
    ExponentialDecay(0.1, 30, 0.9, staircase=True),
    PiecewiseConstant([3, 10], [1.0, 0.5, 0.1]),
    WarmUp(CosineDecay(0.3, 50), 5),
    WarmUp(0.2, 3, start=0.1),
]


def one_cycle_by_hand(step, peak, total, fraction, initial_divisor, final_divisor):
    """PyTorch's documented phases: up to step fraction * total - 1, down to step total - 1."""
    start, top, last = peak / initial_divisor, fraction * total - 1, total - 1
    end = start / final_divisor
    if step <= top:
        return peak + (start - peak) / 2 * (1 + math.cos(math.pi * step / top))
    part = min((step - top) / (last - top), 1)
    return end + (peak - end) / 2 * (1 + math.cos(math.pi * part))


@pytest.mark.parametrize("total, fraction", [(10, 0.3), (1000, 0.3), (77, 0.25), (20, 0.9)])
def test_one_cycle_equals_the_formula(total, fraction):
    schedule = OneCycle(2e-3, total, start_fraction=fraction)
    expected = [one_cycle_by_hand(step, 2e-3, total, fraction, 25, 1e4) for step in range(total + 5)]
    np.testing.assert_allclose(schedule.array(0, total + 5), expected, rtol=1e-11, atol=1e-18)


def test_one_cycle_of_ten_steps_by_hand():
    # up 0 -> 2 (cosine: 0, 1/2, 1), down 2 -> 9 in sevenths
    rates = OneCycle(1.0, 10).array(0, 11)
    assert rates[0] == pytest.approx(0.04, rel=1e-15)
    assert rates[1] == pytest.approx(0.52, rel=1e-15)
    assert rates[2] == 1.0
    assert rates[9] == pytest.approx(4e-6, rel=1e-9)
    assert rates[10] == rates[9]
    assert np.all(np.diff(rates[2:10]) < 0)


@pytest.mark.parametrize("fraction", [0, 0.3, 1])
@pytest.mark.parametrize("total", [1, 2, 3])
def test_one_cycle_of_hardly_any_steps_is_finite(total, fraction):
    rates = OneCycle(1.0, total, fraction).array(0, 5)
    assert np.all(np.isfinite(rates))
    assert np.all((rates > 0) & (rates <= 1))


def test_cosine_decay_by_hand():
    # alpha + (1 - alpha) (1 + cos(pi t)) / 2 times the initial rate, Keras' documentation
    schedule = CosineDecay(2.0, 4, alpha=0.5)
    expected = [2.0, 1 + (1 + math.sqrt(0.5)) / 2, 1.5, 1 + (1 - math.sqrt(0.5)) / 2, 1.0, 1.0]
    np.testing.assert_allclose(schedule.array(0, 6), expected, rtol=1e-15)


def test_cosine_is_as_good_as_the_library():
    fraction = np.linspace(0, 1, 10001)
    expected = [math.cos(math.pi * value) for value in fraction]
    np.testing.assert_allclose(schedules._cosine(fraction), expected, rtol=0, atol=5e-16)
    assert schedules._cosine(np.array([0.0, 0.5, 1.0])).tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize("base", [0.5, 0.96, 1e-3, 1.0, 1.01, 3.7])
def test_power_is_as_good_as_the_library(base):
    exponent = np.concatenate([np.linspace(0, 5, 501), [17.25, 100.0]])
    expected = [base**value for value in exponent]
    np.testing.assert_allclose(schedules._power(base, exponent), expected, rtol=2e-14)


def test_exponential_decay_by_hand():
    assert ExponentialDecay(0.8, 10, 0.25)(5) == pytest.approx(0.4, rel=1e-15)
    assert ExponentialDecay(0.8, 10, 0.25, staircase=True).array(0, 21).tolist() == [0.8] * 10 + [
        0.2
    ] * 10 + [0.05]


def test_piecewise_constant_includes_its_boundaries():
    assert PiecewiseConstant([1, 3], [3.0, 2.0, 1.0]).array(0, 6).tolist() == [3, 3, 2, 2, 1, 1]
    assert PiecewiseConstant([], [3.0])(10) == 3


def test_warm_up_by_hand():
    np.testing.assert_allclose(WarmUp(0.5, 5).array(0, 7), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5], rtol=1e-15)
    assert WarmUp(PiecewiseConstant([1], [1.0, 0.5]), 2).array(0, 5).tolist() == [0, 0.5, 1, 1, 0.5]
    assert WarmUp(0.5, 0).array(0, 2).tolist() == [0.5, 0.5]


def test_warm_up_asks_what_follows_once():
    """Twice would double with every one within another: sixty of them never ended."""
    asked = []

    class Counted(Schedule):
        def rates(self, steps):
            asked.append(len(steps))
            return np.full(steps.shape, 0.5)

    schedule = Counted()
    for _ in range(60):
        schedule = WarmUp(schedule, 2)
    assert schedule.array(0, 121).tolist()[::120] == [0, 0.5]
    assert len(asked) == 1


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_array_equals_the_single_steps_bit_for_bit(schedule):
    rates = schedule.array(0, 60)
    assert rates.dtype == np.float64
    assert rates.flags.c_contiguous
    assert rates.tolist() == [schedule(step) for step in range(60)]
    assert schedule.array(17, 9).tolist() == rates[17:26].tolist()
    assert schedule.array(5, 0).shape == (0,)
    assert type(schedule(3)) is float


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_config_round_trip(schedule):
    description = json.loads(json.dumps(serialize(schedule)))
    assert deserialize(description) == schedule
    assert schedules.get(description) == schedule
    assert schedules.get(schedule) is schedule


def test_get_makes_schedules_of_numbers_and_functions():
    assert schedules.get(np.float32(0.5)) == Constant(0.5)
    schedule = schedules.get(lambda step: 1 / (1 + step))
    assert isinstance(schedule, FromFunction)
    assert schedule.array(1, 2).tolist() == [1 / 2, 1 / 3]
    with pytest.raises(TypeError, match="a model file cannot hold"):
        schedule.get_config()


def test_a_function_that_returns_no_rate_is_named():
    def rate_of(step):
        return -1.0 if step == 2 else 0.1

    with pytest.raises(ValueError, match=r"rate_of\(2\) must be a finite number >= 0, got -1.0"):
        schedules.get(rate_of).array(0, 5)


def test_a_user_defined_schedule():
    class InverseRoot(Schedule):
        def __init__(self, scale):
            self.scale = scale

        def rates(self, steps):
            return self.scale / np.sqrt(1 + steps)

    assert InverseRoot(2.0)(3) == 1.0
    assert schedules.get(serialize(InverseRoot(2.0))) == InverseRoot(2.0)
    with pytest.raises(NotImplementedError, match="rates"):
        Schedule()(0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: OneCycle(0, 10), "peak must be a finite number > 0"),
        (lambda: OneCycle(1, 0), "total_steps must be at least 1"),
        (lambda: OneCycle(1, 10.0), "total_steps must be a whole number"),
        (lambda: OneCycle(1, 10, start_fraction=1.5), "start_fraction"),
        (lambda: OneCycle(1, 10, initial_divisor=0.5), "initial_divisor"),
        (lambda: CosineDecay("a", 10), "initial_learning_rate must be a real number"),
        (lambda: ExponentialDecay(0.1, 10, 0), "decay_rate"),
        (lambda: PiecewiseConstant([1, 1], [1, 2, 3]), "boundaries must increase"),
        (lambda: PiecewiseConstant([1, 2], [1, 2]), "values must be one more than boundaries"),
        (lambda: WarmUp(0.1, -1), "steps must be at least 0"),
        (lambda: WarmUp(0.1, 2**63), r"steps must be below 2\^63"),
        (lambda: CosineDecay(0.1, 10**400), r"decay_steps must be below 2\^63"),
        (lambda: PiecewiseConstant([2**63], [1, 2]), r"boundaries must be below 2\^63"),
        (lambda: Constant(float("nan")), "rate must be a finite number"),
        (lambda: schedules.get(True), "learning_rate must be a real number"),
        (lambda: schedules.get(None), "learning_rate must be a real number"),
        (lambda: schedules.get("one_cycel"), r"unknown schedule 'one_cycel'.*did you mean 'one_cycle'"),
        (lambda: schedules.get("one_cycle"), r"needs arguments; pass an object, OneCycle\(...\)"),
        (lambda: schedules.get(OneCycle), "got the class OneCycle"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
