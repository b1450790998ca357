"""Tensors that several ops read: gradients against float64 NumPy and finite differences, and the same bits."""

import numpy as np
import pytest

import tinynn
from tests.model.small_layers import Residual
from tests.numerics import assert_close
from tinynn import Sequential, layers


class TwoViews(layers.Layer):
    """The sum of relu of the samples as rows, and of tanh of them as one vector."""

    def __init__(self, name=None):
        self.name = name

    def connect(self, network, x):
        size = int(np.prod(x.shape))
        flat = network.op("tanh", network.reshape(x, (size,)))
        return network.op("add", [network.reshape(network.op("relu", x), (size,)), flat])


def compiled(chain, shape, loss="mean_squared_error", dtype="float32", **options):
    model = Sequential(chain, shape, rng=3, dtype=dtype)
    model.compile(tinynn.optimizers.SGD(0.05, **options), loss)
    return model


def test_a_residual_layer_against_numpy(rng, dtype):
    model = compiled([layers.Dense(3), Residual(), layers.Dense(2)], (4,), dtype=dtype.name)
    x, target = rng.normal(size=(7, 4)).astype(dtype), rng.normal(size=(7, 2)).astype(dtype)
    loss = model.compute_gradients(x, target)
    w1, b1, w, w2, b2 = (each.astype(np.float64) for each in model.get_weights())
    h = x @ w1 + b1
    t = np.tanh(h @ w)
    y = (h + t) @ w2 + b2
    dy = 2 * (y - target) / y.size
    dr = dy @ w2.T
    dz = dr * (1 - t**2)
    dh = dr + dz @ w.T
    expected = [x.T @ dh, dh.sum(0), h.T @ dz, (h + t).T @ dy, dy.sum(0)]
    assert loss == pytest.approx(((y - target) ** 2).mean(), rel=64 * float(np.finfo(dtype).eps))
    for gradient, wanted in zip(np.split(model.gradients, np.cumsum([e.size for e in expected])[:-1]), expected,
                                strict=True):
        assert_close(gradient.reshape(wanted.shape), wanted, dtype=dtype)


@pytest.mark.parametrize("chain, shape, loss", [
    ([Residual(more=2), layers.Dense(2)], (3,), "mean_squared_error"),
    ([layers.Dense(3), Residual(), Residual(more=1)], (4,), "mean_squared_error"),
    ([layers.Dense(6), layers.Reshape((2, 3)), TwoViews(), layers.Dense(2, "softmax")], (4,),
     "categorical_crossentropy"),
    ([layers.TimeDistributed([layers.Dense(3), Residual()]), layers.LSTM(2)], (5, 2), "mean_squared_error"),
    ([layers.Towers([layers.Dense(3), Residual()], 3), layers.Flatten(), layers.Dense(2)], (3, 4),
     "mean_squared_error"),
    ([layers.Conv2D(2, 2), Residual(), layers.Flatten(), layers.Dense(1)], (4, 4, 1), "mean_squared_error"),
], ids=["input and thrice", "two in a row", "two views", "folded steps", "in towers", "images"])
def test_gradients_by_finite_differences(chain, shape, loss, rng):
    model = compiled(chain, shape, loss)
    x = rng.normal(size=(5, *shape)).astype("float32")
    y = rng.random(model.predict(x).shape)
    y = y / y.sum(-1, keepdims=True) if loss == "categorical_crossentropy" else y
    assert tinynn.check_gradients(model, x, y).ok


@pytest.mark.parametrize("units", [8, 200], ids=["updated at the end", "updated op by op"])
def test_any_number_of_threads_gives_the_same_bits(units, rng, threads):
    chain = [layers.Dense(units, "relu"), Residual(), Residual(more=1), layers.Dense(3)]
    x, y = rng.normal(size=(160, 20)).astype("float32"), rng.normal(size=(160, 3)).astype("float32")
    prints = set()
    for count in (1, 2, 3):
        threads(count)
        model = compiled([layer.clone() for layer in chain], (20,), momentum=0.9)
        model.fit(x, y, batch_size=64, epochs=2, verbose=0)
        prints.add(model.fingerprint())
    assert len(prints) == 1


def test_the_values_are_not_copied(rng):
    model = compiled([layers.Dense(4), Residual()], (4,))
    plan = model._core.plan("train", (4,))
    (node,) = [node for node in plan.program.nodes if node.op == "fan_out"]
    values = plan.layout(8)["values"]
    assert {values[tensor.buffer] for tensor in node.outputs} == {values[node.inputs[0].buffer]}
    gradients = plan.layout(8)["gradients"]
    assert len({gradients[tensor.buffer] for tensor in (*node.inputs, *node.outputs)}) == 3


def test_a_layer_in_python_may_read_it(rng):
    class Square(layers.PythonLayer):
        def forward(self, x):
            return x * x

        def backward(self, dy, x, y):
            return 2 * x * dy

    class Both(layers.Layer):
        def connect(self, network, x):
            return network.op("add", [Square().connect(network, x), x])

    model = compiled([layers.Dense(3), Both()], (2,))
    assert tinynn.check_gradients(model, rng.normal(size=(4, 2)), rng.normal(size=(4, 3))).ok
