from libc.stdint cimport int64_t

from tinynn.kernels.machine cimport Worker, real

cdef void categorical_crossentropy_forward(
    real* loss, real* temporary, const real* p, const real* t, const int64_t* labels,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void categorical_crossentropy_backward(
    real* dp, const real* weight, const real* p, const real* t, const int64_t* labels,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void categorical_crossentropy_from_logits_forward(
    real* loss, real* y, real* temporary, const real* z, const real* t, const int64_t* labels,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void categorical_crossentropy_from_logits_backward(
    real* dz, const real* weight, const real* y, const real* t, const int64_t* labels,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void categorical_crossentropy_from_sigmoid_logits_forward(
    real* loss, real* y, real* q, real* temporary, const real* z, const real* t, const int64_t* labels,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void categorical_crossentropy_from_sigmoid_logits_backward(
    real* dz, real* temporary, const real* weight, const real* q, const real* z, const real* t, const int64_t* labels,
    Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil
