"""Learning-rate schedules: the learning rate as a function of the step.

A schedule is a callable, ``schedule(step) -> float``. It also computes the rates of many steps at once, for the
training loop. For the same bits on every machine, it uses only additions, multiplications, divisions and square roots:
the last bits of NumPy's cosine and power depend on the instruction set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tinynn.checks import check_count, check_real
from tinynn.registry import Configurable, deserialize, lookup

__all__ = [
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "FromFunction",
    "OneCycle",
    "PiecewiseConstant",
    "Schedule",
    "WarmUp",
    "get",
]

Rates = NDArray[np.float64]

# Taylor coefficients of sin(u) / u in u^2, highest first: on [-pi/2, pi/2] the next term is below 1e-20.
_SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(11, -1, -1)]


def _cosine(fraction: Rates) -> Rates:
    """cos(pi fraction), in [0, 1], as sin(pi (1/2 - fraction)): exactly 1, 0 and -1 at 0, 1/2 and 1."""
    angle = np.pi * (0.5 - fraction)
    square = angle * angle
    value = np.zeros_like(angle)
    for coefficient in _SINE:
        value = value * square + coefficient
    return np.clip(value * angle, -1.0, 1.0)


def _cosine_between(start: float, end: float, fraction: Rates) -> Rates:
    """Half a cosine wave from `start` (fraction 0) to `end` (fraction 1)."""
    return end + (start - end) / 2 * (1 + _cosine(fraction))


def _power(base: float, exponent: Rates) -> Rates:
    """Power for base > 0 and exponent >= 0: the product of one factor for each binary digit of the exponent."""
    whole = np.floor(exponent)
    rest = exponent - whole
    value = np.ones_like(exponent)
    square = base
    while np.any(whole > 0):
        value = np.where(whole % 2 == 1, value * square, value)
        whole = np.floor(whole / 2)
        square = square * square
    root = base
    for _ in range(53):
        root = float(np.sqrt(root))
        rest = rest * 2
        value = np.where(rest >= 1, value * root, value)
        rest = np.where(rest >= 1, rest - 1, rest)
    return value


def _check_steps(value: Any, argument: str, function: str, minimum: int = 1) -> int:
    """Check a number of steps. It must fit 64 bits for NumPy's division and search."""
    steps = check_count(function, argument, value, minimum)
    if steps >= 2**63:
        raise ValueError(f"{function}: {argument} must be below 2^63, got {steps}")
    return steps


