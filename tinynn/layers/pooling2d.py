"""Pooling: one number for each window of an image."""

from __future__ import annotations

from typing import ClassVar, Literal

from tinynn.checks import check_choice, check_pair
from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer, expect_image


class _Pooling2D(Layer):
    op: ClassVar[str]

    def __init__(self, pool_size: int | tuple[int, int] = (2, 2), strides: int | tuple[int, int] | None = None,
                 padding: Literal["valid", "same"] = "valid", name: str | None = None) -> None:
        kind = type(self).__name__
        self.pool_size = check_pair(kind, "pool_size", pool_size)
        self.strides = None if strides is None else check_pair(kind, "strides", strides)
        self.padding = check_choice(kind, "padding", padding, ("valid", "same"))
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        expect_image(network, x)
        return network.op(self.op, x, pool=self.pool_size, strides=self.strides or self.pool_size, padding=self.padding)


class MaxPooling2D(_Pooling2D):
    """Maximum of each window: shape (rows, columns, channels) -> (rows', columns', channels).

    Parameters
    ----------
    pool_size : int or tuple of int
        Rows and columns of a window.
    strides : int or tuple of int, optional
        Step from one window to the next; by default `pool_size`, so windows do not overlap.
    padding : {"valid", "same"}
        "valid": only windows that lie inside the image. "same": ceil(size / stride) windows along each axis, cut off
        at the edges.
    name : str, optional
        Name in the model.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> model = tinynn.Sequential([MaxPooling2D()], input_shape=(4, 4, 1))
    >>> model.predict(np.arange(16, dtype="float32").reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """

    op = "max_pooling2d"


class AveragePooling2D(_Pooling2D):
    """Mean of each window. Padding does not count: at an edge, only pixels of the image enter the mean.

    Parameters
    ----------
    pool_size, strides, padding, name
        As for `MaxPooling2D`.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> model = tinynn.Sequential([AveragePooling2D()], input_shape=(4, 4, 1))
    >>> model.predict(np.arange(16, dtype="float32").reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """

    op = "average_pooling2d"
