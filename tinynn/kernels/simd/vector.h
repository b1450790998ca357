/* Vectors of one instruction set and dtype. Included by instance.h with REAL, NAME and VECTOR_BYTES set, and
 * REAL_IS_FLOAT 1 or 0. GCC's vector extensions provide + - * / and comparisons; the rest is here: fused multiply-add,
 * square root, partial loads. The instruction set changes speed, and no bits but those of multiply-adds that the
 * baseline rounds twice. */
#ifndef VECTOR_H  /* once for each dtype, see undefine.h */
#define VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(REAL)))
#define vector NAME(vector)
#define integers NAME(integers)
#define naturals NAME(naturals)
#define INLINE static inline __attribute__((always_inline, unused))

typedef REAL vector __attribute__((vector_size(VECTOR_BYTES)));
#if REAL_IS_FLOAT
typedef int32_t integers __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t naturals __attribute__((vector_size(VECTOR_BYTES)));  /* where sums may wrap around */
#define INTEGER int32_t
#define SIGN_BIT INT32_MIN
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#else
typedef int64_t integers __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t naturals __attribute__((vector_size(VECTOR_BYTES)));
#define INTEGER int64_t
#define SIGN_BIT INT64_MIN
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#endif

#if VECTOR_BYTES == 16 * (REAL_IS_FLOAT ? 4 : 8)
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
#elif VECTOR_BYTES == 8 * (REAL_IS_FLOAT ? 4 : 8)
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7}
#elif VECTOR_BYTES == 4 * (REAL_IS_FLOAT ? 4 : 8)
#define LANE_NUMBERS {0, 1, 2, 3}
#else
#define LANE_NUMBERS {0, 1}
#endif

INLINE vector NAME(load)(const REAL *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void NAME(store)(REAL *p, vector v) { memcpy(p, &v, sizeof v); }

INLINE vector NAME(broadcast)(REAL x) { return x - (vector){0}; }

INLINE vector NAME(select)(integers mask, vector yes, vector no)
{
    return (vector)(((integers)yes & mask) | ((integers)no & ~mask));
}

/* Lane i is lane from[i] of a and b side by side. */
INLINE vector NAME(shuffle)(vector a, vector b, integers from)
{
#if defined(__clang__)
    vector v = a;
    for (int lane = 0; lane < LANES; lane++)
        v[lane] = from[lane] < LANES ? a[from[lane]] : b[from[lane] - LANES];
    return v;
#else
    return __builtin_shuffle(a, b, from);
#endif
}

/* x where it is at most, or at least, the bound; NaN stays NaN. */
INLINE vector NAME(at_most)(vector x, vector bound)
{
#if VECTOR_BYTES == 64 && REAL_IS_FLOAT
    return (vector)_mm512_min_ps((__m512)bound, (__m512)x);
#elif VECTOR_BYTES == 64
    return (vector)_mm512_min_pd((__m512d)bound, (__m512d)x);
#elif VECTOR_BYTES == 32 && REAL_IS_FLOAT
    return (vector)_mm256_min_ps((__m256)bound, (__m256)x);
#elif VECTOR_BYTES == 32
    return (vector)_mm256_min_pd((__m256d)bound, (__m256d)x);
#else
    return NAME(select)(x > bound, bound, x);
#endif
}

INLINE vector NAME(at_least)(vector x, vector bound)
{
#if VECTOR_BYTES == 64 && REAL_IS_FLOAT
    return (vector)_mm512_max_ps((__m512)bound, (__m512)x);
#elif VECTOR_BYTES == 64
    return (vector)_mm512_max_pd((__m512d)bound, (__m512d)x);
#elif VECTOR_BYTES == 32 && REAL_IS_FLOAT
    return (vector)_mm256_max_ps((__m256)bound, (__m256)x);
#elif VECTOR_BYTES == 32
    return (vector)_mm256_max_pd((__m256d)bound, (__m256d)x);
#else
    return NAME(select)(x < bound, bound, x);
#endif
}

/* x where it is above the bound; NaN becomes the bound. */
INLINE vector NAME(above)(vector x, vector bound)
{
#if VECTOR_BYTES == 64 && REAL_IS_FLOAT
    return (vector)_mm512_max_ps((__m512)x, (__m512)bound);
#elif VECTOR_BYTES == 64
    return (vector)_mm512_max_pd((__m512d)x, (__m512d)bound);
#elif VECTOR_BYTES == 32 && REAL_IS_FLOAT
    return (vector)_mm256_max_ps((__m256)x, (__m256)bound);
#elif VECTOR_BYTES == 32
    return (vector)_mm256_max_pd((__m256d)x, (__m256d)bound);
#else
    return NAME(select)(x > bound, x, bound);
#endif
}

INLINE vector NAME(larger)(vector a, vector b) { return NAME(select)(a > b, a, b); }

INLINE vector NAME(absolute)(vector x)
{
    return (vector)((integers)x & ~((integers){0} + SIGN_BIT));
}

/* The sign of y on the magnitude of x (x must not be negative). */
INLINE vector NAME(with_sign)(vector x, vector y)
{
    return (vector)((integers)x | ((integers)y & ((integers){0} + SIGN_BIT)));
}

/* a b + c: rounded once where the instruction set can, twice on the baseline. */
INLINE vector NAME(multiply_add)(vector a, vector b, vector c)
{
#if VECTOR_BYTES == 64 && REAL_IS_FLOAT
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VECTOR_BYTES == 64
    return (vector)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif VECTOR_BYTES == 32 && REAL_IS_FLOAT
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif VECTOR_BYTES == 32
    return (vector)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__ARM_NEON) && defined(__aarch64__) && REAL_IS_FLOAT
    return (vector)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    return (vector)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

INLINE vector NAME(square_root)(vector x)
{
#if VECTOR_BYTES == 64 && REAL_IS_FLOAT
    return (vector)_mm512_sqrt_ps((__m512)x);
#elif VECTOR_BYTES == 64
    return (vector)_mm512_sqrt_pd((__m512d)x);
#elif VECTOR_BYTES == 32 && REAL_IS_FLOAT
    return (vector)_mm256_sqrt_ps((__m256)x);
#elif VECTOR_BYTES == 32
    return (vector)_mm256_sqrt_pd((__m256d)x);
#else
    for (int lane = 0; lane < LANES; lane++)
        x[lane] = REAL_IS_FLOAT ? __builtin_sqrtf(x[lane]) : __builtin_sqrt(x[lane]);
    return x;
#endif
}

/* The first n < LANES elements; the other lanes are 0 and are not read or written in memory. */
#if VECTOR_BYTES == 32
INLINE __m256i NAME(first_lanes)(ptrdiff_t n)
{
    static const INTEGER ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ones_then_zeros + 8 - n));
}
#endif

