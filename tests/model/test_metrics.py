"""Metrics against NumPy, over batches of unequal size."""

import numpy as np
import pytest

from tests.model.reference import prediction
from tinynn import Sequential, layers, metrics
from tinynn.model.metrics import get


def evaluated(model, loss, names, x, y):
    model.compile("sgd", loss, names)
    return model.evaluate(x, y, batch_size=4, return_dict=True)


@pytest.mark.parametrize("steps", [(), (3,)], ids=len)
def test_accuracy_of_classes(steps, dtype, rng):
    model = Sequential([layers.Dense(4, "softmax")], (*steps, 3), dtype=dtype)
    x, y = rng.normal(size=(11, *steps, 3)), rng.integers(0, 4, (11, *steps))
    right = (prediction(model, x).argmax(-1) == y).mean()
    assert evaluated(model, "sparse_categorical_crossentropy", ["accuracy"], x, y)["accuracy"] == pytest.approx(right)
    assert evaluated(model, "categorical_crossentropy", ["acc"], x, np.eye(4)[y])["accuracy"] == pytest.approx(right)
    assert evaluated(model, "mse", ["accuracy"], x, np.eye(4)[y])["accuracy"] == pytest.approx(right)


def test_accuracy_of_one_output_and_of_many_yes_or_no(rng):
    x = rng.normal(size=(11, 3))
    model = Sequential([layers.Dense(1, "sigmoid")], (3,))
    y = rng.integers(0, 2, 11)
    right = ((prediction(model, x)[:, 0] > 0.5) == y).mean()
    for loss in ("binary_crossentropy", "mse"):
        assert evaluated(model, loss, ["accuracy"], x, y)["accuracy"] == pytest.approx(right)
    model = Sequential([layers.Dense(4, "sigmoid")], (3,))
    y = rng.integers(0, 2, (11, 4))
    right = ((prediction(model, x) > 0.5) == y).mean()
    assert evaluated(model, "binary_crossentropy", ["accuracy"], x, y)["accuracy"] == pytest.approx(right)


def test_errors(dtype, rng):
    model = Sequential([layers.Dense(2)], (4, 3), dtype=dtype)
    x, y = rng.normal(size=(11, 4, 3)), rng.normal(size=(11, 4, 2))
    error = prediction(model, x) - y
    logs = evaluated(model, "half_squared_error", ["mae", "mse"], x, y)
    assert logs["mean_absolute_error"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert logs["mean_squared_error"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert logs["loss"] == pytest.approx((error**2).sum(-1).mean() / 2, rel=1e-5)


def test_weights_count_in_the_loss_only(rng):
    model = Sequential([layers.Dense(2, "softmax")], (3,))
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    x, y = rng.normal(size=(10, 3)), rng.integers(0, 2, 10)
    plain, weighted = model.evaluate(x, y), model.evaluate(x, y, sample_weight=np.full(10, 2.0))
    assert weighted[0] == pytest.approx(2 * plain[0])
    assert weighted[1] == plain[1]


class Largest(metrics.Metric):
    """The largest output of each row."""

    def forward(self, prediction, target):
        return prediction.max(axis=-1)


def test_a_metric_in_python(rng):
    model = Sequential([layers.Dense(4)], (2, 3), dtype="float64")
    x, y = rng.normal(size=(11, 2, 3)), rng.normal(size=(11, 2, 4))
    assert evaluated(model, "mse", [Largest()], x, y)["Largest"] == pytest.approx(prediction(model, x).max(-1).mean())
    history = model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    assert list(history.history) == ["loss", "Largest"]


def test_an_error_needs_targets_of_the_outputs_shape(rng):
    model = Sequential([layers.Dense(4, "softmax")], (3,))
    model.compile("sgd", "sparse_categorical_crossentropy", ["mae"])
    with pytest.raises(ValueError, match="'mean_absolute_error'.*labels; use 'accuracy'"):
        model.evaluate(rng.normal(size=(5, 3)), [0, 1, 2, 3, 0])


def test_names():
    assert get("acc") == get("accuracy")
    with pytest.raises(ValueError, match="unknown metric 'acuracy'.*did you mean 'accuracy'"):
        get("acuracy")
    with pytest.raises(TypeError, match="metric: expected a name"):
        get(None)
