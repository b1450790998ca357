"""What is changed between two calls of a model counts, or is refused: nothing goes on as if it had not been said."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from tinynn import Sequential, callbacks, layers, losses, metrics, regularizers

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
    """As in a model that was built with it and trained just as far."""
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


def test_a_penalty_taken_away_or_within_a_wrapper():
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
def test_what_the_constructor_refuses_is_refused_later_too(number, name, value, error, message):
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


@pytest.mark.parametrize("fixed, name", [
    (losses.BinaryCrossentropy(), "from_logits"), (losses.CategoricalCrossentropy(), "label_smoothing"),
    (losses.SparseCategoricalCrossentropy(), "from_logits"), (metrics.BinaryAccuracy(), "threshold"),
    (regularizers.L1L2(), "l2"), (regularizers.L1(), "l1"), (regularizers.L2(), "l2"),
], ids=lambda value: type(value).__name__)
def test_what_cannot_be_changed_says_so(fixed, name):
    before = getattr(fixed, name)
    with pytest.raises(AttributeError, match=f"{type(fixed).__name__}: {name} cannot be changed; make a new"):
        setattr(fixed, name, 0.3)
    assert getattr(fixed, name) == before
    assert copy.deepcopy(fixed) == pickle.loads(pickle.dumps(fixed)) == fixed


def test_layers_do_not_keep_a_dropped_model():
    model = compiled()
    used(model)
    layer, gone = model.layers[0], weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()
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
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_a_rate_set_for_each_step_is_used_at_once():
    """Without another look at everything else."""
    model, other = compiled(), compiled()
    for rate in (0.1, 0.0, 0.3, np.float32(0.2)):
        for each in (model, other):
            each.optimizer.learning_rate = rate
        known = model._core.derived.get("batches")
        model.train_on_batch(X, Y)
        assert known is None or model._core.derived.get("batches") is known
        other._core.derived.clear()
        other.train_on_batch(X, Y)
        assert model.fingerprint() == other.fingerprint()
    for rate in (-0.1, np.nan, np.inf, "fast"):
        model.optimizer.learning_rate = rate
        with pytest.raises((ValueError, TypeError), match="SGD: learning_rate must be"):
            model.train_on_batch(X, Y)
