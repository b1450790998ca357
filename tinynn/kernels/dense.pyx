"""Dense: an affine map of the last axis, with the activation applied while the result is in the cache.

    y = f(x w + b)                                  x (B, I)  w (I, O)  b (O)  y (B, O)
    dz = dy f'(z),   dx = dz w^T,   dw = x^T dz,   db = sum_b dz
"""

import math

import numpy as np

from tinynn.kernels._arguments import required_arrays
from tinynn.kernels._public import public
from tinynn.kernels._signatures import one_of
from tinynn.kernels.op import OpRun, expect_shape, register

from tinynn.kernels.gemm cimport column_sum_team, gemm_team
from tinynn.kernels.machine cimport LINEAR, RELU, SIGMOID, TANH, Range, Worker, claim, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run


cdef void dense_forward(
        real* y,                                            # OUT (B, O)
        const real* x, const real* w, const real* b,        # IN (B, I) (I, O) (O) or NULL
        Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, int activation, Worker* worker) noexcept nogil:
    """y = f(x w + b)"""
    gemm_team(y, O, x, I, 1, w, O, 1, B, O, I, False, b, activation, worker)


cdef void dense_backward(
        real* dx, real* dw, real* db,                       # OUT (B, I) (I, O) (O), or NULL; dw, db add if accumulate
        real* dy,                                           # IN (B, O), overwritten with dz
        const real* x, const real* w, const real* y,        # IN (B, I) (I, O) (B, O)
        Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, int activation, bint accumulate, Worker* worker) noexcept nogil:
    """dz = dy f'(z),  dx = dz w^T,  dw = x^T dz,  db = sum_b dz"""
    cdef Range part
    if activation != LINEAR:
        while claim(worker, B * O, 4096, &part):
            simd(worker, dy).activation_backward(dy + part.start, dy + part.start, y + part.start,
                                                 part.stop - part.start, activation)
    if dx != NULL:
        gemm_team(dx, I, dy, O, 1, w, 1, O, B, I, O, False, NULL, LINEAR, worker)
    if dw != NULL:
        gemm_team(dw, O, x, 1, I, dy, O, 1, I, O, B, accumulate, NULL, LINEAR, worker)
    if db != NULL:
        column_sum_team(db, dy, O, B, O, accumulate, worker)


cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    dense_forward(call.outputs[0], call.inputs[0], call.parameters[0], call.parameters[1], call.rows * sizes[0],
                  sizes[1], sizes[2], <int> sizes[3], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    dense_backward(call.d_inputs[0], call.d_parameters[0], call.d_parameters[1], call.d_outputs[0], call.inputs[0],
                   call.parameters[0], call.outputs[0], call.rows * sizes[0], sizes[1], sizes[2], <int> sizes[3],
                   call.accumulate, worker)


cdef class Dense(Op):
    """Inputs [x (..., I)], parameters [w (I, O), b (O) or None], attribute activation."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(..., I)"], ["(I, O)", "(O)?"]

    def options(self):
        return {"activation": one_of((LINEAR, RELU, SIGMOID, TANH))}

    def together(self, shape):
        return shape[-1]

    def shapes(self, inputs, parameters, attributes):
        return [(*inputs[0][:-1], parameters[0][1])]

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0][:-1]), *parameters[0], attributes.get("activation", LINEAR)

    def flops(self, sizes):
        return 2 * sizes[0] * sizes[1] * sizes[2]

    def activations(self):
        return {"relu": {"activation": RELU}, "sigmoid": {"activation": SIGMOID}, "tanh": {"activation": TANH}}


dense = Dense("dense")
register(dense)


def checked(function, x, w, **others):
    """The arguments as arrays whose last axes fit."""
    x, w, *others = required_arrays(function, {"w": 2, "b": 1}, x=x, w=w, **others)
    if x.ndim < 1 or x.shape[-1] != w.shape[0]:
        raise ValueError(f"{function}: x has shape {x.shape}, but w of shape {w.shape} takes (..., {w.shape[0]})")
    return x, w, *others


def rows_of(array):
    """The array as a matrix of its last axis, also when that is empty."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


@public
def py_dense_forward(x, w, b=None):
    """Affine map of the last axis: ``y = x w + b``.

    Parameters
    ----------
    x : array_like, shape (..., I)
        Inputs, float32 or float64.
    w : array_like, shape (I, O)
        Weights, of the same dtype.
    b : array_like, shape (O,), optional
        Bias.

    Returns
    -------
    ndarray, shape (..., O)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    if b is None:
        x, w = checked("dense_forward", x, w)
    else:
        x, w, b = checked("dense_forward", x, w, b=b)
        expect_shape("dense_forward", "b", b, w.shape[1:])
    return OpRun(dense, [rows_of(x)], [w, b]).forward()[0].reshape(*x.shape[:-1], w.shape[1])


@public
def py_dense_backward(dy, x, w):
    """Gradients of `dense_forward`: ``dx = dy w^T``, ``dw = x^T dy``, ``db`` = sum of dy over its rows.

    Parameters
    ----------
    dy : array_like, shape (..., O)
        Gradient of the loss with respect to y, float32 or float64.
    x : array_like, shape (..., I)
        The inputs of the forward pass.
    w : array_like, shape (I, O)
        Its weights.

    Returns
    -------
    dx, dw, db : ndarray
        Shapes (..., I), (I, O), (O,).

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> dx, dw, db = dense_backward(np.array([[1.0]]), np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    >>> dx, dw.T, db
    (array([[3., 4.]]), array([[1., 2.]]), array([1.]))
    """
    x, w, dy = checked("dense_backward", x, w, dy=dy)
    expect_shape("dense_backward", "dy", dy, (*x.shape[:-1], w.shape[1]))
    run = OpRun(dense, [rows_of(x)], [w, np.empty(w.shape[1], w.dtype)])
    (dx,), (dw, db) = run.backward([rows_of(dy)])
    return dx.reshape(x.shape), dw, db
