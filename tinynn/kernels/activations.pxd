from tinynn.kernels.machine cimport Worker, real

cdef void activation_forward(
    real* y, const real* x, Py_ssize_t n, int activation, Worker* worker) noexcept nogil

cdef void activation_backward(
    real* dx, const real* dy, const real* y, Py_ssize_t n, int activation, Worker* worker) noexcept nogil

cdef void softmax_forward(
    real* y, const real* x, Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil

cdef void softmax_backward(
    real* dx, const real* dy, const real* y, Py_ssize_t B, Py_ssize_t K, Worker* worker) noexcept nogil
