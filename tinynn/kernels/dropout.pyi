from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

dropout: Op

def py_dropout_forward(
    x: ArrayLike, rate: float, key: int = 0, epoch: int = 0, step: int = 0
) -> NDArray[Any]: ...
def py_dropout_backward(
    dy: ArrayLike, rate: float, key: int = 0, epoch: int = 0, step: int = 0
) -> NDArray[Any]: ...
