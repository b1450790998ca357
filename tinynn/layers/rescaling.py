"""Rescaling of inputs."""

from __future__ import annotations

from tinynn.checks import check_real
from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer


class Rescaling(Layer):
    """``y = x scale + offset``. As the first layer it is free: it is fused with the gathering of the batch.

    Parameters
    ----------
    scale, offset : float
        The factor and the summand. ``Rescaling(1 / 255)`` maps the bytes of an image to [0, 1].
    name : str, optional
        Name in the model.
    """

    def __init__(self, scale: float, offset: float = 0.0, name: str | None = None) -> None:
        self.scale = check_real("Rescaling", "scale", scale)
        self.offset = check_real("Rescaling", "offset", offset)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return network.op("rescaling", x, scale=self.scale, offset=self.offset)
