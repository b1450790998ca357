"""Dropout."""

from __future__ import annotations

from tinynn.checks import check_real
from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer


class Dropout(Layer):
    """In training, sets each element to 0 with probability `rate` and divides the others by ``1 - rate``.

    Which elements those are depends on the model's rng, the epoch, the step and the element only.

    Parameters
    ----------
    rate : float
        In [0, 1).
    name : str, optional
        Its name in the model.
    """

    def __init__(self, rate: float, name: str | None = None) -> None:
        self.rate = check_real("Dropout", "rate", rate, minimum=0, below=1)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return network.op("dropout", x, rate=self.rate) if network.training and self.rate > 0 else x
