"""A model that is a chain of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from tinynn.checks import check_shape
from tinynn.core.core import Core
from tinynn.core.saved import refused, unbuilt
from tinynn.engine.graph import Shape, initialize
from tinynn.layers.base import Layer
from tinynn.model.model import Model


class Sequential(Model):
    """A chain of layers: each layer's output is the next layer's input.

    Parameters
    ----------
    layers : sequence of Layer
        The layers, first to last. `add` appends more. A layer of a built model cannot be used in another model; use its
        `clone` and copy the weights.
    input_shape : tuple of int or None, optional
        Shape of one sample; None stands for an axis of any size. If omitted, the first data determine it.
    rng : int, SeedSequence or Generator
        Seed of all random numbers: initial weights, shuffling, dropout. The same seed gives the same bits.
    dtype : {"float32", "float64"}
        Dtype of the parameters and of the computation.
    name : str, optional
        Name of the model.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    >>> y = np.array([0, 1, 1, 0])
    >>> model = tinynn.Sequential([tinynn.layers.Dense(8, activation="tanh"),
    ...                            tinynn.layers.Dense(2, activation="softmax")], input_shape=(2,), rng=1)
    >>> model.compile(optimizer=tinynn.optimizers.Adam(0.05), loss="sparse_categorical_crossentropy",
    ...               metrics=["accuracy"])
    >>> history = model.fit(x, y, batch_size=4, epochs=200, verbose=0)
    >>> history.history["accuracy"][-1]
    1.0
    """

    def __init__(self, layers: Layer | Sequence[Layer] = (), input_shape: Shape | None = None, rng: Any = 0,
                 dtype: Any = "float32", name: str | None = None) -> None:
        self._core = Core(layers, rng, dtype, name)
        if input_shape is not None:
            self.build(input_shape)

    def add(self, layer: Layer) -> None:
        """Append a layer. The other layers keep their weights; the optimizer's state is reset.

        Parameters
        ----------
        layer : Layer
            The new last layer.

        Raises
        ------
        TypeError, ValueError
            If it is not a layer, belongs to another model, or does not accept its input. The model does not change.
        RuntimeError
            If the model is being trained.

        Examples
        --------
        >>> import tinynn
        >>> model = tinynn.Sequential(input_shape=(3,))
        >>> model.add(tinynn.layers.Dense(4, activation="relu"))
        >>> model.add(tinynn.layers.Dense(1))
        >>> model.count_params()
        21
        """
        self._core.add(layer)

    def build(self, input_shape: Shape) -> None:
        """Declare and initialize the parameters for an input shape.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of one sample, without the batch axis.

        Raises
        ------
        ValueError
            If the model is built already, or if a layer does not accept its input.
        """
        self._core.build(check_shape("Sequential", "input_shape", input_shape))

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: Any = 0) -> Self:
        """Make a model from a configuration, with new weights and not compiled.

        Parameters
        ----------
        config : dict
            A configuration that `get_config` returned.
        rng : int, SeedSequence or Generator
            Seed of all random numbers.

        Raises
        ------
        TypeError, ValueError
            If the configuration does not describe a model.
        """
        with refused("from_config"):
            core = unbuilt(config, rng)
            if config["input_shape"] is not None:
                core.build(check_shape("from_config", "input_shape", config["input_shape"]))
        return cls._of(core)

    def clone(self) -> Self:
        """Return a new model with the same layers, seed and initial weights, not compiled.

        `copy.deepcopy` also copies the current weights and the optimizer with its state.

        Examples
        --------
        >>> import numpy as np, tinynn
        >>> model = tinynn.Sequential([tinynn.layers.Dense(2)], input_shape=(3,), rng=7)
        >>> model.clone().fingerprint() == model.fingerprint()
        True
        """
        model = self.from_config(self.get_config())
        model._core.key = self._core.key
        if self.input_shape is not None:
            model.parameters[...] = initialize(model._core.parameters, self._core.key, self._core.dtype)
        return model
