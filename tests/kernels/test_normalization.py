"""Normalization of numbers that are nearly equal, or so large that their squares overflow; against long double."""

import numpy as np
import pytest

from tests.oracles import normalization
from tinynn import kernels
from tinynn.kernels.op import OpRun, registered

LARGEST = {"float32": 3e38, "float64": 1e308}


def constant(value, shape):
    return lambda rng, dtype: np.full(shape, value(dtype) if callable(value) else value, dtype)


def around(mean, spread, shape):
    return lambda rng, dtype: (mean + spread * rng.normal(size=shape)).astype(dtype)


def two_sided(value):
    return lambda rng, dtype: np.array([[value, -value], [-value, value], [value, -value], [-value, value]], dtype)


def outlier(rng, dtype):
    x = (1e6 + 0.1 * rng.normal(size=(3000, 2))).astype(dtype)
    x[0, 0] = x[-1, 1] = 0
    return x


NUMBERS = {
    "1.7e9": constant(1.7e9, (1000, 3)),
    "wide 1.7e9": constant(1.7e9, (3, 1000)),
    "1e-30": constant(1e-30, (200, 2)),
    "16777217": constant(16777217, (1001, 2)),
    "a third": constant(1 / 3, (4097, 2)),
    "1e37": constant(1e37, (100, 3)),
    "the largest, whose sum overflows": constant(lambda dtype: LARGEST[np.dtype(dtype).name], (70, 3)),
    "negative": constant(-123456.7, (300, 2)),
    "small spread, large mean": around(1e6, 0.1, (4000, 3)),
    "small spread, large mean, wide": around(-1e6, 0.1, (3, 4000)),
    "years": around(2020, 5, (64, 5)),
    "squares overflow": two_sided(1e30),
    "a sample": lambda rng, dtype: np.array([[5.0, 1e9, -1e-20]], dtype),
    "an outlier": outlier,
}
AXES = {"batch": 0, "layer": 1}


def numbers(name, dtype):
    rng = np.random.default_rng(3)
    return NUMBERS[name](rng, dtype), rng


def normalized(kind, x):
    with np.errstate(under="ignore"):
        return normalization.normalized(x.astype(np.longdouble), (AXES[kind],), np.longdouble(1e-3))


@pytest.mark.parametrize("kind", AXES)
@pytest.mark.parametrize("name", NUMBERS)
def test_forward(name, kind, dtype):
    x, _ = numbers(name, dtype)
    ones, zeros = np.ones(x.shape[1], dtype), np.zeros(x.shape[1], dtype)
    y = getattr(kernels, f"{kind}_normalization_forward")(x, ones, zeros)
    # A tolerance in units of the result, which is about 1, or 0.
    np.testing.assert_allclose(
        y, normalized(kind, x).astype(np.float64), rtol=0, atol=2e-4 if dtype == "float32" else 1e-9
    )


@pytest.mark.parametrize("kind", AXES)
@pytest.mark.parametrize("name", NUMBERS)
def test_backward(name, kind, dtype):
    x, rng = numbers(name, dtype)
    dy, gamma = rng.normal(size=x.shape).astype(dtype), rng.uniform(1, 2, x.shape[1]).astype(dtype)
    dx, dgamma, dbeta = getattr(kernels, f"{kind}_normalization_backward")(dy, x, gamma)
    exact, axis, epsilon = x.astype(np.longdouble), (AXES[kind],), np.longdouble(1e-3)
    expected = normalization.gradient(dy.astype(np.longdouble) * gamma, exact, axis, epsilon)
    scale = gamma.max() / np.sqrt(exact.var(axis=axis, keepdims=True) + epsilon)
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    assert float((abs(dx - expected) / scale).max()) < tolerance
    rows = abs(dy).sum(axis=0)
    assert float((abs(dgamma - (dy * normalized(kind, x)).sum(axis=0)) / rows).max()) < tolerance
    assert float((abs(dbeta - dy.sum(axis=0, dtype=np.longdouble)) / rows).max()) < tolerance


@pytest.mark.parametrize("name", NUMBERS)
def test_moving_statistics_stay_finite(name, dtype):
    x, rng = numbers(name, dtype)
    mean, variance = np.zeros(x.shape[1], dtype), np.ones(x.shape[1], dtype)
    run = OpRun(registered["batch_normalization"], [x], [None, None, mean, variance], momentum=0.75, epsilon=0.001)
    run.forward()
    run.backward([rng.normal(size=x.shape).astype(dtype)])
    exact = x.astype(np.longdouble)
    spread = abs(exact - exact.mean(axis=0)).max()
    expected = np.minimum(0.75 + 0.25 * exact.var(axis=0), 0.75 + 0.25 * np.finfo(dtype).max)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(
        mean.astype(np.longdouble), 0.25 * exact.mean(axis=0), rtol=tolerance, atol=float(tolerance * spread)
    )
    np.testing.assert_allclose(variance.astype(np.longdouble), expected, rtol=2e-4 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("kind", AXES)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_visible(kind, wrong, dtype, rng):
    x = rng.normal(size=(6, 6)).astype(dtype)
    x[2, 3] = wrong
    y = getattr(kernels, f"{kind}_normalization_forward")(x, np.ones(6, dtype), np.zeros(6, dtype))
    touched = np.zeros((6, 6), bool)
    touched[(slice(None), 3) if kind == "batch" else 2] = True
    assert np.isnan(y[2, 3])
    assert np.isfinite(y[~touched]).all()


def test_only_the_channels_that_need_it_are_computed_again(dtype, rng):
    """A channel has the same bits whatever stands beside it."""
    x = rng.normal(size=(130, 3)).astype(dtype)
    beside = np.concatenate([np.full((130, 1), 1e9, dtype), x], axis=1)
    gamma, beta, dy = np.ones(4, dtype), np.zeros(4, dtype), rng.normal(size=(130, 4)).astype(dtype)
    y = kernels.batch_normalization_forward(beside, gamma, beta)
    assert (y[:, 0] == 0).all()
    assert y[:, 1:].tobytes() == kernels.batch_normalization_forward(x, gamma[1:], beta[1:]).tobytes()
    dx = kernels.batch_normalization_backward(dy, beside, gamma)[0]
    assert dx[:, 1:].tobytes() == kernels.batch_normalization_backward(dy[:, 1:].copy(), x, gamma[1:])[0].tobytes()
