"""Losses over classes: the cross-entropy of each row of the last axis, from probabilities and from logits.

    categorical cross-entropy   L = -sum_k t_k log q_k,  q = p / sum p          dp_k = sum t / sum p - t_k / p_k
      from logits               the same with q = softmax(z)                    dz = q sum t - t
      from sigmoid logits       the same with q = s(z) / sum_j s(z_j)           dz = (q sum t - t) s(-z)

A target is a distribution t (B, K) over the classes, or (attribute ``sparse``) one int64 label for each row, and then t
is NULL in the cores. From probabilities, q is clipped as in losses.pyx. The forms from logits work with logarithms
throughout and need no clipping. Their second output is the prediction with the layer's activation applied.
"""

from tinynn.kernels.op import register, register_fusion

from libc.stdint cimport int64_t

from tinynn.kernels.losses cimport Loss, clipped, clipped_log, grain
from tinynn.kernels.machine cimport SIGMOID, Range, Worker, claim, real, simd, softmax_row, vector_dot, vector_sum
from tinynn.kernels.op cimport DoubleCall, FloatCall, RealCall, Run, labels_of


cdef inline real logarithm(real x, Worker* worker) noexcept nogil:
    cdef real y
    simd(worker, &y).log(&y, &x, 1)
    return y


cdef void categorical_crossentropy_forward(
        real* loss, real* temporary,                        # OUT (B), scratch (B, K)
        const real* p, const real* t, const int64_t* labels,    # IN (B, K) and one of (B, K) (B)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """L = -sum_k t_k log q_k,  q = p / sum p clipped"""
    cdef Range rows
    cdef Py_ssize_t row, i
    cdef real total, q
    while claim(worker, B, grain(K), &rows):
        for row in range(rows.start, rows.stop):
            total = vector_sum(p + row * K, K, worker)
            if t == NULL:
                q = p[row * K + labels[row]] / total
                loss[row] = -clipped_log(logarithm(<real> 0 if q < 0 else q, worker))
                continue
            for i in range(row * K, (row + 1) * K):
                q = p[i] / total
                temporary[i] = 0 if q < 0 else q
            simd(worker, temporary).log(temporary + row * K, temporary + row * K, K)
            for i in range(row * K, (row + 1) * K):
                temporary[i] = clipped_log(temporary[i])
            loss[row] = -vector_dot(temporary + row * K, t + row * K, K, worker)


cdef void categorical_crossentropy_backward(
        real* dp,                                           # OUT (B, K)
        const real* weight, const real* p, const real* t, const int64_t* labels,    # IN (B) (B, K), one of (B, K) (B)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dp_k = weight (sum t / sum p - t_k / p_k), both t without the clipped classes"""
    cdef Range rows
    cdef Py_ssize_t row, i, label
    cdef real total, moving, common
    while claim(worker, B, grain(K), &rows):
        for row in range(rows.start, rows.stop):
            total = vector_sum(p + row * K, K, worker)
            if t == NULL:
                label = row * K + labels[row]
                moving = 0 if clipped(p[label] / total) else 1
                common = weight[row] * (moving / total)
                for i in range(row * K, (row + 1) * K):
                    dp[i] = common
                if moving != 0:
                    dp[label] = weight[row] * (1 / total - 1 / p[label])
                continue
            for i in range(row * K, (row + 1) * K):
                dp[i] = 0 if clipped(p[i] / total) else t[i]
            common = vector_sum(dp + row * K, K, worker) / total
            for i in range(row * K, (row + 1) * K):
                dp[i] = weight[row] * (common - (0 if dp[i] == 0 else dp[i] / p[i]))


cdef inline void crossentropy_of_rows(
        real* loss, real* q, real* temporary,               # OUT (B) (B, K), scratch (B, K)
        const real* z, const real* t, const int64_t* labels,    # IN (B, K) and one of (B, K) (B)
        Range rows, Py_ssize_t K, Worker* worker) noexcept nogil:
    """L = sum_k t_k (log sum_j exp(z_j) - z_k),  q = softmax(z)

    The largest q is 1 / sum_j exp(z_j - max z), whose logarithms are taken all at once. An excluded class costs
    nothing, even if its logit is -inf.
    """
    cdef Py_ssize_t row, i
    cdef real largest
    for row in range(rows.start, rows.stop):
        loss[row] = softmax_row(q + row * K, temporary + row * K, z + row * K, K, worker)
    simd(worker, loss).log(loss + rows.start, loss + rows.start, rows.stop - rows.start)
    for row in range(rows.start, rows.stop):
        largest = temporary[row * K]
        if t == NULL:
            loss[row] = -loss[row] - (z[row * K + labels[row]] - largest)
            continue
        for i in range(row * K, (row + 1) * K):
            temporary[i] = 0 if t[i] == 0 else t[i] * (-loss[row] - (z[i] - largest))
        loss[row] = vector_sum(temporary + row * K, K, worker)


cdef inline void crossentropy_of_rows_backward(
        real* dz,                                           # OUT (B, K)
        const real* weight, const real* q,                  # IN (B) (B, K)
        const real* t, const int64_t* labels,               # IN one of (B, K) (B)
        Range rows, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dz = weight (q sum t - t)"""
    cdef Py_ssize_t row, i, label
    cdef real factor, total
    for row in range(rows.start, rows.stop):
        factor = weight[row]
        if t == NULL:
            for i in range(row * K, (row + 1) * K):
                dz[i] = factor * q[i]
            label = row * K + labels[row]
            dz[label] = factor * (q[label] - 1)
            continue
        total = vector_sum(t + row * K, K, worker)
        for i in range(row * K, (row + 1) * K):
            dz[i] = factor * (q[i] * total - t[i])


cdef void categorical_crossentropy_from_logits_forward(
        real* loss, real* y, real* temporary,               # OUT (B) (B, K), scratch (B, K)
        const real* z, const real* t, const int64_t* labels,    # IN (B, K) and one of (B, K) (B)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """L = sum_k t_k (log sum_j exp(z_j) - z_k),  y = softmax(z)"""
    cdef Range rows
    while claim(worker, B, grain(K), &rows):
        crossentropy_of_rows(loss, y, temporary, z, t, labels, rows, K, worker)


cdef void categorical_crossentropy_from_logits_backward(
        real* dz,                                           # OUT (B, K)
        const real* weight, const real* y, const real* t, const int64_t* labels,    # IN (B) (B, K), one of (B, K) (B)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dz = weight (y sum t - t)"""
    cdef Range rows
    while claim(worker, B, grain(K), &rows):
        crossentropy_of_rows_backward(dz, weight, y, t, labels, rows, K, worker)


cdef void categorical_crossentropy_from_sigmoid_logits_forward(
        real* loss, real* y, real* q, real* temporary,      # OUT (B) (B, K) (B, K), scratch (2, B, K)
        const real* z, const real* t, const int64_t* labels,    # IN (B, K) and one of (B, K) (B)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """L = -sum_k t_k log q_k,  q = s(z) / sum_j s(z_j),  y = s(z)

    q = softmax(log s(z)) with log s(z) = min(z, 0) - log(1 + exp(-|z|)): right even where every s(z) underflows.
    """
    cdef Range rows
    cdef Py_ssize_t i, start, n
    cdef real* log_s = temporary
    cdef real* terms = temporary + B * K
    while claim(worker, B, grain(K), &rows):
        start = rows.start * K
        n = rows.stop * K - start
        simd(worker, log_s).log1p_exp(log_s + start, z + start, n)
        for i in range(start, start + n):
            log_s[i] = (0 if z[i] > 0 else z[i]) - log_s[i]
        simd(worker, y).activation_forward(y + start, z + start, n, SIGMOID)
        crossentropy_of_rows(loss, q, terms, log_s, t, labels, rows, K, worker)


cdef void categorical_crossentropy_from_sigmoid_logits_backward(
        real* dz, real* temporary,                          # OUT (B, K), scratch (B, K)
        const real* weight, const real* q, const real* z, const real* t, const int64_t* labels,
                                                            # IN (B) (B, K) (B, K) and one of (B, K) (B)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dz = weight (q sum t - t) s(-z)"""
    cdef Range rows
    cdef Py_ssize_t i, start, n
    while claim(worker, B, grain(K), &rows):
        start = rows.start * K
        n = rows.stop * K - start
        for i in range(start, start + n):
            temporary[i] = -z[i]
        simd(worker, temporary).activation_forward(temporary + start, temporary + start, n, SIGMOID)
        crossentropy_of_rows_backward(dz, weight, q, t, labels, rows, K, worker)
        for i in range(start, start + n):
            dz[i] = dz[i] * temporary[i]


# --- as ops: sizes (rows per sample, K, sparse, ...) ------------------------------------------------------------

cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef bint sparse = call.sizes[2]
    categorical_crossentropy_forward(
        call.outputs[0], call.temporary, call.inputs[0], NULL if sparse else call.inputs[1], labels_of(call, sparse),
        call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef bint sparse = call.sizes[2]
    if call.d_inputs[0] != NULL:
        categorical_crossentropy_backward(
            call.d_inputs[0], call.d_outputs[0], call.inputs[0], NULL if sparse else call.inputs[1],
            labels_of(call, sparse), call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_logits_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef bint sparse = call.sizes[2]
    categorical_crossentropy_from_logits_forward(
        call.outputs[0], call.outputs[1], call.temporary, call.inputs[0], NULL if sparse else call.inputs[1],
        labels_of(call, sparse), call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_logits_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef bint sparse = call.sizes[2]
    if call.d_inputs[0] != NULL:
        categorical_crossentropy_from_logits_backward(
            call.d_inputs[0], call.d_outputs[0], call.outputs[1], NULL if sparse else call.inputs[1],
            labels_of(call, sparse), call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_sigmoid_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef bint sparse = call.sizes[2]
    categorical_crossentropy_from_sigmoid_logits_forward(
        call.outputs[0], call.outputs[1], call.workspace, call.temporary, call.inputs[0],
        NULL if sparse else call.inputs[1], labels_of(call, sparse), call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_sigmoid_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef bint sparse = call.sizes[2]
    if call.d_inputs[0] != NULL:
        categorical_crossentropy_from_sigmoid_logits_backward(
            call.d_inputs[0], call.temporary, call.d_outputs[0], call.workspace, call.inputs[0],
            NULL if sparse else call.inputs[1], labels_of(call, sparse), call.rows * call.sizes[0], call.sizes[1],
            worker)


cdef class CategoricalCrossentropy(Loss):

    def __cinit__(self):
        self.categorical = True
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]


cdef class CategoricalCrossentropyFromLogits(Loss):

    def __cinit__(self):
        self.categorical = self.from_logits = True
        self.forward = [<Run> run_logits_forward[FloatCall], <Run> run_logits_forward[DoubleCall]]
        self.backward = [<Run> run_logits_backward[FloatCall], <Run> run_logits_backward[DoubleCall]]


cdef class CategoricalCrossentropyFromSigmoidLogits(Loss):

    def __cinit__(self):
        self.categorical = self.from_logits = True
        self.forward = [<Run> run_sigmoid_forward[FloatCall], <Run> run_sigmoid_forward[DoubleCall]]
        self.backward = [<Run> run_sigmoid_backward[FloatCall], <Run> run_sigmoid_backward[DoubleCall]]

    def workspace(self, sizes):
        return 0, sizes[0] * sizes[1]


categorical_crossentropy = CategoricalCrossentropy("categorical_crossentropy")
categorical_crossentropy_from_logits = CategoricalCrossentropyFromLogits("categorical_crossentropy_from_logits")
categorical_crossentropy_from_sigmoid_logits = CategoricalCrossentropyFromSigmoidLogits(
    "categorical_crossentropy_from_sigmoid_logits")
for each in (categorical_crossentropy, categorical_crossentropy_from_logits,
             categorical_crossentropy_from_sigmoid_logits):
    register(each)
register_fusion("categorical_crossentropy", ["softmax"], "categorical_crossentropy_from_logits")
register_fusion("categorical_crossentropy", ["sigmoid"], "categorical_crossentropy_from_sigmoid_logits")
