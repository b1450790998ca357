from tinynn.kernels.machine cimport Worker, real
from tinynn.kernels.op cimport TargetOp


cdef class Loss(TargetOp):
    cdef readonly bint categorical      # over classes: its target may be labels
    cdef readonly bint from_logits      # it applies the activation itself, and its second output is the result


cdef inline Py_ssize_t grain(Py_ssize_t K) noexcept nogil:
    """Rows in the smallest part worth a claim."""
    return max(1, 4096 // K)


cdef inline bint clipped(real p) noexcept nogil:
    """Whether Keras clips the probability"""
    return p < <real> 1e-7 or p > <real> (1 - 1e-7)


cdef inline real clipped_log(real log_p) noexcept nogil:
    """The logarithm of the clipped probability; nan stays nan.

    Clipping the logarithm clips the probability, with one difference: 1 - 1e-7 is no float32, but its logarithm is.
    """
    cdef real lowest = -16.11809565095832               # log(1e-7)
    cdef real highest = -1.00000005e-7                  # log(1 - 1e-7)
    if log_p < lowest:
        return lowest
    return highest if log_p > highest else log_p


cdef void squared_error_forward(
    real* loss, real* temporary, const real* p, const real* t,
    Py_ssize_t B, Py_ssize_t K, bint mean, Worker* worker) noexcept nogil

cdef void squared_error_backward(
    real* dp, const real* weight, const real* p, const real* t,
    Py_ssize_t B, Py_ssize_t K, bint mean, Worker* worker) noexcept nogil

cdef void binary_crossentropy_forward(
    real* loss, real* temporary, const real* p, const real* t,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void binary_crossentropy_backward(
    real* dp, const real* weight, const real* p, const real* t,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void binary_crossentropy_from_logits_forward(
    real* loss, real* y, const real* z, const real* t,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void binary_crossentropy_from_logits_backward(
    real* dz, const real* weight, const real* y, const real* z, const real* t,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil
