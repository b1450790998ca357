from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

ACTIVATIONS: dict[str, int]
rnn: Op

def py_rnn_forward(
    x: ArrayLike,
    w: ArrayLike,
    u: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
) -> NDArray[Any]: ...
def py_rnn_backward(
    dh: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    u: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
) -> tuple[NDArray[Any], ...]: ...
