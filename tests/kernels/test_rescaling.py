"""The op rescaling against NumPy."""

import numpy as np
import pytest

from tests.numerics import ODD_SIZES, assert_same_bits
from tinynn.kernels.op import OpRun, registered


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (2.0, -1.0), (-0.3, 1e3), (0.0, 0.5)])
def test_forward_and_backward_equal_numpy(scale, offset, dtype, rng):
    for size in ODD_SIZES:
        for rows in (1, 3):
            x, dy = (rng.normal(size=(2, rows, size)) * 100).astype(dtype)
            run = OpRun(registered["rescaling"], [x], scale=scale, offset=offset)
            # Two roundings, as NumPy does it: the gather of the engine must give the same bits.
            assert_same_bits(run.forward()[0], x * dtype.type(scale) + dtype.type(offset), f"{rows} x {size}")
            (dx,), _ = run.backward([dy])
            assert_same_bits(dx, dy * dtype.type(scale))


def test_offset_is_zero_unless_given(dtype):
    x = np.arange(12, dtype=dtype).reshape(2, 2, 3)
    np.testing.assert_array_equal(OpRun(registered["rescaling"], [x], scale=0.5).forward()[0], x / 2)


def test_backward_without_the_gradient_of_the_input(dtype):
    run = OpRun(registered["rescaling"], [np.ones((2, 3), dtype)], scale=0.5)
    run.forward()
    assert run.backward([np.ones((2, 3), dtype)], needs_inputs=False) == ([None], [])
