"""The kernels in straightforward NumPy: what the benches measure tinynn against.

Names, arguments and results are those of `tinynn.kernels`, but for initial states, row lengths and options
that no bench uses. Idiomatic, vectorised over the batch, in the dtype of the arguments, without tricks: what
somebody who knows NumPy writes on the first day and is content with. Not an oracle: the tests have their own.
"""

import numpy as np


def gemm(a, b, transpose_a=False, transpose_b=False):
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


def dense_forward(x, w, b):
    return x @ w + b


def dense_backward(dy, x, w):
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


# --- images, channels last ----------------------------------------------------------------------------------


def patches(x, rows, columns):
    """Every patch of every image as a row: (batch, rows', columns', rows columns channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)


def conv2d_forward(x, w, b):
    return patches(x, *w.shape[:2]) @ w.reshape(-1, w.shape[3]) + b


def conv2d_backward(dy, x, w):
    flat, gradient = patches(x, *w.shape[:2]).reshape(-1, w[..., 0].size), dy.reshape(-1, w.shape[3])
    d_patches = (gradient @ w.reshape(-1, w.shape[3]).T).reshape(*dy.shape[:3], *w.shape[:3])
    dx = np.zeros_like(x)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            dx[:, i : i + dy.shape[1], j : j + dy.shape[2]] += d_patches[:, :, :, i, j]
    return dx, (flat.T @ gradient).reshape(w.shape), gradient.sum(axis=0)


def in_twos(x):
    """Windows of 2 x 2 side by side: (batch, rows / 2, columns / 2, 4, channels)."""
    batch, rows, columns, channels = x.shape
    windows = x.reshape(batch, rows // 2, 2, columns // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return windows.reshape(batch, rows // 2, columns // 2, 4, channels)


def max_pooling2d_forward(x):
    return in_twos(x).max(axis=3)


def max_pooling2d_backward(dy, x):
    windows = in_twos(x)
    d_windows = np.zeros_like(windows)
    np.put_along_axis(d_windows, windows.argmax(axis=3)[:, :, :, None], dy[:, :, :, None], axis=3)
    batch, rows, columns, channels = x.shape
    d_windows = d_windows.reshape(batch, rows // 2, columns // 2, 2, 2, channels)
    return d_windows.transpose(0, 1, 3, 2, 4, 5).reshape(x.shape)


# --- normalization ------------------------------------------------------------------------------------------


def batch_normalization_forward(x, gamma, beta, epsilon=1e-3):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon) * gamma + beta


def batch_normalization_backward(dy, x, gamma, epsilon=1e-3):
    deviation = np.sqrt(x.var(axis=0) + epsilon)
    normal = (x - x.mean(axis=0)) / deviation
    dgamma, dbeta = (dy * normal).sum(axis=0), dy.sum(axis=0)
    return gamma / deviation * (dy - dbeta / len(x) - normal * dgamma / len(x)), dgamma, dbeta


def layer_normalization_forward(x, gamma, beta, epsilon=1e-3):
    mean, variance = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def layer_normalization_backward(dy, x, gamma, epsilon=1e-3):
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + epsilon)
    normal, g = (x - x.mean(axis=1, keepdims=True)) / deviation, dy * gamma
    slope = (g * normal).mean(axis=1, keepdims=True)
    dx = (g - g.mean(axis=1, keepdims=True) - normal * slope) / deviation
    return dx, (dy * normal).sum(axis=0), dy.sum(axis=0)


# --- activations --------------------------------------------------------------------------------------------


def sigmoid_forward(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_backward(dy, y):
    return dy * y * (1 - y)


def relu_forward(x):
    return np.maximum(x, 0)


def relu_backward(dy, y):
    return dy * (y > 0)


def tanh_forward(x):
    return np.tanh(x)


def tanh_backward(dy, y):
    return dy * (1 - y * y)


def softmax_forward(x):
    y = np.exp(x - x.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y


def softmax_backward(dy, y):
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


# --- losses: of each row; gradients of their sum ------------------------------------------------------------

SMALLEST, LARGEST = 1e-7, 1 - 1e-7


def half_squared_error_forward(prediction, target):
    return ((prediction - target) ** 2).sum(axis=-1) / 2


def half_squared_error_backward(prediction, target):
    return prediction - target


def mean_squared_error_forward(prediction, target):
    return ((prediction - target) ** 2).mean(axis=-1)


def mean_squared_error_backward(prediction, target):
    return (prediction - target) * (2 / prediction.shape[-1])


def binary_crossentropy_forward(prediction, target):
    p = np.clip(prediction, SMALLEST, LARGEST)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(axis=-1)


def binary_crossentropy_backward(prediction, target):
    p = np.clip(prediction, SMALLEST, LARGEST)
    return np.where(p == prediction, (p - target) / (p * (1 - p)) / p.shape[-1], 0)


def binary_crossentropy_from_logits_forward(prediction, target):
    z = prediction
    return (np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))).mean(axis=-1)


def binary_crossentropy_from_logits_backward(prediction, target):
    return (sigmoid_forward(prediction) - target) / prediction.shape[-1]


def _of_labels(values, labels):
    """The value at each row's label: (B,)."""
    return values[np.arange(len(labels)), labels]


