"""The same layers for every step of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer
from tinynn.layers.chain import as_layers, connect_chain, unique_names


class TimeDistributed(Layer):
    """Applies the same layers to every step: shape (steps, ...) -> (steps, ...).

    Parameters
    ----------
    layers : Layer or list of Layer
        What to apply; its parameters are shared by all steps.
    name : str, optional
        Its name in the model.
    """

    def __init__(self, layers: Layer | Sequence[Layer], name: str | None = None) -> None:
        self.layers = as_layers(layers, "TimeDistributed")
        unique_names(self.layers)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        if not x.shape:
            raise ValueError(f"layer {network.path!r}: expected samples of shape (steps, ...), got single numbers; "
                             "reshape x to (samples, steps)")
        outputs = connect_chain(self.layers, unique_names(self.layers), network, network.fold_steps(x))
        return network.unfold_steps(outputs[-1], x.shape[0])
