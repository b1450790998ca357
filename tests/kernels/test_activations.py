"""Sigmoid, relu, tanh and softmax: the oracle, finite differences, the ends of the range, every shape."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import ODD_SIZES, assert_close, assert_same_bits, finite_differences, weighted_sum
from tinynn import kernels

NAMES = ("sigmoid", "relu", "tanh", "softmax")
ELEMENTWISE = NAMES[:3]
SHAPES = [(1,), (5, 1), (1, 9), (2, 3, 4), (2, 1, 3, 5), (3, 257)]


def pair(name):
    return getattr(kernels, f"{name}_forward"), getattr(kernels, f"{name}_backward")


def oracle(name):
    return getattr(oracles, f"{name}_forward"), getattr(oracles, f"{name}_backward")


@pytest.mark.parametrize("name", NAMES)
def test_forward_and_backward_equal_the_oracle(name, dtype, rng):
    forward, backward = pair(name)
    expected_forward, expected_backward = oracle(name)
    for shape in [(size,) for size in ODD_SIZES] + SHAPES + [(size, 3) for size in ODD_SIZES]:
        x = (rng.normal(size=shape) * 4).astype(dtype)
        dy = rng.normal(size=shape).astype(dtype)
        y = forward(x)
        assert_close(y, expected_forward(x), dtype=dtype, factor=16, name=f"y of shape {shape}")
        scale = np.abs(dy).max()
        assert_close(backward(dy, y), expected_backward(dy, y), dtype=dtype, factor=8, scale=scale, name="dx")


@pytest.mark.parametrize("name", NAMES)
def test_backward_equals_finite_differences(name, rng):
    forward, backward = pair(name)
    x = rng.normal(size=(4, 7))
    x += 0.01 * np.sign(x)  # away from relu's kink
    dy = rng.normal(size=x.shape)
    expected = finite_differences(lambda x: weighted_sum(oracle(name)[0](x), dy), x)
    np.testing.assert_allclose(backward(dy, forward(x)), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_bits_of_an_element_do_not_depend_on_its_place(name, dtype, rng):
    forward, backward = pair(name)
    x, dy = (rng.normal(size=(2, 300)) * 3).astype(dtype)
    y, dx = forward(x), backward(dy, forward(x))
    for size in ODD_SIZES:
        for start in (0, 1, 3, 300 - size):
            part = slice(start, start + size)
            assert_same_bits(forward(x[part]), y[part], "y")
            assert_same_bits(backward(dy[part], y[part]), dx[part], "dx")


def test_bits_of_a_softmax_row_do_not_depend_on_the_batch(dtype, rng):
    for size in ODD_SIZES:
        x, dy = rng.normal(size=(2, 7, size)).astype(dtype)
        y = kernels.softmax_forward(x)
        dx = kernels.softmax_backward(dy, y)
        for row in (0, 3, 6):
            assert_same_bits(kernels.softmax_forward(x[row : row + 1]), y[row : row + 1], "y")
            assert_same_bits(kernels.softmax_backward(dy[row], y[row]), dx[row], "dx")


@pytest.mark.parametrize("name", NAMES)
def test_zero_dimensional_and_empty_input(name, dtype):
    forward, _ = pair(name)
    if name != "softmax":
        assert_close(forward(np.array(0.5, dtype)), oracle(name)[0](0.5), dtype=dtype)
    assert forward(np.zeros((0, 3), dtype)).shape == (0, 3)


def test_ends_of_the_range(dtype):
    x = np.array([-np.inf, -1e4, -1e3, 0.0, -0.0, 1e3, 1e4, np.inf], dtype=dtype)
    one_where_positive = np.array([0, 0, 0, 0.5, 0.5, 1, 1, 1], dtype=dtype)
    np.testing.assert_array_equal(kernels.sigmoid_forward(x), one_where_positive)
    np.testing.assert_array_equal(kernels.tanh_forward(x), np.array([-1, -1, -1, 0, 0, 1, 1, 1], dtype))
    np.testing.assert_array_equal(kernels.relu_forward(x), np.array([0, 0, 0, 0, 0, 1e3, 1e4, np.inf], dtype))
    ones = np.ones_like(x)
    for name in ELEMENTWISE:
        forward, backward = pair(name)
        dx = backward(ones, forward(x))
        assert np.isfinite(dx).all(), name
        assert_close(dx, oracle(name)[1](ones, oracle(name)[0](x)), dtype=dtype, scale=1.0, factor=2)


def test_sigmoid_keeps_small_probabilities(dtype):
    # 1 / (1 + exp(-x)) is fine here; 1 - 1 / (1 + exp(x)) or a scaled tanh would lose every digit.
    x = np.linspace(-80, -20, 61).astype(dtype)
    small = np.exp(x.astype(np.float64))
    assert_close(kernels.sigmoid_forward(x), small / (1 + small), dtype=dtype, factor=8, scale=small)


def test_relu_gradient_at_zero_is_zero(dtype):
    y = np.array([0.0, -0.0, 1e-30, 2.0], dtype)
    np.testing.assert_array_equal(kernels.relu_backward(np.ones(4, dtype), y), [0, 0, 1, 1])


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_not_hidden(name, dtype):
    x = np.zeros((21, 3), dtype)
    x[[0, 13, 20], [0, 1, 2]] = np.nan
    y = pair(name)[0](x)
    if name == "softmax":
        assert np.isnan(y).all(axis=1)[[0, 13, 20]].all()
        assert np.isfinite(np.delete(y, [0, 13, 20], axis=0)).all()
    else:
        np.testing.assert_array_equal(np.isnan(y), np.isnan(x))


def test_softmax_of_extreme_rows(dtype):
    for size in ODD_SIZES:
        x = np.zeros((6, size), dtype)
        x[0] = 1e4
        x[1] = -1e4
        x[2, -1] = 1e4
        x[3, 0] = -1e4
        x[4] = np.linspace(-1e4, 1e4, size)
        x[5] = np.finfo(dtype).max / 4
        y = kernels.softmax_forward(x)
        assert_close(y, oracles.softmax_forward(x), dtype=dtype, factor=8, scale=1.0, name=f"{size} classes")
        assert_close(y.sum(axis=-1), np.ones(6), dtype=dtype, factor=8)
        assert np.isfinite(kernels.softmax_backward(np.ones_like(y), y)).all()


def test_softmax_with_impossible_classes(dtype):
    x = np.array([[0.0, -np.inf, 0.0, -np.inf, 0.0]], dtype)
    np.testing.assert_allclose(kernels.softmax_forward(x), [[1 / 3, 0, 1 / 3, 0, 1 / 3]], rtol=1e-6)


def test_softmax_rows_sum_to_one_and_gradients_to_zero(dtype, rng):
    x, dy = rng.normal(size=(2, 9, 91)).astype(dtype) * 5
    y = kernels.softmax_forward(x)
    assert_close(y.sum(axis=-1), np.ones(9), dtype=dtype, factor=4)
    assert_close(kernels.softmax_backward(dy, y).sum(axis=-1), np.zeros(9), dtype=dtype, scale=1.0, factor=64)
