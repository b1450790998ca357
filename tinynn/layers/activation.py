"""Activations as layers."""

from __future__ import annotations

from tinynn.activations import ActivationName, activate, check_activation
from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer


class Activation(Layer):
    """``y = f(x)``, element by element (softmax: over the last axis); the shape stays.

    Parameters
    ----------
    activation : {"linear", "relu", "sigmoid", "tanh", "softmax"}
        The function.
    name : str, optional
        Its name in the model.
    """

    def __init__(self, activation: ActivationName, name: str | None = None) -> None:
        check_activation(activation)
        self.activation = activation
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return activate(network, x, self.activation)
