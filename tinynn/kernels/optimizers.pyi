from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Rule

sgd: Rule
adam: Rule
rmsprop: Rule

def py_sgd_update(
    w: NDArray[Any],
    dw: ArrayLike,
    velocity: NDArray[Any] | None,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None: ...
def py_adam_update(
    w: NDArray[Any],
    dw: ArrayLike,
    m: NDArray[Any],
    v: NDArray[Any],
    step: int,
    learning_rate: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.0,
) -> None: ...
def py_rmsprop_update(
    w: NDArray[Any],
    dw: ArrayLike,
    v: NDArray[Any],
    velocity: NDArray[Any] | None,
    learning_rate: float,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
) -> None: ...
