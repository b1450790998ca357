/* Matrix products. b is packed: a panel of TILE_COLUMNS of its columns, about K_BLOCK of its rows at a time,
 * stays in the first-level cache while tiles of TILE_ROWS rows of a run past it, their sums in registers.
 *
 * Design: every element of c is one chain of multiply-adds with p ascending from 0. A later K-block loads the
 * chain from c and continues it; edges run the same tile with fewer rows or a masked vector. So an element's bits
 * depend on its row of a and its column of b alone, not on the sizes of the matrices or on who computes it.
 * Bias and relu follow in the registers, other activations while the tile is in the first-level cache.
 *
 * All of it computes the same as this loop, which tests/kernels/test_gemm.py compares bit by bit (in Python):
 *
 *     for (i = 0; i < m; i++)
 *         for (j = 0; j < n; j++) {
 *             sum = accumulate ? c(i, j) : 0;
 *             for (p = 0; p < k; p++)
 *                 sum = fma(a(i, p), b(p, j), sum);
 *             c(i, j) = f(sum + bias(j));
 *         }
 */
#include "functions.h"
#include "types.h"
#include "vector.h"

#if VECTOR_BYTES == 64
#define TILE_ROWS 14
#else
#define TILE_ROWS 6
#endif
#define TILE_COLUMNS (2 * LANES)
#define MAX_VECTORS 8  /* of a tile that is one row */
#define K_BLOCK 272
/* Where a is transposed, each term of a tile may lie in another page of memory. A product of fewer terms than
 * MIN_K_TO_SPLIT is faster in one block. (Weight gradient of 640 x 784 x 128: 115 to 140 GFLOP/s.) */
#define K_BLOCK_TRANSPOSED 80
#define MIN_K_TO_SPLIT 144
#define MIN_K_TO_PREFETCH 8  /* terms of a tile whose time hides two prefetches for each row */

/* Where c is large enough, a transposed a is packed instead, LEFT_BLOCK of its rows at a time: the second-level cache
 * holds them in the order in which the tiles read them. (Weight gradient of 1280 x 784 x 784: 121 to 139 GFLOP/s.) */
#define MIN_ROWS_TO_PACK (3 * TILE_ROWS)
#define MIN_COLUMNS_TO_PACK (8 * TILE_COLUMNS)
#define LEFT_BLOCK 304
#define LEFT_K_BLOCK (REAL_IS_FLOAT ? 160 : 80)
#define LEFT_WIDTH ((TILE_ROWS + LANES - 1) / LANES * LANES)
_Static_assert((K_BLOCK * TILE_COLUMNS + ((LEFT_BLOCK + TILE_ROWS - 1) / TILE_ROWS * LEFT_K_BLOCK * LEFT_WIDTH))
               * sizeof(REAL) <= GEMM_SCRATCH_BYTES, "the packed factors fit the scratch memory");

/* The left factor. Element (i, p) is at[i * row + p * column]; or, with lists, at[rows[i] + columns[p]], which makes
 * the patches of an image the rows of a matrix that is never stored. Packed, its tiles lie `tile` apart. */
typedef struct {
    const REAL *at;
    ptrdiff_t row, column, tile;
    const int32_t *rows, *columns;
} NAME(Left);

/* a from row i and column p on. */
INLINE NAME(Left) NAME(left_from)(const int listed, NAME(Left) a, ptrdiff_t i, ptrdiff_t p)
{
    if (listed) {
        a.rows += i;
        a.columns += p;
    } else
        a.at += i * a.row + p * a.column;
    return a;
}

/* c tile (rows, vectors * LANES) := [c +] a (rows, k) b (k, ...) [+ bias], at least 0 if relu; of a partial last vector
 * only the first `last` columns exist. */
