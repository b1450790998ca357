"""Activations: relu, sigmoid and tanh of each element, softmax of the last axis. Backward needs y only.

    relu     y = max(x, 0)                          dx = dy [y > 0]
    sigmoid  y = 1 / (1 + exp(-x))                  dx = dy y (1 - y)
    tanh     y = tanh x                             dx = dy (1 - y^2)
    softmax  y_k = exp(x_k) / sum_j exp(x_j)        dx_k = y_k (dy_k - sum_j dy_j y_j)
"""

import math

from tinynn.kernels.op import register

from tinynn.kernels.machine cimport RELU, SIGMOID, TANH, Range, Worker, claim, real, simd, softmax_row
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run


cdef void activation_forward(
        real* y,                                            # OUT (n)
        const real* x,                                      # IN (n)
        Py_ssize_t n, int activation, Worker* worker) noexcept nogil:
    """y = f(x)"""
    cdef Range part
    while claim(worker, n, 4096, &part):
        simd(worker, y).activation_forward(y + part.start, x + part.start, part.stop - part.start, activation)


cdef void activation_backward(
        real* dx,                                           # OUT (n), may be the same array as dy
        const real* dy, const real* y,                      # IN (n) (n)
        Py_ssize_t n, int activation, Worker* worker) noexcept nogil:
    """dx = dy f'(x)"""
    cdef Range part
    while claim(worker, n, 4096, &part):
        simd(worker, dx).activation_backward(dx + part.start, dy + part.start, y + part.start, part.stop - part.start,
                                             activation)


cdef void softmax_forward(
        real* y,                                            # OUT (B, K)
        const real* x,                                      # IN (B, K)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """y_k = exp(x_k) / sum_j exp(x_j)"""
    cdef Range rows
    cdef Py_ssize_t row
    cdef real largest
    while claim(worker, B, max(1, 4096 // K), &rows):
        for row in range(rows.start, rows.stop):
            softmax_row(y + row * K, &largest, x + row * K, K, worker)


cdef void softmax_backward(
        real* dx,                                           # OUT (B, K), may be the same array as dy
        const real* dy, const real* y,                      # IN (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dx_k = y_k (dy_k - sum_j dy_j y_j)"""
    cdef Range rows
    cdef Py_ssize_t row
    while claim(worker, B, max(1, 4096 // K), &rows):
        for row in range(rows.start, rows.stop):
            simd(worker, dx).softmax_backward(dx + row * K, dy + row * K, y + row * K, K)


cdef void run_activation_forward(RealCall* call, Worker* worker) noexcept nogil:
    activation_forward(call.outputs[0], call.inputs[0], call.rows * call.sizes[0], <int> call.sizes[1], worker)


cdef void run_activation_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        activation_backward(call.d_inputs[0], call.d_outputs[0], call.outputs[0], call.rows * call.sizes[0],
                            <int> call.sizes[1], worker)


cdef void run_softmax_forward(RealCall* call, Worker* worker) noexcept nogil:
    softmax_forward(call.outputs[0], call.inputs[0], call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_softmax_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        softmax_backward(call.d_inputs[0], call.d_outputs[0], call.outputs[0], call.rows * call.sizes[0], call.sizes[1],
                         worker)


cdef class Activation(Op):
    """Inputs [x (...)]: one function of each element."""
    cdef int activation

    def __cinit__(self, name, activation):
        self.activation = activation
        self.forward = [<Run> run_activation_forward[FloatCall], <Run> run_activation_forward[DoubleCall]]
        self.backward = [<Run> run_activation_backward[FloatCall], <Run> run_activation_backward[DoubleCall]]

    def __init__(self, name, activation):
        super().__init__(name)

    def together(self, shape):
        return 1

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0]), self.activation

    def flops(self, sizes):
        return (1 if self.activation == RELU else 20) * sizes[0]


cdef class Softmax(Op):
    """Inputs [x (..., K)]."""

    def __cinit__(self):
        self.forward = [<Run> run_softmax_forward[FloatCall], <Run> run_softmax_forward[DoubleCall]]
        self.backward = [<Run> run_softmax_backward[FloatCall], <Run> run_softmax_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(..., K)"], []

    def together(self, shape):
        return shape[-1]

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0][:-1]), inputs[0][-1]

    def flops(self, sizes):
        return 20 * sizes[0] * sizes[1]


relu = Activation("relu", RELU)
sigmoid = Activation("sigmoid", SIGMOID)
tanh = Activation("tanh", TANH)
softmax = Softmax("softmax")
for each in (relu, sigmoid, tanh, softmax):
    register(each)
