from tinynn.kernels.machine cimport Worker, real

cdef void dense_forward(
    real* y, const real* x, const real* w, const real* b,
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, int activation, Worker* worker) noexcept nogil

cdef void dense_backward(
    real* dx, real* dw, real* db, real* dy, const real* x, const real* w, const real* y,
    Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, int activation, bint accumulate, Worker* worker) noexcept nogil
