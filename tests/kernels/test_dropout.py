"""Dropout: its random numbers against the paper's, its masks against a generator in Python integers."""

import math

import numpy as np
import pytest

from tests.numerics import ODD_SIZES, assert_same_bits
from tests.oracles import philox
from tinynn import kernels
from tinynn.kernels.op import OpRun, registered

FOR_DROPOUT = 2


def expected_words(size, key, epoch, step):
    """The random word of each element."""
    halves = key & 0xFFFFFFFF, key >> 32
    draws = [philox((first, step, epoch, FOR_DROPOUT), halves) for first in range(math.ceil(size / 4))]
    return np.array(draws, np.uint64).reshape(-1)[:size]


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        # kat_vectors of Random123, the paper's own implementation
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_oracle_gives_the_known_answers(counter, key, words):
    assert tuple(philox(counter, key)) == words


@pytest.mark.parametrize(
    "place", [(0, 0, 0), (7, 1, 2), (2**64 - 1, 2**32 - 1, 2**32 - 1), (0x1234567890ABCDEF, 3, 99)]
)
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.97])
def test_mask_is_the_word_of_each_element(place, rate, dtype, rng):
    for size in ODD_SIZES:
        x = (rng.normal(size=size) + 10).astype(dtype)
        kept = expected_words(size, *place) >= int(rate * 2**32)
        expected = np.where(kept, x * dtype.type(1 / (1 - rate)), 0)
        assert_same_bits(kernels.dropout_forward(x, rate, *place), expected, f"{size} numbers")


def test_the_mask_of_several_parts_is_one(dtype):
    x = np.ones(2 * 4096 + 70, dtype)
    kept = expected_words(x.size, 7, 1, 2) >= 2**31
    np.testing.assert_array_equal(kernels.dropout_forward(x, 0.5, 7, 1, 2), np.where(kept, 2, 0))


def test_forward_and_backward_use_one_mask(dtype, rng):
    x, dy = rng.normal(size=(2, 5, 3, 7)).astype(dtype)
    y = kernels.dropout_forward(x, 0.4, key=3, epoch=1, step=2)
    dx = kernels.dropout_backward(dy, 0.4, key=3, epoch=1, step=2)
    np.testing.assert_array_equal(dx == 0, y == 0)
    np.testing.assert_array_equal(dx, np.where(y == 0, 0, dy * dtype.type(1 / 0.6)))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_as_many_are_dropped_as_the_rate_says(rate):
    n = 200_000
    y = kernels.dropout_forward(np.ones(n), rate, key=11)
    deviation = math.sqrt(rate * (1 - rate) / n)
    assert abs((y == 0).mean() - rate) < 5 * deviation
    assert abs(y.mean() - 1) < 5 * deviation / (1 - rate)
    neighbours = ((y[1:] == 0) & (y[:-1] == 0)).mean()
    assert abs(neighbours - rate**2) < 10 * deviation


def test_every_place_has_a_mask_of_its_own():
    x = np.ones(64)
    masks = [
        kernels.dropout_forward(x, 0.5, key, epoch, step).tobytes()
        for key in (0, 1, 2**40)
        for epoch in (0, 1)
        for step in (0, 1)
    ]
    assert len(set(masks)) == len(masks)


def test_rate_zero_changes_nothing(dtype, rng):
    x = rng.normal(size=(3, 5)).astype(dtype)
    assert_same_bits(kernels.dropout_forward(x, 0.0), x)


def test_dropped_numbers_are_zero_whatever_they_were(dtype):
    x = np.full(1000, np.nan, dtype)
    y = kernels.dropout_forward(x, 0.5)
    assert 300 < (y == 0).sum() < 700
    assert (np.isnan(y) | (y == 0)).all()


def test_the_op_does_what_the_function_does(dtype, rng):
    x, dy = rng.normal(size=(2, 9, 5, 3)).astype(dtype)
    run = OpRun(registered["dropout"], [x], rate=0.3)
    assert_same_bits(run.forward()[0], kernels.dropout_forward(x, 0.3))
    (dx,), _ = run.backward([dy])
    assert_same_bits(dx, kernels.dropout_backward(dy, 0.3))
    assert run.backward([dy], needs_inputs=False) == ([None], [])


def test_empty_and_zero_dimensional_input(dtype):
    assert kernels.dropout_forward(np.zeros((0, 3), dtype), 0.5).shape == (0, 3)
    assert kernels.dropout_forward(np.array(2.0, dtype), 0.0) == 2


@pytest.mark.parametrize("function", ["dropout_forward", "dropout_backward"])
def test_bad_arguments_are_named(function):
    x = np.ones(3)
    call = getattr(kernels, function)
    for rate in (-0.1, 1.0, 2, np.nan):
        with pytest.raises(ValueError, match=f"{function}: rate must be"):
            call(x, rate)
    with pytest.raises(TypeError, match=f"{function}: rate must be"):
        call(x, "half")
    for name in ("key", "epoch", "step"):
        with pytest.raises(ValueError, match=f"{function}: {name} must be from 0"):
            call(x, 0.5, **{name: -1})
        with pytest.raises(TypeError, match=f"{function}: {name} must be a whole number, got 0.5"):
            call(x, 0.5, **{name: 0.5})
    with pytest.raises(ValueError, match=f"{function}: epoch must be from 0 to 4294967295"):
        call(x, 0.5, epoch=2**32)
    with pytest.raises(TypeError, match=f"{function}: d?[xy] must be an array of float32 or float64, got int64"):
        call(np.ones(3, np.int64), 0.5)