def _minus_one_at_labels(values, labels):
    values[np.arange(len(labels)), labels] -= 1
    return values


def categorical_crossentropy_forward(prediction, target):
    q = prediction / prediction.sum(axis=-1, keepdims=True)
    return -np.log(np.clip(_of_labels(q, target), SMALLEST, LARGEST))


def categorical_crossentropy_backward(prediction, target):
    total = prediction.sum(axis=-1)
    p = _of_labels(prediction, target)
    inside = (p >= SMALLEST * total) & (p <= LARGEST * total)
    dp = np.repeat((inside / total)[:, None], prediction.shape[-1], axis=1).astype(prediction.dtype)
    dp[np.arange(len(target)), target] -= inside / p
    return dp


def categorical_crossentropy_from_logits_forward(prediction, target):
    z = prediction - prediction.max(axis=-1, keepdims=True)
    return np.log(np.exp(z).sum(axis=-1)) - _of_labels(z, target)


def categorical_crossentropy_from_logits_backward(prediction, target):
    return _minus_one_at_labels(softmax_forward(prediction), target)


def categorical_crossentropy_from_sigmoid_logits_forward(prediction, target):
    s = sigmoid_forward(prediction)
    return np.log(s.sum(axis=-1)) - np.log(_of_labels(s, target))


def categorical_crossentropy_from_sigmoid_logits_backward(prediction, target):
    s = sigmoid_forward(prediction)
    q = s / s.sum(axis=-1, keepdims=True)
    return _minus_one_at_labels(q, target) * (1 - s)


# --- the distribution of a sum: digit after digit, shifted and added; in probabilities, not in logarithms ---


def _partial_sums(p):
    """The distributions of the sum of the first 0, 1, ..., N numbers."""
    batch, numbers, values = p.shape
    sums = [np.ones((batch, 1), p.dtype)]
    for n in range(numbers):
        before = sums[-1]
        width = before.shape[1]
        total = np.zeros((batch, width + values - 1), p.dtype)
        for k in range(values):
            total[:, k : k + width] += before * p[:, n, k, None]
        sums.append(total)
    return sums


def _partial_sums_backward(d_total, p, sums):
    dp = np.empty_like(p)
    for n in reversed(range(p.shape[1])):
        before = sums[n]
        width = before.shape[1]
        d_before = np.zeros_like(before)
        for k in range(p.shape[2]):
            part = d_total[:, k : k + width]
            dp[:, n, k] = (part * before).sum(axis=1)
            d_before += part * p[:, n, k, None]
        d_total = d_before
    return dp


def sum_distribution_forward(p):
    return _partial_sums(p)[-1]


