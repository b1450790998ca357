"""Measuring sticks for numerical tests: tolerances, units in the last place, finite differences, exact sums.

Nothing here knows a kernel.
"""

import numpy as np

VECTOR_WIDTHS = (4, 8, 16, 32)
"""Elements in the vectors of the instruction sets, one or two vectors at a time."""

TILE_SIZES = (5, 6, 7, 13, 14, 15, 17, 31, 33)
"""Sizes around the rows and columns of the matrix-product tiles."""

BLOCK_SIZES = (255, 256, 257)
"""Sizes around a block of the summed dimension of the matrix product."""

SMALL_SIZES = tuple(
    sorted({1, *TILE_SIZES, *(width + shift for width in VECTOR_WIDTHS for shift in (-1, 0, 1))})
)
"""1, every vector width and its neighbours, and the tile sizes."""

ODD_SIZES = SMALL_SIZES + BLOCK_SIZES
"""All sizes at which an edge of a vector, tile or block is met."""


def tolerance(dtype, factor=64.0):
    """Relative tolerance of a result in `dtype`: `factor` units of its machine epsilon."""
    return factor * float(np.finfo(dtype).eps)


def assert_close(actual, expected, *, dtype, factor=64.0, scale=None, name="result"):
    """Assert shape, dtype and values of a kernel's result against a float64 oracle's.

    Parameters
    ----------
    actual : ndarray
        What the kernel returned; must be of `dtype` and have `expected`'s shape.
    expected : array_like of float64
        What the oracle returned.
    dtype : dtype
        The dtype the kernel worked in.
    factor : float
        Allowed error in units of machine epsilon, relative to `scale`.
    scale : float or array_like, optional
        Magnitude of the terms that were added up. Default: the larger of each element's own magnitude
        and the mean magnitude of all of them (sums cancel: an element near zero has its neighbours' error).
    name : str
        Name for the message.
    """
    actual = np.asarray(actual)
    expected = np.asarray(expected, dtype=np.float64)
    assert actual.dtype == np.dtype(dtype), f"{name}: dtype {actual.dtype}, expected {np.dtype(dtype)}"
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, expected {expected.shape}"
    if expected.size == 0:
        return
    if scale is None:
        magnitude = np.abs(expected)
        scale = np.maximum(magnitude, magnitude.mean())
    # Kernels may flush denormal results to zero: an error below the smallest normal number is none.
    allowed = tolerance(dtype, factor) * np.asarray(scale, dtype=np.float64) + np.finfo(dtype).tiny
    # An infinity that was expected differs from itself by nan.
    with np.errstate(invalid="ignore"):
        error = np.where(actual == expected, 0.0, np.abs(actual.astype(np.float64) - expected))
    wrong = ~(error <= allowed)  # a nan is wrong
    if wrong.any():
        where = tuple(int(index) for index in np.argwhere(wrong)[0])
        worst = float(np.nanmax(error / allowed)) if np.isfinite(error).any() else float("nan")
        raise AssertionError(
            f"{name}: {int(wrong.sum())} of {wrong.size} elements are off, the worst {worst:.3g} times the "
            f"allowed error; first at {where}: {actual[where]!r}, expected {expected[where]!r}"
        )


def assert_same_bits(actual, expected, name="result"):
    """Assert that two arrays are equal in dtype, shape and every bit (so -0.0 is not 0.0, nan is nan)."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{name}: dtype {actual.dtype}, expected {expected.dtype}"
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, expected {expected.shape}"
    if actual.tobytes() != expected.tobytes():
        different = int((actual != expected).sum())
        raise AssertionError(f"{name}: {different} of {actual.size} elements differ in their bits")


def finite_differences(function, array, step=3e-4):
    """Gradient of a scalar `function` at `array` in float64 by central differences of the fourth order.

    ``f'(x) = [8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))] / 12h``: truncation h^4/30 f''''' and rounding
    of about ``1e-16 |f| / h`` are both below 1e-12 for ``h = 3e-4`` where f is well scaled.
    No kink may lie within 2h.
    """
    point = np.array(array, dtype=np.float64)
    gradient = np.empty_like(point)
    for index in np.ndindex(point.shape):
        centre = point[index]
        values = []
        for shift in (step, -step, 2 * step, -2 * step):
            point[index] = centre + shift
            values.append(float(function(point)))
        point[index] = centre
        gradient[index] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
    return gradient


def weighted_sum(outputs, weights):
    """Scalar ``sum_i outputs_i weights_i``: its gradient is the backward pass started with `weights`."""
    return float(np.sum(np.asarray(outputs, dtype=np.float64) * weights))


def ulp_distance(actual, exact):
    """Distance of `actual` from `exact` (of higher precision), in units in the last place of `actual`.

    The unit is the spacing of numbers at `exact`; the same infinity is at distance 0, nan at nan is 0,
    nan at a number is infinity.
    """
    actual = np.asarray(actual)
    exact = np.asarray(exact, dtype=np.longdouble)
    with np.errstate(all="ignore"):
        rounded = exact.astype(actual.dtype)
        unit = np.spacing(np.abs(rounded)).astype(np.longdouble)
        distance = np.abs(actual.astype(np.longdouble) - exact) / unit
    distance = np.where((actual == rounded) & ~np.isfinite(rounded), 0.0, distance)
    distance = np.where(np.isnan(actual) & np.isnan(exact), 0.0, distance)
    # Beside an infinity the spacing is nan: rounding may fall either way at the edge of the range.
    edge = np.isinf(rounded) & (np.abs(actual) == np.finfo(actual.dtype).max)
    distance = np.where(edge, 1.0, distance)
    return np.where(np.isnan(distance), np.inf, distance).astype(np.float64)


def _two_sum(a, b):
    """``a + b`` as a float64 and the exact error of that rounding (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a, b):
    """``a b`` as a float64 and the exact error of that rounding (Dekker, with Veltkamp's splitting)."""
    product = a * b
    splitter = 134217729.0  # 2^27 + 1
    a_high = splitter * a - (splitter * a - a)
    b_high = splitter * b - (splitter * b - b)
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _sum_rounded_to_odd(a, b):
    """``a + b`` rounded to odd: a second rounding to fewer bits is then as good as a single one."""
    total, error = _two_sum(a, b)
    even = (total.view(np.uint64) & np.uint64(1)) == 0
    towards = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even, towards, total)


def fused_multiply_add(a, b, c):
    """Correctly rounded ``a b + c`` of float32 or float64 arrays, without the hardware's instruction.

    Float32: the product is exact in float64, the sum is rounded to odd there and then to float32.
    Float64: Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
    rounding to odd" (2008). Valid away from overflow and underflow.
    """
    a, b, c = np.broadcast_arrays(np.asarray(a), np.asarray(b), np.asarray(c))
    kind = a.dtype
    a, b, c = (np.array(each, dtype=np.float64) for each in (a, b, c))
    if kind == np.float32:
        return _sum_rounded_to_odd(a * b, c).astype(np.float32)
    product_high, product_low = _two_product(a, b)
    sum_high, sum_low = _two_sum(c, product_low)
    high, low = _two_sum(product_high, sum_high)
    return high + _sum_rounded_to_odd(sum_low, low)


def fused_product(a, b, start=None):
    """Matrix product of which each element is one chain of fused multiply-adds, k ascending from zero."""
    a, b = np.asarray(a), np.asarray(b)
    total = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype) if start is None else start
    for k in range(a.shape[1]):
        total = fused_multiply_add(a[:, k : k + 1], b[k : k + 1, :], total)
    return total
