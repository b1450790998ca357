"""Parameters that several ops of a network read: their gradients are the sums over the ops."""

import numpy as np
import pytest

import tinynn
from tests.numerics import assert_close
from tinynn import Sequential, layers
from tinynn.initializers import GlorotUniform


class Twice(layers.Layer):
    """Applies a layer to both halves of the samples, (2, ...) -> the sum of the two outputs."""

    def __init__(self, inner, name=None):
        self.inner = inner
        self.name = name

    def connect(self, network, x):
        halves = network.op_outputs("split", x)
        return network.op("add", [self.inner.connect(network, half) for half in halves])


class Scale(layers.PythonLayer):
    def parameters(self, network, input_shape):
        return [network.parameter("scale", (input_shape[-1],), GlorotUniform())]

    def forward(self, x, scale):
        return x * scale

    def backward(self, dy, x, y, scale):
        return dy * scale, (dy * x).sum(0)


class Powers(layers.Layer):
    """y = tanh(... tanh(x w) ... w), `n` times."""

    def __init__(self, n, name=None):
        self.n = n
        self.name = name

    def connect(self, network, x):
        w = network.parameter("kernel", (x.shape[-1], x.shape[-1]), GlorotUniform())
        for _ in range(self.n):
            x = network.op("tanh", network.op("dense", x, [w, None]))
        return x


def compiled(chain, shape, optimizer="sgd", dtype="float32"):
    model = Sequential(chain, shape, rng=3, dtype=dtype)
    model.compile(optimizer, "mean_squared_error")
    return model


def test_a_weight_used_three_times_against_numpy(rng, dtype):
    model = compiled([Powers(3)], (4,), dtype=dtype.name)
    x, target = rng.normal(size=(9, 4)).astype(dtype), rng.normal(size=(9, 4)).astype(dtype)
    model.compute_gradients(x, target)
    w = model.get_weights()[0].astype(np.float64)
    values = [x.astype(np.float64)]
    for _ in range(3):
        values.append(np.tanh(values[-1] @ w))
    d, dw = 2 * (values[-1] - target) / target.size, np.zeros_like(w)
    for before, after in zip(values[-2::-1], values[:0:-1], strict=True):
        dz = d * (1 - after**2)
        dw += before.T @ dz
        d = dz @ w.T
    assert_close(model.gradients.reshape(4, 4), dw, dtype=dtype)


@pytest.mark.parametrize("inner, shape", [
    (layers.Dense(3, "relu"), (2, 4)), (layers.Conv2D(2, 2), (2, 4, 4, 1)), (layers.LSTM(3), (2, 5, 2)),
    (layers.GRU(3), (2, 5, 2)), (layers.GRU(3, reset_after=False), (2, 5, 2)), (layers.SimpleRNN(3), (2, 5, 2)),
    (layers.LayerNormalization(), (2, 4)), (Scale(), (2, 4)),
], ids=["dense", "conv2d", "lstm", "gru", "gru reset before", "rnn", "layer normalization", "python"])
def test_a_layer_connected_twice(inner, shape, rng):
    model = compiled([Twice(inner), layers.Flatten(), layers.Dense(2)], shape)
    once = Sequential([inner.clone()], shape[1:])
    assert model.count_params() - once.count_params() == model.get_weights()[-2].size + 2
    x = rng.normal(size=(5, *shape)).astype("float32")
    assert tinynn.check_gradients(model, x, rng.normal(size=(5, 2))).ok


