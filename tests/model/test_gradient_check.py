"""The check of gradients: layers and losses in Python, kinks, sizes and data, and its report."""

import ctypes

import numpy as np
import pytest

from tests.model.reference import from_bytes, randomized, to_bytes
from tests.model.small_layers import FourthPower, Scale, frozen
from tests.model.spoiling import all_by_a_hundredth, followed, spoiled
from tinynn import Sequential, check_gradients, layers, optimizers
from tinynn.datasets import DigitSums
from tinynn.kernels import op as ops

# --- user-defined layers and losses -------------------------------------------------------------------


class Wrong(Scale):
    """As Scale, but one of its gradients is half as large again."""

    def __init__(self, where):
        self.where = where

    def backward(self, dy, x, y, scale):
        gradients = super().backward(dy, x, y, scale)
        gradients[self.where][...] *= 1.5
        return gradients


@pytest.mark.parametrize("where, tensor", [(0, "its input"), (1, "'scale'")])
@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.TimeDistributed])
def test_a_wrong_layer_in_python(where, tensor, wrap, rng):
    layer = wrap(Wrong(where))
    layer.name = "mine"
    model = Sequential([layers.Dense(3, "tanh"), layer, layers.Dense(2)], (2, 3))
    model.compile("sgd", "mse")
    tensor = tensor.replace("'scale'", "'scale'" if layer.__class__ is Wrong else "'wrong/scale'")
    with pytest.raises(AssertionError, match=f"^check_gradients: layer 'mine': the gradient of {tensor} is wrong"):
        check_gradients(model, rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 2)))


def test_a_wrong_loss_in_python(rng):
    class Off(FourthPower):
        def backward(self, prediction, target):
            return super().backward(prediction, target) + 0.01

    model = Sequential([layers.Dense(3)], (2,))
    model.compile("sgd", Off())
    with pytest.raises(AssertionError, match=r"^check_gradients: the loss Off: the gradient of its input is wrong"):
        check_gradients(model, rng.normal(size=(4, 2)), rng.normal(size=(4, 3)))


def test_nan_is_wrong(rng):
    class Holes(layers.PythonLayer):
        def forward(self, x):
            return x * 2

        def backward(self, dy, x, y):
            dx = dy * 2
            dx[1, 2] = np.nan
            return dx

    model = Sequential([layers.Dense(3), Holes()], (2,))
    model.compile("sgd", "mse")
    with pytest.raises(AssertionError, match=r"layer 'holes': the gradient of its input .* element \(1, 2\) is nan"):
        check_gradients(model, rng.normal(size=(4, 2)), rng.normal(size=(4, 3)))


def test_a_layer_that_is_not_a_function_is_named(rng):
    class Noise(layers.PythonLayer):
        def forward(self, x):
            return x + rng.normal(size=x.shape)

        def backward(self, dy, x, y):
            return dy

    model = Sequential([Noise(), layers.Dense(2)], (3,))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="the same samples and weights gave the losses .* random"):
        check_gradients(model, np.ones((4, 3)), np.ones((4, 2)))


# --- kinks -------------------------------------------------------------------------------------------


class Relu(layers.PythonLayer):
    """relu, whose backward pass takes the gradient where `at` says."""

    def __init__(self, at):
        self.at = at

    def forward(self, x):
        return np.maximum(x, 0)

    def backward(self, dy, x, y):
        return dy * self.at(x)


class Both(layers.Layer):
    """relu(x) - relu(-x), which is x; but at 0 the gradient by backpropagation is 0."""

    def connect(self, network, x):
        twice = network.op("repeat", x, n=2)
        plus, minus = network.op_outputs("split", twice)
        minus = network.op("relu", network.op("rescaling", minus, scale=-1.0, offset=0.0))
        return network.op("add", [network.op("relu", plus), network.op("rescaling", minus, scale=-1.0, offset=0.0)])


