"""What every layer is: a description that writes its ops into a network. It holds no weights.

The parameters belong to the model. A layer declares them by name in the network it connects to, so the same
description can stand in several places (`TimeDistributed`, `Towers`) and the model may rebuild its plan for
another input shape at any time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tinynn.engine.network import Network, Parameter, Shape, Tensor
from tinynn.model.registry import Configurable, lookup

ACTIVATIONS = {"linear": None, "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softmax": "softmax"}

#: Every layer class of the package by name; `tinynn.layers` shows them.
classes: dict[str, type[Layer]] = {}


class Layer(Configurable, kind="layers"):
    """Base of all layers.

    A layer of your own made of existing ops derives from this class and writes `connect`; one with NumPy code
    derives from `PythonLayer`.

    Attributes
    ----------
    name : str or None
        Its name in the model; None lets the model choose one.
    trainable : bool
        Whether training changes its parameters.
    """

    name: str | None = None
    trainable: bool = True
    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.__module__.startswith("tinynn.") and not cls.__name__.startswith("_"):
            classes[cls.__name__] = cls

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, and ``trainable`` when that is False."""
        config = super().get_config()
        return config if self.trainable else {**config, "trainable": False}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Make a layer from what `get_config` returned."""
        layer = super().from_config({name: value for name, value in config.items() if name != "trainable"})
        if not config.get("trainable", True):
            layer.trainable = False
        return layer

    # Two layers with equal arguments are still two layers.
    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]

    def connect(self, network: Network, x: Tensor) -> Tensor:
        """Declare parameters and ops in the network.

        Parameters
        ----------
        network : Network
            Offers ``parameter(name, shape, initializer)``, ``op(name, tensors, parameters, **attributes)`` and
            views such as ``reshape``.
        x : Tensor
            What the layer reads; ``x.shape`` is the shape of one sample, None where it is not known yet.

        Returns
        -------
        Tensor
            What it puts out.
        """
        raise NotImplementedError(f"{type(self).__name__} has no connect")

    def default_name(self) -> str:
        """Its class name in snake case: what the model derives its name from."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", type(self).__name__).lower()


classes["Layer"] = Layer


class PythonLayer(Layer):
    """Base of layers whose arithmetic is written in Python, with NumPy.

    Override `forward` and `backward`, and `parameters` and `output_shape` where the defaults do not fit. The
    functions get arrays that are views of the engine's memory, valid during the call only.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> class Square(tinynn.layers.PythonLayer):
    ...     def forward(self, x):
    ...         return x * x
    ...     def backward(self, dy, x, y):
    ...         return 2 * x * dy
    >>> model = tinynn.Sequential([Square()], input_shape=(2,))
    >>> model.predict(np.array([[1.0, 3.0]], "float32"))
    array([[1., 9.]], dtype=float32)
    """

    def parameters(self, network: Network, input_shape: Shape) -> list[Parameter]:
        """Declare the layer's parameters with ``network.parameter(name, shape, initializer)``; here: none."""
        return []

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one sample of the output; here: that of the input."""
        return input_shape

    def forward(self, x: Any, *parameters: Any) -> Any:
        """Compute y from x (batch, ...) and the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Any, x: Any, y: Any, *parameters: Any) -> Any:
        """Compute the gradient of x, or the tuple (gradient of x, gradient of each parameter)."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return network.python(self, x, self.parameters(network, x.shape), self.output_shape(x.shape))


def check_activation(activation: str | None) -> str | None:
    """The op name of an activation; None for a linear one."""
    return None if activation is None else lookup("activation", activation, ACTIVATIONS)


def activate(network: Network, x: Tensor, activation: str | None) -> Tensor:
    """Append an activation, given as a user writes it."""
    op = check_activation(activation)
    if op == "softmax" and not x.shape:
        raise ValueError(f"layer {network.path!r}: expected samples of shape (..., classes), got single numbers; "
                         "softmax needs a last axis: reshape x to (samples, classes)")
    return x if op is None else network.op(op, x)


def check_units(units: Any, layer: str, argument: str = "units") -> int:
    """Check a number of units or steps."""
    if isinstance(units, bool) or not hasattr(units, "__index__"):
        raise TypeError(f"{layer}: {argument} must be a whole number, got {units!r}")
    if units < 1:
        raise ValueError(f"{layer}: {argument} must be at least 1, got {units}")
    return int(units)


def expect_image(network: Network, x: Tensor) -> None:
    """Raise ValueError unless samples are images of some channels."""
    if len(x.shape) == 2:
        raise ValueError(f"layer {network.path!r}: expected images of shape (rows, columns, channels), got samples of "
                         f"shape {x.shape}; for one channel put Reshape((*shape, 1)) before it")
    expect_axes(network, x, 3, "(rows, columns, channels)")


def expect_axes(network: Network, x: Tensor, axes: int, meaning: str) -> None:
    """Raise ValueError unless one sample has this many axes."""
    if len(x.shape) != axes:
        raise ValueError(f"layer {network.path!r}: expected samples of shape {meaning}, got {x.shape}")
