"""Matrix products, and the sums of a matrix's rows, on one thread and on a team.

    C (m, n) := f([C +] A B + bias)                 A (m, k)  B (k, n)  bias (n)

An element of A is a[i * a_row + p * a_column], so a transposed matrix is one with its two strides exchanged; and of B.
Every element of C is one chain of multiply-adds, p ascending: neither threads nor tiles change its bits. The product on
one thread is in simd/gemm.h, with the plain loop that it computes.
"""

from tinynn.kernels.machine cimport PACK_COLUMNS, Range, Worker, claim, real, simd, threads_of

# A block of rows of A that fits the second-level cache with a K-block of terms. Each block of rows packs B anew.
cdef enum: BLOCK_ROWS = 256
# Multiply-adds that pay for a claim.
cdef enum: PRODUCTS_PER_CLAIM = 65536


cdef inline void gemm(real* c, Py_ssize_t c_row, const real* a, Py_ssize_t a_row, Py_ssize_t a_column,
                      const real* b, Py_ssize_t b_row, Py_ssize_t b_column, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                      bint accumulate, const real* bias, int activation, Worker* worker) noexcept nogil:
    """C := f([C +] A B + bias), on this thread alone."""
    simd(worker, c).gemm(c, c_row, a, a_row, a_column, b, b_row, b_column, m, n, k, accumulate, bias, activation,
                         worker.scratch)


cdef inline Py_ssize_t tile_edge(Py_ssize_t tile, Py_ssize_t tiles, Py_ssize_t own, Py_ssize_t n) noexcept nogil:
    """Where a tile begins in 0..n, if each thread has `own` tiles, one after the other.

    A thread's later tiles are smaller: if another thread has to take over the last one, little is left to wait for.
    Two tiles of a thread are 3 : 1, three are 5 : 3 : 1.
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
    """C := f([C +] A B + bias), split over the team in tiles of C; one phase."""
    cdef Py_ssize_t row_blocks, column_blocks, own_rows, own_columns, min_rows, threads, parts, units
    cdef Py_ssize_t tile, row, rows, column, columns
    cdef Range tiles
    cdef const real* tile_bias = NULL
    if m <= 0 or n <= 0:
        return
    row_blocks = (m + BLOCK_ROWS - 1) // BLOCK_ROWS
    if row_blocks == 1 and worker.team == NULL:
        gemm(c, c_row, a, a_row, a_column, b, b_row, b_column, m, n, k, accumulate, bias, activation, worker)
        return
    column_blocks = 1
    units = (n + PACK_COLUMNS - 1) // PACK_COLUMNS
    threads = threads_of(worker)
    if threads > 1:
        # Two tiles for each thread, so that one that is held up delays little.
        parts = min(2 * threads, 1 + m * n * k // PRODUCTS_PER_CLAIM)
        if m <= n and row_blocks < parts:
            column_blocks = min(units, parts)
        min_rows = 16 if n <= PACK_COLUMNS else 32
        row_blocks = max(row_blocks, min((m + min_rows - 1) // min_rows, (parts + column_blocks - 1) // column_blocks))
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


cdef inline void gemm_pack_team(real* packed, const real* b, Py_ssize_t b_row, Py_ssize_t b_column, Py_ssize_t k,
                                Py_ssize_t n, Worker* worker) noexcept nogil:
    """B (k, n) in the form gemm_packed reads, k * round_up(n, PACK_COLUMNS) numbers; one phase."""
    cdef Range columns
    while claim(worker, n, PACK_COLUMNS, &columns):
        simd(worker, b).gemm_pack(packed, b, b_row, b_column, k, n, columns.start, columns.stop)


cdef inline void column_sum_team(real* y, const real* x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t n,
                                 bint accumulate, Worker* worker) noexcept nogil:
    """y (n) := [y +] sum of the rows of x (rows, n); one phase, split by columns."""
    cdef Range columns
    while claim(worker, n, max(64, 65536 // max(rows, 1) // 64 * 64), &columns):
        simd(worker, y).column_sum(y + columns.start, x + columns.start, x_row, rows, columns.stop - columns.start,
                                   accumulate)
