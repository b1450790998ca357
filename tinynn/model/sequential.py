"""The chain of layers."""

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
    """A chain of layers: what one puts out, the next one reads.

    Parameters
    ----------
    layers : sequence of Layer
        The layers, first to last; more can follow with `add`. A layer that belongs to a built model cannot be used in
        another one: take its `clone` and copy the weights.
    input_shape : tuple of int or None, optional
        Shape of one sample. Where it holds None, any size is taken. Left out, it is that of the first data.
    rng : int, SeedSequence or Generator
        Seed of everything random: initial weights, shuffling, dropout. The same seed gives the same bits.
    dtype : {"float32", "float64"}
        What to compute in.
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
        """Append a layer. The others keep their weights; an optimizer begins anew.

        Parameters
        ----------
        layer : Layer
            What reads the output so far.

        Raises
        ------
        TypeError, ValueError
            If it is no layer, belongs to another model, or cannot take what reaches it; nothing has been changed then.
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
            Shape of one sample, without the batch.

        Raises
        ------
        ValueError
            If the model is built already, or a layer cannot take what reaches it.
        """
        self._core.build(check_shape("Sequential", "input_shape", input_shape))

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: Any = 0) -> Self:
        """Make a model from what `get_config` returned, with new weights and not compiled.

        Parameters
        ----------
        config : dict
            From `get_config`.
        rng : int, SeedSequence or Generator
            Seed of everything random.

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
        """A new model like this one, with layers of its own, the weights that this one began with, and not compiled.

        `copy.deepcopy` copies the weights, too, and the optimizer with all it remembers.

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
