from libc.stdint cimport int64_t

from tinynn.kernels.machine cimport Worker, real

cdef Py_ssize_t tree_size(Py_ssize_t N, Py_ssize_t K) noexcept nogil

cdef void sum_distribution_forward(
    real* y, real* trees, const real* p, const int64_t* counts,
    Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void sum_distribution_backward(
    real* dp, real* temporary, const real* dy, const real* trees, const int64_t* counts,
    Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void sum_distribution_crossentropy_from_logits_forward(
    real* loss, real* y, real* log_y, real* trees, const real* z, const real* t, const int64_t* labels,
    const int64_t* counts, Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void sum_distribution_crossentropy_from_logits_backward(
    real* dz, real* temporary, const real* weight, const real* y, const real* log_y, const real* trees,
    const real* t, const int64_t* labels, const int64_t* counts,
    Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil
