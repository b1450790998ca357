"""The check of gradients passes right models of every kind, and names every kernel that is wrong."""

import numpy as np
import pytest

from tests.model.reference import randomized, target_for
from tests.model.small_layers import FourthPower, Residual, Scale, SumOfSteps, frozen
from tests.model.spoiling import all_by_a_hundredth, backward_in_float64, one_by_a_tenth, spoiled
from tinynn import Sequential, check_gradients, layers, losses
from tinynn.engine.graph import product
from tinynn.kernels import op as ops


def around(*middle, shape=(3,)):
    return lambda: [layers.Dense(4), *(make() for make in middle), layers.Dense(2)], shape, "mean_squared_error"


def around_dense(*arguments, shape=(3,), **options):
    return lambda: [Scale(), layers.Dense(*arguments, **options), Scale()], shape, "mean_squared_error"


def of_images(middle, shape):
    return lambda: [middle(), layers.Flatten(), layers.Dense(2)], shape, "mean_squared_error"


def ending(activation, loss):
    return lambda: [layers.Dense(4, "tanh"), layers.Dense(3, activation)], (3,), loss


# Layers, shape of a sample, and loss; the first word names the op to spoil, which is there once only.
CASES = {
    "relu": around(layers.LayerNormalization, lambda: layers.Activation("relu")),
    "sigmoid": around(layers.LayerNormalization, lambda: layers.Activation("sigmoid")),
    "tanh": around(layers.LayerNormalization, lambda: layers.Activation("tanh")),
    "softmax": around(lambda: layers.Activation("softmax")),
    "dense": around_dense(3),
    "dense with relu": around_dense(5, "relu"),
    "dense with tanh": around_dense(3, "tanh", use_bias=False),
    "dense of sequences": around_dense(3, "sigmoid", shape=(3, 2)),
    "conv2d": of_images(lambda: layers.Conv2D(3, 2, activation="tanh"), (4, 3, 2)),
    "conv2d padded": of_images(lambda: layers.Conv2D(2, 3, 2, "same", activation="relu"), (5, 4, 2)),
    "max_pooling2d": of_images(lambda: layers.MaxPooling2D(2), (4, 4, 2)),
    "max_pooling2d padded": of_images(lambda: layers.MaxPooling2D(3, 2, "same"), (4, 5, 2)),
    "average_pooling2d": of_images(lambda: layers.AveragePooling2D(2), (4, 4, 2)),
    "batch_normalization": around(layers.BatchNormalization),
    "fixed_batch_normalization": around(lambda: frozen(layers.BatchNormalization())),
    "layer_normalization": around(layers.LayerNormalization),
    "rnn": around(lambda: layers.SimpleRNN(3), shape=(3, 2)),
    "rnn of sequences": around(lambda: layers.SimpleRNN(3, return_sequences=True), shape=(3, 2)),
    "lstm": around(lambda: layers.LSTM(2), shape=(3, 2)),
    "lstm of sequences": around(lambda: layers.LSTM(2, return_sequences=True, use_bias=False), shape=(3, 2)),
    "gru": around(lambda: layers.GRU(2), shape=(3, 2)),
    "gru reset before": around(lambda: layers.GRU(2, reset_after=False, return_sequences=True), shape=(3, 2)),
    "dropout": around(lambda: layers.Dropout(0.4)),
    "rescaling": around(lambda: layers.Rescaling(0.7, 0.1)),
    "repeat": around(lambda: layers.RepeatVector(3)),
    "split": around(lambda: layers.Towers(layers.Dense(3, "tanh"), 2), shape=(2, 3)),
    "stack": around(lambda: layers.Towers(layers.Dense(3, "tanh"), 2), shape=(2, 3)),
    "add": around(SumOfSteps, shape=(3, 2)),
    "fan_out": around(Residual),
    "sum_distribution": around(lambda: layers.Dense(3, "softmax"), layers.SumDistribution, shape=(2, 3)),
    "half_squared_error": ending(None, "half_squared_error"),
    "mean_squared_error": ending("tanh", "mean_squared_error"),
    "python_loss": ending(None, FourthPower()),
    "binary_crossentropy": ending("softmax", "binary_crossentropy"),
    "binary_crossentropy_from_logits": ending(None, losses.BinaryCrossentropy(from_logits=True)),
    "binary_crossentropy_from_logits fused": ending("sigmoid", "binary_crossentropy"),
    "categorical_crossentropy": (
        lambda: [layers.Dense(3, "sigmoid"), Scale()],
        (3,),
        "sparse_categorical_crossentropy",
    ),
    "categorical_crossentropy_from_logits": ending(
        None, losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    ),
    "categorical_crossentropy_from_logits fused": ending("softmax", "sparse_categorical_crossentropy"),
    "categorical_crossentropy_from_sigmoid_logits fused": ending("sigmoid", "categorical_crossentropy"),
    "sum_distribution_crossentropy_from_logits fused": (
        lambda: [layers.Dense(3, "softmax"), layers.SumDistribution()],
        (2, 3),
        "sparse_categorical_crossentropy",
    ),
}


