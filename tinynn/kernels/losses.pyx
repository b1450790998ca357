"""Losses of the last axis: one number for each row, and its gradient with respect to the prediction.

    half squared error          L = sum_k (p_k - t_k)^2 / 2                     dp = p - t
    mean squared error          L = sum_k (p_k - t_k)^2 / K                     dp = 2 (p - t) / K
    binary cross-entropy        L = -sum_k [t log q + (1-t) log(1-q)] / K       dp = (p - t) / (p (1-p)) / K
      from logits               the same with q = s(z)                          dz = ((1-t) s(z) - t s(-z)) / K

Probabilities are clipped to [1e-7, 1 - 1e-7], as in Keras; where they are clipped, the gradient is zero. The form from
logits works with logarithms throughout and needs no clipping. Its second output is the prediction with the layer's
activation applied. In backward a row's gradient is multiplied by its weight, which arrives as the gradient of its loss.
The losses over classes are in categorical.pyx.
"""

from tinynn.kernels.op import register, register_fusion

from tinynn.kernels.machine cimport RELU, SIGMOID, Range, Worker, claim, real, simd, vector_dot, vector_sum
from tinynn.kernels.op cimport DoubleCall, FloatCall, RealCall, Run, TargetOp


# --- squared errors ------------------------------------------------------------------------------------

