"""User-defined layers: made of ops, or written in Python."""

import importlib
import pickle
import pkgutil

import numpy as np
import pytest

from tests.model.reference import prediction
from tests.threads import run_threads
from tinynn import Sequential, layers
from tinynn.initializers import Zeros


class ScaleFeatures(layers.PythonLayer):
    """y = x s, one s for each feature."""

    def __init__(self, name=None):
        self.name = name

    def parameters(self, network, input_shape):
        return [network.parameter("scale", (input_shape[-1],), Ones())]

    def forward(self, x, scale):
        return x * scale

    def backward(self, dy, x, y, scale):
        return dy * scale, (dy * x).sum(axis=tuple(range(x.ndim - 1)))


class Ones(Zeros):
    def __call__(self, shape, dtype, generator):
        return np.ones(shape, dtype)


class Mean(layers.PythonLayer):
    """Mean over the last axis: another shape."""

    def output_shape(self, input_shape):
        return input_shape[:-1]

    def forward(self, x):
        return x.mean(axis=-1)

    def backward(self, dy, x, y):
        return np.repeat(dy[..., None], x.shape[-1], axis=-1) / x.shape[-1]


class Affine(layers.Layer):
    """A layer made of an op: a dense with other names."""

    def connect(self, network, x):
        w = network.parameter("slope", (x.shape[-1], 2), lambda s, d, g: g.normal(size=s))
        return network.op("sigmoid", network.op("dense", x, [w, None]))


def slopes_agree(model, x, y, rng):
    """The gradient against the slope of the loss in random directions."""
    model.compile("sgd", "mse")
    model.compute_gradients(x, y)
    gradients, start = model.gradients.copy(), model.parameters.copy()
    for _ in range(4):
        direction = rng.normal(size=start.shape)
        around = []
        for shift in (1e-5, -1e-5):
            model.parameters[:] = start + shift * direction
            around.append(model.evaluate(x, y, batch_size=100))
        model.parameters[:] = start
        np.testing.assert_allclose((around[0] - around[1]) / 2e-5, gradients @ direction, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("place", ["chain", "time distributed", "towers", "both"])
def test_python_layers_anywhere(place, rng):
    inner = [layers.Dense(3, "tanh"), ScaleFeatures(), layers.Dense(2)]
    middle = {
        "chain": inner,
        "time distributed": [layers.TimeDistributed(inner)],
        "towers": [layers.Towers(inner, 4)],
        "both": [layers.Towers([layers.Dense(3), ScaleFeatures()], 4),
                 layers.TimeDistributed([ScaleFeatures(), layers.Dense(2)])],
    }
    model = Sequential([layers.Dense(3), *middle[place]], (4, 3), dtype="float64")
    model.parameters[:] = rng.normal(size=model.parameters.shape)
    slopes_agree(model, rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 4, 2)), rng)


def test_another_shape(rng):
    model = Sequential([layers.Dense(3, "tanh"), Mean(), layers.Dense(2)], (4, 3), dtype="float64")
    slopes_agree(model, rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 2)), rng)


def test_made_of_ops(rng):
    model = Sequential([Affine(), layers.Dense(2)], (3,), dtype="float64")
    assert list(model._core.parameters)[0] == "affine/slope"
    slopes_agree(model, rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), rng)


def test_equals_the_compiled_one(rng):
    """Training with a layer in Python that does what a compiled one does."""

    class Tanh(layers.PythonLayer):
        def forward(self, x):
            return np.tanh(x)

        def backward(self, dy, x, y):
            return dy * (1 - y * y)

    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    weights = []
    for middle in (Tanh(), layers.Activation("tanh")):
        model = Sequential([layers.Dense(5), middle, layers.Dense(2)], (4,), dtype="float64")
        model.compile("adam", "mse")
        model.fit(x, y, epochs=5, batch_size=8, verbose=0)
        weights.append(model.parameters.copy())
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-9, atol=1e-12)


def test_an_input_gradient_that_is_not_needed_is_ignored(rng):
    """A first layer's input gradient is not needed: what backward returns for it is ignored."""
    model = Sequential([ScaleFeatures(), layers.Dense(2)], (3,), dtype="float64")
    slopes_agree(model, rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), rng)


class Broken(layers.PythonLayer):
    """Fails as it is told to."""

    def __init__(self, name=None):
        self.name = name
        self.where = None
        self.what = None

    def act(self, place, value):
        if self.where != place:
            return value
        if isinstance(self.what, BaseException):
            raise self.what
        return self.what(value)

    def forward(self, x):
        return self.act("forward", x * 2)

    def backward(self, dy, x, y):
        return self.act("backward", dy * 2)


