"""Scaling of raw inputs."""

from __future__ import annotations

from tinynn.checks import check_real
from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer


class Rescaling(Layer):
    """``y = x scale + offset``; at the front of a model it costs nothing: samples are scaled as they are gathered.

    Parameters
    ----------
    scale, offset : float
        ``Rescaling(1 / 255)`` brings the bytes of an image to 0..1.
    name : str, optional
        Its name in the model.
    """

    def __init__(self, scale: float, offset: float = 0.0, name: str | None = None) -> None:
        self.scale = check_real("Rescaling", "scale", scale)
        self.offset = check_real("Rescaling", "offset", offset)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return network.op("rescaling", x, scale=self.scale, offset=self.offset)
