"""Matrix products: every transposition and edge size, and the promised order of summation bit by bit."""

import itertools

import numpy as np
import pytest

from tests import oracles
from tests.numerics import ODD_SIZES, assert_same_bits, fused_product
from tinynn import kernels

TRANSPOSITIONS = list(itertools.product((False, True), repeat=2))


def odd_shapes(rng, count):
    """Shapes (M, K, N): every odd size at every place at least once, and `count` more at random."""
    places = [rng.permutation(ODD_SIZES) for _ in range(3)]
    return [*zip(*places, strict=True), *rng.choice(ODD_SIZES, size=(count, 3))]


def stored(matrix, transposed):
    """The matrix as gemm is given it: contiguous, transposed when asked for."""
    return np.ascontiguousarray(matrix.T if transposed else matrix)


def plain_product(a, b):
    """Each element one chain of rounded products and sums, k ascending: without fused instructions."""
    total = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for k in range(a.shape[1]):
        total = total + a[:, k : k + 1] * b[k : k + 1, :]
    return total


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
def test_product_is_within_the_rounding_bound(transpose_a, transpose_b, dtype, rng):
    for rows, inner, columns in odd_shapes(rng, 20):
        a = rng.normal(size=(rows, inner)).astype(dtype)
        b = rng.normal(size=(inner, columns)).astype(dtype)
        got = kernels.gemm(stored(a, transpose_a), stored(b, transpose_b), transpose_a, transpose_b)
        assert got.dtype == dtype
        assert got.shape == (rows, columns)
        # Higham's bound on a sum of products in any order.
        allowed = (inner + 1) * np.finfo(dtype).eps * oracles.gemm(np.abs(a), np.abs(b))
        assert (np.abs(got - oracles.gemm(a, b)) <= allowed).all(), (rows, inner, columns)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
def test_every_element_is_one_ascending_chain(transpose_a, transpose_b, dtype, rng):
    chain = plain_product if kernels.instruction_set() == "base" else fused_product
    for rows, inner, columns in odd_shapes(rng, 0):
        if rows * columns > 257 * 33:  # the exact emulation is slow, and smaller sizes cover the edges
            rows = min(rows, 33)
        a = rng.normal(size=(rows, inner)).astype(dtype)
        b = rng.normal(size=(inner, columns)).astype(dtype)
        got = kernels.gemm(stored(a, transpose_a), stored(b, transpose_b), transpose_a, transpose_b)
        assert_same_bits(got, chain(a, b), f"{rows} x {inner} x {columns}")


def test_chain_continues_over_blocks_of_the_inner_dimension(dtype, rng):
    chain = plain_product if kernels.instruction_set() == "base" else fused_product
    for inner in (271, 272, 273, 511, 512, 513, 545, 1100):
        a, b = rng.normal(size=(7, inner)).astype(dtype), rng.normal(size=(inner, 18)).astype(dtype)
        assert_same_bits(kernels.gemm(a, b), chain(a, b), f"inner {inner}")


@pytest.mark.parametrize("columns", [16, 32, 33, 70])
def test_chain_continues_over_blocks_of_a_transposed_factor(columns, dtype, rng):
    """A weight gradient, whose blocks are shallower, of columns that are packed and of few that are not."""
    for inner in (79, 80, 81, 143, 144, 145, 160, 161, 333):
        a, b = rng.normal(size=(inner, 37)).astype(dtype), rng.normal(size=(inner, columns)).astype(dtype)
        straight = kernels.gemm(np.ascontiguousarray(a.T), b)
        assert_same_bits(kernels.gemm(a, b, True, False), straight, f"inner {inner}")


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("rows", [42, 43, 55, 190])
def test_bits_are_the_same_where_a_transposed_factor_is_packed(rows, transpose_b, dtype, rng):
    for inner, columns in ((144, 256), (161, 257), (333, 300), (480, 271)):
        a, b = rng.normal(size=(inner, rows)).astype(dtype), rng.normal(size=(inner, columns)).astype(dtype)
        straight = kernels.gemm(np.ascontiguousarray(a.T), b)
        got = kernels.gemm(a, stored(b, transpose_b), True, transpose_b)
        assert_same_bits(got, straight, f"{rows} x {inner} x {columns}")


