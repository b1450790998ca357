"""Layers that take one number for each window of an image."""

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
    """Largest number of each window: shape (rows, columns, channels) -> (rows', columns', channels).

    Parameters
    ----------
    pool_size : int or tuple of int
        Rows and columns of a window.
    strides : int or tuple of int, optional
        Steps between windows; None: as large as the windows, which then stand side by side.
    padding : {"valid", "same"}
        Windows inside the image only; or as many as there are pixels for the strides, cut off at the edges.
    name : str, optional
        Its name in the model.

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
    """Mean of each window; of one cut off at an edge, the mean of what is left.

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
