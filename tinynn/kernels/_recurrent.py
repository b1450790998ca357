"""What the recurrent ops share in Python: inputs, outputs and sizes by one convention, and checked arguments.

Inputs [x (T, I), h0 (H,) and c0 (H,) if `initial_state`, lengths () int64 if `lengths`]; outputs [h (T, H) if
`return_sequences`, else the last h (H,), then the last h (H,) and c (H,) if `return_state`]. c is the LSTM's. If
`counted`, the lengths are the numbers of items that the samples have.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinynn.kernels._arguments import required_arrays
from tinynn.kernels._signatures import flag
from tinynn.kernels.op import Op, OpRun, expect_shape

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


def checked(function: str, gates: int, bias: Callable[[int], tuple[int, ...]], lengths: Any, dh: Any = None,
            **arrays: Any) -> list[Any]:
    """The arguments of a public recurrent function, made contiguous: x, w, u, b, states..., dh, lengths.

    Parameters
    ----------
    function : str
        Its name, for the messages.
    gates : int
        Blocks of H columns in w and u.
    bias : callable
        Shape of the bias for H hidden units.
    lengths : array_like or None
        Lengths of the rows.
    dh : array_like, optional
        Gradient of all h, which a backward function needs.
    **arrays
        x, w, u, b and the initial states by name, in this order.

    Raises
    ------
    TypeError
        If an array is missing, has a wrong dtype, or another one's.
    ValueError
        If shapes do not fit or a length is not in 1..T.
    """
    needed = {name: arrays[name] for name in ("x", "w", "u")}
    ndim = {"x": 3, "w": 2, "u": 2}
    if function.endswith("_backward"):
        needed["dh"] = dh
    # All together, so that one dtype is asked of all of them.
    given = {**needed, **{name: array for name, array in arrays.items() if array is not None}}
    found = dict(zip(given, required_arrays(function, ndim, **given), strict=True))
    x, w, u = (found[name] for name in ("x", "w", "u"))
    rows, steps, inputs = x.shape
    units = u.shape[0]
    if u.shape[1] != gates * units:
        columns = "H" if gates == 1 else f"{gates} H"
        raise ValueError(f"{function}: u has shape {u.shape}, but must be (H, {columns}) for H hidden units")
    if units == 0:
        raise ValueError(f"{function}: u has shape {u.shape}, but needs at least 1 hidden unit")
    if w.shape != (inputs, gates * units):
        raise ValueError(f"{function}: w has shape {w.shape}, but x of shape {x.shape} and u of shape "
                         f"{u.shape} make it {(inputs, gates * units)}")
    if steps == 0:
        raise ValueError(f"{function}: x has shape {x.shape}, but needs at least 1 step")
    for name in arrays:
        if name not in ndim:
            expect_shape(function, name, found.get(name), bias(units) if name == "b" else (rows, units))
    expect_shape(function, "dh", found.get("dh"), (rows, steps, units))
    return [*(found.get(name) for name in (*arrays, "dh")), checked_lengths(function, lengths, rows, steps)]


def checked_lengths(function: str, lengths: Any, rows: int, steps: int) -> Any:
    """The lengths as int64, or None."""
    if lengths is None:
        return None
    array = np.asarray(lengths)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{function}: lengths has dtype {array.dtype}, but must be whole numbers; "
                        "convert it with lengths.astype('int64')")
    expect_shape(function, "lengths", array, (rows,))
    wrong = np.flatnonzero((array < 1) | (array > steps))
    if len(wrong):
        raise ValueError(f"{function}: lengths[{wrong[0]}] is {array[wrong[0]]}, but must be from 1 to "
                         f"{steps}, the number of steps in x")
    return np.require(array, np.int64, ["C", "A"])


def with_zeros(states: Sequence[Any], x: Any, u: Any) -> list[Any]:
    """The initial states, zeros in place of None."""
    return [np.zeros((len(x), len(u)), x.dtype) if state is None else state for state in states]


def run(op: Op, x: Any, parameters: Sequence[Any], states: Sequence[Any], lengths: Any,
        **attributes: Any) -> OpRun:
    """The op on these arrays, all h as its output."""
    initial = any(state is not None for state in states)
    inputs = [x]
    if initial:
        inputs += with_zeros(states, x, parameters[1])
    if lengths is not None:
        inputs.append(lengths)
    return OpRun(op, inputs, parameters, return_sequences=True, initial_state=initial,
                 lengths=lengths is not None, **attributes)


def gradients(op: Op, dh: Any, x: Any, parameters: Sequence[Any], states: Sequence[Any], lengths: Any,
              **attributes: Any) -> tuple[Any, ...]:
    """dx, those of the parameters, those of the initial states; an absent state counts as zeros."""
    op_run = run(op, x, parameters, with_zeros(states, x, parameters[1]), lengths, **attributes)
    op_run.forward()
    (dx, *d_states), d_parameters = op_run.backward([dh])
    return (dx, *d_parameters, *d_states[:len(states)])