INLINE vector NAME(load_first)(const REAL *p, ptrdiff_t n)
{
#if VECTOR_BYTES == 64 && REAL_IS_FLOAT
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif VECTOR_BYTES == 64
    return (vector)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#elif VECTOR_BYTES == 32 && REAL_IS_FLOAT
    return (vector)_mm256_maskload_ps(p, NAME(first_lanes)(n));
#elif VECTOR_BYTES == 32
    return (vector)_mm256_maskload_pd(p, NAME(first_lanes)(n));
#else
    vector v = {0};
    for (ptrdiff_t lane = 0; lane < n; lane++)
        v[lane] = p[lane];
    return v;
#endif
}

INLINE void NAME(store_first)(REAL *p, vector v, ptrdiff_t n)
{
#if VECTOR_BYTES == 64 && REAL_IS_FLOAT
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif VECTOR_BYTES == 64
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#elif VECTOR_BYTES == 32 && REAL_IS_FLOAT
    _mm256_maskstore_ps(p, NAME(first_lanes)(n), (__m256)v);
#elif VECTOR_BYTES == 32
    _mm256_maskstore_pd(p, NAME(first_lanes)(n), (__m256d)v);
#else
    for (ptrdiff_t lane = 0; lane < n; lane++)
        p[lane] = v[lane];
#endif
}

/* One pass over n elements: BODY sees `i` and `count` (LANES, or fewer in the last round) and reads and
 * writes with LOAD and STORE, so the last elements take the same instructions as the others. */
#define LOAD(p) (count == LANES ? NAME(load)((p) + i) : NAME(load_first)((p) + i, count))
#define STORE(p, v) \
    do { \
        if (count == LANES) \
            NAME(store)((p) + i, v); \
        else \
            NAME(store_first)((p) + i, v, count); \
    } while (0)
#define FOR_EACH_VECTOR(n, BODY) \
    do { \
        ptrdiff_t i = 0; \
        for (; i + LANES <= (n); i += LANES) { \
            const ptrdiff_t count = LANES; \
            BODY \
        } \
        if (i < (n)) { \
            const ptrdiff_t count = (n) - i; \
            BODY \
        } \
    } while (0)

#endif
