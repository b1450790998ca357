"""Regularizers: terms of the loss for the size of weights, and their gradients."""

import numpy as np
import pytest

import tinynn
from tests.model.reference import randomized
from tinynn import Sequential, layers, optimizers, regularizers

L1, L2, BOTH = regularizers.L1(0.03), regularizers.L2(0.02), regularizers.L1L2(0.01, 0.05)


def penalized(factory, **arguments):
    """A layer twice: with penalties on its parameters, and without."""
    plain = {name: value for name, value in arguments.items() if "regularizer" not in name}
    return factory(**arguments), factory(**plain)


CASES = {
    "dense": ((4,), lambda: penalized(layers.Dense, units=3, kernel_regularizer=BOTH, bias_regularizer=L1), [BOTH, L1]),
    "no bias": ((4,), lambda: penalized(layers.Dense, units=3, use_bias=False, kernel_regularizer="l2"),
                [regularizers.L2()]),
    "conv2d": ((5, 5, 2), lambda: penalized(layers.Conv2D, filters=3, kernel_size=2, kernel_regularizer=L2,
                                            bias_regularizer=BOTH), [L2, BOTH]),
    **{name: ((5, 2), lambda factory=factory: penalized(
        factory, units=3, kernel_regularizer=L1, recurrent_regularizer=L2, bias_regularizer=BOTH), [L1, L2, BOTH])
       for name, factory in [("rnn", layers.SimpleRNN), ("lstm", layers.LSTM), ("gru", layers.GRU)]},
    "time distributed": ((5, 2), lambda: tuple(map(layers.TimeDistributed, penalized(
        layers.Dense, units=3, kernel_regularizer=L1))), [L1, None]),
    "towers": ((2, 4), lambda: tuple(layers.Towers(layer, 2) for layer in penalized(
        layers.Dense, units=3, kernel_regularizer=L1)), [L1, None, L1, None]),
}


def expected(model, penalties):
    """The penalty and its gradient, in float64."""
    total, gradients = 0.0, []
    for w, penalty in zip(model.get_weights(), penalties, strict=True):
        w = w.astype(np.float64)
        l1, l2 = (penalty.l1, penalty.l2) if penalty else (0.0, 0.0)
        total += l1 * np.abs(w).sum() + l2 * (w * w).sum()
        gradients.append((l1 * np.sign(w) + 2 * l2 * w).ravel())
    return total, np.concatenate(gradients)


@pytest.mark.parametrize("name", CASES)
def test_regularizers_add_to_loss_and_gradients(name, dtype, rng):
    shape, make, penalties = CASES[name]
    models = [randomized(Sequential([layer], shape, dtype=dtype), np.random.default_rng(1)) for layer in make()]
    for model in models:
        model.parameters[0] = 0  # where |w| has a kink, its gradient is 0
        model.compile("sgd", "mse")
    x = rng.normal(size=(6, *shape)).astype(dtype)
    y = rng.normal(size=models[0].predict(x).shape)
    assert (models[0].predict(x) == models[1].predict(x)).all()
    total, gradients = expected(models[0], penalties)
    found, base = (model.compute_gradients(x, y) for model in models)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(found - base, total, **tolerance)
    np.testing.assert_allclose(models[0].gradients - models[1].gradients, gradients, **tolerance)
    assert models[0].evaluate(x, y, batch_size=4) == pytest.approx(models[1].evaluate(x, y) + total, rel=1e-5)


@pytest.mark.parametrize("optimizer", [{}, {"global_clipnorm": 0.5}, {"clipvalue": 0.01}], ids=str)
def test_large_models_on_several_threads(optimizer, threads, rng):
    """Many pieces, and the update that otherwise follows each layer's backward pass."""
    x, y = rng.normal(size=(64, 300)), rng.normal(size=(64, 200))
    weights = []
    for count in (1, 2, 3):
        threads(count)
        model = Sequential([layers.Dense(200, kernel_regularizer=BOTH)], (300,), dtype="float64", rng=3)
        model.compile(optimizers.SGD(0.1, **optimizer), "mse")
        model.fit(x, y, batch_size=32, epochs=2, shuffle=False, verbose=0)
        weights.append(model.parameters.copy())
    assert (weights[0] == weights[1]).all() and (weights[0] == weights[2]).all()
    by_hand = Sequential([layers.Dense(200)], (300,), dtype="float64", rng=3)
    by_hand.compile("sgd", "mse")
    for part in [slice(0, 32), slice(32, 64)] * 2:
        by_hand.compute_gradients(x[part], y[part])
        gradient = by_hand.gradients + expected(by_hand, [BOTH, None])[1]
        if "global_clipnorm" in optimizer:
            gradient *= min(1, 0.5 / np.linalg.norm(gradient))
        if "clipvalue" in optimizer:
            gradient = gradient.clip(-0.01, 0.01)
        by_hand.parameters[:] -= 0.1 * gradient
    np.testing.assert_allclose(weights[0], by_hand.parameters, rtol=1e-10, atol=1e-13)


def test_frozen_weights_are_not_regularized():
    frozen = layers.Dense(2, kernel_regularizer="l2")
    model = Sequential([frozen, layers.Dense(1, kernel_regularizer=L1)], (3,))
    model.compile("sgd", "mse")
    x, y = np.zeros((1, 3), "f4"), np.zeros((1, 1), "f4")
    both = model.evaluate(x, y)
    frozen.trainable = False
    alone = model.evaluate(x, y)
    assert both > alone == pytest.approx(0.03 * np.abs(model.get_weights()[2]).sum(), rel=1e-6)
    assert model.compute_gradients(x, y) == alone and not model.gradients[:8].any()


def test_a_model_file_holds_them(tmp_path):
    model = Sequential([layers.LSTM(2, kernel_regularizer="l1", recurrent_regularizer=BOTH)], (4, 3))
    model.compile("adam", "mse")
    model.save(tmp_path / "m.safetensors")
    loaded = tinynn.load(tmp_path / "m.safetensors")
    assert loaded.layers[0].kernel_regularizer == regularizers.L1()
    assert loaded.layers[0].recurrent_regularizer == BOTH
    x, y = np.ones((2, 4, 3), "f4"), np.ones((2, 2), "f4")
    assert loaded.evaluate(x, y) == model.evaluate(x, y)


def test_names():
    assert regularizers.get("L1L2") == regularizers.L1L2() == regularizers.get("l1_l2")
    assert regularizers.get(regularizers.L2) == regularizers.L2(0.01)
    assert regularizers.get(None) is None


@pytest.mark.parametrize("make, error, message", [
    (lambda: layers.Dense(2, kernel_regularizer="l7"), ValueError, "unknown regularizer 'l7'; known: l1, l2, l1_l2"),
    (lambda: layers.Dense(2, bias_regularizer=0.1), TypeError, "regularizer: expected a name"),
    (lambda: regularizers.L1(-1), ValueError, "L1: l1 must be a finite number >= 0, got -1"),
    (lambda: regularizers.L2(float("nan")), ValueError, "L2: l2 must"),
    (lambda: regularizers.L1L2(l2="x"), TypeError, "L1L2: l2 must"),
])
def test_wrong_regularizers(make, error, message):
    with pytest.raises(error, match=message):
        make()
