"""What every layer is: a description that writes its ops into a network.

The parameters belong to the model. A layer declares them by name in the network it connects to, so the same
description can stand in several places (`TimeDistributed`, `Towers`) and the model may rebuild its plan for
another input shape at any time. Once a model has been built, its layers know where their weights are.
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


def nothing() -> None:
    """What is left to do for a model that is gone."""


@dataclass(eq=False)
class LayerWeights:
    """Where the weights of a layer are: some parameters within the flat vector of the model that was built from it."""

    model: str
    flat: np.ndarray
    parameters: list[Parameter]
    forget_plans: Callable[[], None] = nothing

    def copy(self) -> LayerWeights:
        """The same weights, in a vector that holds no others."""
        arrays = [view(self.flat, parameter).reshape(-1) for parameter in self.parameters]
        offsets = np.cumsum([0, *(array.size for array in arrays)]).tolist()
        parameters = [replace(parameter, offset=offset)
                      for parameter, offset in zip(self.parameters, offsets[:-1], strict=True)]
        return LayerWeights(self.model, np.concatenate([np.empty(0, self.flat.dtype), *arrays]), parameters)


class Layer(Configurable, kind="layers"):
    """Base of all layers.

    An argument that is changed once a model has been built, ``layer.rate = 0.2``, counts from the next call of the
    model on; one that changes the shape of a parameter is refused there.

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
    #: The weights, once a model has been built from this layer.
    _built: LayerWeights | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if self._built is None or name in ("_built", "name", "trainable"):
            super().__setattr__(name, value)
            return
        before = vars(self).get(name)
        super().__setattr__(name, value)
        if type(self).__module__.startswith("tinynn."):
            try:  # what the constructor would make of it, or say
                super().__setattr__(name, getattr(self.clone(), name))
            except BaseException:
                super().__setattr__(name, before)
                raise
        self._built.forget_plans()

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

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the layer's parameters, in Keras' order and layout.

        Raises
        ------
        ValueError
            If no model has been built from the layer yet.
        """
        weights = self._built_weights("get_weights")
        return read_weights(weights.flat, weights.parameters)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the layer's parameters, and so those of its model.

        Parameters
        ----------
        weights : sequence of array_like
            As many as `get_weights` returns, of the same shapes.

        Raises
        ------
        TypeError, ValueError
            If no model has been built from the layer yet, or their number, a shape or a value does not fit; nothing
            has been changed then.
        """
        mine = self._built_weights("set_weights")
        write_weights(mine.flat, mine.parameters, weights, "set_weights")

    def _built_weights(self, function: str) -> LayerWeights:
        if self._built is None:
            raise ValueError(f"{function}: the {type(self).__name__} layer has no weights yet; build a model from it "
                             "first")
        return self._built

    def clone(self) -> Layer:
        """A new layer with the same arguments, which belongs to no model and has no weights yet.

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
            state["_built"] = self._built.copy()  # of its own parameters alone, not of the whole model's
        return state

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

    # With any further arguments to type checkers, so that a layer declares just the parameters it has.
    def forward(self, x: Any, /, *parameters: Any, **_: Any) -> Any:
        """Compute y from x (batch, ...) and the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Any, x: Any, y: Any, /, *parameters: Any, **_: Any) -> Any:
        """Compute the gradient of x, or the tuple (gradient of x, gradient of each parameter)."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return network.python(self, x, self.parameters(network, x.shape), self.output_shape(x.shape))


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
