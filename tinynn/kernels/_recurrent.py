"""What the recurrent ops share in Python: inputs, outputs and sizes by one convention.

Inputs [x (T, I), h0 (H,) and c0 (H,) if `initial_state`, lengths () int64 if `lengths`]; outputs [h (T, H) if
`return_sequences`, else the last h (H,), then the last h (H,) and c (H,) if `return_state`]. c is the LSTM's. If
`counted`, the lengths are the numbers of items that the samples have.
"""

from collections.abc import Sequence
from typing import Any

from tinynn.kernels._signatures import flag

FLAGS = ("return_sequences", "return_state", "initial_state", "lengths", "counted")
OPTIONS = dict.fromkeys(FLAGS, flag)


def inputs(states: int, attributes: dict[str, Any]) -> list[str]:
    """Patterns of the inputs of an op with so many states."""
    return ["(T, I)", *["(H)"] * (states * bool(attributes.get("initial_state"))),
            *["()"] * bool(attributes.get("lengths"))]


def output_shapes(x: Sequence[int | None], units: int, states: int,
                  attributes: dict[str, Any]) -> list[tuple[int | None, ...]]:
    """Shapes of the outputs of an op with so many states (h, or h and c)."""
    first: tuple[int | None, ...] = (x[0], units) if attributes.get("return_sequences", False) else (units,)
    return [first, *[(units,)] * (states if attributes.get("return_state", False) else 0)]


def kernel_sizes(x: Sequence[int], units: int, attributes: dict[str, Any]) -> tuple[int, ...]:
    """T, I, H and the flags, in the order of `FLAGS`."""
    return (*x, units, *(int(bool(attributes.get(flag, False))) for flag in FLAGS))