def sum_distribution_backward(dy, p):
    return _partial_sums_backward(dy, p, _partial_sums(p))


def sum_distribution_crossentropy_from_logits_forward(z, target):
    return -np.log(_of_labels(sum_distribution_forward(softmax_forward(z)), target))


def sum_distribution_crossentropy_from_logits_backward(z, target):
    return sum_loss_and_gradient(z, target)[1]


def sum_loss_and_gradient(z, target):
    """What the two functions above return, for the price of the second one."""
    p = softmax_forward(z)
    sums = _partial_sums(p)
    probability = _of_labels(sums[-1], target)
    dy = np.zeros_like(sums[-1])
    dy[np.arange(len(target)), target] = -1 / probability
    return -np.log(probability), softmax_backward(_partial_sums_backward(dy, p, sums), p)


# --- recurrent layers: one product for the inputs of all steps, one for each weight gradient ----------------


def _inputs(x, w, b):
    """x w + b of all steps: (B, T, ...)."""
    batch, steps, inputs = x.shape
    return (x.reshape(-1, inputs) @ w + b).reshape(batch, steps, -1)


def _gradients(da, x, w, h, da_recurrent=None):
    """dx, dw, du, db from the gradients of x w and h u; h starts from zeros."""
    batch, steps, inputs = x.shape
    flat = da.reshape(batch * steps, -1)
    before = h[:, :-1].reshape(batch * (steps - 1), -1)
    recurrent = da if da_recurrent is None else da_recurrent
    du = before.T @ recurrent[:, 1:].reshape(len(before), -1)
    return (flat @ w.T).reshape(x.shape), x.reshape(-1, inputs).T @ flat, du, flat.sum(axis=0)


def rnn_forward(x, w, u, b):
    h = _inputs(x, w, b)
    np.tanh(h[:, 0], out=h[:, 0])
    for t in range(1, x.shape[1]):
        h[:, t] = np.tanh(h[:, t] + h[:, t - 1] @ u)
    return h


def rnn_backward(dh, x, w, u, b):
    return rnn_gradients(dh, x, w, u, rnn_forward(x, w, u, b))


def rnn_gradients(dh, x, w, u, h):
    """`rnn_backward` after a forward pass."""
    da = 1 - h * h
    later = np.zeros_like(h[:, 0])
    for t in reversed(range(x.shape[1])):
        da[:, t] *= dh[:, t] + later
        later = da[:, t] @ u.T
    return *_gradients(da, x, w, h), later


def lstm_states(x, w, u, b):
    """h, c, and what the backward pass needs: the gates and tanh(c)."""
    gates = _inputs(x, w, b)
    batch, steps, width = gates.shape
    units = width // 4
    h, c, squashed = (np.empty((batch, steps, units), x.dtype) for _ in range(3))
    for t in range(steps):
        if t:
            gates[:, t] += h[:, t - 1] @ u
        gate = gates[:, t]
        gate[:, : 2 * units] = sigmoid_forward(gate[:, : 2 * units])
        gate[:, 2 * units : 3 * units] = np.tanh(gate[:, 2 * units : 3 * units])
        gate[:, 3 * units :] = sigmoid_forward(gate[:, 3 * units :])
        i, f, g, o = np.split(gate, 4, axis=1)
        c[:, t] = i * g + f * c[:, t - 1] if t else i * g
        squashed[:, t] = np.tanh(c[:, t])
        h[:, t] = o * squashed[:, t]
    return h, c, gates, squashed


def lstm_forward(x, w, u, b):
    h, c, _, _ = lstm_states(x, w, u, b)
    return h, c


def lstm_backward(dh, x, w, u, b):
    return lstm_gradients(dh, x, w, u, *lstm_states(x, w, u, b))


