"""Layers and a loss for tests of gradients."""

import numpy as np

from tinynn import layers, losses


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
