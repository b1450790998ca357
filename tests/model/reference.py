"""What a model computes, layer by layer in NumPy and float64, and checks of a model against it.

Weights are taken one after the other in the order of `Sequential.get_weights`; nothing here asks the engine.
"""

import numpy as np

from tests import oracles
from tests.numerics import assert_close, finite_differences
from tinynn import Sequential, layers


def activated(y, activation):
    return y if activation in (None, "linear") else getattr(oracles, f"{activation}_forward")(y)


def recurrent(layer, weights, x):
    w, u = next(weights), next(weights)
    b = next(weights) if layer.use_bias else None
    if isinstance(layer, layers.LSTM):
        h, _ = oracles.lstm_forward(x, w, u, b)
    elif isinstance(layer, layers.GRU):
        h = oracles.gru_forward(x, w, u, b, reset_after=layer.reset_after)
    else:
        h = oracles.rnn_forward(x, w, u, b)
    return h if layer.return_sequences else h[:, -1]


def layer_output(layer, weights, x):
    """One layer's output without training's randomness."""
    if isinstance(layer, layers.Dense):
        w = next(weights)
        return activated(oracles.dense_forward(x, w, next(weights) if layer.use_bias else None), layer.activation)
    if isinstance(layer, layers.Conv2D):
        w, b = next(weights), next(weights) if layer.use_bias else None
        y = oracles.conv2d_forward(x, w, b, layer.strides, layer.padding, layer.dilation_rate)
        return activated(y, layer.activation)
    if isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
        kind = "max" if isinstance(layer, layers.MaxPooling2D) else "average"
        return getattr(oracles, f"{kind}_pooling2d_forward")(x, layer.pool_size, layer.strides, layer.padding)
    if isinstance(layer, (layers.BatchNormalization, layers.LayerNormalization)):
        gamma = next(weights) if layer.scale else 1.0
        beta = next(weights) if layer.center else 0.0
        if isinstance(layer, layers.LayerNormalization):
            return oracles.layer_normalization_forward(x, gamma, beta, layer.epsilon)
        mean, variance = next(weights), next(weights)
        return (x - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta
    if isinstance(layer, layers.Activation):
        return activated(x, layer.activation)
    if isinstance(layer, layers.Rescaling):
        return x * layer.scale + layer.offset
    if isinstance(layer, layers.Dropout):
        return x
    if isinstance(layer, layers.Flatten):
        return x.reshape(len(x), -1)
    if isinstance(layer, layers.Reshape):
        return x.reshape(len(x), *layer.target_shape)
    if isinstance(layer, layers.RepeatVector):
        return np.repeat(x[:, None], layer.n, axis=1)
    if isinstance(layer, layers.SumDistribution):
        return oracles.sum_distribution_forward(x)
    if isinstance(layer, layers.TimeDistributed):
        y = chain(layer.layers, weights, x.reshape(-1, *x.shape[2:]))
        return y.reshape(*x.shape[:2], *y.shape[1:])
    if isinstance(layer, layers.Towers):
        return np.stack([chain(layer.layers, weights, x[:, i]) for i in range(layer.count)], axis=1)
    return recurrent(layer, weights, x)


def chain(chained, weights, x):
    for layer in chained:
        x = layer_output(layer, weights, x)
    return x


def prediction(model, x):
    """What the model should predict."""
    weights = iter([w.astype(np.float64) for w in model.get_weights()])
    y = chain(model.layers, weights, np.asarray(x, np.float64))
    assert next(weights, None) is None, "the model has weights that no layer uses"
    return y


def row_losses(name, predicted, target):
    name = name.removeprefix("sparse_")
    return getattr(oracles, f"{name}_forward")(predicted, target)


def target_for(loss, shape, rng):
    """A random target for predictions of this shape."""
    if loss.startswith("sparse"):
        return rng.integers(0, shape[-1], shape[:-1])
    if loss.startswith("categorical"):
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    if loss.startswith("binary"):
        return rng.integers(0, 2, shape).astype(np.float64)
    return rng.normal(size=shape)


def randomized(model, rng, scale=0.5):
    """Every weight random, biases too: zeros would hide mistakes."""
    model.parameters[:] = rng.normal(size=model.parameters.shape, scale=scale)
    return model


def check_prediction(chained, input_shape, rng, dtype="float32", batch=5, factor=512.0):
    """The model's output and the hand-made one."""
    model = randomized(Sequential([layer.clone() for layer in chained], input_shape, dtype=dtype), rng)
    x = rng.normal(size=(batch, *input_shape)).astype(dtype)
    y = model.predict(x, batch_size=3)
    assert_close(y, prediction(model, x), dtype=dtype, factor=factor)
    return model


def check_gradients(chained, input_shape, rng, loss="mean_squared_error", batch=3, weight=None, target=None):
    """Loss and gradients in float64: against NumPy, and against central differences of NumPy's loss."""
    model = randomized(Sequential([layer.clone() for layer in chained], input_shape, dtype="float64"), rng)
    model.compile("sgd", loss)
    x = rng.normal(size=(batch, *input_shape))
    y = target if target is not None else target_for(loss, prediction(model, x).shape, rng)

    def mean_loss(flat):
        model.parameters[:] = flat
        rows = row_losses(loss, prediction(model, x), y)
        if weight is None:
            return rows.mean()
        return (rows * np.reshape(weight, np.shape(weight) + (1,) * (rows.ndim - np.ndim(weight)))).mean()

    start = model.parameters.copy()
    got = model.compute_gradients(x, y, sample_weight=weight)
    gradients = model.gradients.copy()
    np.testing.assert_allclose(got, mean_loss(start), rtol=1e-11)
    if start.size <= 24:
        np.testing.assert_allclose(gradients, finite_differences(mean_loss, start), rtol=2e-8, atol=2e-10)
    else:  # the slope in random directions: every element has a part in each
        directions = rng.normal(size=(8, start.size))
        slopes = [finite_differences(lambda t, d=d: mean_loss(start + t * d), 0.0, step=1e-4) for d in directions]
        np.testing.assert_allclose(directions @ gradients, slopes, rtol=2e-8, atol=2e-9)
    model.parameters[:] = start
    return model, x, y


def to_bytes(model, optimizer=True):
    """The content of the model's file."""
    return model._to_bytes(optimizer)


def from_bytes(content, name="the model's bytes", compile=True):
    """The model in a file's content."""
    return Sequential._from_bytes(content, name, compile)
