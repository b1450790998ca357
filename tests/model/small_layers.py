"""Layers and a loss for tests of gradients."""

import numpy as np

from tinynn import layers, losses
from tinynn.initializers import GlorotUniform


class Scale(layers.PythonLayer):
    """y = x s, one s for each feature."""

    def parameters(self, network, input_shape):
        return [network.parameter("scale", (input_shape[-1],), lambda s, d, g: np.ones(s, d))]

    def forward(self, x, scale):
        return x * scale

    def backward(self, dy, x, y, scale):
        return dy * scale, (dy * x).sum(axis=tuple(range(x.ndim - 1)))


class SumOfSteps(layers.Layer):
    """A layer made of ops."""

    def connect(self, network, x):
        return network.op("tanh", network.op("add", network.op_outputs("split", x)))


class FourthPower(losses.Loss):
    """A loss in Python."""

    def forward(self, prediction, target):
        return ((prediction - target) ** 4).sum(axis=-1)

    def backward(self, prediction, target):
        return 4 * (prediction - target) ** 3


def frozen(layer):
    layer.trainable = False
    return layer


class Residual(layers.Layer):
    """y = x + tanh(x w), and x once more for each of `more`."""

    def __init__(self, more=0, name=None):
        self.more = more
        self.name = name

    def connect(self, network, x):
        w = network.parameter("kernel", (x.shape[-1], x.shape[-1]), GlorotUniform())
        inner = network.op("tanh", network.op("dense", x, [w, None]))
        return network.op("add", [x, inner, *[x] * self.more])
