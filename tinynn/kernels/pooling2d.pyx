"""Pooling: the largest, or the mean, of each window of an image, channel by channel, channels last.

    max      y[i, j] = max over the window x[i r - top + p, j r' - left + q]      dx += dy where x is first equal to y
    average  y[i, j] = mean over the window                                       dx += dy / positions of the window
    x (B, H, W, C)   y (B, H', W', C)

In a window that reaches beyond the image, only the positions inside count.
"""

import math

from tinynn.kernels._arguments import required_arrays
from tinynn.kernels._public import public
from tinynn.kernels._windows import padding_of, pair, slide
from tinynn.kernels.op import OpRun, expect_shape, register

from libc.string cimport memset

from tinynn.kernels.machine cimport Range, Windows, Worker, claim, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run

# What a call's sizes say.
cdef struct Geometry:
    Py_ssize_t H, W, C, P, Q
    Py_ssize_t row_stride, column_stride, top, left
    Py_ssize_t rows, columns            # of the output
    bint overlap                        # some position is in several windows
    bint covered                        # every position is in some window


cdef Geometry geometry_of(const Py_ssize_t* sizes) noexcept nogil:
    cdef Geometry g
    g.H, g.W, g.C, g.P, g.Q = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    g.row_stride, g.column_stride, g.top, g.left = sizes[5], sizes[6], sizes[7], sizes[8]
    g.rows, g.columns = sizes[9], sizes[10]
    g.overlap = g.row_stride < g.P or g.column_stride < g.Q
    g.covered = (g.row_stride <= g.P and (g.rows - 1) * g.row_stride - g.top + g.P >= g.H
                 and g.column_stride <= g.Q and (g.columns - 1) * g.column_stride - g.left + g.Q >= g.W)
    return g


# Where a row of windows begins in x and y.
cdef struct Place:
    Py_ssize_t x, y


