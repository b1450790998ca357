from typing import Any

from numpy.typing import ArrayLike, NDArray

from tinynn.kernels.op import Op

gru: Op

def py_gru_forward(
    x: ArrayLike,
    w: ArrayLike,
    u: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    reset_after: bool = True,
) -> NDArray[Any]: ...
def py_gru_backward(
    dh: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    u: ArrayLike,
    b: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    reset_after: bool = True,
) -> tuple[NDArray[Any], ...]: ...
