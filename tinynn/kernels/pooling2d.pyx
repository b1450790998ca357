"""Pooling: the largest, or the mean, of each window of an image, channel by channel, channels last.

    max      y[i, j] = max over the window x[i r - top + p, j r' - left + q]      dx += dy where x is first equal to y
    average  y[i, j] = mean over the window                                       dx += dy / positions of the window
    x (B, H, W, C)   y (B, H', W', C)

In a window that reaches beyond the image, only the positions inside count.
"""

import math

from tinynn.checks import check_pair
from tinynn.kernels._signatures import one_of
from tinynn.kernels._windows import PADDINGS, slide
from tinynn.kernels.op import register

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
        return {"pool": check_pair, "strides": check_pair, "padding": one_of(PADDINGS)}

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
