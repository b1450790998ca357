"""Metrics against NumPy, over batches of unequal size."""

import numpy as np
import pytest

from tests.model.reference import prediction
from tinynn import Sequential, callbacks, layers, load, losses, metrics
from tinynn.metrics import get


def evaluated(model, loss, names, x, y):
    model.compile("sgd", loss, names)
    return model.evaluate(x, y, batch_size=4, return_dict=True)


@pytest.mark.parametrize("steps", [(), (3,)], ids=len)
def test_accuracy_of_classes(steps, dtype, rng):
    model = Sequential([layers.Dense(4, "softmax")], (*steps, 3), dtype=dtype)
    x, y = rng.normal(size=(11, *steps, 3)), rng.integers(0, 4, (11, *steps))
    right = (prediction(model, x).argmax(-1) == y).mean()
    assert evaluated(model, "sparse_categorical_crossentropy", ["accuracy"], x, y)["accuracy"] == pytest.approx(right)
    assert evaluated(model, "categorical_crossentropy", ["acc"], x, np.eye(4)[y])["acc"] == pytest.approx(right)
    for loss, targets in (("sparse_categorical_crossentropy", y), ("categorical_crossentropy", np.eye(4)[y])):
        for name in ("categorical_accuracy", "sparse_categorical_accuracy"):
            assert evaluated(model, loss, [name], x, targets)[name] == pytest.approx(right)
    assert evaluated(model, "mse", ["accuracy"], x, np.eye(4)[y])["accuracy"] == pytest.approx(right)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "mse", "half_squared_error"])
def test_accuracy_goes_by_the_shape_of_the_output(loss, rng):
    """As in Keras 3: one output says yes or no; of several, the largest counts, whatever the loss."""
    x = rng.normal(size=(11, 3))
    model = Sequential([layers.Dense(1, "sigmoid")], (3,))
    y = rng.integers(0, 2, 11)
    right = ((prediction(model, x)[:, 0] > 0.5) == y).mean()
    for targets in (y, y[:, None], y.astype(bool), y.astype("float32")):
        assert evaluated(model, loss, ["accuracy"], x, targets)["accuracy"] == pytest.approx(right)
    model = Sequential([layers.Dense(4, "sigmoid")], (3,))
    for y in (np.eye(4)[rng.integers(0, 4, 11)], rng.integers(0, 2, (11, 4))):
        logs = evaluated(model, loss, ["accuracy", "binary_accuracy", "categorical_accuracy"], x, y)
        output = prediction(model, x)
        assert logs["accuracy"] == pytest.approx((output.argmax(-1) == y.argmax(-1)).mean())
        assert logs["categorical_accuracy"] == logs["accuracy"]
        assert logs["binary_accuracy"] == pytest.approx(((output > 0.5) == y).mean())


def test_an_untrained_network_is_right_once_in_ten(rng):
    model = Sequential([layers.Dense(10, "sigmoid")], (3,))
    model.set_weights([np.zeros((3, 10)), np.full(10, -3.0)])
    y = np.eye(10)[np.arange(200) % 10]
    assert evaluated(model, "binary_crossentropy", ["accuracy"], rng.normal(size=(200, 3)), y)["accuracy"] == 0.1


def test_logits_say_yes_above_zero():
    model = Sequential([layers.Activation("linear")], (1,))
    x, y = [[-1.0], [0.2], [0.4]], [0, 1, 1]
    names = ["accuracy", "binary_accuracy"]
    logs = evaluated(model, losses.BinaryCrossentropy(from_logits=True), names, x, y)
    assert (logs["accuracy"], logs["binary_accuracy"]) == (1.0, 1.0)
    logs = evaluated(model, losses.BinaryCrossentropy(), names, np.abs(x) / 2, y)  # 0.5, 0.1, 0.2 are probabilities
    assert (logs["accuracy"], logs["binary_accuracy"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    logs = evaluated(model, "mse", [metrics.BinaryAccuracy(threshold=0.3)], x, y)
    assert logs["binary_accuracy"] == pytest.approx(2 / 3)
    assert metrics.BinaryAccuracy.from_config(metrics.BinaryAccuracy(threshold=0.3).get_config()).threshold == 0.3
    with pytest.raises(TypeError, match="BinaryAccuracy: threshold must be a real number"):
        metrics.BinaryAccuracy(threshold="0.5")


class Drawn:
    """A data set whose targets are real numbers from some epoch on."""

    sample_shape = (2,)

    def __init__(self, rng, real_from):
        self.x, self.real_from = rng.normal(size=(6, 2)), real_from

    def __len__(self):
        return 6

    def samples(self, epoch):
        y = np.array([0, 1, 1, 0, 1, 0.0])
        return self.x, np.arange(6)[:, None], y + 0.25 if epoch >= self.real_from else y


@pytest.mark.parametrize("loss", ["mse", "half_squared_error"])
def test_accuracy_of_a_regression_is_refused(loss, rng):
    x = rng.normal(size=(4, 2))
    for units, y, where in ((1, [0, 1, 2.5, 0], r"2.5 at index \(2, 0\)"), (1, [0, -1, 1, 1], r"-1 at index \(1, 0\)"),
                            (2, np.full((4, 2), 0.5), r"0.5 at index \(0, 0\)")):
        model = Sequential([layers.Dense(units)], (2,))
        model.compile("sgd", loss, ["accuracy"])
        before = model.parameters.copy()
        for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.compute_gradients):
            message = rf"{call.__name__}: y must be 0 or 1 for the metric 'accuracy' with .*, got {where}.* 'mae'"
            with pytest.raises(ValueError, match=message):
                call(x, y)
        assert model.parameters.tobytes() == before.tobytes()
    model = Sequential([layers.Dense(1)], (2,))
    model.compile("sgd", loss, ["acc"])
    with pytest.raises(ValueError, match=r"validation_data: y must be 0 or 1 for the metric 'accuracy' .* 'mae'"):
        model.fit(x, [0, 1, 1, 0], validation_data=(x, [0.5, 1, 0, 0]), verbose=0)
    before = model.parameters.copy()
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=r"y must be 0 or 1 .*, got 0.25 at index \(0, 0\).* 'mae'"):
            call(Drawn(rng, 0))
    assert model.parameters.tobytes() == before.tobytes()
    with pytest.raises(ValueError, match=r"y must be 0 or 1 .*, got 0.25 at index \(0, 0\).* 'mae'"):
        model.fit(Drawn(rng, 1), epochs=2, verbose=0)
    assert np.isnan(model.evaluate(x, [0, 1, np.nan, 0], check_finite=False)[0])
    model.compile("sgd", loss, ["mae", "binary_accuracy"])
    model.fit(x, [0, 1, 2.5, 0], verbose=0)


