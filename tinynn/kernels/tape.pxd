cdef struct Instruction:                        # how one entry of the tape comes about, unless it is a leaf
    int operation                               # one of the codes in tape.pyx
    int result                                  # position of the entry
    int first                                   # position of the first input, smaller than the entry's own
    int second                                  # position of the second input; the first's again if there is none


cdef double operation_value(int operation, double a, double b) noexcept nogil

cdef void operation_derivative(
    double* da, double* db, int operation, double d, double a, double b) noexcept nogil

cdef void tape_forward(double* values, double* kept, const Instruction* instructions, Py_ssize_t length) noexcept nogil

cdef void tape_backward(
    double* gradients,
    const double* values, const double* kept, const Instruction* instructions,
    Py_ssize_t length, Py_ssize_t size, double d) noexcept nogil

cdef long long tape_train(
    double* weights, double* values, double* kept, double* gradients,
    const Instruction* instructions, const Py_ssize_t* variables,
    Py_ssize_t length, Py_ssize_t size, Py_ssize_t count, long long steps, double lr) noexcept nogil


cdef class Tape:
    cdef Py_ssize_t size                        # entries
    cdef Py_ssize_t count                       # trainable entries
    cdef Py_ssize_t length                      # entries that are computed
    cdef Instruction* instructions              # (length,) in ascending order
    cdef bint* leaves                           # (size,)   which entries are given
    cdef double* values                         # (size,)   what the last forward pass computed
    cdef double* kept                           # (size,)   what a sigmoid's forward pass leaves to its backward pass
    cdef double* gradients                      # (size,)   what the last backward pass computed
    cdef Py_ssize_t* variables                  # (count,)  positions of the trainable leaves
    cdef double* weights                        # (count,)  their values now, read by the next forward pass
    cdef bint running                           # a thread is inside train()
    cdef int claim(self, str caller) except -1
