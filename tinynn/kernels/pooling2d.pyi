from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

max_pooling2d: Op
average_pooling2d: Op

def py_max_pooling2d_forward(
    x: ArrayLike, pool_size: int | tuple[int, int] = 2, strides: int | tuple[int, int] | None = None,
    padding: str = "valid",
) -> NDArray[Any]: ...
def py_max_pooling2d_backward(
    dy: ArrayLike, x: ArrayLike, pool_size: int | tuple[int, int] = 2, strides: int | tuple[int, int] | None = None,
    padding: str = "valid",
) -> NDArray[Any]: ...
def py_average_pooling2d_forward(
    x: ArrayLike, pool_size: int | tuple[int, int] = 2, strides: int | tuple[int, int] | None = None,
    padding: str = "valid",
) -> NDArray[Any]: ...
def py_average_pooling2d_backward(
    dy: ArrayLike, x: ArrayLike, pool_size: int | tuple[int, int] = 2, strides: int | tuple[int, int] | None = None,
    padding: str = "valid",
) -> NDArray[Any]: ...
