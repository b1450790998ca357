"""Layer normalization: odd sizes, rows on their own, without scale or shift."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close, assert_same_bits
from tinynn import kernels
from tinynn.kernels.op import OpRun, registered


@pytest.mark.parametrize("shape", [(3,), (33, 17), (5, 4, 31), (600, 64)])
def test_equals_the_oracle(shape, dtype, rng):
    x = (rng.normal(size=shape) + 2).astype(dtype)
    gamma, beta = rng.normal(size=(2, shape[-1])).astype(dtype)
    y = kernels.layer_normalization_forward(x, gamma, beta)
    assert_close(y, oracles.layer_normalization_forward(x, gamma, beta), dtype=dtype, factor=256)
    dy = rng.normal(size=shape).astype(dtype)
    found = kernels.layer_normalization_backward(dy, x, gamma)
    expected = oracles.layer_normalization_backward(dy, x, gamma)
    for name, one, other in zip(("dx", "dgamma", "dbeta"), found, expected, strict=True):
        assert_close(one, other, dtype=dtype, factor=1024, name=name)


def test_one_column_has_no_variance(dtype):
    x, gamma, beta = np.array([[3], [-7]], dtype), np.array([2], dtype), np.array([5], dtype)
    assert kernels.layer_normalization_forward(x, gamma, beta).tolist() == [[5], [5]]
    assert not kernels.layer_normalization_backward(np.ones_like(x), x, gamma)[0].any()


def test_a_row_does_not_depend_on_the_others(dtype, rng):
    x, dy = rng.normal(size=(2, 20, 9)).astype(dtype)
    gamma, beta = rng.normal(size=(2, 9)).astype(dtype)
    y = kernels.layer_normalization_forward(x, gamma, beta)
    assert_same_bits(kernels.layer_normalization_forward(x[7:9], gamma, beta), y[7:9])
    dx = kernels.layer_normalization_backward(dy, x, gamma)[0]
    assert_same_bits(kernels.layer_normalization_backward(dy[7:9], x[7:9], gamma)[0], dx[7:9])


@pytest.mark.parametrize("without", [(0,), (1,), (0, 1)])
def test_without_scale_or_shift(without, dtype, rng):
    x, dy = rng.normal(size=(2, 6, 5)).astype(dtype)
    ones, zeros = np.ones(5, dtype), np.zeros(5, dtype)
    run = OpRun(
        registered["layer_normalization"], [x], [None if i in without else (ones, zeros)[i] for i in range(2)],
        epsilon=0.001,
    )
    assert_close(run.forward()[0], oracles.layer_normalization_forward(x, ones, zeros), dtype=dtype, factor=256)
    (dx,), _ = run.backward([dy])
    assert_close(dx, oracles.layer_normalization_backward(dy, x, ones)[0], dtype=dtype, factor=1024)


def test_no_rows(dtype):
    x, row = np.empty((0, 3), dtype), np.ones(3, dtype)
    assert kernels.layer_normalization_forward(x, row, row).shape == (0, 3)
    assert not kernels.layer_normalization_backward(x, x, row)[1].any()


def test_needs_a_positive_epsilon():
    row = np.ones(3, "f4")
    with pytest.raises(ValueError, match="layer_normalization_forward: epsilon must be a finite number > 0, got -1"):
        kernels.layer_normalization_forward(row, row, row, epsilon=-1)
