from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

conv2d: Op

def py_conv2d_forward(
    x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, strides: int | tuple[int, int] = 1,
    padding: str = "valid", dilation_rate: int | tuple[int, int] = 1,
) -> NDArray[Any]: ...
def py_conv2d_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike, strides: int | tuple[int, int] = 1, padding: str = "valid",
    dilation_rate: int | tuple[int, int] = 1,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
