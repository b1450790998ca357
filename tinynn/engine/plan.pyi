from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynn.engine.graph import Tensor
from tinynn.engine.program import Program
from tinynn.kernels.op import Rule

DONE: int
TIME: int
NOT_FINITE: int
FAILED: int

class Arena:
    plan: Plan
    capacity: int
    def __init__(self, plan: Plan, capacity: int) -> None: ...
    def forget(self) -> None: ...
    def values(self, tensor: Tensor, batch: int, gradient: bool = False) -> NDArray[Any]: ...

class Plan:
    program: Program
    weights: NDArray[Any] | None
    gradients: NDArray[Any] | None
    dtype: np.dtype[Any]
    constants: list[Any]
    learning: frozenset[str]
    def __init__(
        self, program: Program, weights: NDArray[Any] | None, gradients: NDArray[Any] | None
    ) -> None: ...
    def layout(self, capacity: int) -> dict[str, Any]: ...
    def lease(self, batch: int) -> AbstractContextManager[Arena]: ...

class Job:
    arena: Arena
    totals: NDArray[np.float64]
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
    def train(
        self,
        rule: Rule | None,
        configuration: Sequence[float],
        learning_rates: NDArray[np.float64] | None,
        iteration: int,
        states: Sequence[NDArray[Any]],
        key: int,
        limits: Sequence[float] = (),
        update: bool = True,
    ) -> None: ...
    def key(self, key: int, iteration: int) -> None: ...
    def augment(self, shape: tuple[int, ...], options: Mapping[str, float], key: int, epoch: int) -> None: ...
    def resume(self, step: int, totals: Sequence[float]) -> None: ...
    def predict(self, predictions: NDArray[Any]) -> None: ...
    @property
    def trains(self) -> bool: ...
    @property
    def steps(self) -> int: ...
    @property
    def next_step(self) -> int: ...
    @property
    def last_loss(self) -> float: ...
    def run(self, most: int = ...) -> int: ...
    def python_error(self) -> BaseException | None: ...
    def first_not_finite(self) -> str: ...

    def step(self, iteration: int, learning_rate: float, update: bool) -> int: ...
    def means(self) -> list[float]: ...

class Predictor:
    plan: Plan
    def __init__(self, plan: Plan, sample_shape: Sequence[int], output_shape: Sequence[int]) -> None: ...
    def predict(
        self, x: Any, batch_size: Any, output: Any, finite: Any, verbose: Any, callbacks: Any
    ) -> NDArray[Any] | None: ...

class BatchTrainer:
    plan: Plan
    def __init__(
        self, plan: Plan, sample_shape: Sequence[int], target_shape: Sequence[int], classes: int
    ) -> None: ...
    def job(self, x: Any, y: Any) -> Job | None: ...

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
def all_finite(array: NDArray[Any], single: bool = ...) -> bool | None: ...
def shuffled(n: int, key: int, epoch: int) -> NDArray[np.int64]: ...
