"""Optimizers, by Keras' names, defaults and rules. The update itself is a kernel."""

from __future__ import annotations

import copy
import weakref
from typing import Any, ClassVar, Self

import numpy as np

from tinynn import schedules
from tinynn.checks import check_real
from tinynn.kernels import op as ops
from tinynn.registry import Configurable, lookup

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "schedules"]

#: Below it, epsilon is 0 in float32, and the update of a weight whose gradient is 0 would be 0 / 0.
SMALLEST_EPSILON = 1e-37
#: Name of the state that holds the moving average of the weights.
AVERAGE = "average"


class Optimizer(Configurable, kind="optimizers"):
    """Base of all optimizers.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        A number, or a function of the step (0, 1, ...): see `tinynn.optimizers.schedules`.
    clipvalue : float, optional
        Each number of a gradient is brought between -clipvalue and clipvalue first.
    global_clipnorm : float, optional
        If the norm of the whole gradient is larger, the gradient is scaled down to it first.
    use_ema : bool
        Whether to keep a moving average of the weights, and give it to the model at the end of `fit`.
    ema_momentum : float
        Share of the average that stays in each step, in [0, 1).

    Notes
    -----
    Options can be changed between two trainings, ``model.optimizer.momentum = 0.5``; they are checked when they are
    used next. What the optimizer remembers is kept by name: a change that needs another vector (`use_ema`, the first
    momentum) begins that one anew, with a warning, and leaves the others as they are.
    """

    rule: ClassVar[str]
    learning_rate: Any
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99

    #: Grows when an option other than the learning rate is set: what was computed from them is outdated then.
    version: int = 0
    _checked: bool = False
    _made: tuple[int, tuple[float, ...], tuple[str, ...]] | None = None
    #: The model whose optimizer this is.
    _holder: weakref.ref[Any] | None = None

    def taken_by(self, model: Any) -> Self:
        """The optimizer, checked, as the model's own: itself, or a copy while another model has it."""
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
        """Check the options, and bring each to the form in which it is used.

        Raises
        ------
        TypeError, ValueError
            If one is out of range; names it.
        """
        name = type(self).__name__
        if callable(self.learning_rate):
            if not isinstance(self.learning_rate, schedules.Schedule):
                self.learning_rate = schedules.get(self.learning_rate)
        else:
            self._check_real("learning_rate", minimum=0)
        if self.clipvalue is not None and self.global_clipnorm is not None:
            raise ValueError(f"{name}: give clipvalue or global_clipnorm, not both")
        for limit in ("clipvalue", "global_clipnorm"):
            if getattr(self, limit) is not None:
                self._check_real(limit, above=0)
        self._check_bool("use_ema")
        self._check_real("ema_momentum", minimum=0, below=1)

    def check_again(self) -> None:
        """Check the options if any has been set since the last time; raises as `check`."""
        if not self._checked:
            self.check()
            object.__setattr__(self, "_checked", True)

    def _check_real(self, option: str, **bounds: float) -> None:
        value = getattr(self, option)
        number = check_real(type(self).__name__, option, value, **bounds)
        if number is not value:
            setattr(self, option, number)

    def _check_bool(self, option: str) -> None:
        value = getattr(self, option)
        if not isinstance(value, (bool, np.bool_)) and value not in (0, 1):
            raise TypeError(f"{type(self).__name__}: {option} must be True or False, got {value!r}")
        if not isinstance(value, bool):
            setattr(self, option, bool(value))

    def options(self) -> dict[str, float]:
        """What the update rule is configured with."""
        raise NotImplementedError

    def configuration(self) -> tuple[float, ...]:
        """The same as the numbers that the kernel reads."""
        return self._for_rule()[0]

    def states(self) -> tuple[str, ...]:
        """Names of the vectors it keeps, each as long as the parameters; the average of the weights comes first."""
        return self._for_rule()[1]

    def _for_rule(self) -> tuple[tuple[float, ...], tuple[str, ...]]:
        """Configuration and states, made again only when an option has changed."""
        self.check_again()
        if self._made is None or self._made[0] != self.version:
            rule = ops.registered[self.rule]
            configuration = tuple(rule.configuration(**self.options()))
            names = tuple(rule.states(configuration))
            made = self.version, configuration, (AVERAGE, *names) if self.use_ema else names
            object.__setattr__(self, "_made", made)
        return self._made[1:]  # type: ignore[index]

    def limits(self) -> tuple[float, float, float]:
        """What happens around the rule: largest number, largest norm, share of the weights in their average."""
        self.check_again()
        return self.clipvalue or 0.0, self.global_clipnorm or 0.0, 1 - self.ema_momentum if self.use_ema else 0.0

    def rates(self, first_step: int, steps: int) -> np.ndarray:
        """Learning rates of consecutive steps, float64."""
        self.check_again()
        if isinstance(self.learning_rate, schedules.Schedule):
            rates = np.ascontiguousarray(self.learning_rate.array(first_step, steps), np.float64)
            if rates.shape != (steps,) or not np.isfinite(rates).all():
                raise ValueError(f"{type(self).__name__}: the schedule {type(self.learning_rate).__name__} must give "
                                 f"{steps} finite learning rates from step {first_step} on, got {rates}")
            return rates
        return np.full(steps, self.learning_rate, np.float64)

    def _store(self, **options: Any) -> None:
        """Store options under their names, and check them."""
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
        In [0, 1]; 0 keeps no velocity.
    nesterov : bool
        ``w += momentum velocity - rate dw`` instead.
    clipvalue, global_clipnorm, use_ema, ema_momentum
        As for `Optimizer`.
    """

    rule = "sgd"
    momentum: float
    nesterov: bool

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._store(learning_rate=learning_rate, clipvalue=clipvalue, global_clipnorm=global_clipnorm, use_ema=use_ema,
                    ema_momentum=ema_momentum, momentum=momentum, nesterov=nesterov)

    def check(self) -> None:
        super().check()
        self._check_real("momentum", minimum=0, maximum=1)
        self._check_bool("nesterov")

    def options(self) -> dict[str, float]:
        return {"momentum": self.momentum, "nesterov": self.nesterov}


class Adam(Optimizer):
    """Kingma and Ba's Adam (2015), with Keras' epsilon outside the bias correction.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        The rate.
    beta_1, beta_2 : float
        Decay of the running means of the gradient and its square, in [0, 1).
    epsilon : float
        Added to the root.
    clipvalue, global_clipnorm, use_ema, ema_momentum
        As for `Optimizer`.
    """

    rule = "adam"
    beta_1: float
    beta_2: float
    epsilon: float

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._store(learning_rate=learning_rate, clipvalue=clipvalue, global_clipnorm=global_clipnorm, use_ema=use_ema,
                    ema_momentum=ema_momentum, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)

    def check(self) -> None:
        super().check()
        self._check_real("beta_1", minimum=0, below=1)
        self._check_real("beta_2", minimum=0, below=1)
        self._check_real("epsilon", minimum=SMALLEST_EPSILON)

    def options(self) -> dict[str, float]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


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

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self.weight_decay = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, clipvalue, global_clipnorm, use_ema, ema_momentum)

    def check(self) -> None:
        super().check()
        self._check_real("weight_decay", minimum=0)

    def options(self) -> dict[str, float]:
        return {**super().options(), "weight_decay": self.weight_decay}


class RMSprop(Optimizer):
    """Hinton's RMSprop: the gradient divided by the root of a running mean of its square.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        The rate.
    rho : float
        Decay of the running mean, in [0, 1).
    momentum : float
        In [0, 1]; 0 keeps no velocity.
    epsilon : float
        Added under the root.
    clipvalue, global_clipnorm, use_ema, ema_momentum
        As for `Optimizer`.
    """

    rule = "rmsprop"
    rho: float
    momentum: float
    epsilon: float

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.9, momentum: float = 0.0,
                 epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._store(learning_rate=learning_rate, clipvalue=clipvalue, global_clipnorm=global_clipnorm, use_ema=use_ema,
                    ema_momentum=ema_momentum, rho=rho, momentum=momentum, epsilon=epsilon)

    def check(self) -> None:
        super().check()
        self._check_real("rho", minimum=0, below=1)
        self._check_real("momentum", minimum=0, maximum=1)
        self._check_real("epsilon", minimum=SMALLEST_EPSILON)

    def options(self) -> dict[str, float]:
        return {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon}


_KNOWN: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop}


def get(identifier: str | Optimizer) -> Optimizer:
    """Return an optimizer from its name or itself.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or there is none of that name.
    """
    return identifier if isinstance(identifier, Optimizer) else lookup("optimizer", identifier, _KNOWN)()
