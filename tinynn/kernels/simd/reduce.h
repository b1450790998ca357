/* Sums whose order does not depend on the vector width: element i goes to accumulator i mod 16, each accumulator adds
 * in order, and the sixteen are added as a tree. Rows of a matrix are added in order. */
#ifndef REDUCE_H  /* once for each dtype, see undefine.h */
#define REDUCE_H

#include "functions.h"
#include "vector.h"

#define ACCUMULATORS 16
#define VECTORS (ACCUMULATORS / LANES)

/* Half of the lanes, or fewer where only the first n >= 1 of them count: the width of a fold's first round. */
INLINE ptrdiff_t NAME(first_width)(ptrdiff_t n)
{
    ptrdiff_t width = LANES / 2;
    while (width >= n)
        width /= 2;
    return width;
}

/* Lane 0 of: upper half added to the lower half, until one lane is left. All lanes from n on are 0. */
INLINE REAL NAME(fold)(vector x, ptrdiff_t n)
{
    const integers lane = LANE_NUMBERS;
    for (ptrdiff_t width = NAME(first_width)(n); width >= 1; width /= 2)
        x += NAME(shuffle)(x, x, lane + (INTEGER)width);
    return x[0];
}

/* Sum of the accumulators, as fold adds lanes. */
INLINE REAL NAME(tree)(const vector *partial)
{
    vector x[VECTORS];
    for (int i = 0; i < VECTORS; i++)
        x[i] = partial[i];
    for (int width = VECTORS / 2; width >= 1; width /= 2)
        for (int i = 0; i < width; i++)
            x[i] += x[i + width];
    return NAME(fold)(x[0], LANES);
}

/* The body of a reduction. WHOLE is partial[part] after the LANES terms from element `at` on, FIRST the same where only
 * `count` of them exist. */
#define REDUCE(n, WHOLE, FIRST) \
    vector partial[VECTORS] = {{0}}; \
    ptrdiff_t i = 0; \
    for (; i + ACCUMULATORS <= (n); i += ACCUMULATORS) \
        for (int part = 0; part < VECTORS; part++) { \
            const ptrdiff_t at = i + part * LANES; \
            partial[part] = WHOLE; \
        } \
    for (int part = 0; part < VECTORS && i < (n); part++, i += LANES) { \
        const ptrdiff_t at = i, count = (n) - i < LANES ? (n) - i : LANES; \
        if (count == LANES) \
            partial[part] = WHOLE; \
        else \
            partial[part] = FIRST; \
    } \
    return NAME(tree)(partial);

static REAL NAME(sum)(const REAL *x, ptrdiff_t n)
{
    REDUCE(n, partial[part] + NAME(load)(x + at), partial[part] + NAME(load_first)(x + at, count))
}

static REAL NAME(dot)(const REAL *x, const REAL *y, ptrdiff_t n)
{
    REDUCE(n, NAME(multiply_add)(NAME(load)(x + at), NAME(load)(y + at), partial[part]),
           NAME(multiply_add)(NAME(load_first)(x + at, count), NAME(load_first)(y + at, count), partial[part]))
}

INLINE vector NAME(larger_or_nan)(vector v, vector largest)
{
    return NAME(select)((v > largest) | (v != v), v, largest);
}

/* The same with the larger of two, or NaN; all lanes from n on hold a number that counts. */
INLINE REAL NAME(fold_largest)(vector x, ptrdiff_t n)
{
    const integers lane = LANE_NUMBERS;
    for (ptrdiff_t width = NAME(first_width)(n); width >= 1; width /= 2)
        x = NAME(larger_or_nan)(NAME(shuffle)(x, x, lane + (INTEGER)width), x);
    return x[0];
}

/* The largest element; NaN if there is one. */
static REAL NAME(maximum)(const REAL *x, ptrdiff_t n)
{
    const integers lane = LANE_NUMBERS;
    vector largest = NAME(broadcast)(x[0]);
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        largest = NAME(larger_or_nan)(NAME(load)(x + i), largest);
    }
    if (i < n) {
        const integers there = lane < (INTEGER)(n - i);
        largest = NAME(larger_or_nan)(NAME(select)(there, NAME(load_first)(x + i, n - i), largest), largest);
    }
    return NAME(fold_largest)(largest, LANES);
}

static int NAME(all_finite)(const REAL *x, ptrdiff_t n)
{
    vector wrong = NAME(broadcast)(0);
    FOR_EACH_VECTOR(n, {
        const vector v = LOAD(x);
        wrong += v - v;  /* 0, but NaN of NaN and of infinity; and NaN stays */
    });
    return NAME(fold)(wrong, LANES) == 0;
}

/* Eight vectors of columns at a time, to read a row's cache lines whole, one after the other. */
static void NAME(column_sum)(REAL *y, const REAL *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t n, int accumulate)
{
    for (; n >= 8 * LANES; n -= 8 * LANES, x += 8 * LANES, y += 8 * LANES) {
        vector total[8];
        for (int j = 0; j < 8; j++)
            total[j] = accumulate ? NAME(load)(y + j * LANES) : NAME(broadcast)(0);
        for (ptrdiff_t row = 0; row < rows; row++)
            for (int j = 0; j < 8; j++)
                total[j] += NAME(load)(x + row * x_row + j * LANES);
        for (int j = 0; j < 8; j++)
            NAME(store)(y + j * LANES, total[j]);
    }
    FOR_EACH_VECTOR(n, {
        vector total = accumulate ? LOAD(y) : NAME(broadcast)(0);
        for (ptrdiff_t row = 0; row < rows; row++)
            total += LOAD(x + row * x_row);
        STORE(y, total);
    });
}

static void NAME(scale)(REAL *y, const REAL *x, REAL alpha, ptrdiff_t n)
{
    FOR_EACH_VECTOR(n, { STORE(y, alpha * LOAD(x)); });
}

static void NAME(axpy)(REAL *y, const REAL *x, REAL alpha, ptrdiff_t n)
{
    FOR_EACH_VECTOR(n, { STORE(y, NAME(multiply_add)(NAME(broadcast)(alpha), LOAD(x), LOAD(y))); });
}

/* softmax_forward of a row that fits one vector: the same numbers, in registers until they are y. */
INLINE REAL NAME(softmax_vector)(REAL *y, REAL *largest_x, const REAL *x, ptrdiff_t n)
{
    const integers lane = LANE_NUMBERS, there = lane < (INTEGER)n;
    const vector all = NAME(select)(there, NAME(load_first)(x, n), NAME(broadcast)(x[0]));
    const REAL largest = *largest_x = NAME(fold_largest)(all, n);
    const vector e = NAME(vector_exp)(all - largest);
    const REAL total = NAME(fold)(NAME(select)(there, e, NAME(broadcast)(0)), n);
    NAME(store_first)(y, e / total, n);
    return 1 / total;
}

static REAL NAME(softmax_forward)(REAL *y, REAL *largest_x, const REAL *x_, ptrdiff_t n)
{
    if (n < LANES)
        return NAME(softmax_vector)(y, largest_x, x_, n);
    const REAL largest = *largest_x = NAME(maximum)(x_, n);
    FOR_EACH_VECTOR(n, { STORE(y, NAME(vector_exp)(LOAD(x_) - largest)); });
    const REAL total = NAME(sum)(y, n);
    FOR_EACH_VECTOR(n, { STORE(y, LOAD(y) / total); });
    return 1 / total;
}

static void NAME(softmax_backward)(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t n)
{
    const REAL mean = NAME(dot)(dy, y, n);
    FOR_EACH_VECTOR(n, { STORE(dx, LOAD(y) * (LOAD(dy) - mean)); });
}

#endif
