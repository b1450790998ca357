from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tinynn.engine.job import Job
from tinynn.engine.plan import Plan

class SmallBatches:
    @property
    def plan(self) -> Plan: ...
    def __init__(self, plan: Plan, sample_shape: Sequence[int], result_shape: Sequence[int]) -> None: ...

class Predictor(SmallBatches):
    def predict(
        self, x: Any, batch_size: Any, output: Any, finite: Any, verbose: Any, callbacks: Any
    ) -> NDArray[Any] | None: ...

class BatchTrainer(SmallBatches):
    def __init__(self, plan: Plan, sample_shape: Sequence[int], target_shape: Sequence[int], classes: int) -> None: ...
    def job(self, x: Any, y: Any) -> Job | None: ...
