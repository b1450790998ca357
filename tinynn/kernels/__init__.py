"""The mathematics of tinynn: every kernel as a checked function over NumPy arrays of float32 or float64.

Each operation has a compiled module here, with its forward beside its backward pass, which registers its ops with
`tinynn.kernels.op`, and its public functions in the module of the same name in `tinynn.kernels.functions`.
"""

# Ops without public functions.
from tinynn.kernels import rescaling as rescaling
from tinynn.kernels import structure as structure
from tinynn.kernels.functions.activations import (
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softmax_backward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)
from tinynn.kernels.functions.augmentation import augment
from tinynn.kernels.functions.basics import exp, gemm, log
from tinynn.kernels.functions.batch_normalization import batch_normalization_backward, batch_normalization_forward
from tinynn.kernels.functions.categorical import (
    categorical_crossentropy_backward,
    categorical_crossentropy_forward,
    categorical_crossentropy_from_logits_backward,
    categorical_crossentropy_from_logits_forward,
    categorical_crossentropy_from_sigmoid_logits_backward,
    categorical_crossentropy_from_sigmoid_logits_forward,
)
from tinynn.kernels.functions.conv2d import conv2d_backward, conv2d_forward
from tinynn.kernels.functions.dense import dense_backward, dense_forward
from tinynn.kernels.functions.dropout import dropout_backward, dropout_forward
from tinynn.kernels.functions.gru import gru_backward, gru_forward
from tinynn.kernels.functions.layer_normalization import layer_normalization_backward, layer_normalization_forward
from tinynn.kernels.functions.losses import (
    binary_crossentropy_backward,
    binary_crossentropy_forward,
    binary_crossentropy_from_logits_backward,
    binary_crossentropy_from_logits_forward,
    half_squared_error_backward,
    half_squared_error_forward,
    mean_squared_error_backward,
    mean_squared_error_forward,
)
from tinynn.kernels.functions.lstm import lstm_backward, lstm_forward
from tinynn.kernels.functions.metrics import binary_accuracy, categorical_accuracy, mean_absolute_error
from tinynn.kernels.functions.optimizers import adam_update, rmsprop_update, sgd_update
from tinynn.kernels.functions.pooling2d import (
    average_pooling2d_backward,
    average_pooling2d_forward,
    max_pooling2d_backward,
    max_pooling2d_forward,
)
from tinynn.kernels.functions.rnn import rnn_backward, rnn_forward
from tinynn.kernels.functions.sum_distribution import (
    sum_distribution_backward,
    sum_distribution_crossentropy_from_logits_backward,
    sum_distribution_crossentropy_from_logits_forward,
    sum_distribution_forward,
)
from tinynn.kernels.machine import instruction_set, instruction_sets

__all__ = [
    "adam_update", "augment", "average_pooling2d_backward", "average_pooling2d_forward",
    "batch_normalization_backward", "batch_normalization_forward", "binary_accuracy",
    "binary_crossentropy_backward", "binary_crossentropy_forward", "binary_crossentropy_from_logits_backward",
    "binary_crossentropy_from_logits_forward", "categorical_accuracy", "categorical_crossentropy_backward",
    "categorical_crossentropy_forward", "categorical_crossentropy_from_logits_backward",
    "categorical_crossentropy_from_logits_forward", "categorical_crossentropy_from_sigmoid_logits_backward",
    "categorical_crossentropy_from_sigmoid_logits_forward", "conv2d_backward", "conv2d_forward", "dense_backward",
    "dense_forward", "dropout_backward", "dropout_forward", "exp", "gemm", "gru_backward", "gru_forward",
    "half_squared_error_backward", "half_squared_error_forward", "instruction_set", "instruction_sets",
    "layer_normalization_backward", "layer_normalization_forward", "log", "lstm_backward", "lstm_forward",
    "max_pooling2d_backward", "max_pooling2d_forward", "mean_absolute_error", "mean_squared_error_backward",
    "mean_squared_error_forward", "relu_backward", "relu_forward", "rmsprop_update", "rnn_backward", "rnn_forward",
    "sgd_update", "sigmoid_backward", "sigmoid_forward", "softmax_backward", "softmax_forward",
    "sum_distribution_backward", "sum_distribution_crossentropy_from_logits_backward",
    "sum_distribution_crossentropy_from_logits_forward", "sum_distribution_forward", "tanh_backward",
    "tanh_forward",
]
