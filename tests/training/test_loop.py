"""fit and evaluate: what their numbers mean, how they end, and arguments that are wrong."""

import threading

import numpy as np
import pytest

from tests.model.reference import prediction, row_losses
from tests.training.classifier import classifier
from tinynn import Sequential, layers, losses
from tinynn.callbacks import Callback, EarlyStopping

# --- what the numbers mean ---------------------------------------------------------------------------


def test_history_and_the_last_smaller_batch(data, rng):
    """The loss of an epoch without updates is the mean over all samples, whatever the batches."""
    x, y = data
    model = classifier(metrics=["accuracy"])
    model.optimizer.learning_rate = 0.0
    validation = rng.normal(size=(11, 4)), rng.integers(0, 3, 11)
    history = model.fit(x, y, batch_size=16, epochs=2, validation_data=validation, verbose=0)
    assert history.epoch == [0, 1]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    expected = {
        "loss": row_losses("categorical_crossentropy", prediction(model, x), y).mean(),
        "accuracy": (prediction(model, x).argmax(1) == y).mean(),
    }
    xv, yv = validation
    expected |= {
        "val_loss": row_losses("categorical_crossentropy", prediction(model, xv), yv).mean(),
        "val_accuracy": (prediction(model, xv).argmax(1) == yv).mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(history.history[name], value, rtol=1e-5)
        assert all(isinstance(v, float) for v in history.history[name])
    assert model._core.iteration == 8  # 50 samples are 4 steps


def test_the_last_smaller_batch_trains(data):
    x, y = data
    one, other = classifier(), classifier()
    one.fit(x[:18], y[:18], batch_size=16, shuffle=False, verbose=0)
    other.fit(x[:16], y[:16], batch_size=16, shuffle=False, verbose=0)
    other.train_on_batch(x[16:18], y[16:18])
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_validation_split_takes_the_last_samples(data):
    x, y = data
    one, other = classifier(), classifier()
    weight = np.linspace(0, 1, 50)
    first = one.fit(x, y, validation_split=0.2, epochs=2, sample_weight=weight, verbose=0)
    second = other.fit(
        x[:40], y[:40], validation_data=(x[40:], y[40:], weight[40:]), epochs=2, sample_weight=weight[:40], verbose=0
    )
    assert first.history == second.history
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_evaluate_prints_when_asked(data, capsys):
    model = classifier(metrics=["accuracy"])
    model.evaluate(*data)
    assert capsys.readouterr().out == ""
    model.evaluate(*data, verbose=2)
    assert "accuracy" in capsys.readouterr().out


def test_learning_something(data):
    x, _ = data
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    model = classifier(metrics=["accuracy"])
    stop = EarlyStopping("accuracy", patience=200)
    history = model.fit(x, y, epochs=300, batch_size=16, callbacks=stop, verbose=0)
    assert history.history["accuracy"][-1] > 0.9


# --- how it ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end"])
def test_exceptions_of_callbacks_come_through(place, data):
    x, y = data
    model = classifier()

    class Bad(Callback):
        closed = False

        def close(self):
            self.closed = True

    def fail(self, *arguments):
        raise OSError(place)

    setattr(Bad, place, fail)
    bad = Bad()
    with pytest.raises(OSError, match=place):
        model.fit(x, y, epochs=3, callbacks=bad, verbose=0)
    assert bad.closed
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()


def test_stopping_within_an_epoch(rng):
    """stop_training set between two slices ends the epoch there."""
    x, y = np.zeros((5000, 4), "float32"), np.zeros(5000, int)

    class Slow(layers.PythonLayer):
        def forward(self, x):
            threading.Event().wait(0.001)
            return x

        def backward(self, dy, x, y):
            return dy

    model = Sequential([layers.Dense(3), Slow(), layers.Activation("softmax")], (4,))
    model.compile("sgd", "sparse_categorical_crossentropy")
    steps = []

    class Stop(Callback):
        def on_progress(self, step, logs=None):
            steps.append(step)
            self.model.stop_training = True

    model.fit(x, y, batch_size=1, epochs=3, callbacks=Stop(), verbose=0)
    assert len(steps) == 1
    assert model._core.iteration == steps[0] < 5000


# --- wrong arguments ---------------------------------------------------------------------------------


WRONG = {
    "batch_size=0": ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    "batch_size=1.5": ({"batch_size": 1.5}, TypeError, "batch_size must be a whole number"),
    "batch_size=None": ({"batch_size": None}, TypeError, "batch_size must be a whole number"),
    "epochs=0": ({"epochs": 0}, ValueError, "epochs must be at least 1"),
    "initial_epoch=-1": ({"initial_epoch": -1}, ValueError, "initial_epoch must be at least 0"),
    "verbose=3": ({"verbose": 3}, ValueError, "verbose must be 0"),
    "split=1": ({"validation_split": 1}, ValueError, "validation_split must be"),
    "split='a'": ({"validation_split": "a"}, TypeError, "validation_split must be a real number"),
    "split and data": ({"validation_split": 0.2, "validation_data": ([[1, 2, 3, 4]], [0])}, ValueError, "not both"),
    "nothing left": ({"validation_split": 0.999}, ValueError, "leaves 0 to train on"),
    "both weights": (
        {"class_weight": {0: 1}, "sample_weight": np.ones(50)},
        ValueError,
        "class_weight or sample_weight",
    ),
    "class_weight": ({"class_weight": [1, 2, 3]}, TypeError, "class_weight must be a dict"),
    "class_weight nan": ({"class_weight": {0: float("nan")}}, ValueError, r"class_weight\[0\] must be from"),
    "sample_weight": ({"sample_weight": np.ones(49)}, ValueError, r"sample_weight has shape \(49,\).*\(50,\)"),
    "split weight": (
        {"sample_weight": np.ones(49), "validation_split": 0.2},
        ValueError,
        "x 50, y 50, sample_weight 49",
    ),
    "sample_weight 2-D": ({"sample_weight": np.ones((50, 3))}, ValueError, r"sample_weight has shape \(50, 3\)"),
    "validation": ({"validation_data": np.ones((3, 4))}, ValueError, r"validation_data must be \(x, y\)"),
    "validation x": (
        {"validation_data": (np.ones((3, 5)), [0, 1, 2])},
        ValueError,
        r"validation_data: x has shape \(3, 5",
    ),
    "validation y": ({"validation_data": (np.ones((3, 4)), [0, 1])}, ValueError, "validation_data: .*y has 2"),
    "validation label": (
        {"validation_data": (np.ones((2, 4)), [0, 7])},
        ValueError,
        "validation_data: y holds the label 7",
    ),
    "callback": ({"callbacks": ["early"]}, TypeError, "callbacks.0. must be a tinynn.callbacks.Callback"),
    "callback class": ({"callbacks": [EarlyStopping]}, TypeError, "the class EarlyStopping, not an object"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_arguments_of_fit_are_named_and_change_nothing(wrong, data):
    arguments, error, message = WRONG[wrong]
    model = classifier()
    before = model.parameters.copy()
    with pytest.raises(error, match=f"fit: .*{message}"):
        model.fit(*data, **{"verbose": 0, **arguments})
    assert model.parameters.tobytes() == before.tobytes()
    assert model._core.iteration == 0
    assert not model._core.lock.is_held()


def test_lengths_are_compared_before_the_split(data):
    """A y that is longer would otherwise lose its last part unseen."""
    x, y = data
    with pytest.raises(ValueError, match="x 40, y 50"):
        classifier().fit(x[:40], y, validation_split=0.5, verbose=0)


def test_a_scalar_output_has_no_last_axis(rng):
    class Total(layers.PythonLayer):
        def output_shape(self, input_shape):
            return ()

        def forward(self, x):
            return x.sum(axis=1)

    model = Sequential([Total()], (3,))
    assert model.predict(np.ones((2, 3))).shape == (2,)
    model.compile("sgd", losses.MeanSquaredError())
    with pytest.raises(ValueError, match="the output is a scalar"):
        model.evaluate(np.ones((2, 3)), np.ones(2))
