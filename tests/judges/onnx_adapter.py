"""ONNX operators, each by the kernel of tinynn that it names.

Layouts are rearranged (NCHW and NHWC, the order of gates, axes, edges of images filled up); all arithmetic is done by
kernels. Where ONNX wants a number that no kernel puts out, it is put together from kernels that do: a scaled sum is a
matrix product, a root is exp(log / 2), a variance is a mean squared error from the mean.
"""

import math

import numpy as np
import onnx

from tinynn import Sequential, kernels, layers
from tinynn.kernels.op import OpRun, registered

operators = {}
"""Functions of a node and its inputs that return its outputs, by the operator's name."""


class Unsupported(NotImplementedError):
    """No kernel does this."""


class Node:
    """A node's attributes, the version of its operator's definition, and how many outputs are asked for."""

    def __init__(self, node, opset):
        self.attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        self.opset = opset
        self.outputs = len(node.output)

    def get(self, name, default=None):
        return self.attributes.get(name, default)


def operator(function):
    operators[function.__name__] = function
    return function


def expect(condition, what):
    if not condition:
        raise Unsupported(what)


def run(model, inputs):
    """What a model of one node puts out, by the order of its inputs that are no initializers."""
    (node,) = model.graph.node
    (opset,) = [each.version for each in model.opset_import if each.domain == node.domain]
    known = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    names = [each.name for each in model.graph.input if each.name not in known]
    known.update(zip(names, inputs, strict=True))
    known[""] = None
    outputs = operators[node.op_type](Node(node, opset), *(known[name] for name in node.input))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return [output for output, name in zip(outputs, node.output, strict=False) if name]


# --- arithmetic out of kernels ----------------------------------------------------------------------------------------

def affine(x, scale, shift=0.0):
    """``scale x + shift``, element by element."""
    w, b = np.full((1, 1), scale, x.dtype), np.full(1, shift, x.dtype)
    return kernels.dense_forward(x[..., None], w, b)[..., 0]


def weighted_sum(*terms):
    """Sum of (weight, array): one row of weights times a matrix of which each row is an array."""
    weights, arrays = zip(*terms, strict=True)
    rows = np.stack([np.ravel(array) for array in arrays])
    return kernels.gemm(np.array([weights], rows.dtype), rows).reshape(np.shape(arrays[0]))


# --- matrix products --------------------------------------------------------------------------------------------------

@operator
def Gemm(node, a, b, c=None):
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if alpha != 1:
        a = affine(a, alpha)
    turned = bool(node.get("transA", 0)), bool(node.get("transB", 0))
    if c is None:
        return kernels.gemm(a, b, *turned)
    if beta != 1:
        c = affine(c, beta)
    a, b = (each.T if turn else each for each, turn in zip((a, b), turned, strict=True))
    if c.ndim < 2 or len(c) == 1:  # a bias for all rows
        return kernels.dense_forward(a, b, np.broadcast_to(c.reshape(-1), b.shape[1:]))
    # [a I] [b; c] = a b + c
    return kernels.gemm(np.hstack([a, np.eye(len(a), dtype=a.dtype)]), np.vstack([b, c]))


@operator
def MatMul(node, a, b):
    rows, columns = a.ndim > 1, b.ndim > 1
    a, b = (a if rows else a[None]), (b if columns else b[:, None])
    stacked = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, stacked + a.shape[-2:]), np.broadcast_to(b, stacked + b.shape[-2:])
    products = [kernels.gemm(a[index], b[index]) for index in np.ndindex(stacked)]
    y = np.reshape(products, (*stacked, a.shape[-2], b.shape[-1]))
    return y[(..., slice(None) if rows else 0, slice(None) if columns else 0)]


# --- activations ------------------------------------------------------------------------------------------------------

@operator
def Relu(node, x):
    return kernels.relu_forward(x)


@operator
def Sigmoid(node, x):
    return kernels.sigmoid_forward(x)


