"""The cross-entropy of a sum whose target is a distribution, and of very many numbers."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close, tolerance
from tinynn import kernels

NAME = "sum_distribution_crossentropy_from_logits"
loss_forward = getattr(kernels, f"{NAME}_forward")
loss_backward = getattr(kernels, f"{NAME}_backward")


def mixture(z, target):
    """The oracle's loss and gradient of every sum, weighted with the target distribution."""
    loss, gradient = np.zeros(len(z)), np.zeros(z.shape)
    for s, weight in enumerate(target.T.astype(np.float64)):
        label = np.full(len(z), s)
        loss += weight * getattr(oracles, f"{NAME}_forward")(z, label)
        gradient += weight[:, None, None] * getattr(oracles, f"{NAME}_backward")(z, label)
    return loss, gradient


@pytest.mark.parametrize("reach", [1.0, 300.0])  # plain probabilities, and far below the smallest float
def test_a_distribution_as_target(reach, dtype, rng):
    for rows, numbers, values in ((3, 1, 5), (2, 5, 1), (4, 7, 4), (3, 10, 10)):
        z = (rng.normal(size=(rows, numbers, values)) * reach).astype(dtype)
        sums = numbers * (values - 1) + 1
        target = rng.dirichlet(np.ones(sums), size=rows).astype(dtype)
        target[0] = 0
        target[0, sums // 2] = 0.75  # need not sum to one
        loss, gradient = mixture(z, target)
        magnitude = max(1.0, np.abs(loss).max(), np.abs(z).max())
        assert_close(loss_forward(z, target), loss, dtype=dtype, factor=32, scale=magnitude)
        assert_close(loss_backward(z, target), gradient, dtype=dtype, factor=32, scale=magnitude)


def test_a_thousand_numbers_in_float32(rng):
    z = rng.normal(size=(3, 1000, 10))
    target = np.array([4500, 4650, 4350])
    single = z.astype(np.float32)
    expected = loss_forward(single.astype(np.float64), target)
    np.testing.assert_allclose(loss_forward(single, target), expected, rtol=tolerance(np.float32, 256))
    expected = loss_backward(single.astype(np.float64), target)
    np.testing.assert_allclose(loss_backward(single, target), expected, atol=tolerance(np.float32, 64))
    unlikely = loss_backward(single[:1], np.array([8990]))
    np.testing.assert_allclose(unlikely.sum(axis=-1), 0, atol=0.01)
    assert np.abs(unlikely).max() > 0.5
    assert (np.abs(unlikely) <= 1.01).all()


def test_a_distribution_of_the_wrong_shape_or_dtype_is_refused(dtype):
    z = np.zeros((2, 3, 4), dtype)
    for wrong in (np.ones((2, 9), dtype), np.ones((1, 10), dtype), np.ones(2, dtype)):
        with pytest.raises(ValueError, match=r"\btarget\b"):
            loss_forward(z, wrong)
    other = np.float64 if dtype == np.float32 else np.float32
    with pytest.raises(TypeError, match=r"\btarget\b"):
        loss_forward(z, np.ones((2, 10), other))