cdef Place windows_from(Windows* windows, Py_ssize_t i, Py_ssize_t j, const Geometry* g) noexcept nogil:
    """The windows from output pixel (i, j) on: one that reaches beyond a side, or all up to the next one that does"""
    cdef Place place
    cdef Py_ssize_t row = i * g.row_stride - g.top, column = j * g.column_stride - g.left
    cdef Py_ssize_t first_row = max(row, 0), first_column = max(column, 0)
    windows.step, windows.row, windows.column, windows.channels = g.column_stride * g.C, g.W * g.C, g.C, g.C
    windows.rows = min(row + g.P, g.H) - first_row
    windows.columns = min(column + g.Q, g.W) - first_column
    windows.overlap = g.overlap
    windows.count = 1
    if windows.columns == g.Q:
        windows.count = min(g.columns - j, 1 + (g.W - g.Q - column) // g.column_stride)
    place.x = (first_row * g.W + first_column) * g.C
    place.y = (i * g.columns + j) * g.C
    return place


cdef inline Py_ssize_t grain(const Geometry* g) noexcept nogil:
    """Images worth a claim"""
    return 1 + 16384 // (g.H * g.W * g.C + 1)


cdef void pooling2d_forward(
        real* y,                                            # OUT (B, H', W', C)
        const real* x,                                      # IN (B, H, W, C)
        Py_ssize_t B, const Geometry* g, bint largest, Worker* worker) noexcept nogil:
    """y = max or mean of each window"""
    cdef Py_ssize_t image, i, j, x_size = g.H * g.W * g.C, y_size = g.rows * g.columns * g.C
    cdef Windows windows
    cdef Place at
    cdef Range part
    while claim(worker, B, grain(g), &part):
        for image in range(part.start, part.stop):
            for i in range(g.rows):
                j = 0
                while j < g.columns:
                    at = windows_from(&windows, i, j, g)
                    if largest:
                        simd(worker, y).max_pool(y + image * y_size + at.y, x + image * x_size + at.x, &windows)
                    else:
                        simd(worker, y).average_pool(y + image * y_size + at.y, x + image * x_size + at.x, &windows)
                    j += windows.count


cdef void pooling2d_backward(
        real* dx,                                           # OUT (B, H, W, C)
        const real* dy, const real* x, const real* y,       # IN (B, H', W', C) (B, H, W, C) (B, H', W', C)
        Py_ssize_t B, const Geometry* g, bint largest, Worker* worker) noexcept nogil:
    """dx += dy where y came from"""
    cdef Py_ssize_t image, i, j, x_size = g.H * g.W * g.C, y_size = g.rows * g.columns * g.C
    cdef Windows windows
    cdef Place at
    cdef Range part
    while claim(worker, B, grain(g), &part):
        for image in range(part.start, part.stop):
            if g.overlap or not g.covered:
                memset(dx + image * x_size, 0, x_size * sizeof(real))
            for i in range(g.rows):
                j = 0
                while j < g.columns:
                    at = windows_from(&windows, i, j, g)
                    at.x += image * x_size
                    at.y += image * y_size
                    if largest:
                        simd(worker, dx).max_pool_backward(dx + at.x, dy + at.y, x + at.x, y + at.y, &windows)
                    else:
                        simd(worker, dx).average_pool_backward(dx + at.x, dy + at.y, &windows)
                    j += windows.count


# --- as ops: sizes (H, W, C, P, Q, strides, top, left, H', W', largest) -----------------------------------------------

cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Geometry g = geometry_of(call.sizes)
    pooling2d_forward(call.outputs[0], call.inputs[0], call.rows, &g, call.sizes[11], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Geometry g = geometry_of(call.sizes)
    if call.d_inputs[0] != NULL:
        pooling2d_backward(call.d_inputs[0], call.d_outputs[0], call.inputs[0], call.outputs[0], call.rows, &g,
                           call.sizes[11], worker)


cdef class Pooling2D(Op):
    """Input [x (H, W, C)], output [y (H', W', C)], attributes pool, strides and padding."""
    cdef int largest

    def __init__(self, name, largest):
        super().__init__(name)
        self.largest = largest

    def __cinit__(self, *arguments):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(H, W, C)"], []

    def options(self):
        return {"pool": pair, "strides": pair, "padding": padding_of}

    def required(self):
        return "pool", "strides", "padding"

    def shapes(self, inputs, parameters, attributes):
        size, _ = self._slide(inputs, attributes)
        return [(*size, inputs[0][2])]

    def sizes(self, inputs, parameters, attributes):
        size, before = self._slide(inputs, attributes)
        return *inputs[0], *attributes["pool"], *attributes["strides"], *before, *size, self.largest

    def _slide(self, inputs, attributes):
        return slide(self.name, inputs[0][:2], attributes["pool"], attributes["strides"], attributes["padding"])

    def flops(self, sizes):
        return math.prod(sizes[2:5]) * sizes[9] * sizes[10]


max_pooling2d = Pooling2D("max_pooling2d", 1)
average_pooling2d = Pooling2D("average_pooling2d", 0)
register(max_pooling2d)
register(average_pooling2d)


# --- as functions -----------------------------------------------------------------------------------------------------

def prepared(function, op, x, pool_size, strides, padding, **others):
    """The run of the op on the checked arguments, and the other arrays."""
    x, *others = required_arrays(function, {"x": 4, "dy": 4}, x=x, **others)
    if 0 in x.shape[1:]:
        raise ValueError(f"{function}: x has shape {x.shape}, but an image without numbers has no windows")
    pool = pair(function, "pool_size", pool_size)
    strides = pool if strides is None else pair(function, "strides", strides)
    size, _ = slide(function, x.shape[1:3], pool, strides, padding)
    for dy in others:
        expect_shape(function, "dy", dy, (len(x), *size, x.shape[3]))
    return OpRun(op, [x], pool=pool, strides=strides, padding=padding), others


def backward(function, op, dy, x, pool_size, strides, padding):
    run, (dy,) = prepared(function, op, x, pool_size, strides, padding, dy=dy)
    run.forward()
    return run.backward([dy])[0][0]


@public
def py_max_pooling2d_forward(x, pool_size=2, strides=None, padding="valid"):
    """Largest number of each window, channel by channel.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
        Images, float32 or float64.
    pool_size : int or tuple of int, optional
        Rows and columns of a window.
    strides : int or tuple of int, optional
        Steps between windows; None: the windows stand side by side.
    padding : {"valid", "same"}, optional
        Windows inside the image only; or as many as there are pixels for the strides, cut off at the edges.

    Returns
    -------
    ndarray, shape (B, H', W', C)

    Raises
    ------
    TypeError
        If x is not float32 or float64, or a stride is no whole number.
    ValueError
        If x does not have four axes, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> max_pooling2d_forward(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return prepared("max_pooling2d_forward", max_pooling2d, x, pool_size, strides, padding)[0].forward()[0]


@public
def py_max_pooling2d_backward(dy, x, pool_size=2, strides=None, padding="valid"):
    """Gradient of `max_pooling2d_forward`: to the first of the largest numbers of each window, row by row.

    Parameters
    ----------
    dy : array_like, shape (B, H', W', C)
        Gradient of the loss with respect to y, float32 or float64.
    x, pool_size, strides, padding
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape (B, H, W, C)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, the two differ in dtype, or a stride is no whole number.
    ValueError
        If the shapes do not fit, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> max_pooling2d_backward(np.ones((1, 1, 1, 1)), np.array([[[[1.0], [2.0]], [[2.0], [0.0]]]]))[0, :, :, 0]
    array([[0., 1.],
           [0., 0.]])
    """
    return backward("max_pooling2d_backward", max_pooling2d, dy, x, pool_size, strides, padding)


@public
def py_average_pooling2d_forward(x, pool_size=2, strides=None, padding="valid"):
    """Mean of each window, channel by channel; of a window cut off at an edge, the mean of what is left.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
        Images, float32 or float64.
    pool_size, strides, padding
        As for `max_pooling2d_forward`.

    Returns
    -------
    ndarray, shape (B, H', W', C)

    Raises
    ------
    TypeError
        If x is not float32 or float64, or a stride is no whole number.
    ValueError
        If x does not have four axes, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> average_pooling2d_forward(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return prepared("average_pooling2d_forward", average_pooling2d, x, pool_size, strides, padding)[0].forward()[0]


@public
def py_average_pooling2d_backward(dy, x, pool_size=2, strides=None, padding="valid"):
    """Gradient of `average_pooling2d_forward`: to all positions of each window alike.

    Parameters
    ----------
    dy : array_like, shape (B, H', W', C)
        Gradient of the loss with respect to y, float32 or float64.
    x, pool_size, strides, padding
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape (B, H, W, C)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, the two differ in dtype, or a stride is no whole number.
    ValueError
        If the shapes do not fit, a window does not fit, or the padding is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> average_pooling2d_backward(np.ones((1, 1, 1, 1)), np.zeros((1, 2, 2, 1)))[0, :, :, 0]
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    return backward("average_pooling2d_backward", average_pooling2d, dy, x, pool_size, strides, padding)