@pytest.mark.parametrize("columns", [63, 64, 65, 128, 200])
def test_one_row_is_a_row_of_more(columns, dtype, rng):
    a, b = rng.normal(size=(9, 300)).astype(dtype), rng.normal(size=(300, columns)).astype(dtype)
    whole = kernels.gemm(a, b)
    for row in (0, 8):
        assert_same_bits(kernels.gemm(a[row : row + 1], b), whole[row : row + 1], f"row {row}")


def test_no_terms_are_zeros(dtype):
    assert_same_bits(kernels.gemm(np.ones((9, 0), dtype), np.ones((0, 70), dtype)), np.zeros((9, 70), dtype))
    assert_same_bits(kernels.gemm(np.ones((1, 0), dtype), np.ones((0, 70), dtype)), np.zeros((1, 70), dtype))


def test_one_row_one_column_one_term(dtype, rng):
    for size in ODD_SIZES:
        row = rng.normal(size=(1, size)).astype(dtype)
        matrix = rng.normal(size=(size, 37)).astype(dtype)
        whole = kernels.gemm(np.concatenate([row, rng.normal(size=(40, size)).astype(dtype)]), matrix)
        assert_same_bits(kernels.gemm(row, matrix), whole[:1], f"one row, inner {size}")
        assert_same_bits(kernels.gemm(row, matrix[:, :1]), whole[:1, :1], f"one element, inner {size}")
        assert_same_bits(kernels.gemm(row, np.ascontiguousarray(matrix.T), False, True), whole[:1])
        outer = kernels.gemm(row.T, row)
        assert_same_bits(outer, row.T * row, f"outer product of {size}")


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
def test_bits_of_an_element_do_not_depend_on_the_rest(transpose_a, transpose_b, dtype, rng):
    for inner in (1, 8, 31, 257):
        a = rng.normal(size=(45, inner)).astype(dtype)
        b = rng.normal(size=(inner, 70)).astype(dtype)
        whole = kernels.gemm(stored(a, transpose_a), stored(b, transpose_b), transpose_a, transpose_b)
        for first, last in ((0, 1), (1, 14), (3, 17), (14, 45), (44, 45)):
            part = kernels.gemm(
                stored(a[first:last], transpose_a), stored(b, transpose_b), transpose_a, transpose_b
            )
            assert_same_bits(part, whole[first:last], f"rows {first}:{last}, inner {inner}")
        for first, last in ((0, 1), (5, 22), (31, 64), (69, 70)):
            part = kernels.gemm(
                stored(a, transpose_a), stored(b[:, first:last], transpose_b), transpose_a, transpose_b
            )
            assert_same_bits(part, whole[:, first:last], f"columns {first}:{last}, inner {inner}")


def test_transposition_does_not_change_bits(dtype, rng):
    a = rng.normal(size=(29, 300)).astype(dtype)
    b = rng.normal(size=(300, 41)).astype(dtype)
    plain = kernels.gemm(a, b)
    for transpose_a, transpose_b in TRANSPOSITIONS:
        got = kernels.gemm(stored(a, transpose_a), stored(b, transpose_b), transpose_a, transpose_b)
        assert_same_bits(got, plain)


def test_nan_and_infinity_stay_in_their_row_and_column(dtype, rng):
    for rows, columns in ((1, 1), (5, 7), (15, 33), (40, 17)):
        a = rng.normal(size=(rows, 20)).astype(dtype)
        b = rng.normal(size=(20, columns)).astype(dtype)
        clean = kernels.gemm(a, b)
        a[-1, 3], b[7, -1] = np.nan, np.inf
        got = kernels.gemm(a, b)
        assert np.isnan(got[-1]).all()
        assert not np.isfinite(got[:, -1]).any()
        assert_same_bits(got[:-1, :-1], clean[:-1, :-1])


def test_zero_times_infinity_is_not_skipped(dtype):
    got = kernels.gemm(np.zeros((2, 2), dtype), np.full((2, 2), np.inf, dtype))
    assert np.isnan(got).all()


def test_shapes_of_the_networks(dtype, rng):
    for rows, inner, columns in ((32, 784, 128), (128, 128, 784), (64, 10, 512)):
        a = rng.normal(size=(rows, inner)).astype(dtype)
        b = rng.normal(size=(inner, columns)).astype(dtype)
        allowed = (inner + 1) * np.finfo(dtype).eps * oracles.gemm(np.abs(a), np.abs(b))
        assert (np.abs(kernels.gemm(a, b) - oracles.gemm(a, b)) <= allowed).all()
