"""Updates of the optimizers, in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinynn.checks import check_bool, check_count, check_real
from tinynn.kernels.functions._arguments import Floats, as_arrays, check_shape
from tinynn.kernels.op import Rule
from tinynn.kernels.optimizers import adam, rmsprop, sgd, update_in_place


def _check_changed(function: str, name: str, array: Any) -> None:
    """Check a vector that is changed in place: a copy would lose the update."""
    wanted = f"{function}: {name} is changed in place and must be"
    if not isinstance(array, np.ndarray):
        zeros = "; give zeros before the first step" if array is None else ""
        raise TypeError(f"{wanted} an ndarray of float32 or float64, got {type(array).__name__}{zeros}")
    if array.dtype.kind == "f" and not array.dtype.isnative:
        raise TypeError(f"{wanted} in native byte order, got {array.dtype.str}; convert it with "
                        f"{name}.astype({array.dtype.name!r})")
    if array.ndim != 1:
        raise ValueError(f"{wanted} a vector, got shape {array.shape}")
    flags = array.flags
    if not (flags.writeable and flags.c_contiguous and flags.aligned):
        raise ValueError(f"{wanted} writeable, contiguous and aligned; give {name}.copy()")


def _update(function: str, rule: Rule, w: Floats, dw: ArrayLike, states: Mapping[str, Floats | None],
            learning_rate: float, step: int = 1, **options: float) -> None:
    """Take one step of the rule; states by name, in the rule's order."""
    changed = {"w": w, **states}
    for name, array in changed.items():
        _check_changed(function, name, array)
    gradient, *vectors = as_arrays(function, {"dw": 1}, dw=dw, **changed)
    for name, vector in zip(changed, vectors, strict=True):
        check_shape(function, name, vector, gradient.shape)
    checked = {name: check_real(function, name, value) for name, value in options.items()}
    rate = check_real(function, "learning_rate", learning_rate)
    update_in_place(rule, vectors[0], gradient, vectors[1:], rule.configuration(**checked), rate, step)


def _velocity(function: str, velocity: Floats | None, momentum: float) -> dict[str, Floats]:
    """Return the velocity as a state, if there is momentum."""
    if not check_real(function, "momentum", momentum):
        return {}
    if velocity is None:
        raise ValueError(f"{function}: velocity must be an array with momentum {momentum}, got None; give "
                         "np.zeros_like(w)")
    return {"velocity": velocity}


def sgd_update(w: Floats, dw: ArrayLike, velocity: Floats | None, learning_rate: float, momentum: float = 0.0,
               nesterov: bool = False) -> None:
    """Take one step of gradient descent, in place: ``velocity = momentum velocity - rate dw;  w += velocity``.

    Parameters
    ----------
    w : ndarray, shape (n,)
        Parameters, float32 or float64; changed.
    dw : array_like, shape (n,)
        Their gradient, of the same dtype.
    velocity : ndarray, shape (n,), or None
        State of the momentum, zeros at first; changed. Not used without momentum, and may then be None.
    learning_rate : float
        Learning rate.
    momentum : float, optional
        Decay of the velocity.
    nesterov : bool, optional
        Whether the step looks ahead: ``w += momentum velocity - rate dw``.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or one to be changed is not an ndarray.
    ValueError
        If the shapes differ, one to be changed is read-only or not contiguous, or velocity is missing.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> sgd_update(w, np.array([1.0, -1.0]), None, 0.5)
    >>> w
    array([0.5, 2.5])
    """
    ahead = float(check_bool("sgd_update", "nesterov", nesterov))
    states = _velocity("sgd_update", velocity, momentum)
    _update("sgd_update", sgd, w, dw, states, learning_rate, momentum=momentum, nesterov=ahead)


def adam_update(w: Floats, dw: ArrayLike, m: Floats, v: Floats, step: int, learning_rate: float, beta_1: float = 0.9,
                beta_2: float = 0.999, epsilon: float = 1e-7, weight_decay: float = 0.0) -> None:
    """Take one step of Adam, in place; with weight decay, of AdamW.

    ``w -= rate weight_decay w;  m += (1 - beta_1)(dw - m);  v += (1 - beta_2)(dw^2 - v)``;
    ``w -= rate sqrt(1 - beta_2^step) / (1 - beta_1^step) m / (sqrt(v) + epsilon)``

    Parameters
    ----------
    w : ndarray, shape (n,)
        Parameters, float32 or float64; changed.
    dw : array_like, shape (n,)
        Their gradient, of the same dtype.
    m, v : ndarray, shape (n,)
        Running means of the gradient and of its square, zeros at first; changed.
    step : int
        Number of this step, 1 for the first.
    learning_rate : float
        Learning rate.
    beta_1, beta_2 : float, optional
        Decay of m and of v.
    epsilon : float, optional
        Added to the root, against a division by zero.
    weight_decay : float, optional
        Decoupled weight decay.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or one to be changed is not an ndarray.
    ValueError
        If the shapes differ, one to be changed is read-only or not contiguous, or step is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> w, m, v = np.array([1.0, 2.0]), np.zeros(2), np.zeros(2)
    >>> adam_update(w, np.array([5.0, -0.1]), m, v, 1, 0.5)
    >>> w.round(4)
    array([0.5, 2.5])
    """
    step = check_count("adam_update", "step", step, maximum=2**63 - 1)
    _update("adam_update", adam, w, dw, {"m": m, "v": v}, learning_rate, step, beta_1=beta_1, beta_2=beta_2,
            epsilon=epsilon, weight_decay=weight_decay)


def rmsprop_update(w: Floats, dw: ArrayLike, v: Floats, velocity: Floats | None, learning_rate: float,
                   rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7) -> None:
    """Take one step of RMSprop, in place: ``v = rho v + (1 - rho) dw^2;  w -= rate dw / sqrt(v + epsilon)``.

    Parameters
    ----------
    w : ndarray, shape (n,)
        Parameters, float32 or float64; changed.
    dw : array_like, shape (n,)
        Their gradient, of the same dtype.
    v : ndarray, shape (n,)
        Running mean of the gradient's square, zeros at first; changed.
    velocity : ndarray, shape (n,), or None
        State of the momentum, zeros at first; changed. Not used without momentum, and may then be None.
    learning_rate : float
        Learning rate.
    rho : float, optional
        Decay of v.
    momentum : float, optional
        Decay of the velocity: ``velocity = momentum velocity + change;  w -= velocity``.
    epsilon : float, optional
        Added under the root.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or one to be changed is not an ndarray.
    ValueError
        If the shapes differ, one to be changed is read-only or not contiguous, or velocity is missing.

    Examples
    --------
    >>> import numpy as np
    >>> w, v = np.array([1.0]), np.zeros(1)
    >>> rmsprop_update(w, np.array([2.0]), v, None, 0.1, rho=0.75)
    >>> w.round(4), v
    (array([0.8]), array([1.]))
    """
    states = {"v": v, **_velocity("rmsprop_update", velocity, momentum)}
    _update("rmsprop_update", rmsprop, w, dw, states, learning_rate, rho=rho, momentum=momentum, epsilon=epsilon)
