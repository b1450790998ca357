/* Samples: numbers of a kind (UINT8, FLOAT or DOUBLE) as x * factor + offset in the dtype of the plan. */
#ifndef SAMPLES_H  /* once for each dtype, see undefine.h */
#define SAMPLES_H

#include "types.h"
#include "vector.h"

#define CONVERT(function_name, type) \
    static void NAME(function_name)(REAL *y, const type *x, REAL factor, REAL offset, ptrdiff_t n) \
    { \
        if (offset == 0) \
            for (ptrdiff_t i = 0; i < n; i++) \
                y[i] = (REAL)x[i] * factor; \
        else \
            for (ptrdiff_t i = 0; i < n; i++) \
                y[i] = (REAL)x[i] * factor + offset; \
    }
CONVERT(convert_uint8, unsigned char)
#if REAL_IS_FLOAT
CONVERT(convert_other, double)
#else
CONVERT(convert_other, float)
#endif

/* From the plan's dtype. Often only a few numbers, for which the prologue of a loop that the compiler vectorizes would
 * take most of the time. */
static void NAME(convert_own)(REAL *y, const REAL *x, REAL factor, REAL offset, ptrdiff_t n)
{
    if (offset == 0)
        FOR_EACH_VECTOR(n, { STORE(y, LOAD(x) * factor); });
    else
        FOR_EACH_VECTOR(n, { STORE(y, LOAD(x) * factor + offset); });
}

/* From numbers of a kind. */
static void NAME(convert)(REAL *y, const void *x, int kind, REAL factor, REAL offset, ptrdiff_t n)
{
    if (kind == UINT8) {
        /* Images become at least four times as large, so their place has left the cache since the last step. */
        for (ptrdiff_t i = 0; i < n; i += 64 / (ptrdiff_t)sizeof(REAL))
            __builtin_prefetch(y + i, 1);
        NAME(convert_uint8)(y, x, factor, offset, n);
    } else if (kind == (REAL_IS_FLOAT ? FLOAT : DOUBLE))
        NAME(convert_own)(y, x, factor, offset, n);
    else
        NAME(convert_other)(y, x, factor, offset, n);
}

#endif
