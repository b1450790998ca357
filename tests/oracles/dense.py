"""Oracles: matrix product and affine map."""

import numpy as np


def gemm(a, b, transpose_a=False, transpose_b=False):
    """The product of two matrices in float64, each optionally transposed first."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


def dense_forward(x, w, b=None):
    """``y = x w + b`` over the last axis."""
    y = np.einsum("...i,io->...o", np.asarray(x, dtype=np.float64), np.asarray(w, dtype=np.float64))
    return y if b is None else y + np.asarray(b, dtype=np.float64)


def dense_backward(dy, x, w):
    """``dx = dy w^T``, ``dw = sum over rows of x dy``, ``db = sum over rows of dy``."""
    dy, x, w = (np.asarray(each, dtype=np.float64) for each in (dy, x, w))
    dx = np.einsum("...o,io->...i", dy, w)
    rows_of_x, rows_of_dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    dw = np.einsum("ri,ro->io", rows_of_x, rows_of_dy)
    db = rows_of_dy.sum(axis=0)
    return dx, dw, db
