"""Straightforward NumPy float64 versions of every kernel: what the kernels are judged by.

Names and arguments are those of `tinynn.kernels`, with three differences: everything is computed in
float64; optimizers return new vectors where kernels change theirs; nothing is checked. They are written to be
obviously right, not fast; `tests/kernels/test_oracles.py` checks every gradient here by finite differences.
"""

from tests.oracles.activations import (
    exp,
    log,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softmax_backward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)
from tests.oracles.augmentation import augment, changed, philox
from tests.oracles.dense import dense_backward, dense_forward, gemm
from tests.oracles.images import (
    average_pooling2d_backward,
    average_pooling2d_forward,
    conv2d_backward,
    conv2d_forward,
    max_pooling2d_backward,
    max_pooling2d_forward,
)
from tests.oracles.losses import (
    binary_crossentropy_backward,
    binary_crossentropy_forward,
    binary_crossentropy_from_logits_backward,
    binary_crossentropy_from_logits_forward,
    categorical_crossentropy_backward,
    categorical_crossentropy_forward,
    categorical_crossentropy_from_logits_backward,
    categorical_crossentropy_from_logits_forward,
    categorical_crossentropy_from_sigmoid_logits_backward,
    categorical_crossentropy_from_sigmoid_logits_forward,
    half_squared_error_backward,
    half_squared_error_forward,
    mean_squared_error_backward,
    mean_squared_error_forward,
)
from tests.oracles.normalization import (
    batch_normalization_backward,
    batch_normalization_forward,
    layer_normalization_backward,
    layer_normalization_forward,
)
from tests.oracles.optimizers import adam_update, rmsprop_update, sgd_update
from tests.oracles.recurrent import (
    gru_backward,
    gru_forward,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)
from tests.oracles.sum_distribution import (
    sum_distribution_backward,
    sum_distribution_crossentropy_from_logits_backward,
    sum_distribution_crossentropy_from_logits_forward,
    sum_distribution_forward,
)

__all__ = [
    "adam_update",
    "augment",
    "average_pooling2d_backward",
    "average_pooling2d_forward",
    "batch_normalization_backward",
    "batch_normalization_forward",
    "binary_crossentropy_backward",
    "binary_crossentropy_forward",
    "binary_crossentropy_from_logits_backward",
    "binary_crossentropy_from_logits_forward",
    "categorical_crossentropy_backward",
    "categorical_crossentropy_forward",
    "categorical_crossentropy_from_logits_backward",
    "categorical_crossentropy_from_logits_forward",
    "categorical_crossentropy_from_sigmoid_logits_backward",
    "categorical_crossentropy_from_sigmoid_logits_forward",
    "changed",
    "conv2d_backward",
    "conv2d_forward",
    "dense_backward",
    "dense_forward",
    "exp",
    "gemm",
    "gru_backward",
    "gru_forward",
    "half_squared_error_backward",
    "half_squared_error_forward",
    "layer_normalization_backward",
    "layer_normalization_forward",
    "log",
    "lstm_backward",
    "lstm_forward",
    "max_pooling2d_backward",
    "max_pooling2d_forward",
    "mean_squared_error_backward",
    "mean_squared_error_forward",
    "philox",
    "relu_backward",
    "relu_forward",
    "rmsprop_update",
    "rnn_backward",
    "rnn_forward",
    "sgd_update",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_backward",
    "softmax_forward",
    "sum_distribution_backward",
    "sum_distribution_crossentropy_from_logits_backward",
    "sum_distribution_crossentropy_from_logits_forward",
    "sum_distribution_forward",
    "tanh_backward",
    "tanh_forward",
]