class Schedule(Configurable, kind="schedules"):
    """A learning rate that depends on the step.

    A subclass stores its arguments in attributes of the same names and overrides `rates`.
    """

    def rates(self, steps: Rates) -> Rates:
        """Return the learning rates of the given steps.

        Parameters
        ----------
        steps : ndarray of float64, shape (n,)
            The steps, counted from 0.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        raise NotImplementedError(f"{type(self).__name__}: a schedule must define rates(steps)")

    def __call__(self, step: int) -> float:
        """Return the learning rate of one step, counted from 0."""
        return float(self.rates(np.array([step], np.float64))[0])

    def array(self, first_step: int, steps: int) -> Rates:
        """Return the learning rates of consecutive steps.

        Parameters
        ----------
        first_step : int
            The first step, counted from 0.
        steps : int
            Number of steps.

        Returns
        -------
        ndarray of float64, shape (steps,)
            The values that the schedule returns if called with each step.
        """
        values = self.rates(np.arange(first_step, first_step + steps, dtype=np.float64))
        return np.ascontiguousarray(values, np.float64)


class Constant(Schedule):
    """The same learning rate at every step.

    Parameters
    ----------
    rate : float
        The learning rate, >= 0.
    """

    def __init__(self, rate: float) -> None:
        self.rate = check_real("Constant", "rate", rate, minimum=0)

    def rates(self, steps: Rates) -> Rates:
        return np.full(steps.shape, self.rate)


class FromFunction(Schedule):
    """Wraps a function of the step as a schedule. It cannot be saved in a model file.

    Parameters
    ----------
    function : callable
        ``function(step: int) -> float``.
    """

    def __init__(self, function: Callable[[int], float]) -> None:
        if not callable(function):
            raise TypeError(f"FromFunction: function must be callable, got {type(function).__name__}")
        self.function = function

    def rates(self, steps: Rates) -> Rates:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        values = np.empty(steps.shape)
        for i, step in enumerate(steps.astype(np.int64).tolist()):
            values[i] = check_real("learning rate", f"{name}({step})", self.function(step), minimum=0)
        return values


class OneCycle(Schedule):
    """One cycle: half a cosine wave up to the peak, then a longer one down to almost 0.

    Source: L. N. Smith and N. Topin, "Super-convergence" (2018), in the form of PyTorch's ``OneCycleLR``. The rate
    rises from ``peak / initial_divisor`` at step 0 to `peak` at step ``start_fraction * total_steps - 1``, then falls
    to ``peak / initial_divisor / final_divisor`` at the last step, where it stays.

    Parameters
    ----------
    peak : float
        The highest learning rate, > 0.
    total_steps : int
        Number of steps of the training: epochs times steps per epoch.
    start_fraction : float
        The fraction of the steps in which the rate rises, in [0, 1].
    initial_divisor, final_divisor : float
        The peak divided by the first rate, and the first rate divided by the last; >= 1.

    Examples
    --------
    >>> schedule = OneCycle(peak=1.0, total_steps=10)
    >>> [round(schedule(step), 3) for step in (0, 1, 2, 9, 100)]
    [0.04, 0.52, 1.0, 0.0, 0.0]
    """

    def __init__(self, peak: float, total_steps: int, start_fraction: float = 0.3, initial_divisor: float = 25.0,
                 final_divisor: float = 1e4) -> None:
        self.peak = check_real("OneCycle", "peak", peak, above=0)
        self.total_steps = _check_steps(total_steps, "total_steps", "OneCycle")
        self.start_fraction = check_real("OneCycle", "start_fraction", start_fraction, minimum=0, maximum=1)
        self.initial_divisor = check_real("OneCycle", "initial_divisor", initial_divisor, minimum=1)
        self.final_divisor = check_real("OneCycle", "final_divisor", final_divisor, minimum=1)

    def rates(self, steps: Rates) -> Rates:
        last = self.total_steps - 1.0
        top = min(max(self.start_fraction * self.total_steps - 1, 0.0), last)  # step of the peak
        initial = self.peak / self.initial_divisor
        up = steps / top if top > 0 else np.ones_like(steps)
        down = (steps - top) / (last - top) if last > top else np.ones_like(steps)
        return np.where(
            steps <= top,
            _cosine_between(initial, self.peak, np.clip(up, 0, 1)),
            _cosine_between(self.peak, initial / self.final_divisor, np.clip(down, 0, 1)),
        )


class CosineDecay(Schedule):
    """Half a cosine wave from the initial rate down to ``alpha`` times that rate, where it stays (Keras' rule).

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0, >= 0.
    decay_steps : int
        The step that reaches the lowest rate.
    alpha : float
        The lowest rate divided by the initial rate, in [0, 1].

    Examples
    --------
    >>> schedule = CosineDecay(0.5, decay_steps=100)
    >>> schedule(0), schedule(50), schedule(100)
    (0.5, 0.25, 0.0)
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, alpha: float = 0.0) -> None:
        self.initial_learning_rate = check_real("CosineDecay", "initial_learning_rate", initial_learning_rate,
                                                minimum=0)
        self.decay_steps = _check_steps(decay_steps, "decay_steps", "CosineDecay")
        self.alpha = check_real("CosineDecay", "alpha", alpha, minimum=0, maximum=1)

    def rates(self, steps: Rates) -> Rates:
        start = self.initial_learning_rate
        return _cosine_between(start, self.alpha * start, np.clip(steps / self.decay_steps, 0, 1))


class ExponentialDecay(Schedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)`` (Keras' rule).

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0, >= 0.
    decay_steps : int
        The number of steps in which the rate is multiplied by `decay_rate` once.
    decay_rate : float
        The factor, > 0.
    staircase : bool
        Whether to round the exponent down, which makes the rate piecewise constant.

    Examples
    --------
    >>> [ExponentialDecay(0.1, 10, 0.5)(step) for step in (0, 10, 20)]
    [0.1, 0.05, 0.025]
    >>> ExponentialDecay(0.1, 10, 0.5, staircase=True)(19)
    0.05
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, decay_rate: float,
                 staircase: bool = False) -> None:
        self.initial_learning_rate = check_real("ExponentialDecay", "initial_learning_rate", initial_learning_rate,
                                                minimum=0)
        self.decay_steps = _check_steps(decay_steps, "decay_steps", "ExponentialDecay")
        self.decay_rate = check_real("ExponentialDecay", "decay_rate", decay_rate, above=0)
        self.staircase = bool(staircase)

    def rates(self, steps: Rates) -> Rates:
        exponent = steps / self.decay_steps
        return self.initial_learning_rate * _power(self.decay_rate, np.floor(exponent) if self.staircase else exponent)


