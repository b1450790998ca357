"""Oracles: simple RNN, LSTM and GRU after Keras 3's rules, one time step after the other.

A row's steps at and after its length repeat its last state. All backward passes return the gradients in the
order of the kernels; those of an absent bias or initial state are as if it were zeros.
"""

import numpy as np

from tests.oracles.activations import sigmoid_forward


def _prepare(x, u, initial, lengths):
    """Float64 input, initial state (zeros when None), and which rows are active at each step."""
    x = np.asarray(x, dtype=np.float64)
    rows, steps, _ = x.shape
    hidden = np.shape(u)[0]
    state = np.zeros((rows, hidden)) if initial is None else np.array(initial, dtype=np.float64)
    lengths = np.full(rows, steps) if lengths is None else np.asarray(lengths)
    active = np.arange(steps)[:, None] < lengths[None, :]
    return x, state, active[..., None]


def _bias(b, shape):
    return np.zeros(shape) if b is None else np.asarray(b, dtype=np.float64)


def rnn_forward(x, w, u, b=None, h0=None, lengths=None):
    """``h_t = tanh(x_t w + h_{t-1} u + b)``: all h (B, T, H)."""
    x, h, active = _prepare(x, u, h0, lengths)
    w, u = np.asarray(w, dtype=np.float64), np.asarray(u, dtype=np.float64)
    b = _bias(b, u.shape[1])
    states = []
    for t in range(x.shape[1]):
        h = np.where(active[t], np.tanh(x[:, t] @ w + h @ u + b), h)
        states.append(h)
    return np.stack(states, axis=1)


def rnn_backward(dh, x, w, u, b=None, h0=None, lengths=None):
    """Gradients ``dx, dw, du, db, dh0`` of ``sum(dh * h)``."""
    states = rnn_forward(x, w, u, b, h0, lengths)
    x, h0, active = _prepare(x, u, h0, lengths)
    w, u, dh = (np.asarray(each, dtype=np.float64) for each in (w, u, dh))
    dx, dw, du, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u), np.zeros(u.shape[1])
    later = np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        previous = states[:, t - 1] if t else h0
        total = dh[:, t] + later
        da = np.where(active[t], total * (1 - states[:, t] ** 2), 0.0)
        dx[:, t] = da @ w.T
        dw += x[:, t].T @ da
        du += previous.T @ da
        db += da.sum(axis=0)
        later = np.where(active[t], da @ u.T, total)
    return dx, dw, du, db, later


def _lstm_gates(x, h, w, u, b):
    """Gates i, f, g, o of one step."""
    i, f, g, o = np.split(x @ w + h @ u + b, 4, axis=-1)
    return sigmoid_forward(i), sigmoid_forward(f), np.tanh(g), sigmoid_forward(o)


def lstm_forward(x, w, u, b=None, h0=None, c0=None, lengths=None):
    """``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``: all h and all c, each (B, T, H)."""
    x, h, active = _prepare(x, u, h0, lengths)
    _, c, _ = _prepare(x, u, c0, lengths)
    w, u = np.asarray(w, dtype=np.float64), np.asarray(u, dtype=np.float64)
    b = _bias(b, u.shape[1])
    states, cells = [], []
    for t in range(x.shape[1]):
        i, f, g, o = _lstm_gates(x[:, t], h, w, u, b)
        c = np.where(active[t], f * c + i * g, c)
        h = np.where(active[t], o * np.tanh(c), h)
        states.append(h)
        cells.append(c)
    return np.stack(states, axis=1), np.stack(cells, axis=1)


def lstm_backward(dh, x, w, u, b=None, h0=None, c0=None, lengths=None):
    """Gradients ``dx, dw, du, db, dh0, dc0`` of ``sum(dh * h)``."""
    states, cells = lstm_forward(x, w, u, b, h0, c0, lengths)
    x, h0, active = _prepare(x, u, h0, lengths)
    _, c0, _ = _prepare(x, u, c0, lengths)
    w, u, dh = (np.asarray(each, dtype=np.float64) for each in (w, u, dh))
    b = _bias(b, u.shape[1])
    dx, dw, du, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u), np.zeros(u.shape[1])
    later_h, later_c = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(x.shape[1])):
        previous, previous_c = (states[:, t - 1], cells[:, t - 1]) if t else (h0, c0)
        i, f, g, o = _lstm_gates(x[:, t], previous, w, u, b)
        squashed = np.tanh(cells[:, t])
        total = dh[:, t] + later_h
        dc = later_c + total * o * (1 - squashed**2)
        da = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * previous_c * f * (1 - f),
                dc * i * (1 - g**2),
                total * squashed * o * (1 - o),
            ],
            axis=-1,
        )
        da = np.where(active[t], da, 0.0)
        dx[:, t] = da @ w.T
        dw += x[:, t].T @ da
        du += previous.T @ da
        db += da.sum(axis=0)
        later_h = np.where(active[t], da @ u.T, total)
        later_c = np.where(active[t], dc * f, later_c)
    return dx, dw, du, db, later_h, later_c


