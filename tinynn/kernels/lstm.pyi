from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

lstm: Op

def py_lstm_forward(
    x: ArrayLike,
    w: ArrayLike,
    u: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def py_lstm_backward(
    dh: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    u: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
) -> tuple[NDArray[Any], ...]: ...
