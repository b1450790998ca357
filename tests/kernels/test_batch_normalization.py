"""Batch normalization: many rows, large means, and the moving statistics of its ops."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close
from tinynn import kernels
from tinynn.kernels.op import OpRun, registered


@pytest.mark.parametrize("shape", [(3, 1), (63, 5), (64, 4), (129, 17), (5_000, 16), (40, 6, 6, 33)])
def test_equals_the_oracle(shape, dtype, rng):
    x = (rng.normal(size=shape) + 2).astype(dtype)
    gamma, beta = rng.normal(size=(2, shape[-1])).astype(dtype)
    y = kernels.batch_normalization_forward(x, gamma, beta)
    assert_close(y, oracles.batch_normalization_forward(x, gamma, beta), dtype=dtype, factor=256)
    dy = rng.normal(size=shape).astype(dtype)
    found = kernels.batch_normalization_backward(dy, x, gamma)
    expected = oracles.batch_normalization_backward(dy, x, gamma)
    for name, one, other in zip(("dx", "dgamma", "dbeta"), found, expected, strict=True):
        # Sums of thousands of numbers of both signs end small.
        assert_close(one, other, dtype=dtype, factor=4096, name=name)


def test_one_row_has_no_variance(dtype):
    x, gamma, beta = np.array([[3, -7]], dtype), np.array([2, 3], dtype), np.array([5, 6], dtype)
    assert kernels.batch_normalization_forward(x, gamma, beta).tolist() == [[5, 6]]
    assert not kernels.batch_normalization_backward(np.ones_like(x), x, gamma)[0].any()


def test_a_large_mean_does_not_drown_the_variance(rng):
    x = (rng.normal(size=(2_000, 3)) + 1_000).astype(np.float32)
    y = kernels.batch_normalization_forward(x, np.ones(3, "f4"), np.zeros(3, "f4"), 1e-6)
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-3)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-3)


def test_moving_statistics_change_in_the_backward_pass_only(dtype, rng):
    x, dy = rng.normal(size=(2, 50, 4)).astype(dtype)
    gamma, beta, mean, variance = rng.uniform(1, 2, size=(4, 4)).astype(dtype)
    before = mean.copy(), variance.copy()
    run = OpRun(registered["batch_normalization"], [x], [gamma, beta, mean, variance], momentum=0.75, epsilon=0.001)
    run.forward()
    assert (mean == before[0]).all()
    assert (variance == before[1]).all()
    run.backward([dy])
    assert_close(mean, 0.75 * before[0] + 0.25 * x.mean(axis=0, dtype="f8"), dtype=dtype)
    assert_close(variance, 0.75 * before[1] + 0.25 * x.var(axis=0, dtype="f8"), dtype=dtype)


@pytest.mark.parametrize("without", [(), (0,), (1,), (0, 1)])
def test_fixed_statistics_are_an_affine_map(without, dtype, rng):
    x, dy = rng.normal(size=(2, 9, 5)).astype(dtype)
    gamma, beta, mean, variance = rng.uniform(1, 2, size=(4, 5)).astype(dtype)
    parameters = [None if i in without else p for i, p in enumerate((gamma, beta, mean, variance))]
    run = OpRun(registered["fixed_batch_normalization"], [x], parameters, momentum=0.5, epsilon=0.01)
    scale = (1 if 0 in without else gamma.astype("f8")) / np.sqrt(variance.astype("f8") + 0.01)
    assert_close(run.forward()[0], (x - mean.astype("f8")) * scale + (0 if 1 in without else beta), dtype=dtype)
    assert_close(run.backward([dy])[0][0], dy * scale, dtype=dtype)


@pytest.mark.parametrize("without", [(0,), (1,), (0, 1)])
def test_without_scale_or_shift(without, dtype, rng):
    x, dy = rng.normal(size=(2, 70, 5)).astype(dtype)
    ones, zeros = np.ones(5, dtype), np.zeros(5, dtype)
    parameters = [None if i in without else (ones, zeros)[i] for i in range(2)]
    run = OpRun(registered["batch_normalization"], [x], [*parameters, None, None], momentum=0.5, epsilon=0.001)
    assert_close(run.forward()[0], oracles.batch_normalization_forward(x, ones, zeros), dtype=dtype, factor=256)
    (dx,), _ = run.backward([dy])
    assert_close(dx, oracles.batch_normalization_backward(dy, x, ones)[0], dtype=dtype, factor=1024)


def test_needs_rows_and_a_positive_epsilon():
    row = np.ones(3, "f4")
    for shape in ((3,), (0, 3)):
        with pytest.raises(ValueError, match="batch_normalization_forward: x must have shape"):
            kernels.batch_normalization_forward(np.zeros(shape, "f4"), row, row)
    with pytest.raises(ValueError, match="batch_normalization_forward: epsilon must be a finite number > 0, got 0"):
        kernels.batch_normalization_forward(np.zeros((2, 3), "f4"), row, row, epsilon=0)
