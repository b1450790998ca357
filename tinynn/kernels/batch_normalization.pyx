"""Batch normalization: every channel with mean 0 and variance 1 over the batch, then a scale and a shift.

    x^ = (x - mean) / sqrt(var + epsilon),   y = gamma x^ + beta          x, y (B, C)  gamma, beta, mean, var (C)
    dgamma = sum dy x^,   dbeta = sum dy,   dx = gamma / sqrt(var + epsilon) (dy - dbeta / B - x^ dgamma / B)
    moving mean, moving variance := momentum (itself) + (1 - momentum) (that of the batch)

(Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift",
2015; variances are those of the batch, divided by B, as in Keras.) B counts all axes but the last. The statistics of
the batch are sums over a fixed number of groups of rows, so their bits do not depend on the threads. The moving ones
are updated in the backward pass: a step that fails changes nothing. For prediction they replace the batch's.

Channels whose numbers are nearly equal, or very large, are computed again in float64 (see normalization.pxd). The
number of phases may not depend on data (parallel.h), so this happens within the phases that there are anyway.
"""

import math

from tinynn.kernels._signatures import positive, within
from tinynn.kernels.op import register

from libc.float cimport DBL_MAX, FLT_MAX, FLT_MIN
from libc.math cimport sqrt

from tinynn.kernels.machine cimport Range, Worker, claim, real, simd
from tinynn.kernels.normalization cimport Statistics, careful_statistics, deviation_of, needs_care
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run

# At most so many groups of rows that are summed on their own, each of at least so many rows.
cdef enum: GROUPS = 16
cdef enum: GROUP_ROWS = 64
# Numbers worth a claim.
cdef enum: GRAIN = 8192


