"""What the compiler makes of a chain: fused ops, needed gradients, sizes. That results are right is tested in model."""

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.engine.compiler import LossSpec, compile_program
from tinynn.engine.graph import Network
from tinynn.kernels import op as ops


def program(chained, shape, loss=None, training=True, output=None):
    """The program of a model, as its own plan has it."""
    model = Sequential(chained, shape)
    if loss is None:
        return model._core.plan("predict", shape, output).program
    model.compile("sgd", loss)
    return model._core.plan("train" if training else "evaluate", shape).program


def names(compiled):
    return [node.op for node in compiled.nodes]


def test_dense_takes_its_activation():
    compiled = program([layers.Dense(3, "relu"), layers.Dense(2, "tanh")], (4,))
    assert names(compiled) == ["dense", "dense"]
    assert compiled.output.buffer == compiled.nodes[-1].outputs[0].buffer


def test_dense_does_not_take_softmax_or_two_activations():
    assert names(program([layers.Dense(3, "softmax")], (4,))) == ["dense", "softmax"]
    assert names(program([layers.Dense(3, "relu"), layers.Activation("tanh")], (4,))) == ["dense", "tanh"]


def test_what_predict_returns_is_not_fused_away():
    chained = [layers.Dense(3), layers.Activation("relu")]
    assert names(program(chained, (4,), output="dense")) == ["dense"]


@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_softmax_and_its_loss_become_one(name):
    fused = ["dense", "categorical_crossentropy_from_logits"]
    assert names(program([layers.Dense(3, "softmax")], (4,), name)) == fused
    assert names(program([layers.TimeDistributed(layers.Dense(3, "softmax"))], (2, 4), name)) == fused
    assert names(program([layers.Dense(3), layers.Activation("softmax")], (4,), name)) == fused


def test_fusions_are_looked_for_among_the_last_ops_only(monkeypatch):
    """Tails of every length, each made and hashed, would take a long chain's length squared."""

    class Counted(dict):
        lengths = []

        def get(self, key):
            self.lengths.append(len(key[1]))
            return super().get(key)

    monkeypatch.setattr(ops, "fusions", Counted(ops.fusions))
    chain = [layers.Activation("relu") for _ in range(50)]
    program([*chain, layers.Dense(3), layers.Activation("softmax")], (4,), "sparse_categorical_crossentropy")
    assert max(Counted.lengths) == 2


def test_other_fusions():
    sigmoid = program([layers.Dense(3, "sigmoid")], (4,), "binary_crossentropy")
    assert names(sigmoid) == ["dense", "binary_crossentropy_from_logits"]
    sums = program([layers.Dense(3, "softmax"), layers.SumDistribution()], (2, 4), "sparse_categorical_crossentropy")
    assert names(sums) == ["dense", "sum_distribution_crossentropy_from_logits"]
    keras = program([layers.Dense(3, "sigmoid")], (4,), "categorical_crossentropy")
    assert names(keras) == ["dense", "categorical_crossentropy_from_sigmoid_logits"]


def test_softmax_over_another_axis_than_the_loss_is_not_fused():
    for chained, shape in (
        ([layers.Dense(6, "softmax"), layers.Reshape((2, 3))], (4,)),
        ([layers.Dense(3, "softmax"), layers.Flatten()], (2, 4)),
    ):
        compiled = program(chained, shape, "categorical_crossentropy")
        assert names(compiled) == ["dense", "softmax", "categorical_crossentropy"]


def test_the_fused_loss_still_puts_out_the_prediction():
    compiled = program([layers.Dense(3, "softmax")], (4,), "categorical_crossentropy")
    assert compiled.nodes[compiled.loss].outputs[1].buffer == compiled.output.buffer


def test_rescaling_in_front_goes_into_the_gather():
    compiled = program([layers.Rescaling(0.5, 1.0), layers.Dense(3)], (4,))
    assert names(compiled) == ["dense"]
    assert (compiled.scale, compiled.offset) == (0.5, 1.0)
    assert names(program([layers.Dense(3), layers.Rescaling(0.5)], (4,))) == ["dense", "rescaling"]
    assert names(program([layers.Rescaling(0.5), layers.Rescaling(2.0)], (4,))) == ["rescaling"]


