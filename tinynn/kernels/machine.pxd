"""What a kernel computes with: its worker, and the vector functions of the instruction set in use.

    cdef Range rows
    while claim(worker, B, 64, &rows):                      # a parallel loop: parallel.h
        simd(worker, y).exp(y, x, n)                        # a vector function: simd/table.h
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t

ctypedef fused real:
    float
    double

cdef extern from "simd/simd.h" nogil:
    enum: LINEAR, RELU, SIGMOID, TANH
    enum: PACK_COLUMNS, GEMM_SCRATCH_BYTES
    ctypedef struct Windows:
        Py_ssize_t count, step, row, column, rows, columns, channels
        bint overlap
    enum: UINT8, FLOAT, DOUBLE
    ctypedef struct Augmentation:
        Py_ssize_t rows, columns, channels
        double shift, rotation, zoom, shear, elastic, spacing
        Py_ssize_t grid_rows, grid_columns
        uint64_t key
        uint32_t epoch
    Py_ssize_t augmentation_scratch(const Augmentation* augmentation)
    # The vector functions of simd/table.h, where their parameters are named and explained. C has a struct of them for
    # float and one for double. To Cython both are this one: C knows which it has, and refuses arrays of the other dtype
    # (setup.py). Results are declared as double; `vector_sum` and the others below return them in their own dtype.
    ctypedef struct Vectors:
        void gemm(void*, Py_ssize_t, const void*, Py_ssize_t, Py_ssize_t, const void*, Py_ssize_t, Py_ssize_t,
                  Py_ssize_t, Py_ssize_t, Py_ssize_t, bint, const void*, int, void*) noexcept nogil
        void gemm_pack(void*, const void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                       Py_ssize_t) noexcept nogil
        void gemm_packed(void*, Py_ssize_t, const void*, Py_ssize_t, Py_ssize_t, const void*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, bint, const void*, int) noexcept nogil
        void gemm_listed(void*, Py_ssize_t, const void*, const int32_t*, const int32_t*, const void*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, bint, const void*, int) noexcept nogil
        void exp(void*, const void*, Py_ssize_t) noexcept nogil
        void log(void*, const void*, Py_ssize_t) noexcept nogil
        void log1p_exp(void*, const void*, Py_ssize_t) noexcept nogil
        void activation_forward(void*, const void*, Py_ssize_t, int) noexcept nogil
        void activation_backward(void*, const void*, const void*, Py_ssize_t, int) noexcept nogil
        double sum(const void*, Py_ssize_t) noexcept nogil
        double dot(const void*, const void*, Py_ssize_t) noexcept nogil
        double maximum(const void*, Py_ssize_t) noexcept nogil
        bint all_finite(const void*, Py_ssize_t) noexcept nogil
        void column_sum(void*, const void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, bint) noexcept nogil
        void column_products(void*, const void*, const void*, const void*, const void*, Py_ssize_t,
                             Py_ssize_t) noexcept nogil
        void column_affine(void*, const void*, const void*, const void*, const void*, Py_ssize_t,
                           Py_ssize_t) noexcept nogil
        void column_affine_backward(void*, const void*, const void*, const void*, const void*, const void*, const void*,
                                    Py_ssize_t, Py_ssize_t) noexcept nogil
        void scale(void*, const void*, double, Py_ssize_t) noexcept nogil
        void axpy(void*, const void*, double, Py_ssize_t) noexcept nogil
        void convolve(void*, const void*, Py_ssize_t, const void*, Py_ssize_t, Py_ssize_t) noexcept nogil
        void convolve_logarithms(void*, const void*, Py_ssize_t, const void*, Py_ssize_t, Py_ssize_t) noexcept nogil
        double softmax_forward(void*, void*, const void*, Py_ssize_t) noexcept nogil
        void softmax_backward(void*, const void*, const void*, Py_ssize_t) noexcept nogil
        void max_pool(void*, const void*, const Windows*) noexcept nogil
        void max_pool_backward(void*, const void*, const void*, const void*, const Windows*) noexcept nogil
        void average_pool(void*, const void*, const Windows*) noexcept nogil
        void average_pool_backward(void*, const void*, const Windows*) noexcept nogil
        void add_windows(void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void*, Py_ssize_t, Py_ssize_t,
                         Py_ssize_t) noexcept nogil
        void convert(void*, const void*, int, double, double, Py_ssize_t) noexcept nogil
        void augment(void*, const void*, int, const Augmentation*, uint32_t, uint32_t, double, double,
                     void*) noexcept nogil
        void dropout(void*, const void*, double, uint32_t, uint64_t, uint32_t, uint32_t, uint32_t, Py_ssize_t,
                     Py_ssize_t) noexcept nogil
        void lstm_cell_forward(void*, void*, void*, void*, const void*, Py_ssize_t) noexcept nogil
        void lstm_cell_backward(void*, void*, const void*, const void*, const void*, const void*,
                                Py_ssize_t) noexcept nogil
        void gru_cell_forward(void*, void*, const void*, const void*, Py_ssize_t) noexcept nogil
        void gru_cell_backward(void*, void*, void*, const void*, const void*, const void*, const void*,
                               Py_ssize_t) noexcept nogil
        void gru_reset_forward(void*, void*, const void*, Py_ssize_t) noexcept nogil
        void gru_candidate_forward(void*, void*, const void*, Py_ssize_t) noexcept nogil
        void gru_candidate_backward(void*, void*, const void*, const void*, const void*, Py_ssize_t) noexcept nogil
        void gru_reset_backward(void*, void*, const void*, const void*, const void*, Py_ssize_t) noexcept nogil
        void sgd(void*, const void*, void*, double, double, bint, Py_ssize_t) noexcept nogil
        void adam(void*, const void*, void*, void*, double, double, double, double, double, Py_ssize_t) noexcept nogil
        void rmsprop(void*, const void*, void*, void*, double, double, double, double, double,
                     Py_ssize_t) noexcept nogil
    enum: MULTIPLY, ADD, HALF_SQUARED_ERROR, FIRST_OF_TWO_INPUTS
    ctypedef struct Instruction:
        int operation, result, first, second, first_is_new, second_is_new
    ctypedef struct TapeFunctions:
        double tanh(double) noexcept nogil
        void forward(double*, double*, const Instruction*, Py_ssize_t) noexcept nogil
        void backward(double*, const double*, const double*, const Instruction*, Py_ssize_t, Py_ssize_t,
                      double) noexcept nogil
        long long train(double*, double*, double*, double*, const Instruction*, const Py_ssize_t*, Py_ssize_t,
                        Py_ssize_t, Py_ssize_t, long long, double) noexcept nogil
    ctypedef struct Simd:
        const char* name
        const Vectors* f32
        const Vectors* f64
        const TapeFunctions* tape

cdef extern from "parallel.h" nogil:
    ctypedef struct Range:
        Py_ssize_t start
        Py_ssize_t stop
    ctypedef struct Team:
        int threads
    ctypedef struct Worker:
        Team* team
        int index
        Py_ssize_t given
        const Vectors* f32
        const Vectors* f64
        void* scratch
    bint claim(Worker* worker, Py_ssize_t n, Py_ssize_t grain, Range* range) noexcept
    # The vector functions for the dtype of the array x, one of the call's arguments.
    const Vectors* simd "simd_for"(const Worker* worker, const void* x) noexcept

cdef const Simd* instruction_set_in_use() noexcept nogil


cdef class Solo:
    """A worker without a team, with its own scratch memory."""
    cdef Worker worker


cdef inline Py_ssize_t threads_of(const Worker* worker) noexcept nogil:
    """How many threads share the work."""
    return 1 if worker.team == NULL else worker.team.threads


# --- vector functions that return a number --------------------------------------------------------------

cdef inline real vector_sum(const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    return <real> simd(worker, x).sum(x, n)


cdef inline real vector_dot(const real* x, const real* y, Py_ssize_t n, Worker* worker) noexcept nogil:
    return <real> simd(worker, x).dot(x, y, n)


cdef inline real vector_maximum(const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    return <real> simd(worker, x).maximum(x, n)


cdef inline real softmax_row(real* y, real* largest, const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    """y = softmax(x),  largest = max x;  returns max y"""
    return <real> simd(worker, y).softmax_forward(y, largest, x, n)


# --- samples: numbers x of a kind (UINT8, FLOAT, DOUBLE) become y = x scale + offset ---------------------

cdef inline void convert(real* y, const void* x, int kind, double scale, double offset, Py_ssize_t n,
                         Worker* worker) noexcept nogil:
    simd(worker, y).convert(y, x, kind, scale, offset, n)


cdef inline void augment(real* y, const void* x, int kind, const Augmentation* augmentation, uint32_t sample,
                         uint32_t place, double scale, double offset, real* scratch, Worker* worker) noexcept nogil:
    """An image changed at random; see simd/augmentation.h"""
    simd(worker, y).augment(y, x, kind, augmentation, sample, place, scale, offset, scratch)


cdef inline void vector_scale(real* y, const real* x, real alpha, Py_ssize_t n, Worker* worker) noexcept nogil:
    simd(worker, y).scale(y, x, alpha, n)