def _gru_step(x, h, w, u, b, reset_after):
    """One step: the new state, and what its gradient needs (z, r, candidate, recurrent part of it)."""
    wz, wr, wh = np.split(w, 3, axis=1)
    uz, ur, uh = np.split(u, 3, axis=1)
    if reset_after:
        bz, br, bh = np.split(b[0], 3)
        cz, cr, ch = np.split(b[1], 3)
        z = sigmoid_forward(x @ wz + bz + h @ uz + cz)
        r = sigmoid_forward(x @ wr + br + h @ ur + cr)
        inner = h @ uh + ch
        candidate = np.tanh(x @ wh + bh + r * inner)
    else:
        bz, br, bh = np.split(b, 3)
        z = sigmoid_forward(x @ wz + h @ uz + bz)
        r = sigmoid_forward(x @ wr + h @ ur + br)
        inner = r * h
        candidate = np.tanh(x @ wh + inner @ uh + bh)
    return z * h + (1 - z) * candidate, (z, r, candidate, inner)


def _gru_bias(b, width, reset_after):
    return _bias(b, (2, width) if reset_after else width)


def gru_forward(x, w, u, b=None, h0=None, lengths=None, reset_after=True):
    """``h_t = z h_{t-1} + (1 - z) candidate``, the candidate after either rule: all h (B, T, H)."""
    x, h, active = _prepare(x, u, h0, lengths)
    w, u = np.asarray(w, dtype=np.float64), np.asarray(u, dtype=np.float64)
    b = _gru_bias(b, u.shape[1], reset_after)
    states = []
    for t in range(x.shape[1]):
        new, _ = _gru_step(x[:, t], h, w, u, b, reset_after)
        h = np.where(active[t], new, h)
        states.append(h)
    return np.stack(states, axis=1)


def gru_backward(dh, x, w, u, b=None, h0=None, lengths=None, reset_after=True):
    """Gradients ``dx, dw, du, db, dh0`` of ``sum(dh * h)``."""
    states = gru_forward(x, w, u, b, h0, lengths, reset_after)
    x, h0, active = _prepare(x, u, h0, lengths)
    w, u, dh = (np.asarray(each, dtype=np.float64) for each in (w, u, dh))
    b = _gru_bias(b, u.shape[1], reset_after)
    hidden = u.shape[0]
    uzr, uh = u[:, : 2 * hidden], u[:, 2 * hidden :]
    dx, dw, du, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u), np.zeros_like(b)
    later = np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        previous = states[:, t - 1] if t else h0
        total = dh[:, t] + later
        _, (z, r, candidate, inner) = _gru_step(x[:, t], previous, w, u, b, reset_after)
        on = np.where(active[t], total, 0.0)
        az = on * (previous - candidate) * z * (1 - z)
        ah = on * (1 - z) * (1 - candidate**2)
        if reset_after:
            ar = ah * inner * r * (1 - r)
            inside = ah * r  # gradient of h uh + its bias
            du[:, 2 * hidden :] += previous.T @ inside
            through_candidate = inside @ uh.T
        else:
            inside = ah @ uh.T  # gradient of r h
            ar = inside * previous * r * (1 - r)
            du[:, 2 * hidden :] += inner.T @ ah
            through_candidate = inside * r
        azr = np.concatenate([az, ar], axis=-1)
        da = np.concatenate([azr, ah], axis=-1)
        dx[:, t] = da @ w.T
        dw += x[:, t].T @ da
        du[:, : 2 * hidden] += previous.T @ azr
        if reset_after:
            db[0] += da.sum(axis=0)
            db[1] += np.concatenate([azr, inside], axis=-1).sum(axis=0)
        else:
            db += da.sum(axis=0)
        later = np.where(active[t], on * z + azr @ uzr.T + through_candidate, total)
    return dx, dw, du, db, later
