"""BatchNormalization in a model: training and prediction, moving statistics, frozen layers."""

import numpy as np
import pytest

from tests import oracles
from tests.model.reference import prediction
from tests.numerics import assert_close, finite_differences
from tinynn import Sequential, layers, load

OPTIONS = [{}, {"center": False}, {"scale": False}, {"center": False, "scale": False}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(5,), (4, 3, 5)], ids=len)
def test_prediction_takes_the_moving_statistics(shape, options, dtype, rng):
    model = Sequential([layers.BatchNormalization(**options)], shape, dtype=dtype)
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    x = rng.normal(size=(6, *shape)).astype(dtype)
    assert_close(model.predict(x, batch_size=4), prediction(model, x), dtype=dtype, factor=512)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("where", ["plain", "TimeDistributed"])
def test_gradients_in_training(where, options, rng):
    inner = [layers.Dense(4, "tanh"), layers.BatchNormalization(**options), layers.Dense(2)]
    chained = inner if where == "plain" else [layers.TimeDistributed(inner)]
    model = Sequential(chained, (3, 5), dtype="float64", rng=1)
    model.compile("sgd", "mean_squared_error")
    x, y = rng.normal(size=(7, 3, 5)), rng.normal(size=(7, 3, 2))
    learned = [p for p in model._core.parameters.values() if p.learned]

    def loss(flat):
        w = iter([flat[p.offset : p.offset + p.size].reshape(p.shape) for p in learned])
        hidden = np.tanh(oracles.dense_forward(x, next(w), next(w)))
        gamma = next(w) if options.get("scale", True) else np.ones(4)
        beta = next(w) if options.get("center", True) else np.zeros(4)
        normal = oracles.batch_normalization_forward(hidden, gamma, beta)
        return ((oracles.dense_forward(normal, next(w), next(w)) - y) ** 2).mean()

    model.compute_gradients(x, y)
    expected = finite_differences(loss, model.parameters.copy())
    for p in model._core.parameters.values():
        found = model.gradients[p.offset : p.offset + p.size]
        wanted = expected[p.offset : p.offset + p.size] if p.learned else np.zeros(p.size)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8, err_msg=p.path)


def test_moving_statistics_follow_the_batches(rng):
    model = Sequential([layers.BatchNormalization(momentum=0.5), layers.Dense(1)], (3,), dtype="float64")
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(8, 3)) * 3 + 5, np.zeros((8, 1))
    mean, variance = np.zeros(3), np.ones(3)
    for batch in (x[:4], x[4:]):
        model.train_on_batch(batch, y[:4])
        mean, variance = (mean + batch.mean(axis=0)) / 2, (variance + batch.var(axis=0)) / 2
    found = dict(zip(model._core.parameters, model.get_weights(), strict=True))
    np.testing.assert_allclose(found["batch_normalization/moving_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(found["batch_normalization/moving_variance"], variance, rtol=1e-12)
    before = model.parameters.copy()
    model.evaluate(x, y)
    model.predict(x)
    assert (model.parameters == before).all()


def test_moving_statistics_follow_with_nothing_trainable_upstream(rng):
    chain = [layers.BatchNormalization(center=False, scale=False, momentum=0.0), layers.Dense(1)]
    model = Sequential(chain, (3,), dtype="float64")
    model.compile("sgd", "mse")
    x = rng.normal(size=(6, 3)) + 4
    model.fit(x, np.zeros((6, 1)), batch_size=6, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], x.mean(axis=0), rtol=1e-12)


def test_a_frozen_layer_neither_learns_nor_updates_its_statistics(rng):
    normalization = layers.BatchNormalization()
    model = Sequential([layers.Dense(3), normalization, layers.Dense(1)], (3,), dtype="float64")
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(6, 3)) + 4, np.zeros((6, 1))
    model.fit(x, y, verbose=0)
    normalization.trainable = False
    before = model.get_weights()
    loss = model.train_on_batch(x, y)
    after = model.get_weights()
    assert all((one == other).all() for one, other in zip(before[2:6], after[2:6], strict=True))
    assert (before[0] != after[0]).any()
    model.set_weights(before)
    assert model.evaluate(x, y) == pytest.approx(loss, rel=1e-12)


def test_a_step_that_fails_changes_no_statistic():
    model = Sequential([layers.BatchNormalization(), layers.Dense(1)], (2,))
    model.compile("sgd", "mse")
    before = model.parameters.copy()
    with pytest.raises(FloatingPointError):
        model.fit(np.ones((4, 2), "f4"), np.full((4, 1), 1e30), verbose=0)  # the square of the error overflows
    assert (model.parameters == before).all()


