"""Simple recurrent network."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.kernels.functions import _recurrent
from tinynn.kernels.functions._arguments import Floats
from tinynn.kernels.rnn import rnn


def rnn_forward(x: ArrayLike, w: ArrayLike, u: ArrayLike, b: ArrayLike | None = None,
                h0: ArrayLike | None = None, lengths: ArrayLike | None = None) -> Floats:
    """All states of a simple recurrent network: ``h_t = tanh(x_t w + h_{t-1} u + b)``.

    Parameters
    ----------
    x : array_like, shape (B, T, I)
        B sequences of T steps, float32 or float64.
    w : array_like, shape (I, H)
        Weights of the input, of the same dtype.
    u : array_like, shape (H, H)
        Weights of the state.
    b : array_like, shape (H,), optional
        Bias.
    h0 : array_like, shape (B, H), optional
        Initial states; zeros by default.
    lengths : array_like of int, shape (B,), optional
        Length of each row, 1..T: from there on the row repeats its last state.

    Returns
    -------
    ndarray, shape (B, T, H)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or lengths are not whole numbers.
    ValueError
        If the shapes do not fit or a length is not in 1..T.

    Examples
    --------
    >>> import numpy as np
    >>> x, w, u = np.ones((1, 3, 1)), np.array([[0.5]]), np.array([[1.0]])
    >>> rnn_forward(x, w, u).round(4)[0, :, 0]
    array([0.4621, 0.7452, 0.8469])
    >>> rnn_forward(x, w, u, lengths=[2]).round(4)[0, :, 0]
    array([0.4621, 0.7452, 0.7452])
    """
    arguments = _recurrent.checked("rnn_forward", 1, (1,), lengths, {"h0": h0}, x, w, u, b)
    return _recurrent.prepared(rnn, arguments).forward()[0]


def rnn_backward(dh: ArrayLike, x: ArrayLike, w: ArrayLike, u: ArrayLike, b: ArrayLike | None = None,
                 h0: ArrayLike | None = None,
                 lengths: ArrayLike | None = None) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Gradients of `rnn_forward`; the forward pass is run again for its states.

    ``dz_t = dh_t (1 - h_t^2)``, ``dx_t = dz_t w^T``, ``dh_{t-1} += dz_t u^T``; ``dw``, ``du`` and ``db`` are sums of
    ``x_t^T dz_t``, ``h_{t-1}^T dz_t`` and ``dz_t``.

    Parameters
    ----------
    dh : array_like, shape (B, T, H)
        Gradient of the loss with respect to all states, float32 or float64.
    x, w, u, b, h0, lengths
        As in the forward pass.

    Returns
    -------
    dx, dw, du, db, dh0 : ndarray
        Shapes (B, T, I), (I, H), (H, H), (H,), (B, H). An absent b or h0 counts as zeros.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or lengths are not whole numbers.
    ValueError
        If the shapes do not fit or a length is not in 1..T.

    Examples
    --------
    >>> import numpy as np
    >>> dx, dw, du, db, dh0 = rnn_backward(np.ones((1, 1, 1)), np.ones((1, 1, 1)), np.zeros((1, 1)), np.eye(1))
    >>> dw, dh0
    (array([[1.]]), array([[1.]]))
    """
    arguments = _recurrent.checked("rnn_backward", 1, (1,), lengths, {"h0": h0}, x, w, u, b, dh=dh)
    dx, dw, du, db, dh0 = _recurrent.gradients(rnn, arguments)
    return dx, dw, du, db, dh0