INLINE void NAME(tile)(const int listed, const int rows, const int vectors, const int partial, ptrdiff_t last, REAL *c,
                       ptrdiff_t c_row, NAME(Left) left, const REAL *b, ptrdiff_t b_row, ptrdiff_t k, int accumulate,
                       const REAL *bias, int relu)
{
#define WHOLE(j) (!partial || (j) < vectors - 1)
    const REAL *a = left.at;
    const ptrdiff_t a_row = left.row;
    const REAL *a_rows[TILE_ROWS];
    for (int i = 0; listed && i < rows; i++)
        a_rows[i] = a + left.rows[i];
    vector sum[TILE_ROWS][MAX_VECTORS];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++)
            sum[i][j] = !accumulate ? NAME(broadcast)(0)
                        : WHOLE(j)  ? NAME(load)(c + i * c_row + j * LANES)
                                    : NAME(load_first)(c + i * c_row + j * LANES, last);
    for (ptrdiff_t p = 0; p < k; p++) {
        vector row[MAX_VECTORS];
        for (int j = 0; j < vectors; j++)
            row[j] = WHOLE(j) ? NAME(load)(b + j * LANES) : NAME(load_first)(b + j * LANES, last);
        const ptrdiff_t column = listed ? left.columns[p] : 0;
        for (int i = 0; i < rows; i++) {
            vector element = NAME(broadcast)(listed ? a_rows[i][column] : a[i * a_row]);
            for (int j = 0; j < vectors; j++)
                sum[i][j] = NAME(multiply_add)(element, row[j], sum[i][j]);
        }
        a += left.column;
        b += b_row;
    }
    if (bias)
        for (int j = 0; j < vectors; j++) {
            const vector v = WHOLE(j) ? NAME(load)(bias + j * LANES) : NAME(load_first)(bias + j * LANES, last);
            for (int i = 0; i < rows; i++)
                sum[i][j] += v;
        }
    if (relu)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < vectors; j++)
                sum[i][j] = NAME(vector_relu)(sum[i][j]);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++)
            if (WHOLE(j))
                NAME(store)(c + i * c_row + j * LANES, sum[i][j]);
            else
                NAME(store_first)(c + i * c_row + j * LANES, sum[i][j], last);
#undef WHOLE
}

#define TILE_CASE(count) \
    case count: NAME(tile)(listed, count, vectors, partial, last, c, c_row, a, b, b_row, k, accumulate, bias, relu); \
        break;

/* The tile with its number of rows made a constant. */
INLINE void NAME(tile_rows)(const int listed, int rows, const int vectors, const int partial, ptrdiff_t last, REAL *c,
                            ptrdiff_t c_row, NAME(Left) a, const REAL *b, ptrdiff_t b_row, ptrdiff_t k, int accumulate,
                            const REAL *bias, int relu)
{
    switch (rows) {
        TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6)
#if TILE_ROWS == 14
        TILE_CASE(7) TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12) TILE_CASE(13) TILE_CASE(14)
#endif
    }
}

/* The tile with its width made a constant. */
INLINE void NAME(tile_columns)(const int listed, int rows, ptrdiff_t columns, REAL *c, ptrdiff_t c_row, NAME(Left) a,
                               const REAL *b, ptrdiff_t b_row, ptrdiff_t k, int accumulate, const REAL *bias, int relu)
{
    if (columns == TILE_COLUMNS)
        NAME(tile_rows)(listed, rows, 2, 0, 0, c, c_row, a, b, b_row, k, accumulate, bias, relu);
    else if (columns > LANES)
        NAME(tile_rows)(listed, rows, 2, 1, columns - LANES, c, c_row, a, b, b_row, k, accumulate, bias, relu);
    else if (columns == LANES)
        NAME(tile_rows)(listed, rows, 1, 0, 0, c, c_row, a, b, b_row, k, accumulate, bias, relu);
    else
        NAME(tile_rows)(listed, rows, 1, 1, columns, c, c_row, a, b, b_row, k, accumulate, bias, relu);
}

/* Prefetch the part of c that the next tile will read or write: it may have left the caches. */
INLINE void NAME(prefetch_rows)(const REAL *c, ptrdiff_t c_row, int rows)
{
    for (int row = 0; row < rows; row++) {
        __builtin_prefetch(c + row * c_row, 1);
        __builtin_prefetch(c + row * c_row + TILE_COLUMNS - 1, 1);
    }
}

