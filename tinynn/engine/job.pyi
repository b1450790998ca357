from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynn.engine.plan import Arena, Plan
from tinynn.kernels.op import Rule

DONE: int
TIME: int
NOT_FINITE: int
FAILED: int

class Job:
    @property
    def plan(self) -> Plan: ...
    @property
    def arena(self) -> Arena: ...
    @property
    def totals(self) -> NDArray[np.float64]: ...
    def __init__(
        self,
        plan: Plan,
        arena: Arena,
        items: NDArray[Any],
        indices: NDArray[np.int64] | None,
        samples: int,
        batch: int,
        targets: NDArray[Any] | None = None,
        sample_weights: NDArray[np.float64] | None = None,
        order: NDArray[np.int64] | None = None,
        function: str = "run",
    ) -> None: ...
    def set_training(
        self,
        rule: Rule,
        configuration: Sequence[float],
        learning_rates: NDArray[np.float64],
        iteration: int,
        states: Sequence[NDArray[Any]],
        key: int,
        limits: Sequence[float],
    ) -> None: ...
    def set_gradients(self, key: int, iteration: int) -> None: ...
    def set_key(self, key: int, iteration: int) -> None: ...
    def set_augmentation(self, shape: tuple[int, ...], options: Mapping[str, float], key: int, epoch: int) -> None: ...
    def set_predictions(self, predictions: NDArray[Any]) -> None: ...
    def set_position(self, step: int, totals: Sequence[float]) -> None: ...
    def run(self, max_steps: int = ...) -> int: ...
    def train_batch(self, iteration: int, learning_rate: float, update: bool) -> int: ...
    def means(self) -> list[float]: ...
    @property
    def trains(self) -> bool: ...
    @property
    def steps(self) -> int: ...
    @property
    def next_step(self) -> int: ...
    @property
    def last_loss(self) -> float: ...
    def python_error(self) -> BaseException | None: ...
    def first_not_finite(self) -> str: ...

def apply_update(
    rule: Rule,
    configuration: Sequence[float],
    learning_rate: float,
    iteration: int,
    states: Sequence[NDArray[Any]],
    limits: Sequence[float],
    plan: Plan,
    done: list[bool],
) -> None: ...