@pytest.mark.parametrize("kinked", [lambda: layers.Activation("relu"), lambda: Relu(lambda x: x > 0), Both])
def test_at_the_kink_of_relu(kinked, rng):
    """Zeros for weights and samples: all there is lies at 0."""
    model = Sequential([layers.Dense(4, kernel_initializer="zeros"), kinked(), layers.Dense(2)], (3,))
    model.compile("sgd", "mse")
    report = check_gradients(model, np.zeros((5, 3)), rng.normal(size=(5, 2)))
    assert {tensor.tensor: tensor.kinks for tensor in report.tensors if tensor.layer == "dense"}["bias"] == 4
    assert report.ok


@pytest.mark.parametrize("at", [lambda x: np.ones_like(x), lambda x: 0.99 * (x > 0), lambda x: x > 0.01])
def test_a_wrong_gradient_does_not_hide_in_a_kink(at, rng):
    model = Sequential([layers.Dense(4, kernel_initializer="zeros"), Relu(at), layers.Dense(2)], (3,))
    model.compile("sgd", "mse")
    with pytest.raises(AssertionError, match="layer 'relu': the gradient of its input is wrong"):
        check_gradients(model, np.zeros((5, 3)), rng.normal(size=(5, 2)))


def images_with_ties(rng):
    x = rng.integers(0, 256, (4, 6, 6, 1)).astype(np.uint8)
    x[:, :3] = 0  # the border of an image, and its largest number is there four times
    return x


def test_ties_under_max_pooling_and_bytes(rng):
    chained = [
        layers.Rescaling(1 / 255),
        layers.MaxPooling2D(2, 1),
        layers.Conv2D(3, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ]
    model = Sequential(chained, (6, 6, 1))
    model.compile("sgd", "sparse_categorical_crossentropy")
    report = check_gradients(model, images_with_ties(rng), np.array([0, 1, 2, 0]))
    assert report.ok
    assert report.tensors[0].kinks > 10


def test_a_wrong_gradient_does_not_hide_in_ties(rng):
    chained = [layers.Rescaling(1 / 255), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(2)]
    model = Sequential(chained, (6, 6, 1))
    model.compile("sgd", "mse")
    with (
        spoiled(ops.registered["max_pooling2d"], "d_inputs", 0, 36, all_by_a_hundredth),
        pytest.raises(AssertionError, match="layer 'max_pooling2d': the gradient of its input is wrong"),
    ):
        check_gradients(model, np.zeros((4, 6, 6, 1), np.uint8), rng.normal(size=(4, 2)))


# --- sizes, weights, data ----------------------------------------------------------------------------


def test_an_element_that_was_not_looked_at_is_found_along_a_direction(rng):
    model = randomized(Sequential([layers.Flatten(), layers.Dense(5, "tanh")], (8, 9)), rng, 0.1)
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(4, 8, 9)), rng.normal(size=(4, 5))
    assert [tensor.checked for tensor in check_gradients(model, x, y, max_elements=2).tensors] == [2, 2, 2]

    def spoil(gradient):
        gradient[217] += 0.05

    with (
        spoiled(ops.registered["dense"], "d_parameters", 0, 360, spoil),
        pytest.raises(AssertionError, match=r"layer 'dense': the gradient of 'kernel' is wrong: element \(43, 2\)"),
    ):
        check_gradients(model, x, y, max_elements=2)


@pytest.mark.parametrize("weight", [np.full(4, 1e-4), np.array([0, 1, 2, 0.5])])
def test_small_gradients_are_judged_by_their_size(weight, rng):
    """An error of one in a hundred is far below atol where the gradients are small, and an error all the same."""
    model = Sequential([layers.Dense(4, "tanh"), layers.LayerNormalization(), layers.Dense(3)], (3,))
    model.compile("sgd", "mse")
    data = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), weight
    report = check_gradients(model, *data)
    assert report.ok
    with (
        spoiled(ops.registered["layer_normalization"], "d_parameters", 0, 4, all_by_a_hundredth),
        pytest.raises(AssertionError, match="layer 'layer_normalization': the gradient of 'gamma' is wrong"),
    ):
        check_gradients(model, *data)


