from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

batch_normalization: Op

def py_batch_normalization_forward(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, epsilon: float = 1e-3
) -> NDArray[Any]: ...
def py_batch_normalization_backward(
    dy: ArrayLike, x: ArrayLike, gamma: ArrayLike, epsilon: float = 1e-3
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
