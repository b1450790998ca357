from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

categorical_accuracy: Op
binary_accuracy: Op
mean_absolute_error: Op

def py_categorical_accuracy(prediction: ArrayLike, target: ArrayLike) -> NDArray[Any]: ...
def py_binary_accuracy(prediction: ArrayLike, target: ArrayLike, threshold: float = ...) -> NDArray[Any]: ...
def py_mean_absolute_error(prediction: ArrayLike, target: ArrayLike) -> NDArray[Any]: ...
