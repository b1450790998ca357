"""What a kernel computes with: its worker, and the vector functions of the instruction set in use.

The functions here only choose between float and double. Their contracts stand in ``simd/table.h``.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

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
    ctypedef struct Simd_float:
        void gemm(float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t,
                  Py_ssize_t, Py_ssize_t, Py_ssize_t, bint, const float*, int, void*) noexcept nogil
        void gemm_pack(float*, const float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                       Py_ssize_t, Py_ssize_t) noexcept nogil
        void gemm_packed(float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, bint, const float*, int) noexcept nogil
        void gemm_listed(float*, Py_ssize_t, const float*, const int32_t*, const int32_t*, const float*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, bint, const float*, int) noexcept nogil
        void exp(float*, const float*, Py_ssize_t) noexcept nogil
        float exp_of(float) noexcept nogil
        void log(float*, const float*, Py_ssize_t) noexcept nogil
        void log1p_exp(float*, const float*, Py_ssize_t) noexcept nogil
        void activation_forward(float*, const float*, Py_ssize_t, int) noexcept nogil
        void activation_backward(float*, const float*, const float*, Py_ssize_t, int) noexcept nogil
        float sum(const float*, Py_ssize_t) noexcept nogil
        float dot(const float*, const float*, Py_ssize_t) noexcept nogil
        float maximum(const float*, Py_ssize_t) noexcept nogil
        bint all_finite(const float*, Py_ssize_t) noexcept nogil
        void column_sum(float*, const float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, bint) noexcept nogil
        void column_products(float*, const float*, const float*, const float*, const float*, Py_ssize_t,
                             Py_ssize_t) noexcept nogil
        void column_affine(float*, const float*, const float*, const float*, const float*, Py_ssize_t,
                           Py_ssize_t) noexcept nogil
        void column_affine_backward(float*, const float*, const float*, const float*, const float*, const float*,
                                    const float*, Py_ssize_t, Py_ssize_t) noexcept nogil
        void scale(float*, const float*, float, Py_ssize_t) noexcept nogil
        void axpy(float*, const float*, float, Py_ssize_t) noexcept nogil
        void convolve(float*, const float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept nogil
        void convolve_logarithms(float*, const float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept nogil
        float softmax_forward(float*, float*, const float*, Py_ssize_t) noexcept nogil
        void softmax_backward(float*, const float*, const float*, Py_ssize_t) noexcept nogil
        void max_pool(float*, const float*, const Windows*) noexcept nogil
        void max_pool_backward(float*, const float*, const float*, const float*, const Windows*) noexcept nogil
        void average_pool(float*, const float*, const Windows*) noexcept nogil
        void average_pool_backward(float*, const float*, const Windows*) noexcept nogil
        void add_windows(float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t,
                         Py_ssize_t) noexcept nogil
        void convert(float*, const void*, int, float, float, Py_ssize_t) noexcept nogil
        void augment(float*, const void*, int, const Augmentation*, uint32_t, uint32_t, float, float,
                     float*) noexcept nogil
        void dropout(float*, const float*, float, uint32_t, uint64_t, uint32_t, uint32_t, uint32_t, Py_ssize_t,
                     Py_ssize_t) noexcept nogil
        void lstm_forward(float*, float*, float*, float*, const float*, Py_ssize_t) noexcept nogil
        void lstm_backward(float*, float*, const float*, const float*, const float*, const float*,
                           Py_ssize_t) noexcept nogil
        void gru_forward(float*, float*, const float*, const float*, Py_ssize_t) noexcept nogil
        void gru_backward(float*, float*, float*, const float*, const float*, const float*,
                          const float*, Py_ssize_t) noexcept nogil
        void gru_reset_forward(float*, float*, const float*, Py_ssize_t) noexcept nogil
        void gru_candidate_forward(float*, float*, const float*, Py_ssize_t) noexcept nogil
        void gru_candidate_backward(float*, float*, const float*, const float*, const float*,
                                    Py_ssize_t) noexcept nogil
        void gru_reset_backward(float*, float*, const float*, const float*, const float*, Py_ssize_t) noexcept nogil
        void sgd(float*, const float*, float*, float, float, bint, Py_ssize_t) noexcept nogil
        void adam(float*, const float*, float*, float*, float, float, float, float, float, Py_ssize_t) noexcept nogil
        void rmsprop(float*, const float*, float*, float*, float, float, float, float, float, Py_ssize_t) noexcept nogil
    ctypedef struct Simd_double:
        void gemm(double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t,
                  Py_ssize_t, Py_ssize_t, Py_ssize_t, bint, const double*, int, void*) noexcept nogil
        void gemm_pack(double*, const double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                       Py_ssize_t, Py_ssize_t) noexcept nogil
        void gemm_packed(double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, bint, const double*, int) noexcept nogil
        void gemm_listed(double*, Py_ssize_t, const double*, const int32_t*, const int32_t*, const double*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, bint, const double*, int) noexcept nogil
        void exp(double*, const double*, Py_ssize_t) noexcept nogil
        double exp_of(double) noexcept nogil
        void log(double*, const double*, Py_ssize_t) noexcept nogil
        void log1p_exp(double*, const double*, Py_ssize_t) noexcept nogil
        void activation_forward(double*, const double*, Py_ssize_t, int) noexcept nogil
        void activation_backward(double*, const double*, const double*, Py_ssize_t, int) noexcept nogil
        double sum(const double*, Py_ssize_t) noexcept nogil
        double dot(const double*, const double*, Py_ssize_t) noexcept nogil
        double maximum(const double*, Py_ssize_t) noexcept nogil
        bint all_finite(const double*, Py_ssize_t) noexcept nogil
        void column_sum(double*, const double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, bint) noexcept nogil
        void column_products(double*, const double*, const double*, const double*, const double*, Py_ssize_t,
                             Py_ssize_t) noexcept nogil
        void column_affine(double*, const double*, const double*, const double*, const double*, Py_ssize_t,
                           Py_ssize_t) noexcept nogil
        void column_affine_backward(double*, const double*, const double*, const double*, const double*, const double*,
                                    const double*, Py_ssize_t, Py_ssize_t) noexcept nogil
        void scale(double*, const double*, double, Py_ssize_t) noexcept nogil
        void axpy(double*, const double*, double, Py_ssize_t) noexcept nogil
        void convolve(double*, const double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept nogil
        void convolve_logarithms(double*, const double*, Py_ssize_t, const double*, Py_ssize_t,
                                 Py_ssize_t) noexcept nogil
        double softmax_forward(double*, double*, const double*, Py_ssize_t) noexcept nogil
        void softmax_backward(double*, const double*, const double*, Py_ssize_t) noexcept nogil
        void max_pool(double*, const double*, const Windows*) noexcept nogil
        void max_pool_backward(double*, const double*, const double*, const double*, const Windows*) noexcept nogil
        void average_pool(double*, const double*, const Windows*) noexcept nogil
        void average_pool_backward(double*, const double*, const Windows*) noexcept nogil
        void add_windows(double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t,
                         Py_ssize_t) noexcept nogil
        void convert(double*, const void*, int, double, double, Py_ssize_t) noexcept nogil
        void augment(double*, const void*, int, const Augmentation*, uint32_t, uint32_t, double, double,
                     double*) noexcept nogil
        void dropout(double*, const double*, double, uint32_t, uint64_t, uint32_t, uint32_t, uint32_t, Py_ssize_t,
                     Py_ssize_t) noexcept nogil
        void lstm_forward(double*, double*, double*, double*, const double*, Py_ssize_t) noexcept nogil
        void lstm_backward(double*, double*, const double*, const double*, const double*,
                           const double*, Py_ssize_t) noexcept nogil
        void gru_forward(double*, double*, const double*, const double*, Py_ssize_t) noexcept nogil
        void gru_backward(double*, double*, double*, const double*, const double*, const double*,
                          const double*, Py_ssize_t) noexcept nogil
        void gru_reset_forward(double*, double*, const double*, Py_ssize_t) noexcept nogil
        void gru_candidate_forward(double*, double*, const double*, Py_ssize_t) noexcept nogil
        void gru_candidate_backward(double*, double*, const double*, const double*, const double*,
                                    Py_ssize_t) noexcept nogil
        void gru_reset_backward(double*, double*, const double*, const double*, const double*,
                                Py_ssize_t) noexcept nogil
        void sgd(double*, const double*, double*, double, double, bint, Py_ssize_t) noexcept nogil
        void adam(double*, const double*, double*, double*, double, double, double, double, double,
                  Py_ssize_t) noexcept nogil
        void rmsprop(double*, const double*, double*, double*, double, double, double, double, double,
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
        const Simd_float* f32
        const Simd_double* f64
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
        const Simd_float* f32
        const Simd_double* f64
        void* scratch
    bint claim(Worker* worker, Py_ssize_t n, Py_ssize_t grain, Range* range) noexcept

cdef const Simd* instruction_set_in_use() noexcept nogil


cdef class Solo:
    """A worker without a team, with scratch memory of its own."""
    cdef Worker worker


cdef inline Py_ssize_t threads_of(const Worker* worker) noexcept nogil:
    """How many threads share the work."""
    return 1 if worker.team == NULL else worker.team.threads


# --- matrix products ---------------------------------------------------------------------------------

cdef inline void gemm(real* c, Py_ssize_t c_row, const real* a, Py_ssize_t a_row, Py_ssize_t a_column,
                      const real* b, Py_ssize_t b_row, Py_ssize_t b_column, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                      bint accumulate, const real* bias, int activation, Worker* worker) noexcept nogil:
    """C := activation([C +] A B + bias), on this thread alone."""
    if real is float:
        worker.f32.gemm(c, c_row, a, a_row, a_column, b, b_row, b_column, m, n, k, accumulate, bias, activation,
                        worker.scratch)
    else:
        worker.f64.gemm(c, c_row, a, a_row, a_column, b, b_row, b_column, m, n, k, accumulate, bias, activation,
                        worker.scratch)


cdef inline Py_ssize_t tile_edge(Py_ssize_t tile, Py_ssize_t tiles, Py_ssize_t own, Py_ssize_t n) noexcept nogil:
    """Where a tile begins in 0..n, if each thread has `own` tiles, one after the other.

    Its later ones are smaller: if another thread has to take over the last one, little is left to wait for. Those
    of a thread with two are 3 : 1, with three 5 : 3 : 1.
    """
    cdef Py_ssize_t start, share, rest
    if own <= 1 or tiles % own > 0:
        return tile * n // tiles
    start = tile // own * own * n // tiles
    share = (tile // own + 1) * own * n // tiles - start
    rest = own - tile % own
    return start + share * (own * own - rest * rest) // (own * own)


cdef inline void gemm_team(real* c, Py_ssize_t c_row, const real* a, Py_ssize_t a_row, Py_ssize_t a_column,
                           const real* b, Py_ssize_t b_row, Py_ssize_t b_column, Py_ssize_t m, Py_ssize_t n,
                           Py_ssize_t k, bint accumulate, const real* bias, int activation,
                           Worker* worker) noexcept nogil:
    """The same, shared out over the team in tiles of C; one phase."""
    cdef Py_ssize_t row_blocks, column_blocks, own_rows, own_columns, fewest_rows, threads, parts, units
    cdef Py_ssize_t tile, row, rows, column, columns
    cdef Range tiles
    cdef const real* tile_bias = NULL
    if m <= 0 or n <= 0:
        return
    # 256 rows of a K-block of A fit the second-level cache. Each block of rows packs B anew.
    row_blocks = (m + 255) // 256
    if row_blocks == 1 and worker.team == NULL:
        gemm(c, c_row, a, a_row, a_column, b, b_row, b_column, m, n, k, accumulate, bias, activation, worker)
        return
    column_blocks = 1
    units = (n + PACK_COLUMNS - 1) // PACK_COLUMNS
    threads = threads_of(worker)
    if threads > 1:
        # Two tiles for each thread, so that one that is held up delays little; 2^16 multiply-adds pay for a claim.
        parts = min(2 * threads, 1 + m * n * k // 65536)
        if m <= n and row_blocks < parts:
            column_blocks = min(units, parts)
        fewest_rows = 16 if n <= PACK_COLUMNS else 32
        row_blocks = max(row_blocks, min((m + fewest_rows - 1) // fewest_rows,
                                         (parts + column_blocks - 1) // column_blocks))
        if row_blocks > 1:
            row_blocks = (row_blocks + threads - 1) // threads * threads
        column_blocks = max(column_blocks, min(units, (parts + row_blocks - 1) // row_blocks))
    own_rows = row_blocks // threads if threads > 1 else 1
    own_columns = column_blocks // threads if threads > 1 else 1
    while claim(worker, row_blocks * column_blocks, 1, &tiles):
        for tile in range(tiles.start, tiles.stop):
            row = tile_edge(tile // column_blocks, row_blocks, own_rows, m)
            rows = tile_edge(tile // column_blocks + 1, row_blocks, own_rows, m) - row
            column = tile_edge(tile % column_blocks, column_blocks, own_columns, units) * PACK_COLUMNS
            columns = tile_edge(tile % column_blocks + 1, column_blocks, own_columns, units) * PACK_COLUMNS
            columns = min(n, columns) - column
            if bias != NULL:
                tile_bias = bias + column
            gemm(c + row * c_row + column, c_row, a + row * a_row, a_row, a_column,
                 b + column * b_column, b_row, b_column,
                 rows, columns, k, accumulate, tile_bias, activation, worker)


cdef inline void gemm_pack(real* packed, const real* b, Py_ssize_t b_row, Py_ssize_t b_column, Py_ssize_t k,
                           Py_ssize_t n, Worker* worker) noexcept nogil:
    """B (k, n) in the form gemm_packed reads, k * round_up(n, PACK_COLUMNS) numbers; one phase."""
    cdef Range columns
    while claim(worker, n, PACK_COLUMNS, &columns):
        if real is float:
            worker.f32.gemm_pack(packed, b, b_row, b_column, k, n, columns.start, columns.stop)
        else:
            worker.f64.gemm_pack(packed, b, b_row, b_column, k, n, columns.start, columns.stop)


cdef inline void gemm_pack_alone(real* packed, const real* b, Py_ssize_t b_row, Py_ssize_t b_column, Py_ssize_t k,
                                 Py_ssize_t n, Worker* worker) noexcept nogil:
    """The same, on this thread alone."""
    if real is float:
        worker.f32.gemm_pack(packed, b, b_row, b_column, k, n, 0, n)
    else:
        worker.f64.gemm_pack(packed, b, b_row, b_column, k, n, 0, n)


cdef inline void gemm_packed(real* c, Py_ssize_t c_row, const real* a, Py_ssize_t a_row, Py_ssize_t a_column,
                             const real* packed, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, bint accumulate,
                             const real* bias, int activation, Worker* worker) noexcept nogil:
    """C := activation([C +] A B + bias) with B packed, on this thread alone."""
    if real is float:
        worker.f32.gemm_packed(c, c_row, a, a_row, a_column, packed, m, n, k, accumulate, bias, activation)
    else:
        worker.f64.gemm_packed(c, c_row, a, a_row, a_column, packed, m, n, k, accumulate, bias, activation)


cdef inline void gemm_listed(real* c, Py_ssize_t c_row, const real* a, const int32_t* rows, const int32_t* columns,
                             const real* packed, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, bint accumulate,
                             const real* bias, int activation, Worker* worker) noexcept nogil:
    """The same with A[i, p] = a[rows[i] + columns[p]]."""
    if real is float:
        worker.f32.gemm_listed(c, c_row, a, rows, columns, packed, m, n, k, accumulate, bias, activation)
    else:
        worker.f64.gemm_listed(c, c_row, a, rows, columns, packed, m, n, k, accumulate, bias, activation)


# --- vectors -------------------------------------------------------------------------------------------

cdef inline void vector_exp(real* y, const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.exp(y, x, n)
    else:
        worker.f64.exp(y, x, n)


cdef inline void vector_log(real* y, const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.log(y, x, n)
    else:
        worker.f64.log(y, x, n)


cdef inline void vector_log1p_exp(real* y, const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    """y = log(1 + exp(-|x|))"""
    if real is float:
        worker.f32.log1p_exp(y, x, n)
    else:
        worker.f64.log1p_exp(y, x, n)


cdef inline void vector_activation(real* y, const real* x, Py_ssize_t n, int activation, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.activation_forward(y, x, n, activation)
    else:
        worker.f64.activation_forward(y, x, n, activation)


cdef inline void vector_activation_backward(real* dx, const real* dy, const real* y, Py_ssize_t n, int activation,
                                            Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.activation_backward(dx, dy, y, n, activation)
    else:
        worker.f64.activation_backward(dx, dy, y, n, activation)


cdef inline real vector_sum(const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        return worker.f32.sum(x, n)
    else:
        return worker.f64.sum(x, n)


cdef inline real vector_dot(const real* x, const real* y, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        return worker.f32.dot(x, y, n)
    else:
        return worker.f64.dot(x, y, n)


cdef inline real vector_maximum(const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        return worker.f32.maximum(x, n)
    else:
        return worker.f64.maximum(x, n)


cdef inline void vector_scale(real* y, const real* x, real alpha, Py_ssize_t n, Worker* worker) noexcept nogil:
    """y = alpha x"""
    if real is float:
        worker.f32.scale(y, x, alpha, n)
    else:
        worker.f64.scale(y, x, alpha, n)


cdef inline void vector_axpy(real* y, const real* x, real alpha, Py_ssize_t n, Worker* worker) noexcept nogil:
    """y += alpha x"""
    if real is float:
        worker.f32.axpy(y, x, alpha, n)
    else:
        worker.f64.axpy(y, x, alpha, n)


cdef inline void column_sum(real* y, const real* x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t n, bint accumulate,
                            Worker* worker) noexcept nogil:
    """y (n) := [y +] sum of the rows of x (rows, n), on this thread alone."""
    if real is float:
        worker.f32.column_sum(y, x, x_row, rows, n, accumulate)
    else:
        worker.f64.column_sum(y, x, x_row, rows, n, accumulate)


cdef inline void column_sum_team(real* y, const real* x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t n,
                                 bint accumulate, Worker* worker) noexcept nogil:
    """y (n) := [y +] sum of the rows of x (rows, n); one phase, split by columns."""
    cdef Range columns
    while claim(worker, n, max(64, 65536 // max(rows, 1) // 64 * 64), &columns):
        column_sum(y + columns.start, x + columns.start, x_row, rows, columns.stop - columns.start, accumulate, worker)


cdef inline void column_products(real* y, const real* a, const real* a_mean, const real* b, const real* b_mean,
                                 Py_ssize_t rows, Py_ssize_t n, Worker* worker) noexcept nogil:
    """y (n) = sum over rows of (a - a_mean) (b - b_mean)"""
    if real is float:
        worker.f32.column_products(y, a, a_mean, b, b_mean, rows, n)
    else:
        worker.f64.column_products(y, a, a_mean, b, b_mean, rows, n)


cdef inline void column_affine(real* y, const real* x, const real* mean, const real* scale, const real* shift,
                               Py_ssize_t rows, Py_ssize_t n, Worker* worker) noexcept nogil:
    """y = (x - mean) scale + shift"""
    if real is float:
        worker.f32.column_affine(y, x, mean, scale, shift, rows, n)
    else:
        worker.f64.column_affine(y, x, mean, scale, shift, rows, n)


cdef inline void column_affine_backward(real* dx, const real* dy, const real* x, const real* mean, const real* scale,
                                        const real* slope, const real* offset, Py_ssize_t rows, Py_ssize_t n,
                                        Worker* worker) noexcept nogil:
    """dx = dy scale - (x - mean) slope - offset"""
    if real is float:
        worker.f32.column_affine_backward(dx, dy, x, mean, scale, slope, offset, rows, n)
    else:
        worker.f64.column_affine_backward(dx, dy, x, mean, scale, slope, offset, rows, n)


cdef inline void vector_convolve(real* y, const real* x, Py_ssize_t step, const real* p, Py_ssize_t terms,
                                 Py_ssize_t n, bint logarithms, Worker* worker) noexcept nogil:
    """y[s] = sum_k p[k] x[s + step k]; if logarithms: of the numbers that x, p and y are the logarithms of."""
    if real is float:
        if logarithms:
            worker.f32.convolve_logarithms(y, x, step, p, terms, n)
        else:
            worker.f32.convolve(y, x, step, p, terms, n)
    else:
        if logarithms:
            worker.f64.convolve_logarithms(y, x, step, p, terms, n)
        else:
            worker.f64.convolve(y, x, step, p, terms, n)


cdef inline real softmax_row(real* y, real* largest, const real* x, Py_ssize_t n, Worker* worker) noexcept nogil:
    """y = softmax(x),  largest = max x;  returns max y"""
    if real is float:
        return worker.f32.softmax_forward(y, largest, x, n)
    else:
        return worker.f64.softmax_forward(y, largest, x, n)


cdef inline void softmax_row_backward(real* dx, const real* dy, const real* y, Py_ssize_t n,
                                      Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.softmax_backward(dx, dy, y, n)
    else:
        worker.f64.softmax_backward(dx, dy, y, n)


# --- samples: numbers x of a kind (UINT8, FLOAT, DOUBLE) become y = x scale + offset ---------------------------

cdef inline void convert(real* y, const void* x, int kind, double scale, double offset, Py_ssize_t n,
                         Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.convert(y, x, kind, <float> scale, <float> offset, n)
    else:
        worker.f64.convert(y, x, kind, scale, offset, n)


cdef inline void augment(real* y, const void* x, int kind, const Augmentation* augmentation, uint32_t sample,
                         uint32_t place, double scale, double offset, real* scratch, Worker* worker) noexcept nogil:
    """An image changed at random; see simd/augmentation.h"""
    if real is float:
        worker.f32.augment(y, x, kind, augmentation, sample, place, <float> scale, <float> offset, scratch)
    else:
        worker.f64.augment(y, x, kind, augmentation, sample, place, scale, offset, scratch)


cdef inline void vector_dropout(real* y, const real* x, real scale, uint32_t dropped, uint64_t key, uint32_t purpose,
                                uint32_t epoch, uint32_t step, Py_ssize_t first, Py_ssize_t n,
                                Worker* worker) noexcept nogil:
    """y = scale x or 0, at random; see simd/dropout.h"""
    if real is float:
        worker.f32.dropout(y, x, scale, dropped, key, purpose, epoch, step, first, n)
    else:
        worker.f64.dropout(y, x, scale, dropped, key, purpose, epoch, step, first, n)


# --- windows of an image; see simd/windows.h ----------------------------------------------------------------

cdef inline void max_pool(real* y, const real* x, const Windows* windows, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.max_pool(y, x, windows)
    else:
        worker.f64.max_pool(y, x, windows)


cdef inline void max_pool_backward(real* dx, const real* dy, const real* x, const real* y, const Windows* windows,
                                   Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.max_pool_backward(dx, dy, x, y, windows)
    else:
        worker.f64.max_pool_backward(dx, dy, x, y, windows)


cdef inline void average_pool(real* y, const real* x, const Windows* windows, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.average_pool(y, x, windows)
    else:
        worker.f64.average_pool(y, x, windows)


cdef inline void average_pool_backward(real* dx, const real* dy, const Windows* windows,
                                       Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.average_pool_backward(dx, dy, windows)
    else:
        worker.f64.average_pool_backward(dx, dy, windows)


cdef inline void add_windows(real* x, Py_ssize_t width, Py_ssize_t start, Py_ssize_t step, const real* windows,
                             Py_ssize_t window_row, Py_ssize_t pixels, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.add_windows(x, width, start, step, windows, window_row, pixels, n)
    else:
        worker.f64.add_windows(x, width, start, step, windows, window_row, pixels, n)


# --- optimizers: n consecutive parameters; see simd/optimizers.h -------------------------------------------

cdef inline void sgd_step(real* w, const real* dw, real* velocity, real rate, real momentum, bint nesterov,
                          Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.sgd(w, dw, velocity, rate, momentum, nesterov, n)
    else:
        worker.f64.sgd(w, dw, velocity, rate, momentum, nesterov, n)


cdef inline void adam_step(real* w, const real* dw, real* m, real* v, real rate, real fresh_1, real fresh_2,
                           real epsilon, real decay, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.adam(w, dw, m, v, rate, fresh_1, fresh_2, epsilon, decay, n)
    else:
        worker.f64.adam(w, dw, m, v, rate, fresh_1, fresh_2, epsilon, decay, n)


cdef inline void rmsprop_step(real* w, const real* dw, real* v, real* velocity, real rate, real rho, real fresh,
                              real momentum, real epsilon, Py_ssize_t n, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.rmsprop(w, dw, v, velocity, rate, rho, fresh, momentum, epsilon, n)
    else:
        worker.f64.rmsprop(w, dw, v, velocity, rate, rho, fresh, momentum, epsilon, n)


# --- recurrent cells: one row of hidden units; see simd/recurrent.h ---------------------------------------

cdef inline void lstm_cell_forward(real* gates, real* c, real* tanh_c, real* h, const real* c_previous,
                                   Py_ssize_t units, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.lstm_forward(gates, c, tanh_c, h, c_previous, units)
    else:
        worker.f64.lstm_forward(gates, c, tanh_c, h, c_previous, units)


cdef inline void lstm_cell_backward(real* dz, real* dc, const real* dh, const real* gates, const real* tanh_c,
                                    const real* c_previous, Py_ssize_t units, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.lstm_backward(dz, dc, dh, gates, tanh_c, c_previous, units)
    else:
        worker.f64.lstm_backward(dz, dc, dh, gates, tanh_c, c_previous, units)


cdef inline void gru_cell_forward(real* gates, real* h, const real* recurrent, const real* h_previous,
                                  Py_ssize_t units, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.gru_forward(gates, h, recurrent, h_previous, units)
    else:
        worker.f64.gru_forward(gates, h, recurrent, h_previous, units)


cdef inline void gru_cell_backward(real* dz, real* d_recurrent, real* dh_previous, const real* dh, const real* gates,
                                   const real* recurrent, const real* h_previous, Py_ssize_t units,
                                   Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.gru_backward(dz, d_recurrent, dh_previous, dh, gates, recurrent, h_previous, units)
    else:
        worker.f64.gru_backward(dz, d_recurrent, dh_previous, dh, gates, recurrent, h_previous, units)


cdef inline void gru_reset_forward(real* gates, real* reset_h, const real* h_previous, Py_ssize_t units,
                                   Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.gru_reset_forward(gates, reset_h, h_previous, units)
    else:
        worker.f64.gru_reset_forward(gates, reset_h, h_previous, units)


cdef inline void gru_candidate_forward(real* gates, real* h, const real* h_previous, Py_ssize_t units,
                                       Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.gru_candidate_forward(gates, h, h_previous, units)
    else:
        worker.f64.gru_candidate_forward(gates, h, h_previous, units)


cdef inline void gru_candidate_backward(real* dz, real* dh_previous, const real* dh, const real* gates,
                                        const real* h_previous, Py_ssize_t units, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.gru_candidate_backward(dz, dh_previous, dh, gates, h_previous, units)
    else:
        worker.f64.gru_candidate_backward(dz, dh_previous, dh, gates, h_previous, units)


cdef inline void gru_reset_backward(real* dz, real* dh_previous, const real* d_reset_h, const real* gates,
                                    const real* h_previous, Py_ssize_t units, Worker* worker) noexcept nogil:
    if real is float:
        worker.f32.gru_reset_backward(dz, dh_previous, d_reset_h, gates, h_previous, units)
    else:
        worker.f64.gru_reset_backward(dz, dh_previous, d_reset_h, gates, h_previous, units)