def test_gradients_where_something_learns_before_and_the_loss_is_behind():
    compiled = program(
        [layers.Activation("tanh"), layers.Dense(3), layers.Activation("softmax"), layers.Dense(2)],
        (4,),
        "mean_squared_error",
    )
    first, *rest = compiled.nodes
    assert first.op == "tanh"
    assert first.outputs[0].buffer not in compiled.gradients
    assert compiled.input.buffer not in compiled.gradients
    assert all(node.outputs[0].buffer in compiled.gradients for node in rest[:3])
    assert not program([layers.Dense(3)], (4,), "mean_squared_error", training=False).gradients


def test_frozen_layers_in_front_need_none():
    frozen = layers.Dense(3)
    frozen.trainable = False
    compiled = program([frozen, layers.Dense(2)], (4,), "mean_squared_error")
    assert compiled.gradients == {compiled.nodes[1].outputs[0].buffer}


def test_several_readers_of_a_tensor_get_gradients_of_their_own():
    network = Network({})
    x = network.input((3,))
    w = network.parameter("w", (3, 3), lambda shape, dtype, generator: np.ones(shape))
    hidden = network.op("dense", x, [w, None])
    y = network.op("add", [network.op("softmax", hidden), hidden, network.reshape(hidden, (3,))])
    assert names(compile_program(network, x, y)) == ["dense", "softmax", "add"]
    compiled = compile_program(network, x, y, LossSpec("mean_squared_error"), (), (3,), training=True)
    assert names(compiled) == ["dense", "fan_out", "softmax", "add", "mean_squared_error"]
    assert compiled.nodes[compiled.loss].op == "mean_squared_error"
    handed = [tensor.buffer for tensor in compiled.nodes[1].outputs]
    assert compiled.aliases == dict.fromkeys(handed, hidden.buffer)
    assert [tensor.buffer for node in compiled.nodes[2:4] for tensor in node.inputs][:1] == handed[:1]
    assert [tensor.buffer for tensor in compiled.nodes[3].inputs][1:] == handed[1:]
    assert {hidden.buffer, *handed} <= compiled.gradients


def test_a_reader_that_the_loss_does_not_depend_on_gets_none():
    """It has no backward pass: its part of the sum would be whatever the memory holds."""
    network = Network({})
    x = network.input((3,))
    w = network.parameter("w", (3, 3), lambda shape, dtype, generator: np.ones(shape))
    y = network.op("dense", x, [w, None])
    network.op("tanh", y)
    compiled = compile_program(network, x, y, LossSpec("mean_squared_error"), (), (3,), training=True)
    assert names(compiled) == ["dense", "tanh", "mean_squared_error"]


def test_readers_without_a_gradient_read_the_tensor_itself():
    network = Network({})
    x = network.input((3,))
    w = network.parameter("w", (3, 3), lambda shape, dtype, generator: np.ones(shape))
    y = network.op("add", [network.op("dense", x, [w, None]), network.op("relu", x), x])
    compiled = compile_program(network, x, y, LossSpec("mean_squared_error"), (), (3,), training=True)
    assert names(compiled) == ["dense", "relu", "add", "mean_squared_error"]
    assert not compiled.aliases


def test_sizes():
    compiled = program([layers.TimeDistributed(layers.Dense(3)), layers.Flatten()], (5, 4), "mean_squared_error")
    assert compiled.buffers[compiled.input.buffer] == 20
    assert compiled.buffers[compiled.output.buffer] == 15
    assert compiled.loss_rows == 1
    assert program([layers.Dense(3)], (5, 4), "mean_squared_error").loss_rows == 5
    assert compiled.flops >= 2 * 5 * 4 * 3


def test_unknown_shapes_are_refused():
    network = Network({})
    x = network.input((None, 3))
    with pytest.raises(ValueError, match="is not known"):
        compile_program(network, x, network.op("relu", x))
