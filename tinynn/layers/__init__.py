"""Layers: everything a model is made of."""

from tinynn.layers.activation import Activation
from tinynn.layers.base import Layer, PythonLayer
from tinynn.layers.batch_normalization import BatchNormalization
from tinynn.layers.conv2d import Conv2D
from tinynn.layers.dense import Dense
from tinynn.layers.dropout import Dropout
from tinynn.layers.layer_normalization import LayerNormalization
from tinynn.layers.pooling2d import AveragePooling2D, MaxPooling2D
from tinynn.layers.recurrent import GRU, LSTM, SimpleRNN
from tinynn.layers.rescaling import Rescaling
from tinynn.layers.reshaping import Flatten, RepeatVector, Reshape
from tinynn.layers.sum_distribution import SumDistribution
from tinynn.layers.time_distributed import TimeDistributed
from tinynn.layers.towers import Towers

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "LayerNormalization",
    "MaxPooling2D",
    "PythonLayer",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SumDistribution",
    "TimeDistributed",
    "Towers",
]
