"""Dense: an affine map of the last axis, with the activation applied while the result is in the cache.

    y = f(x w + b)                                  x (B, I)  w (I, O)  b (O)  y (B, O)
    dz = dy f'(z),   dx = dz w^T,   dw = x^T dz,   db = sum_b dz
"""

import math

from tinynn.kernels._signatures import one_of
from tinynn.kernels.op import register

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