def made(name, rng):
    """A model in float32, and a batch for it."""
    chained, shape, loss = CASES[name]
    model = randomized(Sequential(chained(), shape), rng)
    for path, parameter in model._core.parameters.items():
        if path.endswith("moving_variance"):
            model.parameters[parameter.offset : parameter.offset + parameter.size] = 0.7
    model.compile("adam", loss)
    x = rng.normal(size=(3, *shape)).astype("float32")
    target = loss if isinstance(loss, str) else type(loss).__name__.removesuffix("Crossentropy").lower() + "_"
    return model, x, target_for(target, model.predict(x).shape, rng)


def op_in(model, name):
    """The op to spoil, and its node."""
    op = name.split()[0]
    (node,) = [node for node in model._core.plan("train", model.input_shape).program.nodes if node.op == op]
    return ops.registered[op], node


def spoilings():
    """Every gradient that each case's op writes, and how the message then begins."""
    for name in CASES:
        model, _, _ = made(name, np.random.default_rng(0))
        _, node = op_in(model, name)
        culprit = f"the loss {type(model.loss).__name__}" if node.layer == "loss" else f"layer '{node.layer}'"
        inputs = node.inputs[:1] if node.layer == "loss" else node.inputs
        for number, tensor in enumerate(inputs):
            if name == "stack":
                begins = f"layer 'towers': the gradient of 'tower_{number}/dense/bias'"
            elif name == "fan_out":
                begins = "layer 'residual': the gradient of its input"
            elif name.endswith(" fused"):
                layer, _, parameter = list(model._core.parameters)[-1].partition("/")
                begins = f"layer {layer!r}: the gradient of {parameter!r}"
            else:
                begins = f"{culprit}: the gradient of its input"
            yield name, "d_inputs", number, product(tensor.shape), begins
        for number, parameter in enumerate(node.parameters):
            if parameter is not None and parameter.trainable:
                tensor = parameter.path.rpartition("/")[2]
                yield name, "d_parameters", number, parameter.size, f"{culprit}: the gradient of '{tensor}'"


SPOILINGS = list(spoilings())


@pytest.mark.parametrize("name", CASES)
def test_right_models_pass(name, rng):
    model, x, y = made(name, rng)
    report = check_gradients(model, x, y)
    learned = [path for path, parameter in model._core.parameters.items() if parameter.trainable]
    assert [f"{tensor.layer}/{tensor.tensor}" for tensor in report.tensors] == ["/x", *learned]
    assert all(tensor.checked == min(100, np.prod(tensor.shape)) for tensor in report.tensors)
    assert report.ok
    assert sum(tensor.kinks for tensor in report.tensors) == 0


def test_every_kernel_is_spoiled():
    with_backward = {
        name for name, op in ops.registered.items() if isinstance(op, ops.Op) and backward_in_float64(op).value
    }
    # A layer in Python runs as the same op as the check's own.
    assert {name.split()[0] for name in CASES} == with_backward - {"python"}


@pytest.mark.parametrize("spoil", [all_by_a_hundredth, one_by_a_tenth])
@pytest.mark.parametrize(
    "name, what, number, size, begins", SPOILINGS, ids=[f"{s[0]} {s[1]}[{s[2]}]" for s in SPOILINGS]
)
def test_a_wrong_kernel_is_caught_and_named(name, what, number, size, begins, spoil, rng):
    model, x, y = made(name, rng)
    op, _ = op_in(model, name)
    with spoiled(op, what, number, size, spoil), pytest.raises(AssertionError) as caught:
        check_gradients(model, x, y)
    message = str(caught.value)
    assert message.startswith(f"check_gradients: {begins} is wrong: element (")
    assert ("But each layer by itself is correct" in message) == name.endswith(" fused")
    assert "WRONG" in message
