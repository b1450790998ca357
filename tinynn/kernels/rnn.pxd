from libc.stdint cimport int64_t

from tinynn.kernels.machine cimport Worker, real

cdef void rnn_forward(
    real* y, real* last_h, real* workspace, real* packed,
    const real* x, const real* w, const real* u, const real* b, const real* h0, const int64_t* lengths,
    Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, int activation,
    Worker* worker) noexcept nogil

cdef void rnn_backward(
    real* dx, real* dh0, real* dw, real* du, real* db, real* workspace, real* temporary,
    const real* dy, const real* d_last_h, const real* x, const real* w, const real* u, bint initial,
    const int64_t* lengths, Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, int activation,
    bint accumulate, Worker* worker) noexcept nogil
