"""The chain: random ones against NumPy, what may be in one, adding layers, configurations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.reference import check_gradients, check_prediction
from tests.numerics import assert_close
from tinynn import Sequential, kernels, layers

# --- random chains -----------------------------------------------------------------------------------


ACTIVATIONS = st.sampled_from([None, "relu", "sigmoid", "tanh", "softmax"])
UNITS = st.integers(1, 6)


@st.composite
def vector_layers(draw):
    """A layer for samples of shape (features,) that keeps that form."""
    return draw(
        st.one_of(
            st.builds(layers.Dense, UNITS, ACTIVATIONS, st.booleans()),
            st.builds(layers.Activation, ACTIVATIONS.filter(bool)),
            st.builds(layers.Rescaling, st.floats(-2, 2).filter(lambda s: abs(s) > 0.1), st.floats(-1, 1)),
            st.builds(layers.Dropout, st.just(0.0)),
        )
    )


@st.composite
def sequence_layers(draw, steps):
    """A layer for samples of shape (steps, features) that keeps that form."""
    return draw(
        st.one_of(
            vector_layers(),
            st.builds(layers.LSTM, UNITS, st.just(True)),
            st.builds(layers.GRU, UNITS, st.just(True), reset_after=st.booleans()),
            st.builds(layers.SimpleRNN, UNITS, st.just(True), st.booleans()),
            st.builds(layers.TimeDistributed, st.lists(vector_layers(), min_size=1, max_size=2)),
            st.builds(layers.Towers, st.lists(vector_layers(), min_size=1, max_size=2), st.just(steps)),
        )
    )


@st.composite
def chains(draw):
    steps = draw(st.integers(1, 4))
    chained = draw(st.lists(sequence_layers(steps), max_size=3))
    chained.append(
        draw(st.one_of(st.builds(layers.Flatten), st.builds(layers.LSTM, UNITS), st.builds(layers.GRU, UNITS)))
    )
    chained += draw(st.lists(vector_layers(), max_size=2))
    return (steps, draw(st.integers(1, 5))), chained


@settings(max_examples=40, deadline=None, derandomize=True)
@given(chains(), st.sampled_from(["float32", "float64"]), st.integers(0, 2**31))
def test_random_chain_equals_numpy(chain, dtype, seed):
    shape, chained = chain
    check_prediction(chained, shape, np.random.default_rng(seed), dtype, batch=4, factor=4096.0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(chains(), st.integers(0, 2**31))
def test_random_chain_has_the_right_gradients(chain, seed):
    """Relu's kink aside, where central differences do not hold."""
    shape, chained = chain
    for layer in chained:
        for inner in (layer, *getattr(layer, "layers", ())):
            if getattr(inner, "activation", None) == "relu":
                inner.activation = "tanh"
    check_gradients(chained, shape, np.random.default_rng(seed), batch=2)


def test_the_same_by_hand_through_the_kernels(dtype, rng):
    """Layer by layer through tinynn.kernels: prediction, loss and gradients."""
    model = Sequential([layers.Dense(17, "tanh"), layers.LSTM(9), layers.Dense(5, "softmax")], (6, 11), dtype=dtype)
    model.compile("sgd", "sparse_categorical_crossentropy")
    w1, b1, w, u, b, w2, b2 = model.get_weights()
    x, y = rng.normal(size=(8, 6, 11)).astype(dtype), rng.integers(0, 5, 8)
    first = kernels.tanh_forward(kernels.dense_forward(x, w1, b1))
    h, _ = kernels.lstm_forward(first, w, u, b)
    logits = kernels.dense_forward(h[:, -1], w2, b2)
    assert_close(model.predict(x), kernels.softmax_forward(logits), dtype=dtype, factor=64.0)
    losses = kernels.categorical_crossentropy_from_logits_forward(logits, y)
    assert model.compute_gradients(x, y) == pytest.approx(losses.mean(), rel=1e-6)
    d = kernels.categorical_crossentropy_from_logits_backward(logits, y) / 8
    dh = np.zeros_like(h)
    dh[:, -1], dw2, db2 = kernels.dense_backward(d, h[:, -1], w2)
    dx, dw, du, db, *_ = kernels.lstm_backward(dh, first, w, u, b)
    _, dw1, db1 = kernels.dense_backward(kernels.tanh_backward(dx, first), x, w1)
    expected = np.concatenate([g.ravel() for g in (dw1, db1, dw, du, db, dw2, db2)])
    assert_close(model.gradients, expected, dtype=dtype, factor=256.0)


# --- building ----------------------------------------------------------------------------------------


def test_wrong_layers():
    with pytest.raises(TypeError, match=r"layers\[1\] must be a layer, got 'relu'"):
        Sequential([layers.Dense(2), "relu"])
    with pytest.raises(TypeError, match="must be a layer"):
        Sequential([layers.Dense])
    shared = layers.Dense(2)
    with pytest.raises(ValueError, match="Sequential: the Dense layer is used twice; use layer.clone"):
        Sequential([shared, shared])
    with pytest.raises(ValueError, match="two layers are named 'a'"):
        Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")])


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        (4, TypeError),
        ("ab", TypeError),
        ((0,), ValueError),
        ((-1,), ValueError),
        ((2.0,), ValueError),
        ((True,), ValueError),
    ],
)
def test_wrong_input_shapes(shape, error):
    with pytest.raises(error, match="input_shape must"):
        Sequential([layers.Dense(2)], shape)


