"""Towers: separate copies of layers, each with weights and masks of its own."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

WRAPPED = {
    "dense": (lambda: [layers.Towers(layers.Dense(3, "sigmoid"), 3)], (3, 2)),
    "list": (lambda: [layers.Towers([layers.Dense(3, "relu"), layers.Dense(2, "softmax")], 2)], (2, 3)),
    "lstm": (lambda: [layers.Towers(layers.LSTM(2), 2)], (2, 3, 2)),
    "rnn gru": (lambda: [layers.Towers([layers.SimpleRNN(2, True), layers.GRU(2)], 2)], (2, 3, 2)),
    "one": (lambda: [layers.Towers(layers.Dense(2), 1)], (1, 3)),
    "of towers": (lambda: [layers.Towers([layers.Towers(layers.Dense(2), 3), layers.Flatten()], 2)], (2, 3, 2)),
    "of td": (lambda: [layers.Towers(layers.TimeDistributed(layers.Dense(2, "tanh")), 2)], (2, 3, 2)),
    "twice": (lambda: [layers.Towers(layers.Dense(2), 2), layers.Towers(layers.Dense(3), 2)], (2, 3)),
    "without arithmetic": (lambda: [layers.Towers(layers.Flatten(), 2)], (2, 3, 2)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_equals_numpy(name, dtype, rng):
    make, shape = WRAPPED[name]
    check_prediction([*make(), layers.Flatten(), layers.Dense(2)], shape, rng, dtype)


@pytest.mark.parametrize("name", WRAPPED)
def test_gradients(name, rng):
    """Behind a layer with parameters, whose gradients show the wrapper's input gradient."""
    make, shape = WRAPPED[name]
    check_gradients([layers.Dense(shape[-1]), *make(), layers.Flatten(), layers.Dense(2)], shape, rng, batch=2)


def test_towers_have_weights_of_their_own():
    model = Sequential([layers.Towers(layers.Dense(2), 3, name="readers")], (3, 4))
    paths = [f"readers/tower_{i}/dense/{p}" for i in range(3) for p in ("kernel", "bias")]
    assert list(model._core.parameters) == paths
    kernels = model.get_weights()[::2]
    assert (kernels[0] != kernels[1]).any()
    assert (kernels[1] != kernels[2]).any()


def test_towers_of_dropout_have_masks_of_their_own():
    """Each tower's bias gets its gradient through that tower's mask."""
    model = Sequential([layers.Towers([layers.Dense(200), layers.Dropout(0.5)], 2)], (2, 1), dtype="float64")
    model.parameters[:] = 1
    model.compile("sgd", "mean_squared_error")
    model.compute_gradients(np.zeros((1, 2, 1)), np.zeros((1, 2, 200)))
    first, second = model.gradients[200:400] != 0, model.gradients[600:800] != 0
    assert 0.3 < first.mean() < 0.7
    assert 0.3 < second.mean() < 0.7
    assert (first != second).any()


def test_towers_need_their_number_of_steps():
    with pytest.raises(ValueError, match=r"'towers'.*\(3, \.\.\.\), got \(2, 4\)"):
        Sequential([layers.Towers(layers.Dense(2), 3)], (2, 4))
    with pytest.raises(ValueError, match="Towers: count must be from 1 to 4096"):
        layers.Towers(layers.Dense(2), 0)


def test_frozen_inside(rng):
    frozen = layers.Dense(3)
    frozen.trainable = False
    model = Sequential([layers.Towers([frozen, layers.Dense(2)], 2)], (2, 3))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 2)))
    changed = [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, True, True] * 2
    frozen.trainable = True  # noticed by the next step
    before = model.get_weights()
    model.train_on_batch(rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 2)))
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
