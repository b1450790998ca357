/* Column by column over the rows of a matrix (rows, n), for batch normalization. Rows in order. */
#include "vector.h"

/* y (n) = sum over rows of (a - a_mean) (b - b_mean); a mean that is NULL counts as 0. */
static void NAME(column_products)(REAL *y, const REAL *a, const REAL *a_mean, const REAL *b, const REAL *b_mean,
                                  ptrdiff_t rows, ptrdiff_t n)
{
    FOR_EACH_VECTOR(n, {
        const vector a_shift = a_mean ? LOAD(a_mean) : NAME(broadcast)(0);
        const vector b_shift = b_mean ? LOAD(b_mean) : NAME(broadcast)(0);
        vector total = NAME(broadcast)(0);
        for (ptrdiff_t row = 0; row < rows; row++)
            total = NAME(multiply_add)(LOAD(a + row * n) - a_shift, LOAD(b + row * n) - b_shift, total);
        STORE(y, total);
    });
}

/* y = (x - mean) scale + shift, each but x and y a row of n. */
static void NAME(column_affine)(REAL *y, const REAL *x, const REAL *mean, const REAL *scale, const REAL *shift,
                                ptrdiff_t rows, ptrdiff_t n)
{
    FOR_EACH_VECTOR(n, {
        const vector m = LOAD(mean);
        const vector s = LOAD(scale);
        const vector t = LOAD(shift);
        for (ptrdiff_t row = 0; row < rows; row++)
            STORE(y + row * n, NAME(multiply_add)(LOAD(x + row * n) - m, s, t));
    });
}

/* dx = dy scale - (x - mean) slope - offset */
static void NAME(column_affine_backward)(REAL *dx, const REAL *dy, const REAL *x, const REAL *mean, const REAL *scale,
                                         const REAL *slope, const REAL *offset, ptrdiff_t rows, ptrdiff_t n)
{
    FOR_EACH_VECTOR(n, {
        const vector m = LOAD(mean);
        const vector s = LOAD(scale);
        const vector a = LOAD(slope);
        const vector b = LOAD(offset);
        for (ptrdiff_t row = 0; row < rows; row++)
            STORE(dx + row * n, LOAD(dy + row * n) * s - (LOAD(x + row * n) - m) * a - b);
    });
}
