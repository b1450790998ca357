"""The simple (Elman) recurrent kernel."""

import numpy as np

from tests.kernels.recurrent_checks import RecurrentChecks
from tests.numerics import assert_close
from tinynn import kernels


class TestRNN(RecurrentChecks):
    """All tests of `RecurrentChecks`."""

    cell = "rnn"


def test_two_steps_by_hand(dtype):
    x, w, u = (np.array(value, dtype) for value in ([[[0.5], [-1.0]]], [[2.0]], [[0.25]]))
    b, h0 = np.array([0.125], dtype), np.array([[4.0]], dtype)
    first = np.tanh(0.5 * 2 + 4 * 0.25 + 0.125)
    second = np.tanh(-1 * 2 + first * 0.25 + 0.125)
    got = kernels.rnn_forward(x, w, u, b, h0)
    assert_close(got, np.array([[[first], [second]]]), dtype=dtype, factor=4)
    # d h_2 alone: dh0 = (1 - h_2^2) u (1 - h_1^2) u
    dh = np.array([[[0.0], [1.0]]], dtype)
    dh0 = kernels.rnn_backward(dh, x, w, u, b, h0)[4]
    expected = (1 - second**2) * 0.25 * (1 - first**2) * 0.25
    assert_close(dh0, np.array([[expected]]), dtype=dtype, factor=256)
