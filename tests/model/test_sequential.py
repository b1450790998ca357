"""The model: building, compiling, weights, names, and random chains against the same by hand."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.reference import check_gradients, check_prediction
from tests.numerics import assert_close
from tinynn import Sequential, kernels, layers
from tinynn.core.core import key_from


def small(**keywords):
    return Sequential([layers.Dense(3, "tanh"), layers.Dense(2)], (4,), **keywords)


# --- random chains -------------------------------------------------------------------------------------

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
    """Layer by layer through tinynn.kernels: the bits of prediction and gradients."""
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


# --- building ------------------------------------------------------------------------------------------


def test_wrong_layers():
    with pytest.raises(TypeError, match=r"layers\[1\] must be a layer, got 'relu'"):
        Sequential([layers.Dense(2), "relu"])
    with pytest.raises(TypeError, match="must be a layer"):
        Sequential([layers.Dense])
    shared = layers.Dense(2)
    with pytest.raises(ValueError, match="Dense layer.* is used twice"):
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


def test_a_failed_build_leaves_no_trace():
    model = Sequential([layers.Dense(2), layers.LSTM(2)])
    with pytest.raises(ValueError, match="'lstm'"):
        model.build((3,))
    assert model.input_shape is None
    model.build((4, 3))
    assert model.input_shape == (4, 3)
    with pytest.raises(ValueError, match="built already"):
        model.build((4, 3))


@pytest.mark.parametrize("how", ["y", "labels", "weight", "class weight", "validation", "split", "batch"])
def test_data_that_do_not_fit_do_not_build(how):
    model = Sequential([layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    arguments = {
        "y": {"y": [0]},
        "labels": {"y": [0, 1, 2]},
        "weight": {"sample_weight": [1]},
        "class weight": {"class_weight": 3},
        "validation": {"validation_data": (np.ones((2, 4)), [0, 1])},
        "split": {"validation_split": 0.99},
        "batch": {"batch_size": 0},
    }[how]
    with pytest.raises((TypeError, ValueError)):
        model.fit(np.ones((3, 5)), **{"y": [0, 1, 0], "verbose": 0, **arguments})
    assert model.input_shape is None
    model.fit(np.ones((3, 4)), [0, 1, 0], verbose=0)
    assert model.input_shape == (4,)


def test_what_needs_weights_says_so():
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


def test_what_needs_compile_says_so():
    model = small()
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.compute_gradients):
        with pytest.raises(ValueError, match="the model is not compiled; call compile"):
            call(np.ones((1, 4)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="the model is not compiled"):
        model.apply_gradients()


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


# --- weights -------------------------------------------------------------------------------------------


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
        (lambda w: [*w[:3], w[3][:1]], r"'dense_1/bias' has shape \(2,\), got \(1,\)"),
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


# --- names and text ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [3, ["a"], "a\n", "\x1b[2J"])
def test_the_model_s_name_is_text(name):
    with pytest.raises(ValueError, match="Sequential: name must be a string of printable characters, got"):
        Sequential([layers.Dense(2)], name=name)


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


def test_summary(capsys):
    frozen = layers.Dense(2)
    frozen.trainable = False
    Sequential([layers.Dense(3), frozen], (None, 4), name="mine").summary()
    text = capsys.readouterr().out
    assert "mine (float32)" in text
    assert "(batch, any, 3)" in text
    assert "23 parameters (15 trainable)" in text


def test_repr():
    assert repr(small(name="it")) == "<Sequential 'it': dense, dense_1>"


# --- copies --------------------------------------------------------------------------------------------


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
