from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from tinynn.kernels.op import Op

_Shape = tuple[int | None, ...]

class PythonFunction:
    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    input_shapes: Sequence[_Shape]
    parameter_shapes: Sequence[_Shape]
    output_shape: _Shape
    name: str
    integer_inputs: tuple[int, ...]
    errors: dict[int, BaseException]
    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any] | None,
        input_shapes: Sequence[_Shape],
        parameter_shapes: Sequence[_Shape],
        output_shape: _Shape,
        name: str,
        integer_inputs: tuple[int, ...] = (),
    ) -> None: ...

class PythonOp(Op): ...
class PythonLossOp(PythonOp): ...

def write(to: NDArray[Any] | None, value: Any, what: str, name: str, add: bool = False) -> None: ...
