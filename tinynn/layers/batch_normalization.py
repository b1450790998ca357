"""Normalization over the batch."""

from __future__ import annotations

from tinynn import initializers
from tinynn.checks import check_real
from tinynn.engine.graph import Network, Tensor
from tinynn.initializers import InitializerLike
from tinynn.layers.base import Layer


class BatchNormalization(Layer):
    """Gives every channel (the last axis) mean 0 and variance 1 over the batch, then a scale and a shift.

    Prediction and evaluation use moving averages of the means and variances met in training instead; so does training
    while the layer is not trainable.

    Parameters
    ----------
    momentum : float
        Share of a moving average that stays in each step.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there is a shift beta, and a scale gamma.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or Initializer
        Initial values.
    name : str, optional
        Its name in the model.

    Notes
    -----
    Parameters, in Keras' order: ``gamma``, ``beta``, ``moving_mean``, ``moving_variance``, each (channels,).
    Ioffe and Szegedy (2015).
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: InitializerLike = "zeros", gamma_initializer: InitializerLike = "ones",
                 moving_mean_initializer: InitializerLike = "zeros",
                 moving_variance_initializer: InitializerLike = "ones", name: str | None = None) -> None:
        self.momentum = check_real("BatchNormalization", "momentum", momentum, minimum=0, maximum=1)
        self.epsilon = check_real("BatchNormalization", "epsilon", epsilon, above=0)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        if not x.shape:
            raise ValueError(f"layer {network.path!r}: expected samples of shape (..., channels), got single numbers; "
                             "reshape x to (samples, 1)")
        channels = x.shape[-1:]
        gamma = network.parameter("gamma", channels, self.gamma_initializer, decayed=False) if self.scale else None
        beta = network.parameter("beta", channels, self.beta_initializer, decayed=False) if self.center else None
        mean = network.parameter("moving_mean", channels, self.moving_mean_initializer, learned=False)
        variance = network.parameter("moving_variance", channels, self.moving_variance_initializer, learned=False)
        op = "batch_normalization" if network.training and network.trainable else "fixed_batch_normalization"
        return network.op(op, x, [gamma, beta, mean, variance], momentum=self.momentum, epsilon=self.epsilon)
