"""The ops repeat, split, stack, add and fan_out against NumPy: every count, shape and missing gradient."""

import numpy as np
import pytest

from tests.numerics import assert_same_bits
from tinynn.kernels.op import OpRun, registered

SHAPES = [(1,), (7,), (2, 3), (33,), (4, 1, 5)]
COUNTS = (1, 2, 3, 9)


def run(name, *inputs, **attributes):
    """The outputs of an op, and the run to call backward on."""
    op_run = OpRun(registered[name], list(inputs), **attributes)
    return op_run.forward(), op_run


def cases(rng, dtype):
    """Arrays (rows, count, ...) of every shape."""
    for shape in SHAPES:
        for count in COUNTS:
            for rows in (1, 5, 33):
                yield rng.normal(size=(rows, count, *shape)).astype(dtype)


def test_repeat(dtype, rng):
    for dy in cases(rng, dtype):
        x, count = dy[:, 0].copy(), dy.shape[1]
        (y,), op_run = run("repeat", x, n=count)
        assert_same_bits(y, np.stack([x] * count, axis=1))
        (dx,), _ = op_run.backward([dy])
        expected = dy.astype(np.float64).sum(axis=1)
        tolerance = 4 * count * np.finfo(dtype).eps
        np.testing.assert_allclose(dx, expected, rtol=tolerance, atol=tolerance * np.abs(dy).max())


def test_split(dtype, rng):
    for x in cases(rng, dtype):
        steps, op_run = run("split", x)
        assert len(steps) == x.shape[1]
        for n, step in enumerate(steps):
            assert_same_bits(step, x[:, n])
        dy = [rng.normal(size=step.shape).astype(dtype) for step in steps]
        (dx,), _ = op_run.backward(dy)
        assert_same_bits(dx, np.stack(dy, axis=1))


def test_split_with_unused_steps(dtype, rng):
    x = rng.normal(size=(4, 3, 5)).astype(dtype)
    _, op_run = run("split", x)
    dy = rng.normal(size=(4, 5)).astype(dtype)
    (dx,), _ = op_run.backward([None, dy, None])
    assert_same_bits(dx[:, 1], dy)
    assert not dx[:, [0, 2]].any()


def test_stack(dtype, rng):
    for whole in cases(rng, dtype):
        parts = [np.ascontiguousarray(whole[:, n]) for n in range(whole.shape[1])]
        (y,), op_run = run("stack", *parts)
        assert_same_bits(y, whole)
        dy = rng.normal(size=y.shape).astype(dtype)
        d_parts, _ = op_run.backward([dy])
        for n, d_part in enumerate(d_parts):
            assert_same_bits(d_part, dy[:, n])


def test_add(dtype, rng):
    for whole in cases(rng, dtype):
        parts = [np.ascontiguousarray(whole[:, n]) for n in range(whole.shape[1])]
        (y,), op_run = run("add", *parts)
        expected = parts[0]
        for part in parts[1:]:
            expected = expected + part
        assert_same_bits(y, expected, "added in order")
        dy = rng.normal(size=y.shape).astype(dtype)
        d_parts, _ = op_run.backward([dy])
        assert len(d_parts) == len(parts)
        for d_part in d_parts:
            assert_same_bits(d_part, dy)


@pytest.mark.parametrize("name", ["repeat", "split", "stack", "add"])
def test_backward_without_the_gradients_of_the_inputs(name, dtype):
    x = np.ones((3, 2, 4), dtype)
    outputs, op_run = run(name, x, n=2)
    d_inputs, _ = op_run.backward([np.ones_like(y) for y in outputs], needs_inputs=False)
    assert d_inputs == [None]


def test_shapes_with_unknown_dimensions():
    assert registered["repeat"].shapes([(None, 3)], [], {"n": 4}) == [(4, None, 3)]
    assert registered["split"].shapes([(2, None)], [], {}) == [(None,), (None,)]
    assert registered["stack"].shapes([(None, 3), (None, 3)], [], {}) == [(2, None, 3)]
    assert registered["add"].shapes([(None, 3), (None, 3)], [], {}) == [(None, 3)]


def test_fan_out(dtype, rng):
    for dy in cases(rng, dtype):
        x, count = dy[:, 0].copy(), dy.shape[1]
        ys, op_run = run("fan_out", x, n=count)
        for y in ys:
            assert_same_bits(y, x)
        (dx,), _ = op_run.backward([np.ascontiguousarray(dy[:, n]) for n in range(count)])
        expected = dy[:, 0].copy()
        for n in range(1, count):  # in their order, which no number of threads changes
            expected += dy[:, n]
        assert_same_bits(dx, expected)