/* What is prefetched during a panel: the panel after it, `runs` stretches of `length` numbers. */
typedef struct {
    const REAL *b;
    ptrdiff_t step, runs, length;
} NAME(Ahead);

/* The panel beside this one, of a right factor that is not packed. */
INLINE NAME(Ahead) NAME(panel_after)(const REAL *panel, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t depth)
{
    const REAL *next = panel + TILE_COLUMNS * b_column;
    const NAME(Ahead) by_rows = {next, b_row, depth, TILE_COLUMNS}, by_columns = {next, b_column, TILE_COLUMNS, depth};
    return b_column == 1 ? by_rows : by_columns;
}

INLINE void NAME(prefetch)(const NAME(Ahead) *ahead, ptrdiff_t first, ptrdiff_t end)
{
    for (ptrdiff_t run = first; run < end; run++) {
        const REAL *p = ahead->b + run * ahead->step;
        for (ptrdiff_t i = 0; i < ahead->length; i += 64 / (ptrdiff_t)sizeof(REAL))
            __builtin_prefetch(p + i, 0, 2);
        __builtin_prefetch(p + ahead->length - 1, 0, 2);
    }
}

/* All rows of c against one panel of at most TILE_COLUMNS columns; the tiles have nearly equal numbers of rows. */
INLINE void NAME(panel_of)(const int listed, REAL *c, ptrdiff_t c_row, NAME(Left) a, const REAL *b, ptrdiff_t b_row,
                           ptrdiff_t m, ptrdiff_t columns, ptrdiff_t k, int accumulate, const REAL *bias,
                           int activation, const NAME(Ahead) *ahead)
{
    const ptrdiff_t tiles = (m + TILE_ROWS - 1) / TILE_ROWS;
    const int relu = activation == RELU;
    for (ptrdiff_t t = 0, first = 0; t < tiles; t++) {
        const ptrdiff_t end = t + 1 < tiles ? (t + 1) * m / tiles : m;
        const int rows = (int)(end - first);
        REAL *to = c + first * c_row;
        if (k >= MIN_K_TO_PREFETCH)
            NAME(prefetch_rows)(t + 1 < tiles ? c + end * c_row : c + TILE_COLUMNS, c_row, rows);
        NAME(Left) left = NAME(left_from)(listed, a, a.tile ? 0 : first, 0);
        left.at += t * a.tile;
        NAME(tile_columns)(listed, rows, columns, to, c_row, left, b, b_row, k, accumulate, bias, relu);
        for (int row = 0; activation != LINEAR && !relu && row < rows; row++)
            NAME(activation_forward)(to + row * c_row, to + row * c_row, columns, activation);
        if (ahead)
            NAME(prefetch)(ahead, t * ahead->runs / tiles, (t + 1) * ahead->runs / tiles);
        first = end;
    }
}

static void NAME(panel)(REAL *c, ptrdiff_t c_row, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, ptrdiff_t a_tile,
                        const REAL *b, ptrdiff_t b_row, ptrdiff_t m, ptrdiff_t columns, ptrdiff_t k, int accumulate,
                        const REAL *bias, int activation, const NAME(Ahead) *ahead)
{
    const NAME(Left) left = {a, a_row, a_column, a_tile, NULL, NULL};
    NAME(panel_of)(0, c, c_row, left, b, b_row, m, columns, k, accumulate, bias, activation, ahead);
}

static void NAME(panel_listed)(REAL *c, ptrdiff_t c_row, const REAL *a, const int32_t *a_rows, const int32_t *a_columns,
                               const REAL *b, ptrdiff_t m, ptrdiff_t columns, ptrdiff_t k, int accumulate,
                               const REAL *bias, int activation)
{
    const NAME(Left) left = {a, 0, 0, 0, a_rows, a_columns};
    NAME(panel_of)(1, c, c_row, left, b, TILE_COLUMNS, m, columns, k, accumulate, bias, activation, NULL);
}