class PiecewiseConstant(Schedule):
    """Piecewise constant: ``values[i]`` up to and including step ``boundaries[i]`` (Keras' rule).

    Parameters
    ----------
    boundaries : sequence of int
        The last step of each piece except the final one, strictly increasing.
    values : sequence of float
        The rate of each piece: one more than boundaries.

    Examples
    --------
    >>> schedule = PiecewiseConstant([100, 200], [0.1, 0.01, 0.001])
    >>> schedule(100), schedule(101), schedule(5000)
    (0.1, 0.01, 0.001)
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        self.boundaries = [_check_steps(b, "boundaries", "PiecewiseConstant", minimum=0) for b in boundaries]
        self.values = [check_real("PiecewiseConstant", "values", v, minimum=0) for v in values]
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"PiecewiseConstant: values must be one more than boundaries, got {len(self.values)} "
                             f"values and {len(self.boundaries)} boundaries")
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"PiecewiseConstant: boundaries must increase, got {self.boundaries}")

    def rates(self, steps: Rates) -> Rates:
        return np.array(self.values)[np.searchsorted(self.boundaries, steps, side="left")]


class WarmUp(Schedule):
    """A linear warm-up to the first rate of another schedule, which then follows, starting at its own step 0.

    Parameters
    ----------
    after : float or Schedule
        The schedule that follows.
    steps : int
        The number of warm-up steps.
    start : float
        The rate at step 0, >= 0.

    Examples
    --------
    >>> schedule = WarmUp(CosineDecay(0.4, 100), steps=4)
    >>> [round(schedule(step), 3) for step in (0, 1, 2, 3, 4, 54, 104)]
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.2, 0.0]
    """

    def __init__(self, after: float | Schedule, steps: int, start: float = 0.0) -> None:
        self.after = get(after)
        self.steps = _check_steps(steps, "steps", "WarmUp", minimum=0)
        self.start = check_real("WarmUp", "start", start, minimum=0)

    def rates(self, steps: Rates) -> Rates:
        # One call for both. With two, the number of calls would double for each level of nested schedules.
        rates = self.after.rates(np.append(np.maximum(steps - self.steps, 0), 0.0))
        later, goal = rates[:-1], rates[-1]
        if self.steps == 0:
            return later
        return np.where(steps < self.steps, self.start + (goal - self.start) * (steps / self.steps), later)


_KNOWN = {
    "constant": Constant,
    "one_cycle": OneCycle,
    "cosine_decay": CosineDecay,
    "exponential_decay": ExponentialDecay,
    "piecewise_constant": PiecewiseConstant,
    "warm_up": WarmUp,
}


def get(identifier: float | Schedule | Callable[[int], float] | Mapping[str, Any]) -> Schedule:
    """Return a schedule, given a number, a schedule, a function of the step or a description.

    Parameters
    ----------
    identifier : float, Schedule, callable or dict
        A number is a constant rate. A dict is a description from a model file, ``{"class": ..., "config": ...}``.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        If it is none of these. A name is not enough, since all schedules need arguments.

    Examples
    --------
    >>> get(0.001)
    Constant(rate=0.001)
    >>> get(lambda step: 1.0 / (1 + step)).array(0, 4).tolist()
    [1.0, 0.5, 0.3333333333333333, 0.25]
    """
    if isinstance(identifier, Mapping):
        return get(deserialize(dict(identifier)))
    if isinstance(identifier, Schedule):
        return identifier
    if isinstance(identifier, str):
        name = lookup("schedule", identifier, _KNOWN).__name__
        raise TypeError(f"schedule: {identifier!r} needs arguments; pass an object, {name}(...)")
    if isinstance(identifier, type) and issubclass(identifier, Schedule):
        name = identifier.__name__
        raise TypeError(f"schedule: got the class {name}; pass an object, {name}(...)")
    if callable(identifier):
        return FromFunction(cast("Callable[[int], float]", identifier))
    return Constant(check_real("schedule", "learning_rate", identifier, minimum=0))