cdef inline Py_ssize_t groups_of(Py_ssize_t B) noexcept nogil:
    return max(1, min(GROUPS, B // GROUP_ROWS))


cdef inline Py_ssize_t rows_worth_a_claim(Py_ssize_t C) noexcept nogil:
    return 1 + GRAIN // C


cdef void careful_forward(
        real* y, real* statistics,                          # INOUT (B, C), kept
        const real* x, const real* gamma, const real* beta,     # IN (B, C) (C) (C), the last two may be NULL
        Py_ssize_t first, Py_ssize_t last, Py_ssize_t C) noexcept nogil:
    """y of the channels that need care, from row `first` to row `last`"""
    cdef Py_ssize_t row, c
    cdef double normal
    for c in range(C):
        if statistics[3 * C + c] > 0:
            for row in range(first, last):
                normal = (x[row * C + c] - <double> statistics[c] - statistics[2 * C + c]) / statistics[3 * C + c]
                y[row * C + c] = <real> ((1.0 if gamma == NULL else <double> gamma[c]) * normal
                                         + (0.0 if beta == NULL else <double> beta[c]))


cdef void batch_normalization_forward(
        real* y, real* statistics, real* temporary,         # OUT (B, C), kept, scratch
        const real* x, const real* gamma, const real* beta,     # IN (B, C) (C) (C), the last two may be NULL
        double epsilon, Py_ssize_t B, Py_ssize_t C, Worker* worker) noexcept nogil:
    """x^ = (x - mean) / sqrt(var + epsilon),  y = gamma x^ + beta

    Kept: mean and variance (2, C); for channels that need care, what the mean lacks and sqrt(var + epsilon), 0 for the
    others (2, C); and how many need care.
    """
    cdef Py_ssize_t groups = groups_of(B), group, first, c
    cdef real* mean = statistics
    cdef real* variance = statistics + C
    cdef real* rest = statistics + 2 * C
    cdef real* deviation = statistics + 3 * C
    cdef real* careful = statistics + 4 * C
    cdef real* scale = temporary + GROUPS * C
    cdef real* shift = scale + C
    cdef Statistics exact
    cdef Range part
    while claim(worker, groups, 1, &part):
        for group in range(part.start, part.stop):
            first = group * B // groups
            simd(worker, temporary).column_sum(temporary + group * C, x + first * C, C,
                                               (group + 1) * B // groups - first, C, False)
    while claim(worker, 1, 1, &part):
        simd(worker, mean).column_sum(mean, temporary, C, groups, C, False)
        for c in range(C):
            mean[c] = mean[c] / <real> B
    while claim(worker, groups, 1, &part):
        for group in range(part.start, part.stop):
            first = group * B // groups
            simd(worker, temporary).column_products(temporary + group * C, x + first * C, mean, x + first * C, mean,
                                                    (group + 1) * B // groups - first, C)
    while claim(worker, 1, 1, &part):
        simd(worker, variance).column_sum(variance, temporary, C, groups, C, False)
        careful[0] = 0
        for c in range(C):
            variance[c] = variance[c] / <real> B
            rest[c] = deviation[c] = 0
            if needs_care(mean[c], sqrt(variance[c] + epsilon)):
                exact = careful_statistics(x + c, C, B, mean[c])
                careful[0] += 1
                mean[c], rest[c] = <real> exact.pivot, <real> exact.rest
                store_within_range(&variance[c], exact.spread * exact.spread)
                deviation[c] = <real> max(deviation_of(exact.spread, epsilon), FLT_MIN)
            scale[c] = <real> ((1.0 if gamma == NULL else <double> gamma[c]) / sqrt(variance[c] + epsilon))
            shift[c] = 0 if beta == NULL else beta[c]
    while claim(worker, B, rows_worth_a_claim(C), &part):
        simd(worker, y).column_affine(y + part.start * C, x + part.start * C, mean, scale, shift,
                                      part.stop - part.start, C)
        if careful[0] > 0:
            careful_forward(y, statistics, x, gamma, beta, part.start, part.stop, C)


cdef inline void store_within_range(real* to, double number) noexcept nogil:
    """The number, but at most the largest of the dtype; NaN stays NaN."""
    cdef double largest = FLT_MAX if real is float else DBL_MAX
    to[0] = <real> (largest if number > largest else number)


cdef void careful_sums(
        real* sum_dy, real* sum_products,                   # OUT: sum dy, sum dy x^
        const real* dy, const real* x, const real* statistics,      # IN (B, C) (B, C), kept
        Py_ssize_t c, Py_ssize_t B, Py_ssize_t C) noexcept nogil:
    """The sums over the rows of one channel that needs care"""
    cdef Py_ssize_t row
    cdef double total = 0, products = 0
    for row in range(B):
        total += dy[row * C + c]
        products += dy[row * C + c] * ((x[row * C + c] - <double> statistics[c] - statistics[2 * C + c])
                                       / statistics[3 * C + c])
    sum_dy[0], sum_products[0] = <real> total, <real> products


cdef void careful_backward(
        real* dx,                                           # INOUT (B, C)
        const real* dy, const real* x, const real* statistics,      # IN (B, C) (B, C), kept
        const real* scale, const real* slope, const real* offset,   # IN (C) each: gamma / deviation, means of dy x^, dy
        Py_ssize_t first, Py_ssize_t last, Py_ssize_t C) noexcept nogil:
    """dx of the channels that need care, from row `first` to row `last`"""
    cdef Py_ssize_t row, c
    cdef double normal
    for c in range(C):
        if statistics[3 * C + c] > 0:
            for row in range(first, last):
                normal = (x[row * C + c] - <double> statistics[c] - statistics[2 * C + c]) / statistics[3 * C + c]
                dx[row * C + c] = <real> (<double> scale[c] * (dy[row * C + c] - normal * slope[c] - offset[c]))


cdef void batch_normalization_backward(
        real* dx, real* dgamma, real* dbeta,                # OUT (B, C) (C) (C), any may be NULL
        real* moving_mean, real* moving_variance,           # INOUT (C), may be NULL
        real* temporary,                                    # scratch
        const real* dy, const real* x, const real* gamma,   # IN (B, C) (B, C) (C) or NULL
        const real* statistics, double momentum, double epsilon, bint accumulate,
        Py_ssize_t B, Py_ssize_t C, Worker* worker) noexcept nogil:
    """dgamma = sum dy x^,  dbeta = sum dy,  dx = gamma / sqrt(var + epsilon) (dy - dbeta / B - x^ dgamma / B)"""
    cdef Py_ssize_t groups = groups_of(B), group, first, rows, c
    cdef const real* mean = statistics
    cdef const real* variance = statistics + C
    cdef const real* rest = statistics + 2 * C
    cdef const real* careful = statistics + 4 * C
    cdef real* sums = temporary                             # sum dy of each group
    cdef real* products = temporary + GROUPS * C            # sum dy (x - mean)
    cdef real* scale = products + GROUPS * C
    cdef real* slope = scale + C
    cdef real* offset = slope + C
    cdef double deviation, size
    cdef bint exact
    cdef Range part
    while claim(worker, groups, 1, &part):
        for group in range(part.start, part.stop):
            first = group * B // groups
            rows = (group + 1) * B // groups - first
            simd(worker, sums).column_sum(sums + group * C, dy + first * C, C, rows, C, False)
            simd(worker, products).column_products(products + group * C, dy + first * C, NULL, x + first * C, mean,
                                                   rows, C)
    while claim(worker, 1, 1, &part):
        simd(worker, offset).column_sum(offset, sums, C, groups, C, False)
        simd(worker, slope).column_sum(slope, products, C, groups, C, False)
        for c in range(C):
            exact = statistics[3 * C + c] > 0
            deviation = sqrt(variance[c] + epsilon)
            if exact:  # the slope is then sum dy x^
                deviation = statistics[3 * C + c]
                careful_sums(offset + c, slope + c, dy, x, statistics, c, B, C)
            if dbeta != NULL:
                dbeta[c] = offset[c] + (dbeta[c] if accumulate else 0)
            if dgamma != NULL:
                dgamma[c] = <real> (slope[c] if exact else slope[c] / deviation) + (dgamma[c] if accumulate else 0)
            size = (1.0 if gamma == NULL else <double> gamma[c]) / deviation
            scale[c] = <real> size
            if exact:
                offset[c], slope[c] = offset[c] / <real> B, slope[c] / <real> B
            else:
                offset[c] = <real> (size * offset[c] / B)
                slope[c] = <real> (size * slope[c] / B / (variance[c] + epsilon))
            if moving_mean != NULL:
                moving_mean[c] = <real> (momentum * moving_mean[c] + (1 - momentum) * (<double> mean[c] + rest[c]))
                moving_variance[c] = <real> (momentum * moving_variance[c] + (1 - momentum) * variance[c])
    if dx != NULL:
        while claim(worker, B, rows_worth_a_claim(C), &part):
            simd(worker, dx).column_affine_backward(dx + part.start * C, dy + part.start * C, x + part.start * C, mean,
                                                    scale, slope, offset, part.stop - part.start, C)
            if careful[0] > 0:
                careful_backward(dx, dy, x, statistics, scale, slope, offset, part.start, part.stop, C)


cdef void fixed_scale(
        real* scale, real* zeros,                           # OUT (C) (C)
        const real* gamma, const real* variance,            # IN (C) or NULL, (C)
        double epsilon, Py_ssize_t C, Worker* worker) noexcept nogil:
    """scale = gamma / sqrt(moving variance + epsilon), and a row of zeros; one phase"""
    cdef Range part
    cdef Py_ssize_t c
    while claim(worker, 1, 1, &part):
        for c in range(C):
            scale[c] = <real> ((1.0 if gamma == NULL else <double> gamma[c]) / sqrt(variance[c] + epsilon))
            zeros[c] = 0


cdef void fixed_forward(
        real* y, real* temporary,                           # OUT (B, C), scratch (2, C)
        const real* x, const real* gamma, const real* beta,     # IN (B, C) (C) (C), the last two may be NULL
        const real* mean, const real* variance,             # IN (C) (C)
        double epsilon, Py_ssize_t B, Py_ssize_t C, Worker* worker) noexcept nogil:
    """y = gamma (x - moving mean) / sqrt(moving variance + epsilon) + beta"""
    cdef const real* shift = beta
    cdef Range part
    if shift == NULL:
        shift = temporary + C
    fixed_scale(temporary, temporary + C, gamma, variance, epsilon, C, worker)
    while claim(worker, B, rows_worth_a_claim(C), &part):
        simd(worker, y).column_affine(y + part.start * C, x + part.start * C, mean, temporary, shift,
                                      part.stop - part.start, C)


cdef void fixed_backward(
        real* dx, real* temporary,                          # OUT (B, C), scratch (2, C)
        const real* dy, const real* gamma, const real* variance,    # IN (B, C) (C) or NULL, (C)
        double epsilon, Py_ssize_t B, Py_ssize_t C, Worker* worker) noexcept nogil:
    """dx = gamma dy / sqrt(moving variance + epsilon)"""
    cdef real* zeros = temporary + C
    cdef Range part
    fixed_scale(temporary, zeros, gamma, variance, epsilon, C, worker)
    while claim(worker, B, rows_worth_a_claim(C), &part):
        simd(worker, dx).column_affine(dx + part.start * C, dy + part.start * C, zeros, temporary, zeros,
                                       part.stop - part.start, C)


# --- as ops: sizes (rows of a sample, C), scalars (momentum, epsilon) -------------------------------------------------

cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    batch_normalization_forward(call.outputs[0], call.workspace, call.temporary, call.inputs[0], call.parameters[0],
                                call.parameters[1], call.scalars[1], call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    batch_normalization_backward(call.d_inputs[0], call.d_parameters[0], call.d_parameters[1], call.parameters[2],
                                 call.parameters[3], call.temporary, call.d_outputs[0], call.inputs[0],
                                 call.parameters[0], call.workspace, call.scalars[0], call.scalars[1], call.accumulate,
                                 call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_fixed_forward(RealCall* call, Worker* worker) noexcept nogil:
    fixed_forward(call.outputs[0], call.temporary, call.inputs[0], call.parameters[0], call.parameters[1],
                  call.parameters[2], call.parameters[3], call.scalars[1], call.rows * call.sizes[0], call.sizes[1],
                  worker)


cdef void run_fixed_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        fixed_backward(call.d_inputs[0], call.temporary, call.d_outputs[0], call.parameters[0], call.parameters[3],
                       call.scalars[1], call.rows * call.sizes[0], call.sizes[1], worker)


cdef class BatchNormalization(Op):
    """Input [x (..., C)], parameters [gamma (C) or None, beta (C) or None, moving mean (C), moving variance (C)],
    attributes momentum and epsilon. For training; by hand the last two parameters may be left out."""

    def __cinit__(self, *arguments):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(..., C)"], ["(C)?", "(C)?", "(C)?", "(C)?"]

    def options(self):
        return {"momentum": within(0.0, 1.0), "epsilon": positive}

    def required(self):
        return "momentum", "epsilon"

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0][:-1]), inputs[0][-1]

    def scalars(self, attributes):
        return float(attributes["momentum"]), float(attributes["epsilon"])

    def workspace(self, sizes):
        return 4 * sizes[1] + 1, 0

    def temporary(self, sizes):
        return (2 * GROUPS + 3) * sizes[1], 0

    def flops(self, sizes):
        return 8 * sizes[0] * sizes[1]

    def keeps_statistics(self):
        return True


cdef class FixedBatchNormalization(BatchNormalization):
    """The same with the moving statistics in place of the batch's: for prediction, and in a layer that is frozen."""

    def __cinit__(self, *arguments):
        self.forward = [<Run> run_fixed_forward[FloatCall], <Run> run_fixed_forward[DoubleCall]]
        self.backward = [<Run> run_fixed_backward[FloatCall], <Run> run_fixed_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(..., C)"], ["(C)?", "(C)?", "(C)", "(C)"]

    def together(self, shape):
        return 1

    def workspace(self, sizes):
        return 0, 0

    def keeps_statistics(self):
        return False


batch_normalization = BatchNormalization("batch_normalization")
register(batch_normalization)
register(FixedBatchNormalization("fixed_batch_normalization"))
