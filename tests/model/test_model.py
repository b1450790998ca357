"""The model: what needs weights or compile, its parameters, names and outputs, freezing and copies."""

import copy
import pickle

import numpy as np
import pytest

import tinynn
from tinynn import Sequential, layers, losses, optimizers


def small(**keywords):
    return Sequential([layers.Dense(3, "tanh"), layers.Dense(2)], (4,), **keywords)


def test_calls_that_need_weights_say_so():
    model = Sequential([layers.Dense(2)])
    model.compile("sgd", "mse")
    for call in (
        lambda: model.predict(np.ones((1, 2))),
        lambda: model.parameters,
        lambda: model.gradients,
        model.get_weights,
        lambda: model.set_weights([]),
        model.summary,
        model.count_params,
        lambda: model.save("x"),
        lambda: model.evaluate(np.ones((1, 2)), [[1, 2]]),
    ):
        with pytest.raises(ValueError, match="no weights yet; give Sequential an input_shape"):
            call()


def test_calls_that_need_compile_say_so():
    model = small()
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.compute_gradients):
        with pytest.raises(ValueError, match="the model is not compiled; call compile"):
            call(np.ones((1, 4)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="the model is not compiled"):
        model.apply_gradients()


# --- weights -----------------------------------------------------------------------------------------


def test_parameters_are_the_models_own_memory():
    model = small()
    model.parameters[:] = 0
    assert not any(w.any() for w in model.get_weights())
    assert not model.predict(np.ones((1, 4))).any()
    weights = model.get_weights()
    weights[0][:] = 1  # a copy
    assert not model.parameters.any()
    assert model.count_params() == model.parameters.size == 4 * 3 + 3 + 3 * 2 + 2


def test_set_weights_round_trip(dtype):
    model, other = small(dtype=dtype), small(rng=1, dtype=dtype)
    other.set_weights(model.get_weights())
    assert other.parameters.tobytes() == model.parameters.tobytes()
    other.set_weights([w.tolist() for w in model.get_weights()])
    assert other.parameters.tobytes() == model.parameters.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w[:3], "expected 4 arrays .*dense/kernel.*got 3"),
        (lambda w: [*w[:3], w[3][:1]], r"'dense_1/bias' must have shape \(2,\), got \(1,\)"),
        (lambda w: [*w[:3], w[3].astype(complex)], "'dense_1/bias' must be numbers"),
        (lambda w: [*w[:3], np.array([None, None])], "'dense_1/bias' must be numbers"),
        (lambda w: [*w[:3], np.array([1.0, 1e300])], "'dense_1/bias' holds 1e.300, too large for float32"),
    ],
)
def test_wrong_weights_change_nothing(change, message):
    model = small()
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=f"set_weights: {message}"):
        model.set_weights(change([w + 1 for w in model.get_weights()]))
    assert model.parameters.tobytes() == before.tobytes()


# --- freezing ----------------------------------------------------------------------------------------


X, Y = np.ones((5, 3), "f4"), np.zeros((5, 2), "f4")