@operator
def Tanh(node, x):
    return kernels.tanh_forward(x)


def over_axis(node, function, x):
    """A function of the last axis, over another one; before version 13 over all from that one on."""
    if node.opset < 13:
        axis = node.get("axis", 1) % x.ndim
        return function(x.reshape(math.prod(x.shape[:axis]), -1)).reshape(x.shape)
    axis = node.get("axis", -1)
    return np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)


def log_softmax(x):
    """The loss ``sum_k t_k (log sum_j exp(x_j) - x_k)`` of every class's target ``t = -1`` at k, 0 elsewhere."""
    classes = x.shape[-1]
    targets = np.broadcast_to(-np.eye(classes, dtype=x.dtype), (*x.shape, classes))
    return kernels.categorical_crossentropy_from_logits_forward(np.repeat(x[..., None, :], classes, -2), targets)


@operator
def Softmax(node, x):
    return over_axis(node, kernels.softmax_forward, x)


@operator
def LogSoftmax(node, x):
    return over_axis(node, log_softmax, x)


@operator
def Flatten(node, x):
    """The layer: all axes before the given one are the batch."""
    axis = node.get("axis", 1)
    axis += x.ndim * (axis < 0)
    sample = x.shape[axis:] or (1,)
    return Sequential([layers.Flatten()], input_shape=sample, dtype=x.dtype).predict(x.reshape(-1, *sample))


# --- windows on images ------------------------------------------------------------------------------------------------

