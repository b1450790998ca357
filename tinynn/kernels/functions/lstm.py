"""Long short-term memory."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.kernels.functions import _recurrent
from tinynn.kernels.functions._arguments import Floats
from tinynn.kernels.lstm import cells, lstm


def lstm_forward(x: ArrayLike, w: ArrayLike, u: ArrayLike, b: ArrayLike | None = None,
                 h0: ArrayLike | None = None, c0: ArrayLike | None = None,
                 lengths: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """All states and cells of an LSTM: ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``.

    ``[z_i z_f z_g z_o] = x_t w + h_{t-1} u + b``; ``i``, ``f`` and ``o`` are the sigmoids of their z, ``g`` is the
    tanh of its own. The gates are in Keras' order.

    Parameters
    ----------
    x : array_like, shape (B, T, I)
        B sequences of T steps, float32 or float64.
    w : array_like, shape (I, 4H)
        Weights of the input, of the same dtype.
    u : array_like, shape (H, 4H)
        Weights of the state.
    b : array_like, shape (4H,), optional
        Bias.
    h0, c0 : array_like, shape (B, H), optional
        Initial states and cells; zeros by default.
    lengths : array_like of int, shape (B,), optional
        Length of each row, 1..T: from there on the row repeats its last state and cell.

    Returns
    -------
    h, c : ndarray
        Both of shape (B, T, H).

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or lengths are not whole numbers.
    ValueError
        If the shapes do not fit or a length is not in 1..T.

    Examples
    --------
    >>> import numpy as np
    >>> x, w, u = np.ones((1, 3, 1)), np.ones((1, 4)), np.zeros((1, 4))
    >>> h, c = lstm_forward(x, w, u)
    >>> c.round(4)[0, :, 0]
    array([0.5568, 0.9638, 1.2614])
    >>> h.round(4)[0, :, 0]
    array([0.3696, 0.5453, 0.6225])
    """
    arguments = _recurrent.checked("lstm_forward", 4, (4,), lengths, {"h0": h0, "c0": c0}, x, w, u, b)
    run = _recurrent.prepared(lstm, arguments)
    (h,) = run.forward()
    return h, cells(run)


def lstm_backward(dh: ArrayLike, x: ArrayLike, w: ArrayLike, u: ArrayLike, b: ArrayLike | None = None,
                  h0: ArrayLike | None = None, c0: ArrayLike | None = None,
                  lengths: ArrayLike | None = None) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Gradients of `lstm_forward`; the forward pass is run again for its states.

    ``dc_t += dh_t o (1 - tanh(c_t)^2)``, ``dc_{t-1} = dc_t f``,
    ``dz_t = [dc_t g i(1-i), dc_t c_{t-1} f(1-f), dc_t i (1-g^2), dh_t tanh(c_t) o(1-o)]``,
    ``dx_t = dz_t w^T``, ``dh_{t-1} += dz_t u^T``; ``dw``, ``du`` and ``db`` are sums of ``x_t^T dz_t``,
    ``h_{t-1}^T dz_t`` and ``dz_t``.

    Parameters
    ----------
    dh : array_like, shape (B, T, H)
        Gradient of the loss with respect to all states h, float32 or float64.
    x, w, u, b, h0, c0, lengths
        As in the forward pass.

    Returns
    -------
    dx, dw, du, db, dh0, dc0 : ndarray
        Shapes (B, T, I), (I, 4H), (H, 4H), (4H,), (B, H), (B, H). An absent b, h0 or c0 counts
        as zeros.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or lengths are not whole numbers.
    ValueError
        If the shapes do not fit or a length is not in 1..T.

    Examples
    --------
    >>> import numpy as np
    >>> gradients = lstm_backward(np.ones((1, 1, 1)), np.ones((1, 1, 1)), np.zeros((1, 4)), np.zeros((1, 4)))
    >>> gradients[1]
    array([[0.  , 0.  , 0.25, 0.  ]])
    """
    arguments = _recurrent.checked("lstm_backward", 4, (4,), lengths, {"h0": h0, "c0": c0}, x, w, u, b, dh=dh)
    dx, dw, du, db, dh0, dc0 = _recurrent.gradients(lstm, arguments)
    return dx, dw, du, db, dh0, dc0