/* The end of the K-block that begins at p: blocks of nearly equal depth, a multiple of 16 but for the last one. */
INLINE ptrdiff_t NAME(block_end)(ptrdiff_t p, ptrdiff_t k, ptrdiff_t max_depth)
{
    const ptrdiff_t left = k - p;
    if (left <= max_depth)
        return k;
    return p + (left / ((left + max_depth - 1) / max_depth) + 15) / 16 * 16;
}

/* Unrolled, or the rows would be kept in memory. */
#define UNROLL _Pragma("GCC unroll 16")

/* One round of a transposition: two rows that lie `distance` apart exchange every second run of `distance` lanes. The
 * masks are computed as vectors, for compilers to see that they are constant: made lane by lane, they made the
 * transposition three times as slow. */
INLINE void NAME(exchange)(vector *rows, const int distance)
{
    if (distance >= LANES)
        return;
    const integers lane = LANE_NUMBERS;
    const integers from_low = lane + (((lane & distance) != 0) & ((INTEGER)LANES - distance));
    const integers from_high = from_low + (INTEGER)distance;
    UNROLL for (int i = 0; i < LANES; i++)
        if (!(i & distance)) {
            const vector low = rows[i], high = rows[i + distance];
            rows[i] = NAME(shuffle)(low, high, from_low);
            rows[i + distance] = NAME(shuffle)(low, high, from_high);
        }
}

/* LANES x LANES numbers, read by rows of x, written by columns: log2(LANES) rounds of exchanges. */
INLINE void NAME(transpose)(REAL *y, ptrdiff_t y_row, const REAL *x, ptrdiff_t x_row)
{
    vector rows[VECTOR_BYTES / sizeof(REAL)];
    UNROLL for (int i = 0; i < LANES; i++)
        rows[i] = NAME(load)(x + i * x_row);
    NAME(exchange)(rows, 1);
    NAME(exchange)(rows, 2);
    NAME(exchange)(rows, 4);
    NAME(exchange)(rows, 8);
    UNROLL for (int i = 0; i < LANES; i++)
        NAME(store)(y + i * y_row, rows[i]);
}

/* k rows of `columns` columns of b, one row after the other, TILE_COLUMNS apart. */
static void NAME(pack_panel)(REAL *packed, const REAL *b, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t k,
                             ptrdiff_t columns)
{
    if (b_column == 1) {
        if (columns == TILE_COLUMNS)
            for (ptrdiff_t p = 0; p < k; p++, packed += TILE_COLUMNS, b += b_row) {
                NAME(store)(packed, NAME(load)(b));
                NAME(store)(packed + LANES, NAME(load)(b + LANES));
            }
        else
            for (ptrdiff_t p = 0; p < k; p++, packed += TILE_COLUMNS, b += b_row)
                for (ptrdiff_t j = 0; j < columns; j++)
                    packed[j] = b[j];
        return;
    }
    for (ptrdiff_t j = 0; j < columns; ) {
        ptrdiff_t p = 0;
        if (columns - j >= LANES) {
            for (; p + LANES <= k; p += LANES)
                NAME(transpose)(packed + p * TILE_COLUMNS + j, TILE_COLUMNS, b + j * b_column + p * b_row, b_column);
            for (; p < k; p++)
                for (int lane = 0; lane < LANES; lane++)
                    packed[p * TILE_COLUMNS + j + lane] = b[(j + lane) * b_column + p * b_row];
            j += LANES;
        } else {
            for (; p < k; p++)
                packed[p * TILE_COLUMNS + j] = b[j * b_column + p * b_row];
            j++;
        }
    }
}

