"""What the recurrent functions share: checked arguments, and running an op on all steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinynn.checks import first_index
from tinynn.kernels.functions._arguments import Floats, as_arrays, check_shape
from tinynn.kernels.op import Op, OpRun


class Arguments(NamedTuple):
    """Checked arguments of a recurrent function."""

    inputs: list[Any]                       # x (B, T, I), initial states (B, H) if there are any, lengths (B,) if given
    parameters: list[Floats | None]         # w (I, gates H), u (H, gates H), b
    states: int                             # how many initial states there are
    dh: Floats | None                       # (B, T, H), in a backward function


def checked(function: str, gates: int, bias: tuple[int, ...], lengths: ArrayLike | None,
            states: dict[str, ArrayLike | None], x: ArrayLike, w: ArrayLike, u: ArrayLike, b: ArrayLike | None,
            **dh: ArrayLike) -> Arguments:
    """Check the arguments of a recurrent function.

    Parameters
    ----------
    function : str
        Its name, for the error.
    gates : int
        Blocks of H columns in w and u.
    bias : tuple of int
        Shape of the bias in blocks of H columns: (3,) is (3H,), (2, 3) is (2, 3H).
    lengths : array_like or None
        Lengths of the rows.
    states : dict
        The initial states or None, by name.
    x, w, u, b : array_like
        The sequences and the parameters.
    **dh : array_like
        Gradient of all h, in a backward function. There an absent bias or state counts as zeros, which have a gradient.

    Raises
    ------
    TypeError
        If an array is missing, is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit or a length is not in 1..T.
    """
    optional = {name: array for name, array in {"b": b, **states}.items() if array is not None}
    given = {"x": x, "w": w, "u": u, **dh, **optional}
    found = dict(zip(given, as_arrays(function, {"x": 3, "w": 2, "u": 2}, **given), strict=True))
    sequences, weights, recurrent = found["x"], found["w"], found["u"]
    rows, steps, inputs = sequences.shape
    units = len(recurrent)
    if units == 0 or recurrent.shape[1] != gates * units:
        raise ValueError(f"{function}: u must have shape (H, {gates if gates > 1 else ''}H) with H at least 1, got "
                         f"{recurrent.shape}")
    if steps == 0:
        raise ValueError(f"{function}: x must have at least 1 step, got shape {sequences.shape}")
    shapes = {"b": (*bias[:-1], bias[-1] * units), **dict.fromkeys(states, (rows, units))}
    if dh or any(name in found for name in states):
        needed = shapes if dh else states
        found |= {name: np.zeros(shapes[name], sequences.dtype) for name in needed if name not in found}
    for name, shape in {**shapes, "w": (inputs, gates * units), "dh": (rows, steps, units)}.items():
        check_shape(function, name, found.get(name), shape)
    initial = [found[name] for name in states if name in found]
    counts = [] if lengths is None else [checked_lengths(function, lengths, rows, steps)]
    return Arguments([sequences, *initial, *counts], [weights, recurrent, found.get("b")], len(initial),
                     found.get("dh"))


def checked_lengths(function: str, lengths: ArrayLike, rows: int, steps: int) -> NDArray[np.int64]:
    """Check the lengths of the rows; returns them as int64."""
    array: NDArray[Any] = np.asarray(lengths)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{function}: lengths must be whole numbers, got {array.dtype}; convert it with "
                        "lengths.astype('int64')")
    check_shape(function, "lengths", array, (rows,))
    wrong = (array < 1) | (array > steps)
    if wrong.any():
        (index,) = first_index(wrong)
        raise ValueError(f"{function}: lengths must be from 1 to {steps}, the number of steps in x, got {array[index]} "
                         f"at index {index}")
    return np.require(array, np.int64, ["C", "A"])


def prepared(op: Op, arguments: Arguments, **attributes: Any) -> OpRun:
    """Prepare a run whose output is all h."""
    return OpRun(op, arguments.inputs, arguments.parameters, return_sequences=True,
                 initial_state=arguments.states > 0, lengths=len(arguments.inputs) > 1 + arguments.states, **attributes)


def gradients(op: Op, arguments: Arguments, **attributes: Any) -> list[Any]:
    """Return dx, dw, du, db and those of the initial states."""
    run = prepared(op, arguments, **attributes)
    run.forward()
    (dx, *d_states), d_parameters = run.backward([arguments.dh])
    return [dx, *d_parameters, *d_states[:arguments.states]]