@pytest.mark.parametrize("wrap", ["chain", "towers"])
@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_exceptions_come_through_and_leave_the_model_usable(error, where, wrap, rng):
    broken = Broken()
    inner = [layers.Dense(3), broken]
    model = Sequential([layers.Towers(inner, 2)] if wrap == "towers" else inner, (2, 3) if wrap == "towers" else (3,))
    model.compile("adam", "mse")
    shape = (10, 2, 3) if wrap == "towers" else (10, 3)
    x, y = rng.normal(size=shape), rng.normal(size=shape)
    model.fit(x, y, batch_size=4, verbose=0)
    before, iteration = model.parameters.copy(), model._core.iteration
    broken.where, broken.what = where, error
    calls = [lambda: model.fit(x, y, batch_size=4, verbose=0), lambda: model.train_on_batch(x, y)]
    if where == "forward":
        calls += [lambda: model.predict(x), lambda: model.evaluate(x, y)]
    for call in calls:
        with pytest.raises(type(error)) as raised:
            call()
        assert raised.value is error
    assert model.parameters.tobytes() == before.tobytes()
    assert model._core.iteration == iteration
    broken.where = None
    assert np.isfinite(model.fit(x, y, batch_size=4, verbose=0).history["loss"]).all()


def test_the_step_in_which_it_fails_is_not_counted(rng):
    """Two steps are done and counted when the third fails."""
    broken, calls = Broken(), []

    def third(value):
        calls.append(1)
        if len(calls) == 3:
            raise OSError("third")
        return value

    for where in ("forward", "backward"):
        broken.where, broken.what = where, third
        calls.clear()
        model = Sequential([layers.Dense(3), broken], (3,))
        model.compile("adam", "mse")
        with pytest.raises(OSError, match="third"):
            model.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 3)), batch_size=4, verbose=0)
        assert model._core.iteration == 2
        broken = Broken()


def test_two_failing_at_once_leave_nothing_behind(rng):
    """The second one's exception must not turn up in a later call."""
    broken = Broken()
    broken.where, broken.what = "forward", ValueError("first time")
    model = Sequential([layers.Towers([broken], 3)], (3, 2))
    with pytest.raises(ValueError, match="first time"):
        model.predict(rng.normal(size=(4, 3, 2)))
    broken.what = KeyError("second time")
    for _ in range(3):
        with pytest.raises(KeyError, match="second time"):
            model.predict(rng.normal(size=(4, 3, 2)))


def test_failures_of_several_threads_stay_apart(rng):
    """Each thread gets the exception that its own data caused."""

    class Picky(layers.PythonLayer):
        def forward(self, x):
            if x[0, 0] >= 0:
                raise ValueError(f"got {int(x[0, 0])}")
            return x

    model = Sequential([Picky()], (1,))
    found = {}

    def call(number):
        for _ in range(50):
            try:
                model.predict(np.full((1, 1), number))
                found[number] = "nothing"
            except ValueError as error:
                found[number] = str(error)
                if str(error) != f"got {number}":
                    return

    run_threads(*(lambda number=number: call(number) for number in range(8)))
    assert found == {number: f"got {number}" for number in range(8)}


@pytest.mark.parametrize(
    ("where", "wrong", "message"),
    [
        (
            "forward",
            lambda v: v[:, :2],
            r"layer 'mine': the result of forward must have shape \(4, 3\), got \(4, 2\)",
        ),
        ("forward", lambda v: v[:2], r"the result of forward must have shape \(4, 3\), got \(2, 3\)"),
        ("forward", lambda v: None, r"the result of forward"),
        ("forward", lambda v: "text", r"the result of forward"),
        ("backward", lambda v: v[:, :2], r"layer 'mine': gradient 0 from backward must have shape \(4, 3\), got"),
        ("backward", lambda v: (v, v), r"layer 'mine': backward must return 1 arrays, got 2"),
        ("backward", lambda v: None, r"gradient 0 from backward"),
    ],
)
def test_wrong_results_are_named(where, wrong, message, rng):
    broken = Broken(name="mine")
    model = Sequential([layers.Dense(3), broken], (3,))
    model.compile("adam", "mse")
    broken.where, broken.what = where, wrong
    before = model.parameters.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        model.train_on_batch(rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    assert model.parameters.tobytes() == before.tobytes()


def test_a_python_layer_may_use_models_itself(rng):
    """Another call of the engine within a call: it runs on its own thread."""
    inner = Sequential([layers.Dense(3)], (3,))

    class Asks(layers.PythonLayer):
        def forward(self, x):
            return inner.predict(x)

        def backward(self, dy, x, y):
            return dy @ inner.get_weights()[0].T

    model = Sequential([layers.Dense(3), Asks()], (3,), dtype="float64")
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 3)), verbose=0).history["loss"][0])


