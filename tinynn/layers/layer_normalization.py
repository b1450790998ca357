"""Normalization of each row."""

from __future__ import annotations

from tinynn import initializers
from tinynn.checks import check_real
from tinynn.engine.graph import Network, Tensor
from tinynn.initializers import InitializerLike
from tinynn.layers.base import Layer, expect_an_axis


class LayerNormalization(Layer):
    """Normalizes the last axis to mean 0 and variance 1, then scales and shifts each of its elements.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether to add a shift beta, and to multiply by a scale gamma.
    beta_initializer, gamma_initializer : str or Initializer
        Initial values.
    name : str, optional
        Name in the model.

    Notes
    -----
    Parameters, in Keras' order: ``gamma``, ``beta``, each as long as the last axis.
    Source: Ba, Kiros and Hinton (2016).
    """

    def __init__(self, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: InitializerLike = "zeros", gamma_initializer: InitializerLike = "ones",
                 name: str | None = None) -> None:
        self.epsilon = check_real("LayerNormalization", "epsilon", epsilon, above=0)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        expect_an_axis(network, x, "(..., elements)")
        size = x.shape[-1:]
        gamma = network.parameter("gamma", size, self.gamma_initializer, decayed=False) if self.scale else None
        beta = network.parameter("beta", size, self.beta_initializer, decayed=False) if self.center else None
        return network.op("layer_normalization", x, [gamma, beta], epsilon=self.epsilon)
