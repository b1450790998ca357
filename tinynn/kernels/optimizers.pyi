from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from tinynn.kernels.op import Rule

sgd: Rule
adam: Rule
rmsprop: Rule

def update_in_place(
    rule: Rule, w: NDArray[Any], dw: NDArray[Any], states: Iterable[NDArray[Any]], options: Iterable[float],
    learning_rate: float, step: int,
) -> None: ...