def test_missing_methods_are_named(rng):
    model = Sequential([layers.PythonLayer()], (3,))
    with pytest.raises(NotImplementedError, match="PythonLayer has no forward"):
        model.predict(np.ones((1, 3)))
    with pytest.raises(NotImplementedError, match="Layer has no connect"):
        Sequential([layers.Layer()], (3,))


def test_unknown_op_and_python_layers_are_pickled(rng):
    class Wrong(layers.Layer):
        def connect(self, network, x):
            return network.op("denze", x)

    with pytest.raises(ValueError, match="layer 'wrong': unknown op 'denze'; known: .*dense"):
        Sequential([Wrong()], (3,))
    model = Sequential([layers.Dense(3), ScaleFeatures()], (3,))
    other = pickle.loads(pickle.dumps(model))
    x = rng.normal(size=(4, 3))
    assert other.predict(x).tobytes() == model.predict(x).tobytes()


def test_every_layer_is_known():
    assert set(layers.__all__) == {
        "Dense",
        "Activation",
        "Rescaling",
        "Dropout",
        "Flatten",
        "Reshape",
        "RepeatVector",
        "TimeDistributed",
        "Towers",
        "SimpleRNN",
        "LSTM",
        "GRU",
        "SumDistribution",
        "Layer",
        "PythonLayer",
        "AveragePooling2D",
        "BatchNormalization",
        "Conv2D",
        "LayerNormalization",
        "MaxPooling2D",
    }


def test_every_layer_of_the_package_is_public():
    defined = set()
    for module in pkgutil.iter_modules(layers.__path__):
        members = vars(importlib.import_module(f"tinynn.layers.{module.name}")).values()
        defined |= {c for c in members if isinstance(c, type) and issubclass(c, layers.Layer)}
    named = {c.__name__ for c in defined if c.__module__.startswith("tinynn.") and not c.__name__.startswith("_")}
    assert named == set(layers.__all__)


def test_two_equal_layers_are_two():
    assert layers.Dense(2) != layers.Dense(2)
    assert len({layers.Dense(2), layers.Dense(2)}) == 2


def test_trainable_is_part_of_the_configuration():
    layer = layers.TimeDistributed(layers.Dense(2))
    layer.layers[0].trainable = False
    other = type(layer).from_config(layer.get_config())
    assert other.trainable
    assert not other.layers[0].trainable


def test_views_are_of_the_models_dtype(dtype):
    seen = []

    class Looks(layers.PythonLayer):
        def forward(self, x):
            seen.append((x.dtype, x.shape))
            return x

    Sequential([Looks()], (3,), dtype=dtype).predict(np.ones((5, 3)), batch_size=4)
    assert seen == [(dtype, (4, 3)), (dtype, (1, 3))]


def test_prediction_matches_numpy_beside_python(rng):
    model = Sequential([layers.Dense(3, "relu")], (3,))
    with_layer = Sequential([layers.Dense(3, "relu"), ScaleFeatures()], (3,))
    x = rng.normal(size=(4, 3))
    np.testing.assert_allclose(with_layer.predict(x), prediction(model, x), rtol=1e-5, atol=1e-6)


TAKEN = [
    layers.Flatten, lambda: layers.Rescaling(2.0), lambda: layers.Reshape((1,)), lambda: layers.Dropout(0.5),
    lambda: layers.Activation("relu"), lambda: layers.Activation("sigmoid"), lambda: layers.Activation("tanh"),
    lambda: layers.Activation("linear"),
]

REFUSED = [
    lambda: layers.Activation("softmax"), lambda: layers.Dense(2), layers.BatchNormalization, layers.LayerNormalization,
    lambda: layers.TimeDistributed(layers.Flatten()), lambda: layers.Towers(layers.Flatten(), 1),
    lambda: layers.Conv2D(1, 1), layers.MaxPooling2D, layers.AveragePooling2D, layers.SumDistribution,
    lambda: layers.RepeatVector(2), lambda: layers.SimpleRNN(1), lambda: layers.LSTM(1), lambda: layers.GRU(1),
]


@pytest.mark.parametrize("make", TAKEN)
def test_scalar_samples(make):
    assert Sequential([make()], ()).predict(np.ones(3, "f4")).shape[0] == 3


@pytest.mark.parametrize("make", REFUSED)
def test_scalar_samples_are_refused(make):
    with pytest.raises(ValueError, match="layer '[a-z0-9_]*': expected (samples|images) of shape .* got "):
        Sequential([make()], ())
