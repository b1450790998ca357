"""Layers that change the shape only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinynn.checks import check_count
from tinynn.engine.graph import Network, Tensor, product
from tinynn.layers.base import Layer, expect_axes


class Flatten(Layer):
    """Shape (...) -> (product of all axes,), rows of the last axis one after the other.

    Parameters
    ----------
    name : str, optional
        Its name in the model.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        return network.reshape(x, (product(x.shape),))


class Reshape(Layer):
    """The same numbers in another shape.

    Parameters
    ----------
    target_shape : tuple of int
        Shape of one sample; one axis may be -1: whatever fits.
    name : str, optional
        Its name in the model.
    """

    def __init__(self, target_shape: Sequence[int], name: str | None = None) -> None:
        if not hasattr(target_shape, "__iter__") or any(not hasattr(n, "__index__") for n in target_shape):
            raise TypeError(f"Reshape: target_shape must be a tuple of whole numbers, got {target_shape!r}")
        self.target_shape = tuple(int(n) for n in target_shape)
        if self.target_shape.count(-1) > 1 or any(n < 1 and n != -1 for n in self.target_shape):
            raise ValueError(f"Reshape: target_shape must hold positive numbers and at most one -1, got {target_shape}")
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        size = product(x.shape)
        known = math.prod(n for n in self.target_shape if n != -1)
        if size is None:
            return network.reshape(x, tuple(None if n == -1 else n for n in self.target_shape))
        if size % known or (-1 not in self.target_shape and size != known):
            raise ValueError(f"layer {network.path!r}: samples of shape {x.shape} have {size} elements, which do not "
                             f"fit target_shape {self.target_shape}")
        return network.reshape(x, tuple(size // known if n == -1 else n for n in self.target_shape))


class RepeatVector(Layer):
    """Repeats a vector: shape (features,) -> (n, features).

    Parameters
    ----------
    n : int
        How many times.
    name : str, optional
        Its name in the model.
    """

    def __init__(self, n: int, name: str | None = None) -> None:
        self.n = check_count("RepeatVector", "n", n)
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        expect_axes(network, x, 1, "(features,)")
        return network.op("repeat", x, n=self.n)