/* m rows of k terms of a transposed a: tile after tile of `panel_of`, in each term after term. */
static void NAME(pack_left)(REAL *packed, const REAL *a, ptrdiff_t a_column, ptrdiff_t m, ptrdiff_t k)
{
    const ptrdiff_t tiles = (m + TILE_ROWS - 1) / TILE_ROWS;
    for (ptrdiff_t p = 0; p < k; p++, a += a_column)
        for (ptrdiff_t t = 0; t < tiles; t++) {
            REAL *to = packed + (t * k + p) * LEFT_WIDTH;
            for (ptrdiff_t i = t * m / tiles; i < (t + 1) * m / tiles; i += LANES, to += LANES)
                NAME(store)(to, i + LANES <= m ? NAME(load)(a + i) : NAME(load_first)(a + i, m - i));
        }
}

/* c (n) := f([c +] a (k) b (k, n) + bias): tiles of one row, up to MAX_VECTORS wide. They read long stretches of b's
 * rows, and have enough chains of multiply-adds at a time to hide their latency. */
static void NAME(one_row)(REAL *c, const REAL *a, ptrdiff_t a_column, const REAL *b, ptrdiff_t b_row, ptrdiff_t n,
                          ptrdiff_t k, int accumulate, const REAL *bias, int activation)
{
    const NAME(Left) left = {a, 0, a_column, 0, NULL, NULL};
    const int relu = activation == RELU;
    for (ptrdiff_t j = 0, columns; j < n; j += columns) {
        const ptrdiff_t vectors = (n - j) / LANES;
        REAL *to = c + j;
        const REAL *panel = b + j, *shift = bias ? bias + j : NULL;
        columns = (vectors >= 8 ? 8 : vectors >= 4 ? 4 : 2) * LANES;
        if (vectors >= 8)
            NAME(tile)(0, 1, 8, 0, 0, to, 0, left, panel, b_row, k, accumulate, shift, relu);
        else if (vectors >= 4)
            NAME(tile)(0, 1, 4, 0, 0, to, 0, left, panel, b_row, k, accumulate, shift, relu);
        else
            NAME(tile_columns)(0, 1, n - j < columns ? n - j : columns, to, 0, left, panel, b_row, k, accumulate, shift,
                               relu);
    }
    if (activation != LINEAR && !relu)
        NAME(activation_forward)(c, c, n, activation);
}

/* c := f([c +] a b + bias) with both factors packed, a transposed. */
static void NAME(gemm_transposed)(REAL *c, ptrdiff_t c_row, const REAL *a, ptrdiff_t a_column, const REAL *b,
                              ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                              int accumulate, const REAL *bias, int activation, REAL *packed)
{
    REAL *left = packed + K_BLOCK * TILE_COLUMNS;
    const ptrdiff_t blocks = (m + LEFT_BLOCK - 1) / LEFT_BLOCK;
    for (ptrdiff_t block = 0, first = 0, rows; block < blocks; block++, first += rows) {
        rows = (block + 1) * m / blocks - first;
        for (ptrdiff_t p = 0, end; p < k; p = end) {
            end = NAME(block_end)(p, k, LEFT_K_BLOCK);
            NAME(pack_left)(left, a + first + p * a_column, a_column, rows, end - p);
            for (ptrdiff_t j = 0; j < n; j += TILE_COLUMNS) {
                const ptrdiff_t columns = n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS;
                const REAL *panel = b + p * b_row + j * b_column;
                const NAME(Ahead) ahead = NAME(panel_after)(panel, b_row, b_column, end - p);
                NAME(pack_panel)(packed, panel, b_row, b_column, end - p, columns);
                NAME(panel)(c + first * c_row + j, c_row, left, 1, LEFT_WIDTH, (end - p) * LEFT_WIDTH, packed,
                            TILE_COLUMNS, rows, columns, end - p, accumulate || p > 0,
                            bias && end == k ? bias + j : NULL, end == k ? activation : LINEAR,
                            j + 2 * TILE_COLUMNS <= n ? &ahead : NULL);
            }
        }
    }
}

