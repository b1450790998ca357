from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

categorical_crossentropy: Op
categorical_crossentropy_from_logits: Op
categorical_crossentropy_from_sigmoid_logits: Op

def py_categorical_crossentropy_forward(prediction: ArrayLike, target: ArrayLike) -> NDArray[Any]: ...
def py_categorical_crossentropy_backward(prediction: ArrayLike, target: ArrayLike) -> NDArray[Any]: ...
def py_categorical_crossentropy_from_logits_forward(
    prediction: ArrayLike, target: ArrayLike
) -> NDArray[Any]: ...
def py_categorical_crossentropy_from_logits_backward(
    prediction: ArrayLike, target: ArrayLike
) -> NDArray[Any]: ...
def py_categorical_crossentropy_from_sigmoid_logits_forward(
    prediction: ArrayLike, target: ArrayLike
) -> NDArray[Any]: ...
def py_categorical_crossentropy_from_sigmoid_logits_backward(
    prediction: ArrayLike, target: ArrayLike
) -> NDArray[Any]: ...
