"""The two-dimensional convolution."""

from __future__ import annotations

from typing import Literal

from tinynn import initializers, regularizers
from tinynn.activations import ActivationName, activate, check_activation
from tinynn.checks import check_choice, check_count, check_pair
from tinynn.engine.graph import Network, Tensor
from tinynn.initializers import InitializerLike
from tinynn.layers.base import Layer, expect_image
from tinynn.regularizers import RegularizerLike


class Conv2D(Layer):
    """Affine map of every patch of an image, shape (rows, columns, channels) -> (rows', columns', filters).

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size : int or tuple of int
        Rows and columns of a patch.
    strides : int or tuple of int
        Steps between patches, down and to the right.
    padding : {"valid", "same"}
        Patches inside the image only; or as many as there are pixels for the strides, with zeros around the image.
    dilation_rate : int or tuple of int
        Steps between the rows and between the columns of a patch.
    activation : {None, "linear", "relu", "sigmoid", "tanh", "softmax"}
        Applied to the result.
    use_bias : bool
        Whether a bias is added.
    kernel_initializer, bias_initializer : str or Initializer
        Initial values.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties on their size, terms of the loss: see `tinynn.regularizers`.
    name : str, optional
        Its name in the model.

    Notes
    -----
    Parameters, in Keras' layout: ``kernel`` (kernel rows, kernel columns, channels, filters), ``bias`` (filters,).

    Examples
    --------
    >>> import tinynn
    >>> model = tinynn.Sequential([Conv2D(16, 5, activation="relu")], input_shape=(28, 28, 1))
    >>> model.get_weights()[0].shape
    (5, 5, 1, 16)
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], strides: int | tuple[int, int] = (1, 1),
                 padding: Literal["valid", "same"] = "valid", dilation_rate: int | tuple[int, int] = (1, 1),
                 activation: ActivationName | None = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 name: str | None = None) -> None:
        self.filters = check_count("Conv2D", "filters", filters)
        self.kernel_size = check_pair("Conv2D", "kernel_size", kernel_size)
        self.strides = check_pair("Conv2D", "strides", strides)
        self.padding = check_choice("Conv2D", "padding", padding, ("valid", "same"))
        self.dilation_rate = check_pair("Conv2D", "dilation_rate", dilation_rate)
        check_activation(activation)
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        expect_image(network, x)
        if x.shape[2] is None:
            raise ValueError(f"layer {network.path!r}: the number of channels must be known, got samples of shape "
                             f"{x.shape}")
        w = network.parameter("kernel", (*self.kernel_size, x.shape[2], self.filters), self.kernel_initializer,
                              penalty=self.kernel_regularizer)
        b = network.parameter("bias", (self.filters,), self.bias_initializer, decayed=False,
                              penalty=self.bias_regularizer) if self.use_bias else None
        y = network.op("conv2d", x, [w, b], strides=self.strides, padding=self.padding, dilation=self.dilation_rate)
        return activate(network, y, self.activation)