def test_a_first_layer_is_checked_without_its_input_gradient(rng):
    """Training does not ask for it, and a kernel may go another way then."""
    model = Sequential([layers.Dense(4), layers.Activation("tanh")], (3,))
    model.compile("sgd", "mse")

    def spoil(call):
        if not call.d_inputs[0]:
            ctypes.c_double.from_address(call.d_parameters[0]).value *= 1.1

    with (
        followed(ops.registered["dense"], spoil),
        pytest.raises(AssertionError, match=r"layer 'dense': the gradient of 'kernel' is wrong: element \(0, 0\)"),
    ):
        check_gradients(model, rng.normal(size=(4, 3)), rng.normal(size=(4, 4)))


def test_integer_inputs_such_as_token_numbers(rng):
    class Embedding(layers.PythonLayer):
        def parameters(self, network, input_shape):
            return [network.parameter("table", (5, 2), lambda s, d, g: g.normal(size=s))]

        def output_shape(self, input_shape):
            return (*input_shape, 2)

        def forward(self, x, table):
            return table[x.astype(int)]

        def backward(self, dy, x, y, table):
            d_table = np.zeros_like(table)
            np.add.at(d_table, x.astype(int), dy)
            return np.zeros_like(x), d_table

    model = Sequential([Embedding(), layers.GRU(3), layers.Dense(2)], (4,))
    model.compile("sgd", "mse")
    x = rng.integers(0, 5, (6, 4))
    report = check_gradients(model, x, rng.normal(size=(6, 2)), check_input=False)
    assert [tensor.tensor for tensor in report.tensors][:2] == ["table", "kernel"]


def test_data_sets_and_images(rng):
    sums = DigitSums(rng.integers(0, 256, (20, 4, 4)).astype(np.uint8), rng.integers(0, 10, 20), digits=2, size=3)
    inner = [layers.Flatten(), layers.Dense(10, "softmax")]
    model = Sequential([layers.Rescaling(1 / 255), layers.TimeDistributed(inner), layers.SumDistribution()], (2, 4, 4))
    model.compile("sgd", "sparse_categorical_crossentropy")
    report = check_gradients(model, sums)
    assert [tensor.shape for tensor in report.tensors] == [(3, 2, 4, 4), (16, 10), (10,)]
    images, y = sums[:3]
    assert str(check_gradients(model, images, y)) == str(report)
    with pytest.raises(ValueError, match="check_gradients: y must be omitted if x is a data set"):
        check_gradients(model, sums, y)


def test_any_length(rng):
    model = Sequential([layers.LSTM(2), layers.Dense(1)], (None, 3))
    model.compile("sgd", "mse")
    report = check_gradients(model, rng.normal(size=(2, 4, 3)).tolist(), [0.0, 1.0])
    assert report.tensors[0].shape == (2, 4, 3)


