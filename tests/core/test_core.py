"""The core: its seed, building, and that every change between two calls counts or is refused."""

import gc
import pickle
import weakref
from contextlib import contextmanager

import numpy as np
import pytest

from tinynn import Sequential, callbacks, layers, regularizers
from tinynn.core.core import MAX_PLANS, key_from

X = np.linspace(-1, 1, 24).reshape(8, 3).astype("f4")
Y = X[:, :2] + 1


def compiled(**options):
    chain = [layers.Dense(6, "tanh", **options), layers.Dropout(0.4), layers.Dense(2, "tanh")]
    model = Sequential(chain, (3,), rng=5)
    model.compile("sgd", "mse")
    return model


def used(model):
    """Every call that keeps something for the next one."""
    return [model.fit(X, Y, 4, verbose=0).history["loss"], model.train_on_batch(X, Y), model.train_on_batch(X, Y),
            model.evaluate(X, Y), model.predict(X).tobytes(), model.predict(X[:1]).tobytes(), model.fingerprint()]


CHANGES = {
    "rate": (1, "rate", 0.0),
    "activation": (0, "activation", "relu"),
    "no activation": (2, "activation", None),
    "penalty": (0, "kernel_regularizer", regularizers.L2(0.3)),
    "penalty by name": (0, "kernel_regularizer", "l1"),
}


@pytest.mark.parametrize("number, name, value", CHANGES.values(), ids=CHANGES)
def test_a_changed_layer_counts_from_the_next_call_on(number, name, value):
    """As in a model that was built with it and trained for as many steps."""
    model = compiled()
    used(model)
    chain = [layer.clone() for layer in model.layers]
    setattr(chain[number], name, value)
    chain = [layer.clone() for layer in chain]
    other = Sequential(chain, (3,), rng=5)
    other.compile("sgd", "mse")
    other.set_weights(model.get_weights())
    other._core.iteration, other._core.epochs = model._core.iteration, model._core.epochs
    setattr(model.layers[number], name, value)
    assert used(model) == used(other)


def test_a_regularizer_removed_and_a_layer_inside_a_wrapper():
    model = compiled(kernel_regularizer="l2")
    free = compiled()
    model.layers[0].kernel_regularizer = None
    assert used(model) == used(free)
    inner = layers.Dense(2)
    model = Sequential([layers.Reshape((1, 3)), layers.TimeDistributed(inner), layers.Flatten()], (3,))
    before = model.predict(X)
    inner.activation = "relu"
    np.testing.assert_array_equal(model.predict(X), np.maximum(before, 0))


@pytest.mark.parametrize("number, name, value, error, message", [
    (1, "rate", 1.5, ValueError, "Dropout: rate must be"),
    (1, "rate", "much", TypeError, "Dropout: rate must be"),
    (0, "activation", "gelo", ValueError, "unknown activation 'gelo'"),
    (0, "units", 0, ValueError, "Dense: units must be at least 1"),
    (0, "kernel_regularizer", 3, TypeError, "regularizer"),
])
def test_setting_an_attribute_checks_it_as_the_constructor_does(number, name, value, error, message):
    model = compiled()
    before = getattr(model.layers[number], name)
    with pytest.raises(error, match=message):
        setattr(model.layers[number], name, value)
    assert getattr(model.layers[number], name) == before
    used(model)


def test_another_shape_is_refused_when_the_model_is_used():
    model = compiled()
    model.predict(X)
    model.layers[0].units = 7
    for call in (lambda: model.predict(X), lambda: model.fit(X, Y, verbose=0)):
        with pytest.raises(ValueError, match=r"'kernel' has shape \(3, 6\), but .* \(3, 7\)"):
            call()


@contextmanager
def without_collector():
    """What is dropped goes at once, or not at all."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_layers_do_not_keep_a_dropped_model():
    model = compiled()
    used(model)
    layer, gone = model.layers[0], weakref.ref(model)
    with without_collector():
        del model
        assert gone() is None
    layer.activation = "relu"
    pickle.loads(pickle.dumps(layer)).activation = "tanh"


def test_loss_and_metrics_are_set_by_compile_alone():
    model = compiled()
    for name in ("loss", "metrics"):
        with pytest.raises(AttributeError):
            setattr(model, name, None)
    model.metrics.append("mae")
    assert set(model.fit(X, Y, verbose=0).history) == {"loss"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_a_training_that_failed_keeps_no_dropped_model(error):
    class Fail(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise error

    model = compiled()
    with pytest.raises(error):
        model.fit(X, Y, verbose=0, callbacks=Fail())
    gone = weakref.ref(model)
    with without_collector():
        del model
        assert gone() is None


# --- building ----------------------------------------------------------------------------------------


def small(**keywords):
    return Sequential([layers.Dense(3, "tanh"), layers.Dense(2)], (4,), **keywords)


def test_a_failed_build_leaves_no_trace():
    model = Sequential([layers.Dense(2), layers.LSTM(2)])
    with pytest.raises(ValueError, match="'lstm'"):
        model.build((3,))
    assert model.input_shape is None
    model.build((4, 3))
    assert model.input_shape == (4, 3)
    with pytest.raises(ValueError, match="built already"):
        model.build((4, 3))


def test_wrong_compile_changes_nothing():
    model = small()
    model.compile("adam", "mse", ["mae"])
    model.train_on_batch(np.ones((1, 4)), np.ones((1, 2)))
    for arguments, message in (
        (("adam",), "loss is missing"),
        (("adm", "mse"), "did you mean 'adam'"),
        (("adam", "mes"), "unknown loss"),
        (("adam", "mse", ["acuracy"]), "unknown metric"),
        (("adam", "mse", "mae"), "metrics must be a list"),
        ((3, "mse"), "optimizer"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            model.compile(*arguments)
    assert model._core.iteration == 1
    assert model.metrics[0].name == "mae"
    assert len(model._core.states) == 2


def test_a_layer_that_declares_other_parameters_when_it_predicts():
    """They would lie outside the model's vector."""

    class Fickle(layers.Layer):
        def __init__(self):
            self.calls = 0

        def connect(self, network, x):
            self.calls += 1
            if self.calls > 1:
                network.parameter("late", (1000,), lambda shape, dtype, generator: np.zeros(shape))
            return x

    model = Sequential([layers.Dense(2), Fickle()], (2,))
    with pytest.raises(ValueError, match="fickle/late were not there"):
        model.predict(np.ones((1, 2)))


def test_plans_of_many_shapes_do_not_pile_up(rng):
    model = Sequential([layers.SimpleRNN(3)], (None, 2))
    for steps in range(1, 300):
        model.predict(np.ones((1, steps, 2)))
    assert len(model._core._plans) == MAX_PLANS


# --- seeds -------------------------------------------------------------------------------------------


def test_the_seed_decides():
    assert small(rng=1).parameters.tobytes() == small(rng=1).parameters.tobytes()
    assert small(rng=1).parameters.tobytes() != small(rng=2).parameters.tobytes()
    sequence = np.random.SeedSequence(5)
    assert small(rng=sequence).parameters.tobytes() == small(rng=np.random.SeedSequence(5)).parameters.tobytes()
    one, other = (small(rng=np.random.default_rng(5)) for _ in range(2))
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_the_global_random_state_is_left_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    model = small()
    model.compile("sgd", "mse")
    model.fit(np.ones((5, 4)), np.ones((5, 2)), verbose=0)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("rng", [None, 1.5, "a", True, -1])
def test_wrong_seeds(rng):
    with pytest.raises((TypeError, ValueError), match="Sequential: rng must be"):
        key_from(rng)
