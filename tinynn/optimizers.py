"""Optimizers, with Keras' names, defaults and rules. Kernels compute the updates."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from tinynn import schedules
from tinynn.checks import check_bool, check_real
from tinynn.kernels import op as ops
from tinynn.registry import Configurable, lookup

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "schedules"]

#: A smaller epsilon may be 0 in float32; then the update for a gradient of 0 would be 0 / 0.
MIN_EPSILON = 1e-37
#: Name of the state that holds the moving average of the weights.
AVERAGE = "average"


class Optimizer(Configurable, kind="optimizers"):
    """Base of all optimizers.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        A number, or a function of the step (0, 1, ...): see `tinynn.optimizers.schedules`.
    clipvalue : float, optional
        Clip each element of the gradient to [-clipvalue, clipvalue] before the update.
    global_clipnorm : float, optional
        Scale the gradient down before the update if its global norm (over all parameters) is larger than this.
    use_ema : bool
        Whether to keep an exponential moving average (EMA) of the weights. At the end of `fit` it replaces the weights.
    ema_momentum : float
        Weight of the old value in each update of the average, in [0, 1).

    Notes
    -----
    Options can be changed between two trainings: ``model.optimizer.momentum = 0.5``. They are checked at the next use.
    The state is kept by name. If a change needs a new state vector (`use_ema`, the first `momentum`), the optimizer
    warns and starts that vector anew; the others stay.
    """

    #: Name of the update rule's kernel, and the rule's options with the bounds of each; None: a flag.
    rule: ClassVar[str]
    rule_options: ClassVar[Mapping[str, Mapping[str, float] | None]] = {}
    learning_rate: Any
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99

    #: Incremented when an option other than the learning rate is set; invalidates the caches that depend on options.
    version: int = 0
    _checked: bool = False
    _made: tuple[int, tuple[float, ...], tuple[str, ...]] | None = None
    #: The model that uses this optimizer.
    _holder: weakref.ref[Any] | None = None

    def taken_by(self, model: Any) -> Self:
        """Check the optimizer and assign it to a model; return it, or a copy if another model uses it."""
        self.check_again()
        holder = None if self._holder is None else self._holder()
        mine = self if holder is None or holder is model else copy.copy(self)
        object.__setattr__(mine, "_holder", weakref.ref(model))
        return mine

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_holder"}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        super().__setattr__("_checked", False)
        if name != "learning_rate":
            super().__setattr__("version", self.version + 1)

    def check(self) -> None:
        """Check the options and convert them to their canonical types.

        Raises
        ------
        TypeError, ValueError
            If an option is invalid; names it.
        """
        name = type(self).__name__
        if callable(self.learning_rate):
            if not isinstance(self.learning_rate, schedules.Schedule):
                self.learning_rate = schedules.get(self.learning_rate)
        else:
            self._check("learning_rate", minimum=0)
        if self.clipvalue is not None and self.global_clipnorm is not None:
            raise ValueError(f"{name}: give clipvalue or global_clipnorm, not both")
        for limit in ("clipvalue", "global_clipnorm"):
            if getattr(self, limit) is not None:
                self._check(limit, above=0)
        self._check("use_ema", check_bool)
        self._check("ema_momentum", minimum=0, below=1)
        for option, bounds in self.rule_options.items():
            self._check(option, check_bool if bounds is None else check_real, **bounds or {})

    def check_again(self) -> None:
        """Check the options if one has been set since the last check; raises as `check`."""
        if not self._checked:
            self.check()
            object.__setattr__(self, "_checked", True)

    def _check(self, option: str, check: Callable[..., Any] = check_real, **bounds: float) -> None:
        value = getattr(self, option)
        checked = check(type(self).__name__, option, value, **bounds)
        if checked is not value:  # setting an option would count as a change
            setattr(self, option, checked)

    def options(self) -> dict[str, float]:
        """Return the options of the update rule by name."""
        return {option: getattr(self, option) for option in self.rule_options}

    def configuration(self) -> tuple[float, ...]:
        """Return the options of the update rule as the numbers that the kernel reads."""
        return self._for_rule()[0]

    def states(self) -> tuple[str, ...]:
        """Return the names of the state vectors, each as long as the parameter vector. The EMA comes first."""
        return self._for_rule()[1]

    def _for_rule(self) -> tuple[tuple[float, ...], tuple[str, ...]]:
        """Return configuration and states, cached until an option changes."""
        self.check_again()
        if self._made is None or self._made[0] != self.version:
            rule = ops.registered[self.rule]
            configuration = tuple(rule.configuration(**self.options()))
            names = tuple(rule.states(configuration))
            made = self.version, configuration, (AVERAGE, *names) if self.use_ema else names
            object.__setattr__(self, "_made", made)
        return self._made[1:]  # type: ignore[index]

    def limits(self) -> tuple[float, float, float]:
        """Return `clipvalue`, `global_clipnorm` (0: none) and the weight of the new value in the EMA (0: no EMA)."""
        self.check_again()
        return self.clipvalue or 0.0, self.global_clipnorm or 0.0, 1 - self.ema_momentum if self.use_ema else 0.0

    def rates(self, first_step: int, steps: int) -> np.ndarray:
        """Return the learning rates of consecutive steps, float64."""
        self.check_again()
        if isinstance(self.learning_rate, schedules.Schedule):
            rates = np.ascontiguousarray(self.learning_rate.array(first_step, steps), np.float64)
            if rates.shape != (steps,) or not np.isfinite(rates).all():
                raise ValueError(f"{type(self).__name__}: the schedule {type(self.learning_rate).__name__} must give "
                                 f"{steps} finite learning rates from step {first_step} on, got {rates}")
            return rates
        return np.full(steps, self.learning_rate, np.float64)

    def _store(self, **options: Any) -> None:
        """Set the options as attributes and check them."""
        for option, value in options.items():
            setattr(self, option, value)
        self.check_again()


class SGD(Optimizer):
    """Gradient descent: ``velocity = momentum velocity - rate dw; w += velocity``.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        The rate.
    momentum : float
        In [0, 1]; with 0 there is no velocity.
    nesterov : bool
        Whether to use ``w += momentum velocity - rate dw`` instead (Nesterov momentum).
    clipvalue, global_clipnorm, use_ema, ema_momentum
        As for `Optimizer`.
    """

    rule = "sgd"
    rule_options = {"momentum": {"minimum": 0, "maximum": 1}, "nesterov": None}
    momentum: float
    nesterov: bool

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._store(learning_rate=learning_rate, clipvalue=clipvalue, global_clipnorm=global_clipnorm, use_ema=use_ema,
                    ema_momentum=ema_momentum, momentum=momentum, nesterov=nesterov)


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), with epsilon outside the bias correction, as in Keras.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        The rate.
    beta_1, beta_2 : float
        Decay rates of the moving averages of the gradient and its square, in [0, 1).
    epsilon : float
        Added to the square root.
    clipvalue, global_clipnorm, use_ema, ema_momentum
        As for `Optimizer`.
    """

    rule = "adam"
    rule_options = {"beta_1": {"minimum": 0, "below": 1}, "beta_2": {"minimum": 0, "below": 1},
                    "epsilon": {"minimum": MIN_EPSILON}}
    beta_1: float
    beta_2: float
    epsilon: float

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._store(learning_rate=learning_rate, clipvalue=clipvalue, global_clipnorm=global_clipnorm, use_ema=use_ema,
                    ema_momentum=ema_momentum, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): first ``w -= rate weight_decay w``.

    Biases are not decayed.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon
        As for `Adam`.
    weight_decay : float
        At least 0.
    clipvalue, global_clipnorm, use_ema, ema_momentum
        As for `Optimizer`.
    """

    rule_options = {**Adam.rule_options, "weight_decay": {"minimum": 0}}

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self.weight_decay = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, clipvalue, global_clipnorm, use_ema, ema_momentum)


class RMSprop(Optimizer):
    """RMSprop (Hinton): the gradient divided by the square root of a moving average of its square.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        The rate.
    rho : float
        Decay rate of the moving average, in [0, 1).
    momentum : float
        In [0, 1]; with 0 there is no velocity.
    epsilon : float
        Added under the square root.
    clipvalue, global_clipnorm, use_ema, ema_momentum
        As for `Optimizer`.
    """

    rule = "rmsprop"
    rule_options = {"rho": {"minimum": 0, "below": 1}, "momentum": {"minimum": 0, "maximum": 1},
                    "epsilon": {"minimum": MIN_EPSILON}}
    rho: float
    momentum: float
    epsilon: float

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._store(learning_rate=learning_rate, clipvalue=clipvalue, global_clipnorm=global_clipnorm, use_ema=use_ema,
                    ema_momentum=ema_momentum, rho=rho, momentum=momentum, epsilon=epsilon)


_KNOWN: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop}


def get(identifier: str | Optimizer) -> Optimizer:
    """Return an optimizer, given its name or object.

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or the type is invalid.
    """
    return identifier if isinstance(identifier, Optimizer) else lookup("optimizer", identifier, _KNOWN)()
