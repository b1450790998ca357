"""The LSTM kernel: Keras' gate order i, f, g, o."""

import numpy as np

from tests.kernels.recurrent_checks import RecurrentChecks
from tests.numerics import assert_close
from tinynn import kernels


class TestLSTM(RecurrentChecks):
    """All tests of `RecurrentChecks`."""

    cell = "lstm"
    gates = 4
    states = ("h0", "c0")

    @staticmethod
    def bias_shape(hidden):
        return (4 * hidden,)


def test_order_of_the_gates(dtype):
    # Biases of +-40 open or shut a gate; one hidden unit, no input.
    x, w, u = np.zeros((1, 1, 1), dtype), np.zeros((1, 4), dtype), np.zeros((1, 4), dtype)
    c0, h0 = np.array([[0.5]], dtype), np.zeros((1, 1), dtype)
    for i, f, g, o, cell in (
        (-40, 40, 1, 40, 0.5),  # keeps its cell
        (40, -40, 1, 40, np.tanh(1)),  # takes the new value
        (40, 40, 1, 40, 0.5 + np.tanh(1)),  # adds it
        (-40, -40, 1, 40, 0.0),  # forgets everything
        (40, -40, -2, -40, np.tanh(-2)),  # and shows nothing
    ):
        b = np.array([i, f, g, o], dtype)
        h, c = kernels.lstm_forward(x, w, u, b, h0, c0)
        assert_close(c, np.full((1, 1, 1), cell), dtype=dtype, scale=1.0)
        shown = np.tanh(cell) if o > 0 else 0.0
        assert_close(h, np.full((1, 1, 1), shown), dtype=dtype, scale=1.0)


def test_a_cell_that_grows_over_many_steps(dtype):
    # Input and forget gates open: c grows by tanh(1) every step far beyond where tanh(c) saturates.
    steps = 400
    b = np.array([40, 40, 1, 40], dtype)
    x, w = np.zeros((2, steps, 1), dtype), np.zeros((1, 4), dtype)
    h, c = kernels.lstm_forward(x, w, np.zeros((1, 4), dtype), b)
    expected = np.tanh(1) * np.arange(1, steps + 1)
    assert_close(c[0, :, 0], expected, dtype=dtype, factor=steps)
    assert_close(h[0, :, 0], np.tanh(expected), dtype=dtype, factor=16)
    for gradient in kernels.lstm_backward(np.ones_like(h), x, w, np.zeros((1, 4), dtype), b):
        assert np.isfinite(gradient).all()
