"""exp, log, sigmoid and tanh in units in the last place, over all floating-point numbers.

The exact values come from NumPy in a higher precision: float64 for float32, long double for float64.
Where long double is no longer than float64, the bounds get the half unit that NumPy's own results may be off.
"""

import numpy as np
import pytest

from tests.numerics import ODD_SIZES, assert_same_bits, ulp_distance
from tinynn import kernels

EXACT = np.longdouble if np.finfo(np.longdouble).nmant > 60 else np.float64

FUNCTIONS = {
    "exp": (kernels.exp, np.exp, {"float32": 2, "float64": 3}),
    "log": (kernels.log, np.log, {"float32": 2, "float64": 3}),
    "sigmoid": (kernels.sigmoid_forward, lambda x: 1 / (1 + np.exp(-x)), {"float32": 4, "float64": 4}),
    "tanh": (kernels.tanh_forward, np.tanh, {"float32": 4, "float64": 4}),
}


def points(dtype, rng):
    """Numbers of every exponent and sign, the interesting ranges densely, and the special ones."""
    integer = np.uint32 if dtype == np.float32 else np.uint64
    every_exponent = rng.integers(0, np.iinfo(integer).max, size=200_000, dtype=integer, endpoint=True).view(
        dtype
    )
    dense = [rng.uniform(-reach, reach, size=60_000) for reach in (1e-3, 1.0, 3.0, 20.0, 110.0, 760.0)]
    around_one = 1 + rng.uniform(-1, 1, size=60_000) * 2.0 ** -rng.integers(0, 30, size=60_000)
    limits = np.finfo(dtype)
    special = [0.0, -0.0, 1.0, -1.0, 1e4, -1e4, np.inf, -np.inf, np.nan, limits.max, limits.min, limits.tiny]
    special += [
        limits.smallest_subnormal,
        -limits.smallest_subnormal,
        -limits.tiny,
        limits.eps,
        1 - limits.epsneg,
    ]
    halves = np.arange(-2200, 2201) * (
        np.log(2) / 2
    )  # where the reduction of exp changes its multiple of log 2
    edges = np.array(
        [np.log(float(limits.max)), np.log(float(limits.tiny)), np.log(float(limits.smallest_subnormal))]
    )
    near_edges = (edges[:, None] * (1 + np.arange(-50, 51) * float(limits.eps))).ravel()
    with np.errstate(over="ignore"):
        parts = [np.asarray(part).astype(dtype) for part in (*dense, around_one, special, halves, near_edges)]
    return np.concatenate([every_exponent, *parts])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_ulp_over_the_whole_range(name, dtype, rng):
    function, exact_function, bounds = FUNCTIONS[name]
    x = points(dtype, rng)
    got = function(x)
    assert got.dtype == dtype
    assert got.shape == x.shape
    with np.errstate(all="ignore"):
        exact = exact_function(x.astype(np.float64 if dtype == np.float32 else EXACT))
        normal = ~(np.abs(exact) < np.finfo(dtype).tiny)
    distance = ulp_distance(got, exact)
    bound = bounds[dtype.name] + (0.5 if dtype == np.float64 and EXACT is np.float64 else 0.0)
    worst = int(np.argmax(np.where(normal, distance, 0)))
    assert distance[worst] <= bound or not normal[worst], (
        f"{name}({x[worst]!r}) = {got[worst]!r} is {distance[worst]:.3g} ulp from {exact[worst]!r}; "
        f"{int((distance[normal] > bound).sum())} numbers are off"
    )
    # A result too small for a normal number may be flushed to zero or be right; not be anything else.
    tiny = got[~normal]
    assert (np.abs(tiny) <= np.finfo(dtype).tiny).all()
    assert ((tiny == 0) | (distance[~normal] <= bound)).all()


def test_special_values(dtype):
    def check(function, given, expected):
        np.testing.assert_array_equal(function(np.array(given, dtype)), np.array(expected, dtype))

    check(kernels.exp, [0.0, -0.0, np.inf, -np.inf, np.nan, 1e4, -1e4], [1, 1, np.inf, 0, np.nan, np.inf, 0])
    check(kernels.log, [1.0, 0.0, -0.0, np.inf, np.nan], [0, -np.inf, -np.inf, np.inf, np.nan])
    check(kernels.log, [-1.0, -np.inf, -1e-30], [np.nan, np.nan, np.nan])
    check(kernels.tanh_forward, [0.0, np.inf, -np.inf, np.nan, 1e4, -1e4], [0, 1, -1, np.nan, 1, -1])
    check(kernels.sigmoid_forward, [0.0, -0.0, np.inf, -np.inf, np.nan], [0.5, 0.5, 1, 0, np.nan])
    assert np.signbit(kernels.tanh_forward(np.array([-0.0], dtype)))[0]


def test_tanh_is_odd_and_all_stay_in_their_range(dtype, rng):
    x = points(dtype, rng)
    x = x[~np.isnan(x)]
    tanh = kernels.tanh_forward(x)
    assert_same_bits(kernels.tanh_forward(-x), -tanh)
    assert (np.abs(tanh) <= 1).all()
    sigmoid = kernels.sigmoid_forward(x)
    assert ((sigmoid >= 0) & (sigmoid <= 1)).all()
    assert (kernels.exp(x) >= 0).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bits_do_not_depend_on_place_or_length(name, dtype, rng):
    function = FUNCTIONS[name][0]
    x = rng.permutation(points(dtype, rng))[:300]
    whole = function(x)
    for size in ODD_SIZES:
        for start in (0, 1, 2, 5, 300 - size):
            part = slice(start, start + size)
            assert_same_bits(function(x[part]), whole[part], f"{size} from {start}")