static void NAME(gemm)(REAL *c, ptrdiff_t c_row, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column,
                       const REAL *b, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                       int accumulate, const REAL *bias, int activation, void *scratch)
{
    REAL *packed = scratch;
    const int transposed = a_row == 1 && a_column != 1 && k >= MIN_K_TO_SPLIT;
    if (m == 1 && b_column == 1) {
        NAME(one_row)(c, a, a_column, b, b_row, n, k, accumulate, bias, activation);
        return;
    }
    if (transposed && m >= MIN_ROWS_TO_PACK && n >= MIN_COLUMNS_TO_PACK) {
        NAME(gemm_transposed)(c, c_row, a, a_column, b, b_row, b_column, m, n, k, accumulate, bias, activation,
                              scratch);
        return;
    }
    const ptrdiff_t deepest = transposed ? K_BLOCK_TRANSPOSED : K_BLOCK;
    /* Packing does not pay for few rows; a narrow b is as good as packed, and a small one is in the cache as it is. */
    const int direct = b_column == 1 && (m <= TILE_ROWS || b_row <= 128 / (ptrdiff_t)sizeof(REAL)
                                         || k * b_row <= (m <= 3 * TILE_ROWS ? 16384 : 4096) / (ptrdiff_t)sizeof(REAL));
    /* A b that does not fit the second-level cache comes from further away: prefetch it. */
    const int far = !direct && k * n > (1 << 18) / (ptrdiff_t)sizeof(REAL);
    ptrdiff_t p = 0, end;
    do {  /* once even for k = 0 */
        end = NAME(block_end)(p, k, deepest);
        const ptrdiff_t depth = end - p;
        for (ptrdiff_t j = 0; j < n; j += TILE_COLUMNS) {
            const ptrdiff_t columns = n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS;
            const REAL *panel = b + p * b_row + j * b_column;
            ptrdiff_t panel_row = b_row;
            const int more = far && j + 2 * TILE_COLUMNS <= n;
            const NAME(Ahead) ahead = NAME(panel_after)(panel, b_row, b_column, depth);
            if (!direct) {
                NAME(pack_panel)(packed, panel, b_row, b_column, depth, columns);
                panel = packed;
                panel_row = TILE_COLUMNS;
            }
            NAME(panel)(c + j, c_row, a + p * a_column, a_row, a_column, 0, panel, panel_row, m, columns, depth,
                        accumulate || p > 0, bias && end == k ? bias + j : NULL, end == k ? activation : LINEAR,
                        more ? &ahead : NULL);
        }
    } while ((p = end) < k);
}

static void NAME(gemm_pack)(REAL *packed, const REAL *b, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t k, ptrdiff_t n,
                            ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t j = first; j < last && j < n; j += TILE_COLUMNS)
        NAME(pack_panel)(packed + j * k, b + j * b_column, b_row, b_column, k,
                         n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS);
}

static void NAME(gemm_packed)(REAL *c, ptrdiff_t c_row, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column,
                              const REAL *packed, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int accumulate,
                              const REAL *bias, int activation)
{
    ptrdiff_t p = 0, end;
    do {  /* once even for k = 0 */
        end = NAME(block_end)(p, k, K_BLOCK);
        for (ptrdiff_t j = 0; j < n; j += TILE_COLUMNS)
            NAME(panel)(c + j, c_row, a + p * a_column, a_row, a_column, 0, packed + j * k + p * TILE_COLUMNS,
                        TILE_COLUMNS, m, n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS, end - p, accumulate || p > 0,
                        bias && end == k ? bias + j : NULL, end == k ? activation : LINEAR, NULL);
    } while ((p = end) < k);
}

static void NAME(gemm_listed)(REAL *c, ptrdiff_t c_row, const REAL *a, const int32_t *rows, const int32_t *columns,
                              const REAL *packed, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int accumulate,
                              const REAL *bias, int activation)
{
    ptrdiff_t p = 0, end;
    do {
        end = NAME(block_end)(p, k, K_BLOCK);
        for (ptrdiff_t j = 0; j < n; j += TILE_COLUMNS)
            NAME(panel_listed)(c + j, c_row, a, rows, columns + p, packed + j * k + p * TILE_COLUMNS, m,
                               n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS, end - p, accumulate || p > 0,
                               bias && end == k ? bias + j : NULL, end == k ? activation : LINEAR);
    } while ((p = end) < k);
}
