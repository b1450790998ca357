"""The GRU kernel under both rules for the reset gate; Keras' gate order z, r, h."""

import numpy as np
import pytest

from tests import oracles
from tests.kernels.recurrent_checks import RecurrentChecks
from tests.numerics import assert_close
from tinynn import kernels


class TestGRUResetAfter(RecurrentChecks):
    """All tests of `RecurrentChecks`, for ``r * (h u + b)``: two rows of bias."""

    cell = "gru"
    gates = 3
    options = {"reset_after": True}  # noqa: RUF012

    @staticmethod
    def bias_shape(hidden):
        return (2, 3 * hidden)


class TestGRUResetBefore(RecurrentChecks):
    """All tests of `RecurrentChecks`, for ``(r * h) u``: one row of bias."""

    cell = "gru"
    gates = 3
    options = {"reset_after": False}  # noqa: RUF012

    @staticmethod
    def bias_shape(hidden):
        return (3 * hidden,)


@pytest.mark.parametrize("reset_after", [True, False])
def test_order_of_the_gates(reset_after, dtype):
    # Biases of +-40 open or shut a gate; one hidden unit, no input, candidate tanh(r * 2 h).
    x, w = np.zeros((1, 1, 1), dtype), np.zeros((1, 3), dtype)
    u, h0 = np.array([[0, 0, 2]], dtype), np.array([[0.5]], dtype)
    for z, r, expected in ((40, 40, 0.5), (-40, 40, np.tanh(1.0)), (-40, -40, 0.0)):
        b = np.array([[z, r, 0], [0, 0, 0]], dtype) if reset_after else np.array([z, r, 0], dtype)
        h = kernels.gru_forward(x, w, u, b, h0, reset_after=reset_after)
        assert_close(
            h, np.full((1, 1, 1), expected), dtype=dtype, scale=1.0, factor=4 + 1e-12 / np.finfo(dtype).eps
        )


def test_reset_after_is_the_default_and_differs(rng):
    x, w, u = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 15)), rng.normal(size=(5, 15))
    default = kernels.gru_forward(x, w, u)
    np.testing.assert_array_equal(default, kernels.gru_forward(x, w, u, reset_after=True))
    assert np.abs(default - kernels.gru_forward(x, w, u, reset_after=False)).max() > 1e-3
    np.testing.assert_allclose(default, oracles.gru_forward(x, w, u), rtol=1e-12, atol=1e-13)


def test_the_recurrent_bias_is_reset_too(dtype, rng):
    # Only the second row of the bias stands inside r * (...): swapping the rows changes the candidate.
    x, w, u, h0 = (rng.normal(size=size).astype(dtype) for size in ((2, 3, 4), (4, 15), (5, 15), (2, 5)))
    b = rng.normal(size=(2, 15)).astype(dtype)
    one, other = kernels.gru_forward(x, w, u, b, h0), kernels.gru_forward(x, w, u, b[::-1], h0)
    assert_close(one, oracles.gru_forward(x, w, u, b, h0), dtype=dtype, factor=256)
    assert_close(other, oracles.gru_forward(x, w, u, b[::-1], h0), dtype=dtype, factor=256)
    assert np.abs(one - other).max() > 1e-3
