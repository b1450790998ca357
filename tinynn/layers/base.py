"""The base class of layers. A layer is a description that adds its ops to a network.

The parameters belong to the model. A layer declares them by name in the network it connects to. Thus one
description can be used several times (`TimeDistributed`, `Towers`), and the model can make a new plan for another
input shape at any time. Building a model tells its layers where their weights are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinynn.engine.graph import Network, Parameter, Shape, Tensor, view
from tinynn.layers.weights import read_weights, write_weights
from tinynn.registry import Configurable


def do_nothing() -> None:
    """Replaces `LayerWeights.forget_plans` when the model no longer exists."""


@dataclass(eq=False)
class LayerWeights:
    """The weights of a layer: its parameters and the flat parameter vector of the model that holds them."""

    model: str
    flat: np.ndarray
    parameters: list[Parameter]
    forget_plans: Callable[[], None] = do_nothing

    def copy(self) -> LayerWeights:
        """A copy whose flat vector holds the weights of this layer only."""
        arrays = [view(self.flat, parameter).reshape(-1) for parameter in self.parameters]
        offsets = np.cumsum([0, *(array.size for array in arrays)]).tolist()
        parameters = [replace(parameter, offset=offset)
                      for parameter, offset in zip(self.parameters, offsets[:-1], strict=True)]
        return LayerWeights(self.model, np.concatenate([np.empty(0, self.flat.dtype), *arrays]), parameters)


class Layer(Configurable, kind="layers"):
    """Base of all layers.

    Arguments can be changed after a model is built: ``layer.rate = 0.2`` takes effect at the next call of the model.
    That call raises an error if the change would alter the shape of a parameter.

    To build a layer from existing ops, derive from this class and override `connect`. To write a layer in NumPy,
    derive from `PythonLayer`.

    Attributes
    ----------
    name : str or None
        Name in the model. If None, the model chooses one.
    trainable : bool
        Whether training changes its parameters.
    """

    name: str | None = None
    trainable: bool = True
    #: None until a model is built from this layer.
    _built: LayerWeights | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if self._built is None or name in ("_built", "name", "trainable"):
            super().__setattr__(name, value)
            return
        before = vars(self).get(name)
        super().__setattr__(name, value)
        if type(self).__module__.startswith("tinynn."):
            try:  # the constructor checks and converts the value
                super().__setattr__(name, getattr(self.clone(), name))
            except BaseException:
                super().__setattr__(name, before)
                raise
        self._built.forget_plans()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, and ``trainable`` if it is False."""
        config = super().get_config()
        return config if self.trainable else {**config, "trainable": False}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Make a layer from a configuration that `get_config` returned."""
        layer = super().from_config({name: value for name, value in config.items() if name != "trainable"})
        if not config.get("trainable", True):
            layer.trainable = False
        return layer

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the layer's parameters, in Keras' order and layout.

        Raises
        ------
        ValueError
            If no model has been built from the layer yet.
        """
        weights = self._built_weights("get_weights")
        return read_weights(weights.flat, weights.parameters)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the layer's parameters. They are part of the model's parameters.

        Parameters
        ----------
        weights : sequence of array_like
            Arrays in the order and with the shapes that `get_weights` returns.

        Raises
        ------
        TypeError, ValueError
            If no model has been built from the layer yet, or if the number of arrays, a shape or a value does not
            fit. No parameter changes in that case.
        """
        mine = self._built_weights("set_weights")
        write_weights(mine.flat, mine.parameters, weights, "set_weights")

    def _built_weights(self, function: str) -> LayerWeights:
        if self._built is None:
            raise ValueError(f"{function}: the {type(self).__name__} layer has no weights yet; build a model from it "
                             "first")
        return self._built

    def clone(self) -> Layer:
        """Return a new layer with the same arguments. It belongs to no model and has no weights.

        Examples
        --------
        >>> import tinynn
        >>> old = tinynn.Sequential([tinynn.layers.Dense(4), tinynn.layers.Dense(1)], input_shape=(3,))
        >>> new = tinynn.Sequential([old.layers[0].clone(), tinynn.layers.Dense(2)], input_shape=(3,))
        >>> new.layers[0].set_weights(old.layers[0].get_weights())
        """
        layer = type(self).from_config(self.get_config())
        layer.name = self.name
        return layer

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        if self._built is not None:
            state["_built"] = self._built.copy()  # without the weights of the model's other layers
        return state

    # Two layers with equal arguments are still two layers.
    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]

    def connect(self, network: Network, x: Tensor) -> Tensor:
        """Declare parameters and ops in the network.

        Parameters
        ----------
        network : Network
            Provides ``parameter(name, shape, initializer)``, ``op(name, tensors, parameters, **attributes)`` and
            views such as ``reshape``.
        x : Tensor
            The input. ``x.shape`` is the shape of one sample, with None for unknown sizes.

        Returns
        -------
        Tensor
            The output.
        """
        raise NotImplementedError(f"{type(self).__name__} has no connect")

    def default_name(self) -> str:
        """The class name in snake case. The model numbers it if another layer has the same name."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", type(self).__name__).lower()


class PythonLayer(Layer):
    """Base of layers that compute in Python, with NumPy.

    Override `forward` and `backward`; override `parameters` and `output_shape` if the defaults do not fit. The
    arrays passed to `forward` and `backward` are views of the engine's memory, valid during the call only.

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
        """Declare the parameters with ``network.parameter(name, shape, initializer)``. The default declares none."""
        return []

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the output's shape for one sample. The default is the input's shape."""
        return input_shape

    # Any further arguments are allowed: a subclass may declare only the parameters that it has.
    def forward(self, x: Any, /, *parameters: Any, **_: Any) -> Any:
        """Compute y from x (batch, ...) and the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Any, x: Any, y: Any, /, *parameters: Any, **_: Any) -> Any:
        """Compute dx, or the tuple of dx and the gradient of each parameter."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return network.python(self, x, self.parameters(network, x.shape), self.output_shape(x.shape))


def expect_image(network: Network, x: Tensor) -> None:
    """Raise ValueError unless samples have the shape (rows, columns, channels)."""
    if len(x.shape) == 2:
        raise ValueError(f"layer {network.path!r}: expected images of shape (rows, columns, channels), got samples of "
                         f"shape {x.shape}; for one channel put Reshape((*shape, 1)) before it")
    expect_axes(network, x, 3, "(rows, columns, channels)")


def expect_an_axis(network: Network, x: Tensor, meaning: str, reshaped: str = "(samples, 1)") -> None:
    """Raise ValueError if samples are single numbers."""
    if not x.shape:
        raise ValueError(f"layer {network.path!r}: expected samples of shape {meaning}, got single numbers; "
                         f"reshape x to {reshaped}")


def expect_axes(network: Network, x: Tensor, axes: int, meaning: str) -> None:
    """Raise ValueError unless samples have this many axes."""
    if len(x.shape) != axes:
        raise ValueError(f"layer {network.path!r}: expected samples of shape {meaning}, got {x.shape}")