cdef void squared_error_forward(
        real* loss, real* temporary,                        # OUT (B), scratch (B, K)
        const real* p, const real* t,                       # IN (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, bint mean, Worker* worker) noexcept nogil:
    """L = sum_k (p_k - t_k)^2 / (K if mean else 2)"""
    cdef Range rows
    cdef Py_ssize_t row, i
    cdef real divisor = K if mean else 2
    while claim(worker, B, grain(K), &rows):
        for i in range(rows.start * K, rows.stop * K):
            temporary[i] = p[i] - t[i]
        for row in range(rows.start, rows.stop):
            loss[row] = vector_dot(temporary + row * K, temporary + row * K, K, worker) / divisor


cdef void squared_error_backward(
        real* dp,                                           # OUT (B, K)
        const real* weight, const real* p, const real* t,   # IN (B) (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, bint mean, Worker* worker) noexcept nogil:
    """dp = weight (p - t) (2 / K if mean else 1)"""
    cdef Range rows
    cdef Py_ssize_t row, i
    cdef real factor
    while claim(worker, B, grain(K), &rows):
        for row in range(rows.start, rows.stop):
            factor = weight[row] * 2 / K if mean else weight[row]
            for i in range(row * K, (row + 1) * K):
                dp[i] = factor * (p[i] - t[i])


# --- binary cross-entropy --------------------------------------------------------------------------------

cdef void binary_crossentropy_forward(
        real* loss, real* temporary,                        # OUT (B), scratch (2, B, K)
        const real* p, const real* t,                       # IN (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """L = -sum_k [t log q + (1-t) log(1-q)] / K,  q = p clipped"""
    cdef Range rows
    cdef Py_ssize_t row, i, start, n
    cdef real* log_q = temporary
    cdef real* log_other = temporary + B * K                # log(1 - q)
    while claim(worker, B, grain(K), &rows):
        start = rows.start * K
        n = rows.stop * K - start
        for i in range(start, start + n):
            log_other[i] = 1 - p[i]
        simd(worker, log_q).activation_forward(log_q + start, p + start, n, RELU)  # numbers below 0 are clipped too
        simd(worker, log_other).activation_forward(log_other + start, log_other + start, n, RELU)
        simd(worker, log_q).log(log_q + start, log_q + start, n)
        simd(worker, log_other).log(log_other + start, log_other + start, n)
        for i in range(start, start + n):
            log_q[i] = t[i] * clipped_log(log_q[i]) + (1 - t[i]) * clipped_log(log_other[i])
        for row in range(rows.start, rows.stop):
            loss[row] = -vector_sum(log_q + row * K, K, worker) / K


cdef void binary_crossentropy_backward(
        real* dp,                                           # OUT (B, K)
        const real* weight, const real* p, const real* t,   # IN (B) (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dp = weight (p - t) / (p (1-p)) / K,  0 where p was clipped"""
    cdef Range rows
    cdef Py_ssize_t row, i
    cdef real factor
    while claim(worker, B, grain(K), &rows):
        for row in range(rows.start, rows.stop):
            factor = weight[row] / K
            for i in range(row * K, (row + 1) * K):
                dp[i] = 0 if clipped(p[i]) else factor * ((p[i] - t[i]) / (p[i] * (1 - p[i])))


cdef void binary_crossentropy_from_logits_forward(
        real* loss, real* y,                                # OUT (B) (B, K)
        const real* z, const real* t,                       # IN (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """L = sum_k [max(z, 0) - z t + log(1 + exp(-|z|))] / K,  y = s(z)"""
    cdef Range rows
    cdef Py_ssize_t row, i, start, n
    while claim(worker, B, grain(K), &rows):
        start = rows.start * K
        n = rows.stop * K - start
        simd(worker, y).log1p_exp(y + start, z + start, n)
        for i in range(start, start + n):
            # max(z, 0) - z t, from terms that do not cancel
            y[i] = y[i] + (z[i] * (1 - t[i]) if z[i] > 0 else -z[i] * t[i])
        for row in range(rows.start, rows.stop):
            loss[row] = vector_sum(y + row * K, K, worker) / K
        simd(worker, y).activation_forward(y + start, z + start, n, SIGMOID)


cdef void binary_crossentropy_from_logits_backward(
        real* dz,                                           # OUT (B, K)
        const real* weight, const real* y, const real* z, const real* t,    # IN (B) (B, K) (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dz = weight ((1-t) s(z) - t s(-z)) / K:  s(z) - t without its cancellation"""
    cdef Range rows
    cdef Py_ssize_t row, i, start, n
    cdef real factor
    while claim(worker, B, grain(K), &rows):
        start = rows.start * K
        n = rows.stop * K - start
        for i in range(start, start + n):
            dz[i] = -z[i]
        simd(worker, dz).activation_forward(dz + start, dz + start, n, SIGMOID)
        for row in range(rows.start, rows.stop):
            factor = weight[row] / K
            for i in range(row * K, (row + 1) * K):
                dz[i] = factor * ((1 - t[i]) * y[i] - t[i] * dz[i])


# --- as ops: sizes (rows per sample, K, sparse, ...) ------------------------------------------------------------

cdef void run_squared_error_forward(RealCall* call, Worker* worker) noexcept nogil:
    squared_error_forward(call.outputs[0], call.temporary, call.inputs[0], call.inputs[1], call.rows * call.sizes[0],
                          call.sizes[1], call.sizes[3], worker)


cdef void run_squared_error_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        squared_error_backward(call.d_inputs[0], call.d_outputs[0], call.inputs[0], call.inputs[1],
                               call.rows * call.sizes[0], call.sizes[1], call.sizes[3], worker)


cdef void run_binary_forward(RealCall* call, Worker* worker) noexcept nogil:
    binary_crossentropy_forward(call.outputs[0], call.temporary, call.inputs[0], call.inputs[1],
                                call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_binary_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        binary_crossentropy_backward(call.d_inputs[0], call.d_outputs[0], call.inputs[0], call.inputs[1],
                                     call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_binary_logits_forward(RealCall* call, Worker* worker) noexcept nogil:
    binary_crossentropy_from_logits_forward(call.outputs[0], call.outputs[1], call.inputs[0], call.inputs[1],
                                            call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_binary_logits_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        binary_crossentropy_from_logits_backward(call.d_inputs[0], call.d_outputs[0], call.outputs[1], call.inputs[0],
                                                 call.inputs[1], call.rows * call.sizes[0], call.sizes[1], worker)


cdef class Loss(TargetOp):
    """Outputs [loss of each row (...,)], and [prediction] after its activation if the loss starts from logits."""

    def shapes(self, inputs, parameters, attributes):
        shape = tuple(inputs[0])
        return [shape[:-1], shape] if self.from_logits else [shape[:-1]]

    def temporary(self, sizes):
        return 0, 2 * sizes[0] * sizes[1]

    def flops(self, sizes):
        return 20 * sizes[0] * sizes[1]


cdef class SquaredError(Loss):
    """Divided by the number of elements if `mean`, else by 2."""
    cdef bint mean

    def __init__(self, name, mean):
        super().__init__(name)
        self.mean = mean

    def __cinit__(self):
        self.forward = [<Run> run_squared_error_forward[FloatCall], <Run> run_squared_error_forward[DoubleCall]]
        self.backward = [<Run> run_squared_error_backward[FloatCall], <Run> run_squared_error_backward[DoubleCall]]

    def sizes(self, inputs, parameters, attributes):
        return *TargetOp.sizes(self, inputs, parameters, attributes), int(self.mean)

    def flops(self, sizes):
        return 3 * sizes[0] * sizes[1]


cdef class BinaryCrossentropy(Loss):

    def __cinit__(self):
        self.forward = [<Run> run_binary_forward[FloatCall], <Run> run_binary_forward[DoubleCall]]
        self.backward = [<Run> run_binary_backward[FloatCall], <Run> run_binary_backward[DoubleCall]]


cdef class BinaryCrossentropyFromLogits(Loss):

    def __cinit__(self):
        self.from_logits = True
        self.forward = [<Run> run_binary_logits_forward[FloatCall], <Run> run_binary_logits_forward[DoubleCall]]
        self.backward = [<Run> run_binary_logits_backward[FloatCall], <Run> run_binary_logits_backward[DoubleCall]]


half_squared_error = SquaredError("half_squared_error", False)
mean_squared_error = SquaredError("mean_squared_error", True)
binary_crossentropy = BinaryCrossentropy("binary_crossentropy")
binary_crossentropy_from_logits = BinaryCrossentropyFromLogits("binary_crossentropy_from_logits")
for each in (half_squared_error, mean_squared_error, binary_crossentropy, binary_crossentropy_from_logits):
    register(each)
register_fusion("binary_crossentropy", ["sigmoid"], "binary_crossentropy_from_logits")