def test_learns_from_inputs_of_very_different_size(rng):
    x = rng.normal(size=(400, 4)) * [1, 1, 1e3, 10] + [0, 5, -1e3, 100]
    y = (x[:, 0] + (x[:, 2] + 1e3) / 1e3 > 0).astype(int)
    chain = [layers.BatchNormalization(momentum=0.9), layers.Dense(8, "relu"), layers.Dense(2, "softmax")]
    model = Sequential(chain, (4,))
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(x.astype("f4"), y, epochs=100, verbose=0)
    accuracy = model.evaluate(x.astype("f4"), y)[1]
    without = Sequential([layer.clone() for layer in model.layers[1:]], (4,))
    without.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    without.fit(x.astype("f4"), y, epochs=100, verbose=0)
    assert accuracy > without.evaluate(x.astype("f4"), y)[1] + 0.05


def test_parameters_in_keras_order_and_in_a_file(tmp_path, rng):
    model = Sequential([layers.BatchNormalization(momentum=0.9)], (2, 3))
    names = ["gamma", "beta", "moving_mean", "moving_variance"]
    assert list(model._core.parameters) == [f"batch_normalization/{name}" for name in names]
    assert [w.tolist() for w in model.get_weights()] == [[1] * 3, [0] * 3, [0] * 3, [1] * 3]
    model.set_weights(rng.uniform(1, 2, (4, 3)))
    model.save(tmp_path / "model")
    x = rng.normal(size=(2, 2, 3)).astype("f4")
    assert (load(tmp_path / "model").predict(x) == model.predict(x)).all()


def test_within_towers(rng):
    model = Sequential([layers.Towers([layers.Dense(3), layers.BatchNormalization(scale=False)], 2)], (2, 4))
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    x = rng.normal(size=(5, 2, 4)).astype("f4")
    assert_close(model.predict(x), prediction(model, x), dtype="float32", factor=512)
    model.compile("sgd", "mse")
    model.train_on_batch(x, np.zeros((5, 2, 3)))
    weights = dict(zip(model._core.parameters, model.get_weights(), strict=True))
    one, other = (weights[f"towers/tower_{i}/batch_normalization/moving_mean"] for i in (0, 1))
    assert (one != other).all()


def test_wrong_arguments():
    for name, value in (("momentum", 1.5), ("momentum", -1), ("epsilon", 0)):
        with pytest.raises(ValueError, match=f"BatchNormalization: {name} must be"):
            layers.BatchNormalization(**{name: value})
    with pytest.raises(ValueError, match="single numbers"):
        Sequential([layers.BatchNormalization()], ())


def test_huge_numbers_leave_a_finite_moving_variance(dtype):
    x, y = np.array([[1e30], [-1e30]], dtype), np.array([[1.0], [-1.0]])
    model = Sequential([layers.BatchNormalization(), layers.Dense(1)], (1,), dtype=dtype)
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=3, verbose=0)
    assert np.isfinite(model.parameters).all()
    assert np.isfinite(model.predict(x)).all()
    assert np.isfinite(model.fit(x / 1e30, y, epochs=3, verbose=0).history["loss"]).all()


def test_an_overflow_is_refused_before_the_statistics_change():
    model = Sequential([layers.BatchNormalization(), layers.Dense(1)], (1,), dtype="float64")
    model.compile("sgd", "mse")
    before = model.parameters.tobytes()
    with pytest.raises(FloatingPointError, match="the loss became nan"):
        model.fit(np.array([[1.7e308], [-1.7e308]]), np.zeros((2, 1)), verbose=0)
    assert model.parameters.tobytes() == before


@pytest.mark.parametrize("count", [2, 3, 7])
def test_large_means_give_the_same_bits_on_any_number_of_threads(count, threads, rng):
    x, y = (1e6 + rng.normal(size=(512, 9, 6))).astype("f4"), rng.normal(size=(512, 9, 300)).astype("f4")
    x[..., 2] = 1.7e9

    def trained(count):
        threads(count)
        chain = [layers.BatchNormalization(), layers.Dense(300, "tanh"), layers.LayerNormalization()]
        model = Sequential(chain, (9, 6), rng=1)
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=128, epochs=2, verbose=0)
        return model.parameters.tobytes()

    assert trained(count) == trained(1)