def hang(node, length, size, stride, dilation, pads):
    """How far windows hang over both ends of an axis; negative where they leave something over."""
    reach = (size - 1) * dilation + 1
    automatic, ceil = node.get("auto_pad", b"NOTSET"), node.get("ceil_mode", 0)
    if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
        windows = -(-length // stride)
        both = max((windows - 1) * stride + reach - length, 0)
        before = both // 2 if automatic == b"SAME_UPPER" else both - both // 2
    else:
        before, room = pads[0], length + sum(pads) - reach
        windows = (-(-room // stride) if ceil else room // stride) + 1
        if ceil and (windows - 1) * stride >= length + before:
            windows -= 1  # it would begin on the padding at the end
    return before, (windows - 1) * stride + reach - length - before


def axes_of(node, lengths, sizes):
    """Size, stride, dilation, (pads before, after) and (hanging over before, after) of each axis' windows."""
    count = len(sizes)
    strides, dilations = node.get("strides", [1] * count), node.get("dilations", [1] * count)
    pads = node.get("pads", [0] * 2 * count)
    pads = list(zip(pads[:count], pads[count:], strict=True))
    return [(*each[1:], hang(node, *each)) for each in zip(lengths, sizes, strides, dilations, pads, strict=True)]


def is_same(length, size, stride, dilation, before, after):
    """Whether the kernels' padding="same" hangs over like that."""
    windows = (length + before + after - (size - 1) * dilation - 1) // stride + 1
    return windows == -(-length // stride) and before == (before + after) // 2 and before + after >= 0


def filled(x, hanging, fill):
    """Images (B, H, W, C) with their edges filled, or cut off where windows leave something over."""
    x = np.pad(x, [(0, 0), *((before, max(after, 0)) for before, after in hanging), (0, 0)], constant_values=fill)
    return x[:, :x.shape[1] + min(hanging[0][1], 0), :x.shape[2] + min(hanging[1][1], 0)]


@operator
def Conv(node, x, w, b=None):
    """Over one axis: that of an image of one column. In groups: one convolution for each."""
    axes = axes_of(node, x.shape[2:], w.shape[2:])
    expect(len(axes) <= 2, "no convolution over three axes")
    one_axis = len(axes) == 1
    if one_axis:
        x, w, axes = x[..., None], w[..., None], [*axes, (1, 1, 1, (0, 0), (0, 0))]
    sizes, strides, dilations, _, hanging = zip(*axes, strict=True)
    x, w = np.moveaxis(x, 1, -1), w.transpose(2, 3, 1, 0)
    same = all(map(is_same, x.shape[1:3], sizes, strides, dilations, *zip(*hanging, strict=True)))
    x = x if same else filled(x, hanging, 0)
    groups = node.get("group", 1)
    biases = [None] * groups if b is None else np.split(b, groups)
    y = [kernels.conv2d_forward(*each, strides, "same" if same else "valid", dilations)
         for each in zip(np.split(x, groups, -1), np.split(w, groups, -1), biases, strict=True)]
    y = np.moveaxis(np.concatenate(y, -1), -1, 1)
    return y[..., 0] if one_axis else y


def pool_images(kernel, x, axes, fill):
    """Windows on images (B, H, W, C); `fill` is what counts for nothing at an edge, None if there is no such number.

    A dilated window is an ordinary one on every d-th row and column: images are taken apart, outputs put together.
    """
    sizes, strides, dilations, _, hanging = zip(*axes, strict=True)
    geometry = x.shape[1:3], sizes, strides, dilations
    before, after = zip(*hanging, strict=True)
    if dilations == (1, 1) and all(map(is_same, *geometry, before, after)):
        return kernel(x, sizes, strides, "same")
    if dilations == (1, 1) and all(map(is_same, *geometry, after, before)):  # one more above instead of below
        return kernel(x[:, ::-1, ::-1], sizes, strides, "same")[:, ::-1, ::-1]
    expect(fill is not None or max(before + after) <= 0, "a mean of what is left of a window, but for padding='same'")
    x = filled(x, hanging, fill or 0)
    windows = [(length - (size - 1) * dilation - 1) // stride + 1
               for length, size, stride, dilation in zip(x.shape[1:3], sizes, strides, dilations, strict=True)]
    common = list(map(math.gcd, strides, dilations))
    apart = [dilation // each for dilation, each in zip(dilations, common, strict=True)]
    steps = [stride // each for stride, each in zip(strides, common, strict=True)]
    y = np.empty((len(x), *windows, x.shape[3]), x.dtype)
    for i, j in np.ndindex(*map(min, apart, windows)):
        part = x[:, i * strides[0]::dilations[0], j * strides[1]::dilations[1]]
        y[:, i::apart[0], j::apart[1]] = kernel(part, sizes, steps)
    return y


def pool(kernel, x, axes, fill):
    """The last two axes together, then those before, each as an image of one column; so also if there is but one."""
    if len(axes) > 1:
        images = np.moveaxis(x, 1, -1)
        y = pool_images(kernel, images.reshape(-1, *images.shape[-3:]), axes[-2:], fill)
        x = np.moveaxis(y.reshape(*images.shape[:-3], *y.shape[1:]), -1, 1)
    for number, axis in enumerate(axes[:-2] or axes[:1] * (len(axes) == 1), 2):
        column = np.moveaxis(x, number, -1)
        y = pool_images(kernel, column.reshape(-1, column.shape[-1], 1, 1), [axis, (1, 1, 1, (0, 0), (0, 0))], fill)
        x = np.moveaxis(y.reshape(*column.shape[:-1], -1), -1, number)
    return x


@operator
def MaxPool(node, x):
    expect(node.outputs == 1, "no kernel puts out where the largest numbers are")
    return pool(kernels.max_pooling2d_forward, x, axes_of(node, x.shape[2:], node.get("kernel_shape")), -np.inf)


@operator
def AveragePool(node, x):
    axes = axes_of(node, x.shape[2:], node.get("kernel_shape"))
    if node.get("count_include_pad", 0):
        zeros = [(pads[0], max(min(pads[1], hanging[1]), 0)) for *_, pads, hanging in axes]
        x = np.pad(x, [(0, 0), (0, 0), *zeros])
        axes = [(*each[:3], None, (0, each[4][1] - after)) for each, (_, after) in zip(axes, zeros, strict=True)]
    return pool(kernels.average_pooling2d_forward, x, axes, None)


# --- normalizations ---------------------------------------------------------------------------------------------------

@operator
def BatchNormalization(node, x, *parameters):
    """The op with its moving statistics, which the function does without."""
    training = node.get("training_mode", 0)
    x = np.moveaxis(x, 1, -1)
    moving = OpRun(registered["batch_normalization" if training else "fixed_batch_normalization"],
                   [np.ascontiguousarray(x.reshape(-1, x.shape[-1]))], [each.copy() for each in parameters],
                   momentum=node.get("momentum", 0.9), epsilon=node.get("epsilon", 1e-5))
    (y,) = moving.forward()
    moving.backward([np.zeros_like(y)])  # updates the statistics
    return [np.moveaxis(y.reshape(x.shape), -1, 1), *moving.parameters[2:]]


@operator
def LayerNormalization(node, x, gamma, beta):
    axis, epsilon = node.get("axis", -1) % x.ndim, node.get("epsilon", 1e-5)
    rows = x.reshape(math.prod(x.shape[:axis]), -1)
    y = kernels.layer_normalization_forward(rows, gamma.ravel(), beta.ravel(), epsilon)
    mean = kernels.average_pooling2d_forward(rows[:, :, None, None], (rows.shape[1], 1)).ravel()
    variance = kernels.mean_squared_error_forward(rows, np.broadcast_to(mean[:, None], rows.shape))
    inverse = kernels.exp(affine(kernels.log(affine(variance, 1, epsilon)), -0.5))
    each = (*x.shape[:axis], *[1] * (x.ndim - axis))
    return [y.reshape(x.shape), mean.reshape(each), inverse.reshape(each)]


# --- losses -----------------------------------------------------------------------------------------------------------

def reduced(node, losses, target, weight, ignored):
    """Row losses times the weights of their labels; their sum; or their mean: the weights' shares of their own sum."""
    reduction = node.get("reduction", b"mean")
    if reduction == b"none" and weight is None and not ignored.any():
        return losses
    weights = np.ones(target.shape, losses.dtype) if weight is None else weight[np.where(ignored, 0, target)]
    weights = np.where(ignored, losses.dtype.type(0), weights).ravel()
    if reduction == b"none":
        return kernels.gemm(np.diag(weights), losses.reshape(-1, 1)).reshape(losses.shape)
    if reduction == b"mean":
        weights = kernels.softmax_forward(kernels.log(weights))
    return kernels.gemm(weights[None], losses.reshape(-1, 1))[0, 0]


@operator
def SoftmaxCrossEntropyLoss(node, x, target, weight=None):
    x = np.moveaxis(x, 1, -1)
    ignored = target == node.get("ignore_index")
    losses = kernels.categorical_crossentropy_from_logits_forward(x, np.where(ignored, 0, target))
    loss = reduced(node, losses, target, weight, ignored)
    return [loss, np.moveaxis(log_softmax(x), -1, 1)] if node.outputs > 1 else loss


@operator
def NegativeLogLikelihoodLoss(node, x, target, weight=None):
    """``-x`` at the label: the tests' numbers are no logarithms of probabilities, so this is no cross-entropy."""
    ignored = target == node.get("ignore_index")
    negative = kernels.dense_forward(np.moveaxis(x, 1, -1), -np.eye(x.shape[1], dtype=x.dtype))
    losses = np.take_along_axis(negative, np.where(ignored, 0, target)[..., None], -1)[..., 0]
    return reduced(node, losses, target, weight, ignored)


# --- recurrent networks -----------------------------------------------------------------------------------------------

def recurrent(node, forward, x, w, r, b=None, *rest):
    """Run each direction and stack them: states after all steps, last states (of the cells too).

    `forward` is called with x (B, T, I), w and r (gates, H, ...), and both biases (2, gates, H) or None.
    """
    expect(not rest, "no peepholes")
    expect(not {"activations", "clip", "input_forget", "linear_before_reset"} & set(node.attributes),
           "no test asks for it")
    hidden, batch_first = node.get("hidden_size"), node.get("layout", 0)
    x = x if batch_first else x.swapaxes(0, 1)
    directions = {b"forward": [1], b"reverse": [-1], b"bidirectional": [1, -1]}[node.get("direction", b"forward")]
    sequences, lasts = [], []
    for number, direction in enumerate(directions):
        weights = (each[number].reshape(-1, hidden, each.shape[-1]) for each in (w, r))
        states = forward(x[:, ::direction], *weights, None if b is None else b[number].reshape(2, -1, hidden))
        sequences.append(states[0][:, ::direction])
        lasts.append([each[:, -1] for each in states])
    y = np.stack(sequences, 2)  # (B, T, directions, H)
    last = [np.stack(each, 1) for each in zip(*lasts, strict=True)]  # (B, directions, H)
    return [y, *last] if batch_first else [y.transpose(1, 2, 0, 3), *(each.swapaxes(0, 1) for each in last)]


def laid_out(w, order):
    """Weights (gates, H, I) as the kernels take them: (I, gates H), gates in another order."""
    return w[order].reshape(-1, w.shape[2]).T


def added(b, order):
    """The two biases in one."""
    return None if b is None else weighted_sum((1, b[0][order]), (1, b[1][order])).ravel()


@operator
def RNN(node, *inputs):
    def forward(x, w, r, b):
        return [kernels.rnn_forward(x, laid_out(w, [0]), laid_out(r, [0]), added(b, [0]))]

    return recurrent(node, forward, *inputs)


@operator
def GRU(node, *inputs):
    """Gates z, r, h in both."""
    gates = [0, 1, 2]

    def forward(x, w, r, b):
        return [kernels.gru_forward(x, laid_out(w, gates), laid_out(r, gates), added(b, gates), reset_after=False)]

    return recurrent(node, forward, *inputs)


@operator
def LSTM(node, *inputs):
    """Gates i, o, f, c there; i, f, c, o here."""
    gates = [0, 2, 3, 1]

    def forward(x, w, r, b):
        return kernels.lstm_forward(x, laid_out(w, gates), laid_out(r, gates), added(b, gates))

    return recurrent(node, forward, *inputs)


# --- optimizers -------------------------------------------------------------------------------------------------------

def flat(node, kinds, arrays):
    """Parameters, gradients and states, each kind as one vector, and where its parts end."""
    each = len(arrays) // kinds
    w, dw, *states = (np.concatenate(arrays[kind * each:(kind + 1) * each]) for kind in range(kinds))
    dw = weighted_sum((1, dw), (node.get("norm_coefficient"), w))
    return (w, dw, *states), np.cumsum([len(array) for array in arrays[:each]])[:-1]


@operator
def Adam(node, rate, step, *arrays):
    expect(node.get("norm_coefficient_post", 0) == 0, "no decay after the step")
    (w, dw, m, v), ends = flat(node, 4, arrays)
    # Step 0 means that nothing corrects the bias; so does a step so late that nothing is left to correct.
    kernels.adam_update(w, dw, m, v, int(step) or 2 ** 62, float(rate), node.get("alpha"), node.get("beta"),
                        node.get("epsilon"))
    return [part for vector in (w, m, v) for part in np.split(vector, ends)]


@operator
def Momentum(node, rate, step, *arrays):
    """ONNX' velocity is tinynn's divided by the negative rate."""
    expect(step == 0 or node.get("beta") == 1, "no dampening of the gradient")
    (w, dw, velocity), ends = flat(node, 3, arrays)
    velocity = affine(velocity, -rate)
    kernels.sgd_update(w, dw, velocity, float(rate), node.get("alpha"), nesterov=node.get("mode") == b"nesterov")
    velocity = affine(velocity, -1 / rate)
    return [part for vector in (w, velocity) for part in np.split(vector, ends)]
