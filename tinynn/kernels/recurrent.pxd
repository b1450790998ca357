"""What the recurrent kernels share: batches turned into steps, states at the ends, the split of the rows.

Inside a recurrent op the rows of a batch form groups, and each group is time-major, (T, rows, ...): the rows of a step
lie side by side. So a step of some rows is one matrix product, and all steps together are one matrix for the gradient
of the weights. "(T, B, ...)" stands for such groups, (T, rows, ...) each, one after the other.

The gradient of the weights is the sum of the groups' sums. Each thread sums the rows that it has just processed: a sum
over the whole batch would read half of the gates from the caches of other cores.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from tinynn.kernels.gemm cimport column_sum_team, gemm, gemm_pack_team, gemm_team, tile_edge
from tinynn.kernels.machine cimport LINEAR, PACK_COLUMNS, Range, Worker, claim, real, simd, threads_of

# --- groups and parts of them ----------------------------------------------------------------------------

# The number of groups depends on sizes only, because it decides the order in which gradients are summed.
cdef enum: MAX_GROUPS = 4
cdef enum: MIN_ROWS_OF_GROUP = 16


cdef inline Py_ssize_t groups_of(Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H) noexcept nogil:
    """Number of groups: one, unless a group has more numbers to sum than its sums have."""
    return max(1, min(MAX_GROUPS, B // MIN_ROWS_OF_GROUP, T * B // (I + H + 1)))


cdef inline Py_ssize_t group_start(Py_ssize_t group, Py_ssize_t groups, Py_ssize_t B) noexcept nogil:
    """The first row of a group; of group number `groups`: B."""
    return group * B // groups


ctypedef struct Part:
    Range rows              # of the batch, all in one group
    Py_ssize_t size         # of the group in rows
    Py_ssize_t at           # row b of step t lies at at + t * size + b in (T, B, ...)
    Range parts             # this thread's parts that are still to come
    Py_ssize_t B, T, groups, pieces


cdef inline Part parts_of(Py_ssize_t B, Py_ssize_t T, Py_ssize_t groups, Py_ssize_t grain) noexcept nogil:
    """For `next_part`: every group in pieces of at most `grain` rows."""
    cdef Part part
    memset(&part, 0, sizeof(Part))
    part.B, part.T, part.groups = B, T, groups
    part.pieces = max(1, ((B + groups - 1) // groups + grain - 1) // grain)
    return part


cdef inline bint next_part(Part* part, Worker* worker) noexcept nogil:
    """The next rows for this thread, or False when all are done: one phase of `claim`."""
    cdef Py_ssize_t group, piece, first
    if part.parts.start >= part.parts.stop and not claim(worker, part.groups * part.pieces, 1, &part.parts):
        return False
    group, piece = part.parts.start // part.pieces, part.parts.start % part.pieces
    part.parts.start += 1
    first = group_start(group, part.groups, part.B)
    part.size = group_start(group + 1, part.groups, part.B) - first
    part.rows.start = first + piece * part.size // part.pieces
    part.rows.stop = first + (piece + 1) * part.size // part.pieces
    part.at = first * (part.T - 1)
    return True


cdef inline Py_ssize_t packed_size(Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Numbers in a packed matrix (k, n)."""
    return k * ((n + PACK_COLUMNS - 1) // PACK_COLUMNS * PACK_COLUMNS)


cdef inline Py_ssize_t rows_grain(Py_ssize_t B, Py_ssize_t products, const Worker* worker) noexcept nogil:
    """Rows that a thread takes through all steps.

    At most 32: their gates fit the second-level cache beside the recurrent weights, which are then read seldom enough.
    Fewer where every thread would not have four parts, or one; but enough to fill a tile, and at least 2^18
    multiply-adds (`products` for each row), which pay for a claim.
    """
    cdef Py_ssize_t threads = threads_of(worker), rows = 32
    if threads > 1:
        rows = min(rows, max(16, (B + 4 * threads - 1) // (4 * threads)))
        rows = max(6, min(rows, (B + threads - 1) // threads))
    return max(rows, 1 + 262144 // (products + 1))


# From so many rows on, and up to so many packed weights, the input's part of a step is a product of its own.
cdef enum: MIN_ROWS_BY_STEP = 16
cdef enum: MAX_NUMBERS_BY_STEP = 65536


cdef inline Py_ssize_t packed_input_size(Py_ssize_t I, Py_ssize_t n) noexcept nogil:
    """Numbers in the input's packed weights (I, n); 0 where they are too many to be read in each step."""
    return packed_size(I, n) if packed_size(I, n) <= MAX_NUMBERS_BY_STEP else 0


cdef inline bint ended(const int64_t* lengths, Py_ssize_t row, Py_ssize_t t) noexcept nogil:
    """Whether the sequence of this row is over before step t."""
    return lengths != NULL and t >= lengths[row]


# --- one phase each --------------------------------------------------------------------------------------

cdef inline const real* by_step(real* steps, const real* x, const int64_t* lengths, Py_ssize_t B, Py_ssize_t T,
                                Py_ssize_t F, Py_ssize_t groups, Worker* worker) noexcept nogil:
    """x (B, T, F) as (T, B, F): copied to `steps`, or x itself if the two are equal. Padding becomes zeros."""
    cdef Part part = parts_of(B, T, groups, 1 + 16384 // (T * F + 1))
    cdef Py_ssize_t row, t
    if lengths == NULL and (B == 1 or T == 1):
        return x
    while next_part(&part, worker):
        for t in range(T):
            for row in range(part.rows.start, part.rows.stop):
                if ended(lengths, row, t):
                    memset(steps + (part.at + t * part.size + row) * F, 0, F * sizeof(real))
                else:
                    memcpy(steps + (part.at + t * part.size + row) * F, x + (row * T + t) * F, F * sizeof(real))
    return steps


cdef inline void by_row(real* x, const real* steps, Py_ssize_t B, Py_ssize_t T, Py_ssize_t F, Py_ssize_t groups,
                        Worker* worker) noexcept nogil:
    """x (B, T, F) := steps (T, B, F)"""
    cdef Part part = parts_of(B, T, groups, 1 + 16384 // (T * F + 1))
    cdef Py_ssize_t row, t
    while next_part(&part, worker):
        for row in range(part.rows.start, part.rows.stop):
            for t in range(T):
                memcpy(x + (row * T + t) * F, steps + (part.at + t * part.size + row) * F, F * sizeof(real))


cdef inline bint begin_input(real* z, real* packed, const real* steps, const real* w, const real* b, Py_ssize_t B,
                             Py_ssize_t T, Py_ssize_t I, Py_ssize_t n, Worker* worker) noexcept nogil:
    """z (T, B, n) := x_t w + b as one product; or True and w packed, where each thread shall compute it step by step.

    Each step of its own rows, right before it is used: of the one product, half lies in the caches of other cores.
    """
    if B >= MIN_ROWS_BY_STEP and packed_input_size(I, n) > 0:
        gemm_pack_team(packed, w, n, 1, I, n, worker)
        return True
    gemm_team(z, n, steps, I, 1, w, n, 1, T * B, n, I, False, b, LINEAR, worker)
    return False


cdef inline Py_ssize_t sums_per_row(Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, Py_ssize_t n) noexcept nogil:
    """Numbers for each row of the batch that hold the groups' sums of weights (I, n) or (H, n); see `groups_of`."""
    return min(T * n, ((max(I, H) + 1) * n + MIN_ROWS_OF_GROUP - 1) // MIN_ROWS_OF_GROUP)


cdef inline void weight_gradient(real* dw, Py_ssize_t dw_row, real* db, real* sums, const real* a, const real* start,
                                 bint before, Py_ssize_t m, const real* dz, Py_ssize_t dz_row, Py_ssize_t n,
                                 Py_ssize_t B, Py_ssize_t T, Py_ssize_t groups, bint accumulate,
                                 Worker* worker) noexcept nogil:
    """dw (m, n) [+]= sum of a_t^T dz_t,  db (n) [+]= sum of dz_t; either may be NULL.

    a (T, B, m), dz (T, B, n). `before`: of a_{t-1}^T dz_t, with start (B, m) or, if that is NULL, zeros as a_{-1};
    otherwise start is NULL.
    Each group is summed by one thread or a few, and the sums are then added in the order of the groups.
    """
    cdef Py_ssize_t units = (n + PACK_COLUMNS - 1) // PACK_COLUMNS, threads = threads_of(worker), pieces = 1
    cdef Py_ssize_t stride = (m + 1) * n, part, group, row, size, column, columns
    cdef real* total
    cdef const real* of_rows
    cdef Range parts
    if dw == NULL and db == NULL:
        return
    if groups == 1:
        if dw != NULL and start != NULL:
            gemm_team(dw, dw_row, start, 1, m, dz, dz_row, 1, m, n, B, accumulate, NULL, LINEAR, worker)
        if dw != NULL:
            gemm_team(dw, dw_row, a, 1, m, dz + before * B * dz_row, dz_row, 1, m, n, (T - before) * B,
                      accumulate or start != NULL, NULL, LINEAR, worker)
        if db != NULL:
            column_sum_team(db, dz, dz_row, T * B, n, accumulate, worker)
        return
    if threads > 1:
        pieces = min(units, max(2, (2 * threads + groups - 1) // groups))
    while claim(worker, groups * pieces, 1, &parts):
        for part in range(parts.start, parts.stop):
            group = part // pieces
            row = group_start(group, groups, B)
            size = group_start(group + 1, groups, B) - row
            column = tile_edge(part % pieces, pieces, pieces, units) * PACK_COLUMNS
            columns = min(n, tile_edge(part % pieces + 1, pieces, pieces, units) * PACK_COLUMNS) - column
            total = sums + group * stride + column
            of_rows = dz + row * T * dz_row + column
            if dw != NULL and start != NULL:
                gemm(total, n, start + row * m, 1, m, of_rows, dz_row, 1, m, columns, size, False, NULL, LINEAR, worker)
            if dw != NULL:
                gemm(total, n, a + row * T * m, 1, m, of_rows + before * size * dz_row, dz_row, 1, m, columns,
                     (T - before) * size, start != NULL, NULL, LINEAR, worker)
            if db != NULL:
                simd(worker, total).column_sum(total + m * n, of_rows, dz_row, T * size, columns, False)
    while claim(worker, m + 1, 1 + 16384 // (groups * n), &parts):
        for row in range(parts.start, parts.stop):
            if row == m and db != NULL:
                simd(worker, db).column_sum(db, sums + m * n, stride, groups, n, accumulate)
            elif row < m and dw != NULL:
                simd(worker, dw).column_sum(dw + row * dw_row, sums + row * n, stride, groups, n, accumulate)


# --- within a phase, on some rows ------------------------------------------------------------------------

cdef inline void copy_rows(real* y, const real* x, Range rows, Py_ssize_t H) noexcept nogil:
    """Rows of y (B, H) := those of x, or zeros when x is NULL; no y, nothing to do."""
    if y == NULL:
        return
    if x != NULL:
        memcpy(y + rows.start * H, x + rows.start * H, (rows.stop - rows.start) * H * sizeof(real))
    else:
        memset(y + rows.start * H, 0, (rows.stop - rows.start) * H * sizeof(real))


cdef inline void put_states(real* y, const real* h, bint sequences, const Part* part, Py_ssize_t T,
                            Py_ssize_t H) noexcept nogil:
    """y (B, T, H) := h (T, B, H), the states after each step, or y (B, H) := the last one."""
    cdef Py_ssize_t row, t
    if y == NULL:
        return
    if not sequences:
        copy_rows(y, h + (part.at + (T - 1) * part.size) * H, part.rows, H)
        return
    for row in range(part.rows.start, part.rows.stop):
        for t in range(T):
            memcpy(y + (row * T + t) * H, h + (part.at + t * part.size + row) * H, H * sizeof(real))


cdef inline void start_gradient(real* dh, const real* dy, const real* d_last, bint sequences, Range rows,
                                Py_ssize_t H, Worker* worker) noexcept nogil:
    """dh := d_last [+ dy, when that is the gradient of the last state too]"""
    copy_rows(dh, d_last, rows, H)
    if dy != NULL and not sequences:
        simd(worker, dh).axpy(dh + rows.start * H, dy + rows.start * H, <real> 1, (rows.stop - rows.start) * H)


cdef inline void add_step(real* dh, const real* dy, bint sequences, Py_ssize_t t, Range rows, Py_ssize_t T,
                          Py_ssize_t H, Worker* worker) noexcept nogil:
    """dh += dy[:, t]"""
    cdef Py_ssize_t row
    if dy == NULL or not sequences:
        return
    for row in range(rows.start, rows.stop):
        simd(worker, dh).axpy(dh + row * H, dy + (row * T + t) * H, <real> 1, H)