def test_errors(dtype, rng):
    model = Sequential([layers.Dense(2)], (4, 3), dtype=dtype)
    x, y = rng.normal(size=(11, 4, 3)), rng.normal(size=(11, 4, 2))
    error = prediction(model, x) - y
    logs = evaluated(model, "half_squared_error", ["mae", "mse"], x, y)
    assert logs["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert logs["mse"] == pytest.approx((error**2).mean(), rel=1e-5)
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
    for name in ("mae", "mean_absolute_error", "binary_accuracy"):
        model.compile("sgd", "sparse_categorical_crossentropy", [name])
        with pytest.raises(ValueError, match=f"'{name}'.*labels; use 'accuracy'"):
            model.evaluate(rng.normal(size=(5, 3)), [0, 1, 2, 3, 0])


def test_names():
    assert type(get("acc")) is type(get("accuracy"))
    with pytest.raises(ValueError, match="unknown metric 'acuracy'.*did you mean 'accuracy'"):
        get("acuracy")
    with pytest.raises(TypeError, match="metric: expected a name"):
        get(None)


# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["mae", "mean_absolute_error", "MAE", "mse", "acc", "accuracy", "binary_accuracy"])
def test_a_metric_is_called_as_it_was_written(written, tmp_path):
    model = Sequential([layers.Dense(1, "sigmoid")], (2,))
    model.compile("sgd", "binary_crossentropy", [written])
    x, y = np.ones((4, 2), "f4"), np.array([0, 1, 1, 0])
    stop = callbacks.EarlyStopping(f"val_{written}", patience=9, mode="min")
    keep = callbacks.ModelCheckpoint(tmp_path / ("{epoch}-{val_" + written + ":.1f}"))
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[stop, keep])
    assert set(history.history) == {"loss", written, "val_loss", f"val_{written}"}
    assert set(model.evaluate(x, y, return_dict=True)) == {"loss", written}
    assert set(model.train_on_batch(x, y, return_dict=True)) == {"loss", written}
    assert model.metrics[0].name == written
    model.save(tmp_path / "m")
    assert load(tmp_path / "m").metrics[0].name == written


def test_names_of_objects():
    assert metrics.MeanAbsoluteError().name == "mean_absolute_error"
    assert metrics.MeanAbsoluteError(name="error").name == "error"
    assert metrics.Accuracy().get_config() == {}
    assert metrics.Accuracy(name="hits").get_config() == {"name": "hits"}
    assert repr(metrics.Accuracy()) == "Accuracy()"
    assert repr(metrics.Accuracy(name="hits")) == "Accuracy(name='hits')"
    assert metrics.Accuracy.from_config({"name": "hits"}) == metrics.Accuracy(name="hits") != metrics.Accuracy()
    with pytest.raises(TypeError, match="Accuracy: name must be a string"):
        metrics.Accuracy(name=3)


@pytest.mark.parametrize("given", [["mae", "mae"], ["mae", metrics.MeanSquaredError(name="mae")],
                                   [metrics.MeanSquaredError(name="loss")]])
def test_two_quantities_of_one_name(given):
    model = Sequential([layers.Dense(1)], (2,))
    with pytest.raises(ValueError, match="compile: the name '(mae|loss)' would occur twice in the logs"):
        model.compile("sgd", "mse", given)
