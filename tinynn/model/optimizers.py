"""Optimizers, by Keras' names, defaults and rules. The update itself is a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from tinynn.kernels import op as ops
from tinynn.model import schedules
from tinynn.model.arrays import check_real
from tinynn.model.registry import Configurable, lookup


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
    """

    rule: ClassVar[str]
    learning_rate: Any
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99

    def options(self) -> dict[str, float]:
        """What the update rule is configured with."""
        raise NotImplementedError

    def configuration(self) -> tuple[float, ...]:
        """The same as the numbers that the kernel reads."""
        return tuple(ops.registered[self.rule].configuration(**self.options()))

    def states(self) -> int:
        """How many vectors of state, each as long as the parameters, it keeps."""
        return int(ops.registered[self.rule].states(self.configuration())) + self.use_ema

    def limits(self) -> tuple[float, float, float]:
        """What happens around the rule: largest number, largest norm, share of the weights in their average."""
        return self.clipvalue or 0.0, self.global_clipnorm or 0.0, 1 - self.ema_momentum if self.use_ema else 0.0

    def rates(self, first_step: int, steps: int) -> np.ndarray:
        """Learning rates of consecutive steps, float64."""
        self._set_learning_rate(self.learning_rate)  # a callback may have put anything there
        if isinstance(self.learning_rate, schedules.Schedule):
            rates = np.ascontiguousarray(self.learning_rate.array(first_step, steps), np.float64)
            if rates.shape != (steps,) or not np.isfinite(rates).all():
                raise ValueError(f"{type(self).__name__}: the schedule {type(self.learning_rate).__name__} must give "
                                 f"{steps} finite learning rates from step {first_step} on, got {rates}")
            return rates
        return np.full(steps, self.learning_rate, np.float64)

    def _set_common(self, learning_rate: Any, clipvalue: Any, global_clipnorm: Any, use_ema: Any,
                    ema_momentum: Any) -> None:
        """Check and store what all optimizers take."""
        name = type(self).__name__
        self._set_learning_rate(learning_rate)
        if clipvalue is not None and global_clipnorm is not None:
            raise ValueError(f"{name}: give clipvalue or global_clipnorm, not both")
        self.clipvalue = None if clipvalue is None else check_real(clipvalue, "clipvalue", name, above=0)
        self.global_clipnorm = (None if global_clipnorm is None
                                else check_real(global_clipnorm, "global_clipnorm", name, above=0))
        self.use_ema = bool(use_ema)
        self.ema_momentum = check_real(ema_momentum, "ema_momentum", name, minimum=0, below=1)

    def _set_learning_rate(self, learning_rate: float | Callable[[int], float] | schedules.Schedule) -> None:
        if callable(learning_rate):
            self.learning_rate = schedules.get(learning_rate)
        else:
            self.learning_rate = check_real(learning_rate, "learning_rate", type(self).__name__, minimum=0)


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

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._set_common(learning_rate, clipvalue, global_clipnorm, use_ema, ema_momentum)
        self.momentum = check_real(momentum, "momentum", "SGD", minimum=0, maximum=1)
        self.nesterov = bool(nesterov)

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

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._set_common(learning_rate, clipvalue, global_clipnorm, use_ema, ema_momentum)
        self.beta_1 = check_real(beta_1, "beta_1", "Adam", minimum=0, below=1)
        self.beta_2 = check_real(beta_2, "beta_2", "Adam", minimum=0, below=1)
        self.epsilon = check_real(epsilon, "epsilon", "Adam", above=0)

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
        super().__init__(learning_rate, beta_1, beta_2, epsilon, clipvalue, global_clipnorm, use_ema, ema_momentum)
        self.weight_decay = check_real(weight_decay, "weight_decay", "AdamW", minimum=0)

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

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.9, momentum: float = 0.0,
                 epsilon: float = 1e-7,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99) -> None:
        self._set_common(learning_rate, clipvalue, global_clipnorm, use_ema, ema_momentum)
        self.rho = check_real(rho, "rho", "RMSprop", minimum=0, below=1)
        self.momentum = check_real(momentum, "momentum", "RMSprop", minimum=0, maximum=1)
        self.epsilon = check_real(epsilon, "epsilon", "RMSprop", above=0)

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
