"""The distribution of a sum, and its cross-entropy in logarithms."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close, assert_same_bits, finite_differences, weighted_sum
from tinynn import kernels

SHAPES = (  # B, N, K
    (1, 1, 1),
    (3, 1, 5),
    (2, 5, 1),
    (1, 2, 2),
    (17, 10, 10),
    (5, 3, 17),
    (4, 7, 8),
    (3, 9, 9),
    (2, 31, 4),
    (2, 4, 33),
    (33, 2, 3),
)

forward = kernels.sum_distribution_forward
backward = kernels.sum_distribution_backward
loss_forward = kernels.sum_distribution_crossentropy_from_logits_forward
loss_backward = kernels.sum_distribution_crossentropy_from_logits_backward


def sums(numbers, values):
    return numbers * (values - 1) + 1


def test_equals_convolution(dtype, rng):
    for shape in SHAPES:
        p = rng.dirichlet(np.ones(shape[2]), size=shape[:2]).astype(dtype)
        y = forward(p)
        # Every term is positive, so each sum has a small relative error.
        expected = oracles.sum_distribution_forward(p)
        assert_close(y, expected, dtype=dtype, factor=8 * shape[1], scale=expected, name=f"y at {shape}")
        dy = rng.normal(size=y.shape).astype(dtype)
        expected = oracles.sum_distribution_backward(dy, p)
        scale = oracles.sum_distribution_backward(np.abs(dy), p)
        got = backward(dy, p)
        assert_close(got, expected, dtype=dtype, factor=8 * shape[1], scale=scale, name=f"dp at {shape}")


def test_backward_equals_finite_differences(rng):
    for shape in ((2, 4, 3), (1, 3, 5)):
        p = rng.uniform(size=shape)
        dy = rng.normal(size=(shape[0], sums(*shape[1:])))
        expected = finite_differences(
            lambda p, dy=dy: weighted_sum(oracles.sum_distribution_forward(p), dy), p
        )
        np.testing.assert_allclose(backward(dy, p), expected, rtol=1e-9, atol=1e-10)


def test_rows_need_not_sum_to_one(dtype, rng):
    p = rng.normal(size=(3, 5, 4)).astype(dtype)
    assert_close(forward(p), oracles.sum_distribution_forward(p), dtype=dtype, factor=256)


def test_certain_numbers_have_a_certain_sum(dtype, rng):
    digits = rng.integers(0, 10, size=(40, 10))
    y = forward(np.eye(10, dtype=dtype)[digits])
    assert_same_bits(y, np.eye(91, dtype=dtype)[digits.sum(axis=1)])


def test_probabilities_sum_to_one_for_many_numbers(dtype, rng):
    p = rng.dirichlet(np.ones(10), size=(3, 200)).astype(dtype)
    y = forward(p)
    assert (y >= 0).all()
    assert_close(y.sum(axis=1), np.ones(3), dtype=dtype, factor=400)
    assert_close(y, oracles.sum_distribution_forward(p), dtype=dtype, factor=400)
    assert np.isfinite(backward(np.ones_like(y), p)).all()


def test_zero_probabilities(dtype):
    p = np.zeros((2, 3, 4), dtype)
    p[0, :, 1] = 1
    np.testing.assert_array_equal(forward(p)[0], np.eye(10)[3])
    np.testing.assert_array_equal(forward(p)[1], np.zeros(10))
    assert np.isfinite(backward(np.ones((2, 10), dtype), p)).all()


def check_loss(z, target, dtype, factor=32.0):
    """Both directions; the log-probability of the sum carries the rounding of a number of its own size."""
    expected = oracles.sum_distribution_crossentropy_from_logits_forward(z, target)
    magnitude = np.maximum(1.0, np.maximum(np.abs(expected), np.abs(z).max(axis=(1, 2))))
    loss = loss_forward(z, target)
    assert_close(loss, expected, dtype=dtype, factor=factor, scale=magnitude, name=f"loss at {z.shape}")
    expected = oracles.sum_distribution_crossentropy_from_logits_backward(z, target)
    gradient = loss_backward(z, target)
    scale = magnitude[:, None, None]
    assert_close(gradient, expected, dtype=dtype, factor=factor, scale=scale, name=f"dz at {z.shape}")
    return loss, gradient


def test_crossentropy_equals_the_oracle(dtype, rng):
    for shape in SHAPES:
        z = (rng.normal(size=shape) * 2).astype(dtype)
        highest = sums(*shape[1:]) - 1
        check_loss(z, rng.integers(0, highest, size=shape[0], endpoint=True), dtype)
        check_loss(z, np.zeros(shape[0], np.int64), dtype)
        check_loss(z, np.full(shape[0], highest), dtype)


def test_crossentropy_is_the_logarithm_of_the_distribution(dtype, rng):
    z = rng.normal(size=(12, 10, 10)).astype(dtype)
    target = rng.integers(20, 70, size=12)
    y = forward(kernels.softmax_forward(z))
    expected = -np.log(y[np.arange(12), target].astype(np.float64))
    assert_close(loss_forward(z, target), expected, dtype=dtype, factor=64)


def test_crossentropy_gradient_equals_finite_differences(rng):
    z, target = rng.normal(size=(3, 4, 3)), np.array([0, 8, 5])
    oracle = oracles.sum_distribution_crossentropy_from_logits_forward
    expected = finite_differences(lambda z: oracle(z, target).sum(), z)
    np.testing.assert_allclose(loss_backward(z, target), expected, rtol=1e-9, atol=1e-10)


def test_gradients_of_a_number_sum_to_zero(dtype, rng):
    z = rng.normal(size=(6, 10, 10)).astype(dtype)
    gradient = loss_backward(z, rng.integers(0, 90, size=6, endpoint=True))
    assert_close(gradient.sum(axis=-1), np.zeros((6, 10)), dtype=dtype, scale=1.0, factor=64)


@pytest.mark.parametrize("sure", [20.0, 100.0, 1e3, 1e4])
def test_ten_sure_numbers_and_a_wrong_sum(sure, dtype, rng):
    # Each number is certain, the target another sum: its probability is far below the smallest float.
    digits = np.array([[0] * 10, [9] * 10, list(range(10)), [5] * 10, [3] * 9 + [8]])
    z = (np.eye(10)[digits] * sure).astype(dtype)
    target = np.array([90, 0, 46, 44, 90])
    loss, gradient = check_loss(z, target, dtype)
    assert np.isfinite(loss).all()
    assert (loss > 0.4 * sure).all()
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).reshape(5, -1).max(axis=1) > 0.05).all(), "no gradient for an unlikely sum"


def test_two_hundred_numbers(dtype, rng):
    z = rng.normal(size=(2, 200, 10)).astype(dtype)
    for target in ([0, 1800], [900, 5]):
        loss, gradient = check_loss(z, np.array(target), dtype)
        assert np.isfinite(loss).all()
        assert (loss > 0).all()
        assert np.isfinite(gradient).all()
        assert (np.abs(gradient).reshape(2, -1).max(axis=1) > 1e-3).all()


def test_two_hundred_sure_numbers_and_a_wrong_sum(dtype, rng):
    digits = rng.integers(0, 10, size=(2, 200))
    z = (np.eye(10)[digits] * 50).astype(dtype)
    loss, gradient = check_loss(z, np.array([0, digits[1].sum() + 1]), dtype)
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).reshape(2, -1).max(axis=1) > 1e-3).all()


def test_a_sum_that_only_one_way_leads_to(dtype, rng):
    # All nines: the posterior of every number is certain.
    z = rng.normal(size=(2, 10, 10)).astype(dtype)
    gradient = loss_backward(z, np.array([90, 0]))
    expected = kernels.softmax_forward(z).astype(np.float64)
    expected[0, :, 9] -= 1
    expected[1, :, 0] -= 1
    assert_close(gradient, expected, dtype=dtype, scale=30.0, factor=16)


def test_bits_of_a_row_do_not_depend_on_the_batch(dtype, rng):
    z = rng.normal(size=(19, 6, 7)).astype(dtype)
    target = rng.integers(0, 36, size=19, endpoint=True)
    p = kernels.softmax_forward(z)
    y = forward(p)
    dy = rng.normal(size=y.shape).astype(dtype)
    dp, loss, dz = backward(dy, p), loss_forward(z, target), loss_backward(z, target)
    for first, last in ((0, 1), (1, 9), (9, 19)):
        part = slice(first, last)
        assert_same_bits(forward(p[part]), y[part])
        assert_same_bits(backward(dy[part], p[part]), dp[part])
        assert_same_bits(loss_forward(z[part], target[part]), loss[part])
        assert_same_bits(loss_backward(z[part], target[part]), dz[part])


def test_nan_is_not_hidden(dtype, rng):
    z = rng.normal(size=(3, 4, 5)).astype(dtype)
    z[1, 2, 3] = np.nan
    p, target = z.copy(), np.array([3, 4, 5])
    assert np.isnan(forward(p)[1]).any()
    assert np.isfinite(forward(p)[[0, 2]]).all()
    np.testing.assert_array_equal(np.isnan(loss_forward(z, target)), [False, True, False])
    assert np.isnan(loss_backward(z, target)[1]).any()
    assert np.isfinite(loss_backward(z, target)[[0, 2]]).all()


@pytest.mark.parametrize("target", [-1, 13, 2**40])
def test_sums_out_of_range(target, dtype):
    z = np.zeros((2, 4, 4), dtype)  # sums 0..12
    for function in (loss_forward, loss_backward):
        with pytest.raises(ValueError, match=r"\btarget\b"):
            function(z, np.array([0, target]))
