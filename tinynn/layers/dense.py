"""The fully connected layer."""

from __future__ import annotations

from tinynn import initializers, regularizers
from tinynn.activations import ActivationName, activate, check_activation
from tinynn.checks import check_count
from tinynn.engine.graph import Network, Tensor
from tinynn.initializers import InitializerLike
from tinynn.layers.base import Layer
from tinynn.regularizers import RegularizerLike


class Dense(Layer):
    """Affine map ``y = activation(x w + b)`` of the last axis, shape (..., inputs) -> (..., units).

    Parameters
    ----------
    units : int
        Length of the output's last axis.
    activation : {None, "linear", "relu", "sigmoid", "tanh", "softmax"}
        Applied to the result.
    use_bias : bool
        Whether there is a b.
    kernel_initializer, bias_initializer : str or Initializer
        Initial values of w and b.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties on the size of w and b, terms of the loss: see `tinynn.regularizers`.
    name : str, optional
        Its name in the model.

    Notes
    -----
    Parameters, in Keras' layout: ``kernel`` w (inputs, units), ``bias`` b (units,).
    """

    def __init__(self, units: int, activation: ActivationName | None = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 name: str | None = None) -> None:
        self.units = check_count("Dense", "units", units)
        check_activation(activation)
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        if not x.shape:
            raise ValueError(f"layer {network.path!r}: expected samples of shape (..., inputs), got single numbers; "
                             "reshape x to (samples, 1)")
        w = network.parameter("kernel", (x.shape[-1], self.units), self.kernel_initializer,
                              penalty=self.kernel_regularizer)
        b = network.parameter("bias", (self.units,), self.bias_initializer, decayed=False,
                              penalty=self.bias_regularizer) if self.use_bias else None
        return activate(network, network.op("dense", x, [w, b]), self.activation)