def trained(optimizer="adam"):
    model = Sequential([layers.Dense(4, "tanh"), layers.Dropout(0.1), layers.Dense(2)], (3,), rng=3)
    model.compile(optimizer, "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def test_a_frozen_model_does_not_change():
    model = trained()
    model.trainable = False
    before = model.fingerprint()
    model.fit(X, Y, epochs=3, verbose=0)
    for _ in range(3):
        model.train_on_batch(X, Y)
    assert model.fingerprint() == before
    assert not model.gradients.any()
    model.trainable = True
    model.train_on_batch(X, Y)
    assert model.fingerprint() != before


def test_freezing_survives_files_and_copies(tmp_path):
    model = trained()
    model.trainable = False
    model.save(tmp_path / "m")
    for again in (tinynn.load(tmp_path / "m"), copy.deepcopy(model), model.clone()):
        assert again.trainable is False
    assert trained().clone().trainable is True


# --- names and outputs -------------------------------------------------------------------------------


def test_names_and_get_layer():
    model = Sequential([layers.Dense(2), layers.Dense(2, name="dense_1"), layers.Dense(2), layers.LSTM(2)])
    assert model._core.names == ["dense", "dense_1", "dense_2", "lstm"]
    assert model.get_layer("dense_2") is model.layers[2]
    with pytest.raises(ValueError, match="no layer 'dens'.*did you mean 'dense'"):
        model.get_layer("dens")


def test_output_of_a_layer(rng):
    model = Sequential(
        [layers.Dense(3, "relu", name="hidden"), layers.Reshape((3, 1)), layers.Dense(2), layers.Flatten()], (4,)
    )
    x = rng.normal(size=(5, 4)).astype("float32")
    w, b, *_ = model.get_weights()
    np.testing.assert_allclose(model.predict(x, output="hidden"), np.maximum(x @ w + b, 0), rtol=1e-5, atol=1e-6)
    assert model.predict(x, output="reshape").shape == (5, 3, 1)
    assert model.predict(x, output="flatten").tobytes() == model.predict(x).tobytes()
    with pytest.raises(ValueError, match="no layer 'hiden'.*did you mean 'hidden'"):
        model.predict(x, output="hiden")
    for wrong in (["hidden", "dense"], 3, model.layers[0], b"hidden"):
        with pytest.raises(TypeError, match="predict: output must be the name of a layer, such as 'flatten', got"):
            model.predict(x, output=wrong)


def test_predict_takes_verbose_and_prints_nothing(capsys, rng):
    model = Sequential([layers.Dense(3)], (4,))
    x = rng.normal(size=(5, 4))
    expected = model.predict(x).tobytes()
    for verbose in ("auto", 0, 1, 2):
        assert model.predict(x, verbose=verbose).tobytes() == expected
    assert capsys.readouterr() == ("", "")
    for wrong in (3, "loud", None):
        with pytest.raises(ValueError, match="predict: verbose must be"):
            model.predict(x, verbose=wrong)


def test_output_before_an_activation_of_its_own(rng):
    model = Sequential([layers.Dense(3), layers.Activation("relu")], (4,))
    x = rng.normal(size=(5, 4))
    assert (model.predict(x, output="dense") < 0).any()
    assert not (model.predict(x) < 0).any()


def test_repr():
    assert repr(small(name="it")) == "<Sequential 'it': dense, dense_1>"


# --- copies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_go_their_own_way(how, compiled, built, rng):
    model = Sequential([layers.Dense(3, "tanh"), layers.Dropout(0.2), layers.Dense(2)], (4,) if built else None, rng=7)
    x, y = rng.normal(size=(9, 4)), rng.normal(size=(9, 2))
    if compiled:
        model.compile("adam", "mse", ["mae"])
        if built:
            model.fit(x, y, batch_size=4, verbose=0)
    other = how(model)
    assert (other.optimizer is None) == (not compiled)
    for each in (model, other):
        if not compiled:
            each.compile("adam", "mse", ["mae"])
        each.fit(x, y, batch_size=4, epochs=2, verbose=0)
    assert other.parameters.tobytes() == model.parameters.tobytes()
    other.parameters[:] = 0
    assert model.parameters.any()


def test_a_model_with_a_function_as_schedule_can_be_copied_but_not_pickled():
    model = trained(optimizers.SGD(lambda step: 0.1 / (1 + step), momentum=0.9, use_ema=True))
    again = copy.deepcopy(model)
    assert again.optimizer is not model.optimizer
    assert again.optimizer.learning_rate(3) == model.optimizer.learning_rate(3)
    for each in (model, again):
        each.fit(X, Y, 4, epochs=2, verbose=0)
    assert again.fingerprint() == model.fingerprint()
    with pytest.raises(TypeError, match="which a model file cannot hold"):
        pickle.dumps(model)


def test_copies_share_nothing():
    model = trained()
    again = copy.deepcopy([model, model])
    assert again[0] is again[1]
    again[0].fit(X, Y, epochs=2, verbose=0)
    assert again[0].fingerprint() != model.fingerprint()
    assert model._core.epochs == 2


def test_what_refers_to_a_model_refers_to_its_copy():
    class Watching(losses.Loss):
        def forward(self, prediction, target):
            return np.abs(prediction - target).mean(-1)

    loss = Watching()
    model = trained()
    loss.watched = model
    model.compile("sgd", loss)
    again = copy.deepcopy(model)
    assert again.loss.watched is again
    assert again.loss.watched is not model
