"""Layers of its own for every step of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

from tinynn.checks import check_count
from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer
from tinynn.layers.chain import as_layers, connect_chain, unique_names

#: Also so that a model file of a few bytes cannot exhaust the memory.
MAX_TOWERS = 4096


class Towers(Layer):
    """Separate copies of the same layers, one for each step: shape (count, ...) -> (count, ...).

    Copy i sees step i only and has parameters of its own, under ``tower_i``.

    Parameters
    ----------
    layers : Layer or list of Layer
        What to copy.
    count : int
        Number of copies, which is the number of steps.
    name : str, optional
        Its name in the model.
    """

    def __init__(self, layers: Layer | Sequence[Layer], count: int, name: str | None = None) -> None:
        self.layers = as_layers(layers, "Towers")
        unique_names(self.layers)
        self.count = check_count("Towers", "count", count, maximum=MAX_TOWERS)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        if not x.shape or x.shape[0] != self.count:
            raise ValueError(f"layer {network.path!r}: expected samples of shape ({self.count}, ...), got {x.shape}")
        steps = network.op_outputs("split", x)
        results, names = [], unique_names(self.layers)
        with network.branches(self.count) as branches:
            for i in branches:
                with network.scope(f"tower_{i}"):
                    results.append(connect_chain(self.layers, names, network, steps[i])[-1])
        return network.op("stack", results)