@pytest.mark.parametrize("units", [8, 200], ids=["updated at the end", "updated op by op"])
def test_training_equals_that_by_hand_with_any_number_of_threads(units, rng, threads):
    """With momentum; the sum of the gradients counts, once, after the last backward pass."""
    x, y = rng.normal(size=(64, units)).astype("float32"), rng.normal(size=(64, units)).astype("float32")
    prints = set()
    for count in (1, 2, 3):
        threads(count)
        model = compiled([Powers(2)], (units,), tinynn.optimizers.SGD(0.5, momentum=0.9))
        by_hand, velocity = model.clone(), 0.0
        by_hand.compile("sgd", "mean_squared_error")
        for _ in range(3):
            by_hand.compute_gradients(x, y)
            velocity = np.float32(0.9) * velocity - np.float32(0.5) * by_hand.gradients
            by_hand.parameters[:] += velocity
        model.fit(x, y, batch_size=64, epochs=3, shuffle=False, verbose=0)
        np.testing.assert_allclose(model.parameters, by_hand.parameters, rtol=1e-4, atol=1e-6)
        prints.add(model.fingerprint())
    assert len(prints) == 1


def test_a_penalty_counts_once(rng):
    class Penalized(Powers):
        def connect(self, network, x):
            penalty = tinynn.regularizers.L2(0.5)
            w = network.parameter("kernel", (x.shape[-1], x.shape[-1]), GlorotUniform(), penalty=penalty)
            return network.op("dense", network.op("dense", x, [w, None]), [w, None])

    model = compiled([Penalized(2)], (3,))
    x = np.zeros((2, 3), "float32")
    loss = model.compute_gradients(x, x)
    assert loss == pytest.approx(0.5 * float((model.parameters**2).sum()), rel=1e-6)
    np.testing.assert_allclose(model.gradients, model.parameters, rtol=1e-6)


def test_a_reader_that_the_loss_does_not_depend_on_has_no_part(rng):
    class Unused(layers.Layer):
        def connect(self, network, x):
            w = network.parameter("kernel", (x.shape[-1], x.shape[-1]), GlorotUniform())
            y = network.op("dense", x, [w, None])
            network.op("dense", y, [w, None])
            return y

    model, plain = compiled([Unused()], (3,)), compiled([Powers(1)], (3,))
    plain.set_weights(model.get_weights())
    x, y = rng.normal(size=(4, 3)).astype("float32"), rng.normal(size=(4, 3)).astype("float32")
    first = model.compute_gradients(x, y), model.gradients.copy()
    again = model.compute_gradients(x, y), model.gradients.copy()
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])
    assert np.abs(first[1]).max() > 0


def a_part(network, x):
    w, b = network.parameter("w", (4, 4), GlorotUniform()), network.parameter("b", (4,), GlorotUniform())
    return network.op("dense", network.op("dense", x, [w, b]), [w, None])


def one_op_twice(network, x):
    w, u = network.parameter("w", (2, 2), GlorotUniform()), network.parameter("b", (2,), GlorotUniform())
    return network.op("rnn", network.reshape(x, (2, 2)), [w, w, u], return_sequences=False)


def statistics(network, x):
    layer = layers.BatchNormalization()
    return layer.connect(network, layer.connect(network, x))


@pytest.mark.parametrize("connect", [a_part, one_op_twice, statistics])
def test_what_cannot_be_shared_is_refused(connect):
    class Own(layers.Layer):
        def connect(self, network, x):
            return connect(network, x)

    model = compiled([Own()], (4,))
    x = np.ones((3, 4), "float32")
    y = model.predict(x)
    with pytest.raises(NotImplementedError, match="layer 'own': the parameter 'own/.*' is used several times in a way"):
        model.fit(x, y, verbose=0)
    model.trainable = False
    assert np.isfinite(model.evaluate(x, y))


def test_parallel_branches_cannot_share():
    class Branches(layers.Layer):
        def connect(self, network, x):
            w = network.parameter("w", (4, 4), GlorotUniform())
            parts, results = network.op_outputs("split", x), []
            with network.branches(2) as branches:
                for i in branches:
                    results.append(network.op("dense", parts[i], [w, None]))
            return network.op("stack", results)

    model = compiled([Branches()], (2, 4))
    x = np.ones((3, 2, 4), "float32")
    with pytest.raises(NotImplementedError, match="nothing between parallel branches"):
        model.fit(x, x, verbose=0)
