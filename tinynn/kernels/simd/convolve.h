/* Convolutions and correlations: y[s] = sum_k p[k] x[s + step k]. x has zeros on both sides, as far as they reach. */
#include "functions.h"
#include "vector.h"

#define AT_ONCE 4  /* vectors whose chains run side by side, to hide the latency of a multiply-add */

static void NAME(convolve)(REAL *y, const REAL *x, ptrdiff_t step, const REAL *p, ptrdiff_t terms, ptrdiff_t n)
{
    for (; n >= AT_ONCE * LANES; n -= AT_ONCE * LANES, x += AT_ONCE * LANES, y += AT_ONCE * LANES) {
        vector total[AT_ONCE] = {{0}};
        for (ptrdiff_t k = 0; k < terms; k++)
            for (int part = 0; part < AT_ONCE; part++)
                total[part] = NAME(multiply_add)(NAME(broadcast)(p[k]), NAME(load)(x + step * k + part * LANES),
                                                 total[part]);
        for (int part = 0; part < AT_ONCE; part++)
            NAME(store)(y + part * LANES, total[part]);
    }
    FOR_EACH_VECTOR(n, {
        vector total = NAME(broadcast)(0);
        for (ptrdiff_t k = 0; k < terms; k++)
            total = NAME(multiply_add)(NAME(broadcast)(p[k]), LOAD(x + step * k), total);
        STORE(y, total);
    });
}

/* log sum_k exp(p[k] + x[s + step k]), with the largest term factored out; the logarithm of zero is -inf. */
static void NAME(convolve_logarithms)(REAL *y, const REAL *x, ptrdiff_t step, const REAL *p, ptrdiff_t terms,
                                      ptrdiff_t n)
{
    const vector nothing = NAME(broadcast)(-__builtin_inf());
    FOR_EACH_VECTOR(n, {
        vector largest = nothing;
        for (ptrdiff_t k = 0; k < terms; k++)
            largest = NAME(larger)(NAME(broadcast)(p[k]) + LOAD(x + step * k), largest);
        vector base = NAME(select)(largest == nothing, NAME(broadcast)(0), largest);
        vector total = NAME(broadcast)(0);
        for (ptrdiff_t k = 0; k < terms; k++)
            total += NAME(vector_exp)(NAME(broadcast)(p[k]) + LOAD(x + step * k) - base);
        STORE(y, base + NAME(vector_log)(total));
    });
}
#undef AT_ONCE