@pytest.mark.parametrize("dtype", ["float16", "int32", "nonsense", object, ">f4", None])
def test_wrong_dtypes(dtype):
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'"):
        Sequential([layers.Dense(2)], (2,), dtype=dtype)


@pytest.mark.parametrize("name", [3, ["a"], "a\n", "\x1b[2J"])
def test_the_models_name_is_a_string(name):
    with pytest.raises(ValueError, match="Sequential: name must be a string of printable characters, got"):
        Sequential([layers.Dense(2)], name=name)


# --- add ---------------------------------------------------------------------------------------------


def trained(**keywords):
    model = Sequential([layers.Dense(4, "tanh"), layers.Dropout(0.1), layers.Dense(2)], (3,), rng=3, **keywords)
    model.compile("adam", "mse")
    model.fit(np.ones((5, 3), "f4"), np.zeros((5, 2), "f4"), epochs=2, verbose=0)
    return model


def test_layers_are_added_one_by_one():
    model = Sequential()
    model.add(layers.Dense(4, "tanh"))
    model.add(layers.Dense(1))
    model.compile("adam", "mse")
    whole = Sequential([layers.Dense(4, "tanh"), layers.Dense(1)])
    whole.compile("adam", "mse")
    x, y = np.linspace(0, 1, 12).reshape(4, 3).astype("f4"), np.ones((4, 1), "f4")
    assert model.fit(x, y, epochs=3, verbose=0).history == whole.fit(x, y, epochs=3, verbose=0).history
    assert model.parameters.tobytes() == whole.parameters.tobytes()


def test_a_layer_added_to_a_trained_model_leaves_the_weights_of_the_others():
    model = trained()
    model.train_on_batch(np.ones((5, 3), "f4"), np.zeros((5, 2), "f4"))
    before = model.get_weights()
    x = np.ones((2, 3), "f4")
    hidden = model.predict(x)
    model.add(layers.Dense(7, "relu"))
    for found, expected in zip(model.get_weights()[:4], before, strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(model.predict(x, output="dense_1"), hidden)
    assert model.predict(x).shape == (2, 7)
    assert model.layers[0].get_weights()[0].tobytes() == before[0].tobytes()
    assert model._core.iteration == 0
    history = model.fit(np.ones((5, 3), "f4"), np.zeros((5, 7), "f4"), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.train_on_batch(np.ones((5, 3), "f4"), np.zeros((5, 7), "f4")) > 0


def test_a_layer_that_cannot_be_added_changes_nothing():
    model = trained()
    before, names = model.fingerprint(), list(model._core.names)
    for layer, error, message in (
        ("relu", TypeError, "add: layer must be a layer, got 'relu'"),
        (layers.Dense, TypeError, "add: layer must be a layer"),
        (layers.Conv2D(3, 2), ValueError, "expected samples of shape"),
        (trained().layers[0], ValueError, "belongs to the model"),
        (model.layers[0], ValueError, "used twice"),
    ):
        with pytest.raises(error, match=message):
            model.add(layer)
    assert (model.fingerprint(), model._core.names, len(model.layers)) == (before, names, 3)
    model.predict(np.ones((2, 3), "f4"))


def test_a_model_without_layers_says_so():
    model = Sequential(input_shape=(3,))
    with pytest.raises(ValueError, match="the model has no layers yet; append some with model.add"):
        model.predict(np.ones((1, 3), "f4"))
    model.compile("sgd", "mse")
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match="the model has no layers yet"):
            call(np.ones((1, 3), "f4"), np.ones((1, 3), "f4"))


# --- configurations ----------------------------------------------------------------------------------


def test_configurations_make_equal_models():
    model = trained(name="mine")
    again = Sequential.from_config(model.get_config(), rng=3)
    assert again.get_config() == model.get_config()
    assert (again.name, again.input_shape, again.optimizer) == ("mine", (3,), None)
    start = Sequential([layers.Dense(4, "tanh"), layers.Dropout(0.1), layers.Dense(2)], (3,), rng=3)
    assert again.fingerprint() == model.clone().fingerprint() == start.fingerprint() != model.fingerprint()
    unbuilt = Sequential([layers.Dense(1)])
    assert Sequential.from_config(unbuilt.get_config()).input_shape is None
    assert unbuilt.clone().input_shape is None


@pytest.mark.parametrize("config", [{}, {"layers": 3}, None, {"layers": [{"class": "layers.Dense"}]},
                                    {"name": "a", "dtype": "int8", "input_shape": None, "layers": []}])
def test_invalid_configurations(config):
    with pytest.raises(ValueError, match="from_config: "):
        Sequential.from_config(config)
