"""SimpleRNN, LSTM and GRU as layers: outputs, gradients, Keras' layout and defaults."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

CELLS = {
    "rnn": lambda *a, **k: layers.SimpleRNN(*a, **k),
    "lstm": lambda *a, **k: layers.LSTM(*a, **k),
    "gru": lambda *a, **k: layers.GRU(*a, **k),
    "gru reset before": lambda *a, **k: layers.GRU(*a, reset_after=False, **k),
}


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_numpy(cell, sequences, use_bias, dtype, rng):
    check_prediction([CELLS[cell](5, sequences, use_bias)], (4, 3), rng, dtype)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients(cell, use_bias, rng):
    """Two in a row: the first returns sequences, the second its last state."""
    check_gradients(
        [layers.Dense(2), CELLS[cell](3, True, use_bias), CELLS[cell](2, False, use_bias)], (3, 2), rng, batch=2
    )


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_a_label_per_step(cell, rng):
    check_gradients(
        [CELLS[cell](3, True), layers.Dense(4, "softmax")], (3, 2), rng, loss="sparse_categorical_crossentropy", batch=2
    )


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_and_one_sample(cell, rng):
    check_gradients([CELLS[cell](2)], (1, 1), rng, batch=1)


def test_layout():
    shapes = {
        "rnn": [(2, 3), (3, 3), (3,)],
        "lstm": [(2, 12), (3, 12), (12,)],
        "gru": [(2, 9), (3, 9), (2, 9)],
        "gru reset before": [(2, 9), (3, 9), (9,)],
    }
    for cell, expected in shapes.items():
        model = Sequential([CELLS[cell](3)], (4, 2))
        assert [w.shape for w in model.get_weights()] == expected
        assert [path.partition("/")[2] for path in model._core.parameters] == ["kernel", "recurrent_kernel", "bias"]


def test_forget_gate_begins_open():
    bias = Sequential([layers.LSTM(3)], (4, 2)).get_weights()[2]
    np.testing.assert_array_equal(bias, [0] * 3 + [1] * 3 + [0] * 6)
    bias = Sequential([layers.LSTM(3, unit_forget_bias=False)], (4, 2)).get_weights()[2]
    assert not bias.any()


def test_recurrent_kernel_begins_orthogonal():
    u = Sequential([layers.SimpleRNN(6)], (4, 2), dtype="float64").get_weights()[1]
    np.testing.assert_allclose(u @ u.T, np.eye(6), atol=1e-12)


def test_any_number_of_steps_gives_what_a_model_for_that_number_gives(rng):
    model = Sequential([layers.LSTM(3)], (None, 2), rng=1)
    for steps in (1, 7, 3):
        x = rng.normal(size=(2, steps, 2)).astype("float32")
        fixed = Sequential([layers.LSTM(3)], (steps, 2), rng=1)
        assert model.predict(x).tobytes() == fixed.predict(x).tobytes()


@pytest.mark.parametrize("cell", CELLS)
def test_wrong_arguments(cell):
    with pytest.raises(ValueError, match=r"expected samples of shape \(steps, features\), got \(3,\)"):
        Sequential([CELLS[cell](2)], (3,))
    with pytest.raises(ValueError, match="units must be at least 1"):
        CELLS[cell](0)
    with pytest.raises(ValueError, match="unknown initializer"):
        CELLS[cell](2, kernel_initializer="glorotuniformly")
