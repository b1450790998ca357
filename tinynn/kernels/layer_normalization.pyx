"""Layer normalization: every row with mean 0 and variance 1, then a scale and a shift of each column.

    x^ = (x - mean) / sqrt(var + epsilon),   y = gamma x^ + beta          x, y (B, C)  gamma, beta (C)  mean, var (B)
    dgamma = sum_b dy x^,   dbeta = sum_b dy
    dx = (g - mean g - x^ mean(g x^)) / sqrt(var + epsilon)  with g = dy gamma

(Ba, Kiros and Hinton, "Layer normalization", 2016.) B counts all axes but the last.
"""

import math

from tinynn.kernels._signatures import positive
from tinynn.kernels.op import register

from libc.float cimport FLT_MIN
from libc.math cimport sqrt

from tinynn.kernels.gemm cimport column_sum_team
from tinynn.kernels.machine cimport Range, Worker, claim, real, simd, vector_dot, vector_sum
from tinynn.kernels.normalization cimport Statistics, careful_statistics, deviation_of, needs_care, unlikely
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run

# Numbers worth a claim.
cdef enum: GRAIN = 4096


cdef void layer_normalization_forward(
        real* y, real* normal, real* deviation,             # OUT (B, C), kept: x^ (B, C), sqrt(var + epsilon) (B)
        const real* x, const real* gamma, const real* beta,     # IN (B, C) (C) (C), the last two may be NULL
        double epsilon, Py_ssize_t B, Py_ssize_t C, Worker* worker) noexcept nogil:
    """x^ = (x - mean) / sqrt(var + epsilon),  y = gamma x^ + beta"""
    cdef Py_ssize_t row, c
    cdef real mean
    cdef real* x_normal
    cdef Range part
    while claim(worker, B, 1 + GRAIN // C, &part):
        for row in range(part.start, part.stop):
            x_normal = normal + row * C
            mean = vector_sum(x + row * C, C, worker) / <real> C
            for c in range(C):
                x_normal[c] = x[row * C + c] - mean
            deviation[row] = <real> sqrt(vector_dot(x_normal, x_normal, C, worker) / <real> C + epsilon)
            simd(worker, x_normal).scale(x_normal, x_normal, 1 / deviation[row], C)
            for c in range(C):
                y[row * C + c] = x_normal[c]
            if gamma != NULL:
                for c in range(C):
                    y[row * C + c] = y[row * C + c] * gamma[c]
            if beta != NULL:
                for c in range(C):
                    y[row * C + c] = y[row * C + c] + beta[c]
            if unlikely(needs_care(mean, deviation[row])):
                careful_row(y + row * C, x_normal, deviation + row, x + row * C, gamma, beta, epsilon, C, worker)


cdef void careful_row(
        real* y, real* normal, real* deviation,             # OUT (C), (C), (1)
        const real* x, const real* gamma, const real* beta,     # IN (C) each, the last two may be NULL
        double epsilon, Py_ssize_t C, Worker* worker) noexcept nogil:
    """A row that needs care; see normalization.pxd"""
    cdef Statistics exact = careful_statistics(x, 1, C, vector_sum(x, C, worker) / <real> C)
    cdef double size = deviation_of(exact.spread, epsilon)
    cdef Py_ssize_t c
    deviation[0] = <real> max(size, FLT_MIN)
    for c in range(C):
        normal[c] = <real> ((x[c] - exact.pivot - exact.rest) / size)
        y[c] = normal[c] * (1 if gamma == NULL else gamma[c]) + (0 if beta == NULL else beta[c])


cdef void layer_normalization_backward(
        real* dx, real* dgamma, real* dbeta,                # OUT (B, C) (C) (C), any may be NULL
        real* temporary,                                    # scratch (B, C)
        const real* dy, const real* normal,                 # IN (B, C) (B, C)
        const real* deviation, const real* gamma,           # IN (B) (C) or NULL
        bint accumulate, Py_ssize_t B, Py_ssize_t C, Worker* worker) noexcept nogil:
    """dgamma = sum dy x^,  dbeta = sum dy,  dx = (g - mean g - x^ mean(g x^)) / sqrt(var + epsilon),  g = dy gamma"""
    cdef Py_ssize_t row, c
    cdef real mean, slope
    cdef real* g
    cdef const real* x_normal
    cdef Range part
    if dgamma != NULL:
        while claim(worker, B * C, GRAIN, &part):
            for c in range(part.start, part.stop):
                temporary[c] = dy[c] * normal[c]
        column_sum_team(dgamma, temporary, C, B, C, accumulate, worker)
    if dbeta != NULL:
        column_sum_team(dbeta, dy, C, B, C, accumulate, worker)
    if dx != NULL:
        while claim(worker, B, 1 + GRAIN // C, &part):
            for row in range(part.start, part.stop):
                g = temporary + row * C
                x_normal = normal + row * C
                for c in range(C):
                    g[c] = dy[row * C + c] * (1 if gamma == NULL else gamma[c])
                mean = vector_sum(g, C, worker) / <real> C
                slope = vector_dot(g, x_normal, C, worker) / <real> C
                for c in range(C):
                    dx[row * C + c] = (g[c] - mean - x_normal[c] * slope) / deviation[row]


# --- as an op: sizes (rows of a sample, C), scalars (epsilon) ---------------------------------------------------------

cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Py_ssize_t B = call.rows * call.sizes[0], C = call.sizes[1]
    normal = call.workspace
    layer_normalization_forward(call.outputs[0], normal, normal + B * C, call.inputs[0], call.parameters[0],
                                call.parameters[1], call.scalars[0], B, C, worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Py_ssize_t B = call.rows * call.sizes[0], C = call.sizes[1]
    normal = call.workspace
    layer_normalization_backward(call.d_inputs[0], call.d_parameters[0], call.d_parameters[1], call.temporary,
                                 call.d_outputs[0], normal, normal + B * C, call.parameters[0], call.accumulate, B, C,
                                 worker)


cdef class LayerNormalization(Op):
    """Input [x (..., C)], parameters [gamma (C) or None, beta (C) or None], attribute epsilon."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(..., C)"], ["(C)?", "(C)?"]

    def options(self):
        return {"epsilon": positive}

    def required(self):
        return ("epsilon",)

    def together(self, shape):
        return shape[-1]

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0][:-1]), inputs[0][-1]

    def scalars(self, attributes):
        return (float(attributes["epsilon"]),)

    def workspace(self, sizes):
        return 0, sizes[0] * (sizes[1] + 1)

    def temporary(self, sizes):
        return 0, sizes[0] * sizes[1]

    def flops(self, sizes):
        return 8 * sizes[0] * sizes[1]


layer_normalization = LayerNormalization("layer_normalization")
register(layer_normalization)
