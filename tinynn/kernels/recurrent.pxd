"""What the recurrent kernels share: batches turned into steps, states at the ends, the split of the rows.

Inside a recurrent op everything is time-major, (T, B, ...): the rows of one step lie together, so that a step of some
rows is one matrix product, and the states before all steps are one matrix for the gradient of the weights.
States have T + 1 slots; slot t is the state before step t.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from tinynn.kernels.machine cimport (
    LINEAR, PACK_COLUMNS, Range, Worker, claim, gemm_pack, gemm_team, real, threads_of, vector_axpy,
)


cdef inline Py_ssize_t packed_size(Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Numbers in a packed matrix (k, n)."""
    return k * ((n + PACK_COLUMNS - 1) // PACK_COLUMNS * PACK_COLUMNS)


cdef inline Py_ssize_t rows_grain(Py_ssize_t B, Py_ssize_t products, const Worker* worker) noexcept nogil:
    """Rows that a thread takes through all steps.

    32 rows have their gates in the second-level cache together with the recurrent weights, and read those seldom
    enough. Fewer, so that every thread has two parts or at least one, but enough to fill a tile, and for 2^18 of the
    multiply-adds, `products` for each row, that pay for a claim.
    """
    cdef Py_ssize_t threads = threads_of(worker), rows = 32
    if threads > 1:
        rows = min(rows, max(16, (B + 2 * threads - 1) // (2 * threads)))
        rows = max(6, min(rows, (B + threads - 1) // threads))
    return max(rows, 1 + 262144 // (products + 1))


# The input's part of a step is a product of its own for at least so many rows, with at most so many packed weights.
cdef enum: FEWEST_ROWS_BY_STEP = 16
cdef enum: LARGEST_BY_STEP = 65536


cdef inline Py_ssize_t packed_input_size(Py_ssize_t I, Py_ssize_t n) noexcept nogil:
    """Numbers in the input's packed weights (I, n); 0 where they are too many to be read again in each step."""
    return packed_size(I, n) if packed_size(I, n) <= LARGEST_BY_STEP else 0


cdef inline bint ended(const int64_t* lengths, Py_ssize_t row, Py_ssize_t t) noexcept nogil:
    """Whether the sequence of this row is over before step t."""
    return lengths != NULL and t >= lengths[row]


# --- one phase each --------------------------------------------------------------------------------------

cdef inline const real* by_step(real* steps, const real* x, const int64_t* lengths, Py_ssize_t B, Py_ssize_t T,
                                Py_ssize_t F, Worker* worker) noexcept nogil:
    """x (B, T, F) as (T, B, F), in `steps` or, when both are the same, where it is. Padding is read as zeros."""
    cdef Range rows
    cdef Py_ssize_t row, t
    if lengths == NULL and (B == 1 or T == 1):
        return x
    while claim(worker, B, 1 + 16384 // (T * F + 1), &rows):
        for t in range(T):
            for row in range(rows.start, rows.stop):
                if ended(lengths, row, t):
                    memset(steps + (t * B + row) * F, 0, F * sizeof(real))
                else:
                    memcpy(steps + (t * B + row) * F, x + (row * T + t) * F, F * sizeof(real))
    return steps


cdef inline void by_row(real* x, const real* steps, Py_ssize_t B, Py_ssize_t T, Py_ssize_t F,
                        Worker* worker) noexcept nogil:
    """x (B, T, F) := steps (T, B, F)"""
    cdef Range rows
    cdef Py_ssize_t row, t
    while claim(worker, B, 1 + 16384 // (T * F + 1), &rows):
        for row in range(rows.start, rows.stop):
            for t in range(T):
                memcpy(x + (row * T + t) * F, steps + (t * B + row) * F, F * sizeof(real))


cdef inline bint begin_input(real* z, real* packed, const real* steps, const real* w, const real* b, Py_ssize_t B,
                             Py_ssize_t T, Py_ssize_t I, Py_ssize_t n, Worker* worker) noexcept nogil:
    """z (T, B, n) := x_t w + b as one product; or True and w packed, where each thread shall compute it step by step.

    Each step of its own rows, right before it is used: of the one product, half lies in the caches of other cores.
    """
    if B >= FEWEST_ROWS_BY_STEP and packed_input_size(I, n) > 0:
        gemm_pack(packed, w, n, 1, I, n, worker)
        return True
    gemm_team(z, n, steps, I, 1, w, n, 1, T * B, n, I, False, b, LINEAR, worker)
    return False


# --- within a phase, on some rows ------------------------------------------------------------------------

cdef inline void copy_rows(real* y, const real* x, Range rows, Py_ssize_t H) noexcept nogil:
    """Rows of y (B, H) := those of x, or zeros when x is NULL; no y, nothing to do."""
    if y == NULL:
        return
    if x != NULL:
        memcpy(y + rows.start * H, x + rows.start * H, (rows.stop - rows.start) * H * sizeof(real))
    else:
        memset(y + rows.start * H, 0, (rows.stop - rows.start) * H * sizeof(real))


cdef inline void put_states(real* y, const real* h, bint sequences, Range rows, Py_ssize_t B, Py_ssize_t T,
                            Py_ssize_t H) noexcept nogil:
    """y (B, T, H) := the states after each step, or y (B, H) := the last one, from h (T + 1, B, H)."""
    cdef Py_ssize_t row, t
    if y == NULL:
        return
    if not sequences:
        copy_rows(y, h + T * B * H, rows, H)
        return
    for row in range(rows.start, rows.stop):
        for t in range(T):
            memcpy(y + (row * T + t) * H, h + ((t + 1) * B + row) * H, H * sizeof(real))


cdef inline void start_gradient(real* dh, const real* dy, const real* d_last, bint sequences, Range rows,
                                Py_ssize_t H, Worker* worker) noexcept nogil:
    """dh := d_last [+ dy, when that is the gradient of the last state too]"""
    copy_rows(dh, d_last, rows, H)
    if dy != NULL and not sequences:
        vector_axpy(dh + rows.start * H, dy + rows.start * H, <real> 1, (rows.stop - rows.start) * H, worker)


cdef inline void add_step(real* dh, const real* dy, bint sequences, Py_ssize_t t, Range rows, Py_ssize_t T,
                          Py_ssize_t H, Worker* worker) noexcept nogil:
    """dh += dy[:, t]"""
    cdef Py_ssize_t row
    if dy == NULL or not sequences:
        return
    for row in range(rows.start, rows.stop):
        vector_axpy(dh + row * H, dy + (row * T + t) * H, <real> 1, H, worker)