def lstm_gradients(dh, x, w, u, h, c, gates, squashed):
    """`lstm_backward` after `lstm_states`."""
    da = np.empty_like(gates)
    later_h = np.zeros_like(h[:, 0])
    later_c = np.zeros_like(later_h)
    for t in reversed(range(x.shape[1])):
        i, f, g, o = np.split(gates[:, t], 4, axis=1)
        di, df, dg, do = np.split(da[:, t], 4, axis=1)
        total = dh[:, t] + later_h
        dc = later_c + total * o * (1 - squashed[:, t] ** 2)
        di[:] = dc * g * i * (1 - i)
        df[:] = dc * c[:, t - 1] * f * (1 - f) if t else 0
        dg[:] = dc * i * (1 - g * g)
        do[:] = total * squashed[:, t] * o * (1 - o)
        later_h = da[:, t] @ u.T
        later_c = dc * f
    return *_gradients(da, x, w, h), later_h, later_c


def gru_states(x, w, u, b):
    """h, and what the backward pass needs: the gates z, r and candidate, and h u + b of the candidate."""
    gates = _inputs(x, w, b[0])
    batch, steps, width = gates.shape
    units = width // 3
    h, inner = (np.empty((batch, steps, units), x.dtype) for _ in range(2))
    before = np.zeros((batch, units), x.dtype)
    for t in range(steps):
        recurrent = before @ u + b[1]
        gate = gates[:, t]
        gate[:, : 2 * units] = sigmoid_forward(gate[:, : 2 * units] + recurrent[:, : 2 * units])
        z, r, g = np.split(gate, 3, axis=1)
        inner[:, t] = recurrent[:, 2 * units :]
        g[:] = np.tanh(g + r * inner[:, t])
        h[:, t] = before = z * before + (1 - z) * g
    return h, gates, inner


def gru_forward(x, w, u, b):
    return gru_states(x, w, u, b)[0]


def gru_backward(dh, x, w, u, b):
    return gru_gradients(dh, x, w, u, *gru_states(x, w, u, b))


def gru_gradients(dh, x, w, u, h, gates, inner):
    """`gru_backward` after `gru_states`."""
    units = h.shape[2]
    da, recurrent = np.empty_like(gates), np.empty_like(gates)
    later = np.zeros_like(h[:, 0])
    for t in reversed(range(x.shape[1])):
        z, r, g = np.split(gates[:, t], 3, axis=1)
        dz, dr, dg = np.split(da[:, t], 3, axis=1)
        total = dh[:, t] + later
        before = h[:, t - 1] if t else np.zeros_like(later)
        dz[:] = total * (before - g) * z * (1 - z)
        dg[:] = total * (1 - z) * (1 - g * g)
        dr[:] = dg * inner[:, t] * r * (1 - r)
        recurrent[:, t] = da[:, t]
        recurrent[:, t, 2 * units :] *= r
        later = total * z + recurrent[:, t] @ u.T
    dx, dw, du, db = _gradients(da, x, w, h, recurrent)
    return dx, dw, du, np.stack([db, recurrent.sum(axis=(0, 1))]), later


# --- optimizers: Keras 3's formulas, in place ---------------------------------------------------------------


def sgd_update(w, dw, velocity, learning_rate, momentum=0.0, nesterov=False):
    if not momentum:
        w -= learning_rate * dw
        return
    velocity *= momentum
    velocity -= learning_rate * dw
    w += momentum * velocity - learning_rate * dw if nesterov else velocity


def adam_update(w, dw, m, v, step, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    if weight_decay:
        w -= learning_rate * weight_decay * w
    m += (1 - beta_1) * (dw - m)
    v += (1 - beta_2) * (dw * dw - v)
    rate = learning_rate * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
    w -= rate * m / (np.sqrt(v) + epsilon)


def rmsprop_update(w, dw, v, velocity, learning_rate, rho=0.9, momentum=0.0, epsilon=1e-7):
    v *= rho
    v += (1 - rho) * dw * dw
    change = learning_rate * dw / np.sqrt(v + epsilon)
    if momentum:
        velocity *= momentum
        velocity += change
        change = velocity
    w -= change
