"""Metrics of the last axis: one number for each row, forward only. The engine reports their mean.

    categorical accuracy    1 where the largest class is the target's, else 0 (of equal ones the first counts)
    binary accuracy         share of the elements that are above the threshold just where the target is above 1/2
    mean absolute error     sum_k |p_k - t_k| / K
"""

from tinynn.kernels._signatures import within
from tinynn.kernels.op import register

from libc.stdint cimport int64_t

from tinynn.kernels.machine cimport Range, Worker, claim, real, vector_sum
from tinynn.kernels.op cimport DoubleCall, FloatCall, RealCall, Run, TargetOp, labels_of


cdef inline Py_ssize_t grain(Py_ssize_t K) noexcept nogil:
    """Rows in the smallest part worth a claim."""
    return max(1, 8192 // K)


cdef inline Py_ssize_t largest(const real* x, Py_ssize_t K) noexcept nogil:
    """Index of the largest element, the first of equal ones"""
    cdef Py_ssize_t k, best = 0
    for k in range(1, K):
        if x[k] > x[best]:
            best = k
    return best


cdef void categorical_accuracy_forward(
        real* right,                                        # OUT (B)
        const real* p, const real* t, const int64_t* labels,    # IN (B, K) and one of (B, K) (B), the other NULL
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """right = [argmax p = label], or argmax t"""
    cdef Range rows
    cdef Py_ssize_t row, label
    while claim(worker, B, grain(K), &rows):
        for row in range(rows.start, rows.stop):
            label = largest(t + row * K, K) if labels == NULL else labels[row]
            right[row] = largest(p + row * K, K) == label


cdef void binary_accuracy_forward(
        real* right,                                        # OUT (B)
        const real* p, const real* t,                       # IN (B, K) (B, K)
        double threshold, Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """right = sum_k [(p_k > threshold) = (t_k > 1/2)] / K"""
    cdef Range rows
    cdef Py_ssize_t row, i, count
    cdef real half = 0.5, limit = <real> threshold
    while claim(worker, B, grain(K), &rows):
        for row in range(rows.start, rows.stop):
            count = 0
            for i in range(row * K, (row + 1) * K):
                count += (p[i] > limit) == (t[i] > half)
            right[row] = <real> count / K


cdef void mean_absolute_error_forward(
        real* error, real* temporary,                       # OUT (B), scratch (B, K)
        const real* p, const real* t,                       # IN (B, K) (B, K)
        Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil:
    """error = sum_k |p_k - t_k| / K"""
    cdef Range rows
    cdef Py_ssize_t row, i
    while claim(worker, B, grain(K), &rows):
        for i in range(rows.start * K, rows.stop * K):
            temporary[i] = p[i] - t[i] if p[i] > t[i] else t[i] - p[i]
        for row in range(rows.start, rows.stop):
            error[row] = vector_sum(temporary + row * K, K, worker) / K


cdef void run_categorical_accuracy(RealCall* call, Worker* worker) noexcept nogil:
    categorical_accuracy_forward(call.outputs[0], call.inputs[0], call.inputs[1], labels_of(call, call.sizes[2]),
                                 call.rows * call.sizes[0], call.sizes[1], worker)


cdef void run_binary_accuracy(RealCall* call, Worker* worker) noexcept nogil:
    binary_accuracy_forward(call.outputs[0], call.inputs[0], call.inputs[1], call.scalars[0], call.rows * call.sizes[0],
                            call.sizes[1], worker)


cdef void run_mean_absolute_error(RealCall* call, Worker* worker) noexcept nogil:
    mean_absolute_error_forward(call.outputs[0], call.temporary, call.inputs[0], call.inputs[1],
                                call.rows * call.sizes[0], call.sizes[1], worker)


cdef class Metric(TargetOp):
    """Outputs [value of each row (...,)]. There is no backward."""

    def shapes(self, inputs, parameters, attributes):
        return [tuple(inputs[0][:-1])]

    def flops(self, sizes):
        return 2 * sizes[0] * sizes[1]


cdef class CategoricalAccuracy(Metric):

    def __cinit__(self):
        self.forward = [<Run> run_categorical_accuracy[FloatCall], <Run> run_categorical_accuracy[DoubleCall]]


cdef class BinaryAccuracy(Metric):
    """Attribute threshold: above which number a prediction says yes."""

    def __cinit__(self):
        self.forward = [<Run> run_binary_accuracy[FloatCall], <Run> run_binary_accuracy[DoubleCall]]

    def options(self):
        return {**Metric.options(self), "threshold": within()}

    def required(self):
        return ("threshold",)

    def scalars(self, attributes):
        return (float(attributes["threshold"]),)


cdef class MeanAbsoluteError(Metric):

    def __cinit__(self):
        self.forward = [<Run> run_mean_absolute_error[FloatCall], <Run> run_mean_absolute_error[DoubleCall]]

    def temporary(self, sizes):
        return 0, sizes[0] * sizes[1]


categorical_accuracy = CategoricalAccuracy("categorical_accuracy")
binary_accuracy = BinaryAccuracy("binary_accuracy")
mean_absolute_error = MeanAbsoluteError("mean_absolute_error")
for each in (categorical_accuracy, binary_accuracy, mean_absolute_error):
    register(each)