def test_frozen_parameters_are_skipped(rng):
    model = Sequential([layers.Dense(3, "tanh"), frozen(layers.Dense(4, "tanh")), layers.Dense(2)], (3,))
    model.compile("sgd", "mse")
    report = check_gradients(model, rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
    assert [tensor.layer for tensor in report.tensors] == ["", "dense", "dense", "dense_2", "dense_2"]


def test_a_model_in_which_nothing_learns(rng):
    model = Sequential([layers.Activation("tanh")], (3,))
    model.compile("sgd", "mse")
    report = check_gradients(model, rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    assert [tensor.tensor for tensor in report.tensors] == ["x"]
    assert check_gradients(model, np.ones((4, 3)), np.ones((4, 3)), check_input=False).tensors == []


# --- the model stays as it is ------------------------------------------------------------------------


def test_the_model_stays_as_it_is(rng):
    """Bit for bit; and goes on training as if nothing had been."""
    chained = [
        layers.Dense(6, "relu", name="first"),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
        layers.Dense(3, "softmax"),
    ]
    model = Sequential(chained, (4,), rng=3)
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    x, y = rng.normal(size=(32, 4)).astype("float32"), rng.integers(0, 3, 32)
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    model.stop_training = True
    model.compute_gradients(x, y)
    other = from_bytes(to_bytes(model))
    before, gradients = to_bytes(model), model.gradients.copy()
    check_gradients(model, x[:5], y[:5])
    assert to_bytes(model) == before
    assert model.gradients.tobytes() == gradients.tobytes()
    assert model.stop_training
    assert [layer.trainable for layer in model.layers] == [True] * 4
    for each in (model, other):
        each.fit(x, y, epochs=2, batch_size=8, verbose=0)
    assert to_bytes(model) == to_bytes(other)


def test_dropout_has_the_mask_of_the_next_step(rng):
    model = Sequential([layers.Dropout(0.5), layers.Dense(1)], (4,), rng=1, dtype="float64")
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 1))
    for _ in range(3):
        tensors = check_gradients(model, x, y, check_input=False).tensors
        model.compute_gradients(x, y)
        assert [tensor.found for tensor in tensors] == [
            model.gradients[:4][tensors[0].element[0]],
            model.gradients[4],
        ]
        assert check_gradients(model, x, y).ok
        model.apply_gradients()


# --- report and errors -------------------------------------------------------------------------------


def test_the_report_is_a_table(rng):
    model = Sequential([layers.Dense(12), layers.Dense(2)], (30,))
    model.compile("sgd", "mse")
    text = str(check_gradients(model, rng.normal(size=(4, 30)), rng.normal(size=(4, 2))))
    rows = [line.split() for line in text.splitlines()]
    assert rows[1][:4] == ["x", "100", "of", "120"]
    assert rows[2][:5] == ["dense", "kernel", "100", "of", "360"]
    assert rows[3][:5] == ["dense", "bias", "12", "of", "12"]
    assert len(rows) == 6


def test_the_report_says_what_is_too_small_to_be_checked(rng):
    """The rounding of a loss near 1, divided by a millionth: a slope below that cannot be told from 0."""
    model = Sequential([layers.Dense(2), layers.Rescaling(1e-12), layers.Dense(2)], (3,))
    model.compile("sgd", "mse")
    tensors = check_gradients(model, rng.normal(size=(4, 3)), rng.normal(size=(4, 2))).tensors
    assert [abs(tensor.found) < tensor.allowed < 1e-7 for tensor in tensors[:3]] == [True] * 3
    assert abs(tensors[-1].found) > 100 * tensors[-1].allowed


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"model": "model"}, TypeError, "check_gradients: model must be a Sequential, got str"),
        ({"model": Sequential([layers.Dense(1)], (2,))}, ValueError, "check_gradients: the model is not compiled"),
        ({"x": np.ones((3, 4))}, ValueError, r"check_gradients: x has shape \(3, 4\)"),
        ({"y": None}, ValueError, "check_gradients: y is missing"),
        ({"y": np.ones((2, 1))}, ValueError, "check_gradients: x has 3 samples, but y has 2"),
        ({"eps": 0}, ValueError, "check_gradients: eps"),
        ({"atol": -1}, ValueError, "check_gradients: atol"),
        ({"rtol": "a"}, TypeError, "check_gradients: rtol"),
        ({"max_elements": 0}, ValueError, "check_gradients: max_elements"),
    ],
)
def test_errors(arguments, error, message):
    model = Sequential([layers.Dense(1)], (2,))
    model.compile("sgd", "mse")
    with pytest.raises(error, match=message):
        check_gradients(**{"model": model, "x": np.ones((3, 2)), "y": np.ones((3, 1)), **arguments})


def test_a_model_without_weights_is_refused():
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="check_gradients: the model has no weights yet"):
        check_gradients(model, np.ones((3, 2)), np.ones((3, 1)))
    assert model.input_shape is None
