"""Normalization of every row."""

from __future__ import annotations

from tinynn import initializers
from tinynn.checks import check_real
from tinynn.engine.graph import Network, Tensor
from tinynn.initializers import InitializerLike
from tinynn.layers.base import Layer


class LayerNormalization(Layer):
    """Gives the last axis mean 0 and variance 1, then each of its elements a scale and a shift.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there is a shift beta, and a scale gamma.
    beta_initializer, gamma_initializer : str or Initializer
        Initial values.
    name : str, optional
        Its name in the model.

    Notes
    -----
    Parameters, in Keras' order: ``gamma``, ``beta``, each as long as the last axis. Ba, Kiros and Hinton (2016).
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
        if not x.shape:
            raise ValueError(f"layer {network.path!r}: expected samples of shape (..., elements), got single numbers; "
                             "reshape x to (samples, 1)")
        size = x.shape[-1:]
        gamma = network.parameter("gamma", size, self.gamma_initializer, decayed=False) if self.scale else None
        beta = network.parameter("beta", size, self.beta_initializer, decayed=False) if self.center else None
        return network.op("layer_normalization", x, [gamma, beta], epsilon=self.epsilon)
