from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

dense: Op

def py_dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> NDArray[Any]: ...
def py_dense_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
