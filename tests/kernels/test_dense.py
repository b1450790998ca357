"""Dense: forward and backward against the oracle, finite differences and the bits of the matrix product."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import ODD_SIZES, assert_close, assert_same_bits, finite_differences, weighted_sum
from tinynn import kernels


def make(rng, dtype, leading, inputs, outputs):
    x = rng.normal(size=(*leading, inputs)).astype(dtype)
    w = (rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)).astype(dtype)
    b = rng.normal(size=outputs).astype(dtype)
    dy = rng.normal(size=(*leading, outputs)).astype(dtype)
    return x, w, b, dy


def odd_shapes(rng):
    return [
        tuple(int(size) for size in shape)
        for shape in zip(*(rng.permutation(ODD_SIZES) for _ in range(3)), strict=True)
    ]


def test_forward_and_backward_equal_the_oracle_at_odd_sizes(dtype, rng):
    for rows, inputs, outputs in odd_shapes(rng):
        x, w, b, dy = make(rng, dtype, (rows,), inputs, outputs)
        assert_close(kernels.dense_forward(x, w, b), oracles.dense_forward(x, w, b), dtype=dtype, name="y")
        assert_close(kernels.dense_forward(x, w), oracles.dense_forward(x, w), dtype=dtype, name="y")
        got, expected = kernels.dense_backward(dy, x, w), oracles.dense_backward(dy, x, w)
        for name, one, other in zip(("dx", "dw", "db"), got, expected, strict=True):
            assert_close(one, other, dtype=dtype, name=f"{name} at {(rows, inputs, outputs)}")


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 1, 2, 3)], ids=len)
def test_any_number_of_leading_axes(leading, dtype, rng):
    x, w, b, dy = make(rng, dtype, leading, 5, 4)
    y = kernels.dense_forward(x, w, b)
    assert_close(y, oracles.dense_forward(x, w, b), dtype=dtype)
    assert_same_bits(y.reshape(-1, 4), kernels.dense_forward(x.reshape(-1, 5), w, b))
    for one, other in zip(kernels.dense_backward(dy, x, w), oracles.dense_backward(dy, x, w), strict=True):
        assert_close(one, other, dtype=dtype)


def test_backward_equals_finite_differences(rng):
    x, w, b, dy = make(rng, np.float64, (2, 3), 5, 4)
    dx, dw, db = kernels.dense_backward(dy, x, w)
    for gradient, point, forward in (
        (dx, x, lambda x: oracles.dense_forward(x, w, b)),
        (dw, w, lambda w: oracles.dense_forward(x, w, b)),
        (db, b, lambda b: oracles.dense_forward(x, w, b)),
    ):
        expected = finite_differences(lambda point, forward=forward: weighted_sum(forward(point), dy), point)
        np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-10)


def test_products_are_those_of_gemm_and_the_bias_comes_last(dtype, rng):
    for rows, inputs, outputs in [*odd_shapes(rng)[::3], (1, 257, 33), (33, 257, 1)]:
        x, w, b, dy = make(rng, dtype, (rows,), inputs, outputs)
        product = kernels.gemm(x, w)
        assert_same_bits(kernels.dense_forward(x, w), product, "y without bias")
        assert_same_bits(kernels.dense_forward(x, w, b), product + b, "y")
        dx, dw, _ = kernels.dense_backward(dy, x, w)
        assert_same_bits(dx, kernels.gemm(dy, w, transpose_b=True), "dx")
        assert_same_bits(dw, kernels.gemm(x, dy, transpose_a=True), "dw")


def test_bits_of_a_row_do_not_depend_on_the_batch(dtype, rng):
    x, w, b, dy = make(rng, dtype, (47,), 33, 21)
    y, dx = kernels.dense_forward(x, w, b), kernels.dense_backward(dy, x, w)[0]
    for first, last in ((0, 1), (1, 16), (16, 47), (46, 47)):
        part = slice(first, last)
        assert_same_bits(kernels.dense_forward(x[part], w, b), y[part], "y")
        assert_same_bits(kernels.dense_backward(dy[part], x[part], w)[0], dx[part], "dx")


def test_bias_gradient_of_many_rows_keeps_its_accuracy(dtype, rng):
    # A plain running sum of 50,000 float32 would lose more; the fixed tree of the reductions does not.
    dy = (1 + rng.normal(size=(50_000, 3))).astype(dtype)
    db = kernels.dense_backward(dy, np.ones((50_000, 1), dtype), np.ones((1, 3), dtype))[2]
    assert_close(db, dy.astype(np.float64).sum(axis=0), dtype=dtype, factor=64)
