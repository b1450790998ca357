"""The same numbers in memory of another kind: what user's arrays may look like, for properties."""

import math
import re

import numpy as np
from hypothesis import strategies as st

SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 1e300, 1e-300)


def laid_out(array, order, steps, offset, swapped, writeable):
    """A copy of an array: its axes in another order in memory, with gaps, backwards, shifted, bytes swapped."""
    dtype = array.dtype.newbyteorder() if swapped else array.dtype
    shape = tuple(array.shape[axis] * abs(step) for axis, step in zip(order, steps, strict=True))
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + offset, np.uint8)[offset:].view(dtype).reshape(shape)
    view = memory[tuple(slice(None, None, step) for step in steps)].transpose(np.argsort(order).astype(int))
    view[...] = array
    view.flags.writeable = writeable
    return view


@st.composite
def disguised(draw, array):
    """The array's copy in memory of another kind."""
    order = draw(st.permutations(range(array.ndim)))
    steps = [draw(st.sampled_from((1, 2, -1, -3))) for _ in order]
    offset = draw(st.sampled_from((0, 1, array.dtype.itemsize)))
    return laid_out(array, order, steps, offset, draw(st.booleans()), draw(st.booleans()))


@st.composite
def altered(draw, array):
    """Another array like this one: nothing left of an axis, one value for all of an axis, or no number somewhere."""
    kinds = ["same"] * 8 + ["empty", "repeated"] + ["special"] * (array.dtype.kind == "f" and array.size > 0)
    kind = draw(st.sampled_from(kinds))
    if kind == "same" or array.ndim == 0:
        return array
    axis = draw(st.integers(0, array.ndim - 1))
    if kind == "empty":
        return array.take([], axis)
    if kind == "repeated":
        return np.broadcast_to(array.take([0] if array.shape[axis] else [], axis), array.shape)  # strides of 0
    array = array.copy()
    with np.errstate(over="ignore"):
        array.flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from(SPECIAL))
    return array


def outcome(function, names):
    """What a call returns, in comparable form; or the error, which must name one of the arguments."""
    try:
        results = function()
    except (TypeError, ValueError) as error:
        assert re.search(rf"\b({'|'.join(names)})\b", str(error)), f"names no argument: {error}"  # noqa: PT017
        return type(error)
    except FloatingPointError as error:  # the loss of numbers that are too large
        return type(error)
    results = results if isinstance(results, (tuple, list)) else (results,)
    return [(each.dtype.str, each.shape, each.tobytes()) for each in map(np.asarray, results)]
