"""Gated recurrent unit."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.kernels.functions import _recurrent
from tinynn.kernels.functions._arguments import Floats
from tinynn.kernels.gru import gru


def gru_forward(x: ArrayLike, w: ArrayLike, u: ArrayLike, b: ArrayLike | None = None,
                h0: ArrayLike | None = None, lengths: ArrayLike | None = None, reset_after: bool = True) -> Floats:
    """All states of a GRU: ``h_t = z h_{t-1} + (1 - z) g``.

    ``[z_z z_r z_g] = x_t w + b_0``, ``z = s(z_z + a_z)``, ``r = s(z_r + a_r)`` in Keras' gate order. With `reset_after`
    ``a = h_{t-1} u + b_1`` and ``g = tanh(z_g + r a_g)``; without it ``g = tanh(z_g + (r h_{t-1}) u_g)``.

    Parameters
    ----------
    x : array_like, shape (B, T, I)
        B sequences of T steps, float32 or float64.
    w : array_like, shape (I, 3H)
        Weights of the input, of the same dtype.
    u : array_like, shape (H, 3H)
        Weights of the state.
    b : array_like, shape (2, 3H), or (3H,) with ``reset_after=False``, optional
        Biases: of the input and of the state.
    h0 : array_like, shape (B, H), optional
        Initial states; zeros by default.
    lengths : array_like of int, shape (B,), optional
        Length of each row, 1..T: from there on the row repeats its last state.
    reset_after : bool
        Whether the reset gate acts after the matrix product.

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
    >>> x, w, u = np.ones((1, 3, 1)), np.array([[0.0, 0.0, 1.0]]), np.zeros((1, 3))
    >>> gru_forward(x, w, u).round(4)[0, :, 0]
    array([0.3808, 0.5712, 0.6664])
    """
    bias = (2, 3) if reset_after else (3,)
    arguments = _recurrent.checked("gru_forward", 3, bias, lengths, {"h0": h0}, x, w, u, b)
    return _recurrent.prepared(gru, arguments, reset_after=reset_after).forward()[0]


def gru_backward(dh: ArrayLike, x: ArrayLike, w: ArrayLike, u: ArrayLike, b: ArrayLike | None = None,
                 h0: ArrayLike | None = None, lengths: ArrayLike | None = None,
                 reset_after: bool = True) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Gradients of `gru_forward`; the forward pass is run again for its states.

    ``dz_z = dh (h_{t-1} - g) z(1-z)``, ``dz_g = dh (1 - z)(1 - g^2)``, ``dh_{t-1} += dh z``; with `reset_after`
    ``dz_r = dz_g a_g r(1-r)``, ``da = [dz_z, dz_r, dz_g r]`` and ``dh_{t-1} += da u^T``; without it
    ``d(r h) = dz_g u_g^T``, ``dz_r = d(r h) h_{t-1} r(1-r)`` and
    ``dh_{t-1} += d(r h) r + dz_z u_z^T + dz_r u_r^T``.

    Parameters
    ----------
    dh : array_like, shape (B, T, H)
        Gradient of the loss with respect to all states, float32 or float64.
    x, w, u, b, h0, lengths, reset_after
        As in the forward pass.

    Returns
    -------
    dx, dw, du, db, dh0 : ndarray
        Shapes (B, T, I), (I, 3H), (H, 3H), (2, 3H) or (3H,), (B, H). An absent b or h0 counts as zeros.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or lengths are not whole numbers.
    ValueError
        If the shapes do not fit or a length is not in 1..T.

    Examples
    --------
    >>> import numpy as np
    >>> gradients = gru_backward(np.ones((1, 1, 1)), np.ones((1, 1, 1)), np.zeros((1, 3)), np.zeros((1, 3)))
    >>> gradients[1]
    array([[0. , 0. , 0.5]])
    """
    bias = (2, 3) if reset_after else (3,)
    arguments = _recurrent.checked("gru_backward", 3, bias, lengths, {"h0": h0}, x, w, u, b, dh=dh)
    dx, dw, du, db, dh0 = _recurrent.gradients(gru, arguments, reset_after=reset_after)
    return dx, dw, du, db, dh0
