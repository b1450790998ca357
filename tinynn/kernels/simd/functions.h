/* exp, log, tanh and the sigmoid on vectors. No libm, no estimates: the same bits wherever there is a fused
 * multiply-add. Error bounds, tested: exp and log 2 ulp, tanh and sigmoid 4 ulp, where the result is normal
 * (tests/kernels/test_vector_math.py). */
#ifndef FUNCTIONS_H  /* once for each dtype, see undefine.h */
#define FUNCTIONS_H

#include "vector.h"

#if REAL_IS_FLOAT
#define LOG2_E 1.44269504088896340736f
#define LN2_HIGH 0.693145751953125f             /* few bits: n * LN2_HIGH is exact */
#define LN2_LOW 1.42860682030941723212e-6f
#define EXP_LARGEST 89.0f                       /* exp is inf from here, and 0 below -EXP_SMALLEST */
#define EXP_SMALLEST -104.0f
#define EXP_TERMS 7
#define TANH_LARGEST 10.0f                      /* tanh rounds to 1 from here */
#define LOG_TERMS 5
#define SQRT_HALF_BITS UINT32_C(0x3f3504f3)
#define SMALLEST_NORMAL 1.17549435e-38f
#else
#define LOG2_E 1.44269504088896340736
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_LARGEST 710.0
#define EXP_SMALLEST -746.0
#define EXP_TERMS 13
#define TANH_LARGEST 20.0
#define LOG_TERMS 11
#define SQRT_HALF_BITS UINT64_C(0x3fe6a09e667f3bcd)
#define SMALLEST_NORMAL 2.2250738585072014e-308
#endif

/* 2^n for whole numbers n held as integers. */
INLINE vector NAME(power_of_two)(integers n) { return (vector)((n + EXPONENT_BIAS) << MANTISSA_BITS); }

/* x = n ln 2 + r with |r| <= ln(2) / 2;  *power = n,  returns exp(r) - 1 by its Taylor series. */
INLINE vector NAME(reduced_exp_minus_one)(vector x, integers *power)
{
    static const REAL inverse_factorial[] = {
        1., 1., 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800,
        1. / 39916800, 1. / 479001600, 1. / 6227020800.};
    /* Adding 1.5 * 2^MANTISSA_BITS rounds to a whole number and leaves it in the low bits. */
    const vector rounder = NAME(broadcast)(1.5 * ((INTEGER)1 << MANTISSA_BITS));
    vector shifted = NAME(multiply_add)(x, NAME(broadcast)(LOG2_E), rounder);
    vector n = shifted - rounder;
    *power = (integers)shifted - (integers)rounder;
    vector r = NAME(multiply_add)(n, NAME(broadcast)(-LN2_HIGH), x);
    r = NAME(multiply_add)(n, NAME(broadcast)(-LN2_LOW), r);
    /* Estrin's scheme, pairs, pairs of pairs, ...: a third of the latency of one long chain. */
    vector terms[(EXP_TERMS + 1) / 2], square = r;
    int count = (EXP_TERMS + 1) / 2 - 1;
    for (int i = 0; i < count; i++) {
        const int term = 2 * i + 2;
        terms[i] = NAME(multiply_add)(r, NAME(broadcast)(inverse_factorial[term + 1]),
                                      NAME(broadcast)(inverse_factorial[term]));
    }
    while (count > 1) {
        square *= square;
        for (int i = 0; i < count / 2; i++)
            terms[i] = NAME(multiply_add)(square, terms[2 * i + 1], terms[2 * i]);
        if (count % 2)
            terms[count / 2] = terms[count - 1];
        count = (count + 1) / 2;
    }
    return NAME(multiply_add)(terms[0] * r, r, r);
}

INLINE vector NAME(vector_exp)(vector x)
{
    integers n;
    x = NAME(at_most)(x, NAME(broadcast)(EXP_LARGEST));
    x = NAME(at_least)(x, NAME(broadcast)(EXP_SMALLEST));
    vector y = NAME(reduced_exp_minus_one)(x, &n) + 1;
    integers half = n >> 1;  /* in two steps, because 2^n itself may be out of range at both ends */
    return y * NAME(power_of_two)(half) * NAME(power_of_two)(n - half);
}

INLINE vector NAME(vector_relu)(vector x) { return NAME(select)(x < 0, NAME(broadcast)(0), x); }

/* s(x) = 1 / (1 + exp(-x)) */
INLINE vector NAME(vector_sigmoid)(vector x) { return 1 / (1 + NAME(vector_exp)(-x)); }

/* tanh |x| = -e / (e + 2) with e = exp(-2 |x|) - 1, without cancellation at 0. */
INLINE vector NAME(vector_tanh)(vector x)
{
    integers n;
    vector a = NAME(absolute)(x);
    a = NAME(at_most)(a, NAME(broadcast)(TANH_LARGEST));
    vector p = NAME(reduced_exp_minus_one)(-2 * a, &n);
    vector scale = NAME(power_of_two)(n);
    vector e = NAME(multiply_add)(scale, p, scale - 1);
    return NAME(with_sign)(NAME(absolute)(e / (e + 2)), x);
}

/* x = 2^k (1 + f), s = f / (2 + f):  log(1 + f) = f - f^2/2 + s (f^2/2 + R),  R = sum 2 s^(2j) / (2j + 1). */
INLINE vector NAME(vector_log)(vector x)
{
    const vector tiny_factor = NAME(broadcast)((REAL)((INTEGER)1 << (MANTISSA_BITS + 2)));
    integers tiny = (x < SMALLEST_NORMAL);
    vector normal = NAME(select)(tiny, x * tiny_factor, x);
    naturals bits = (naturals)normal;
    /* Shift the exponent's origin so that the mantissa lies in [sqrt(1/2), sqrt(2)). Negative x wrap around. */
    integers exponent = (integers)(bits - SQRT_HALF_BITS) >> MANTISSA_BITS;
    vector f = (vector)(bits - ((naturals)exponent << MANTISSA_BITS)) - 1;
    exponent -= tiny & (MANTISSA_BITS + 2);
    vector k = __builtin_convertvector(exponent, vector);
    vector s = f / (2 + f);
    vector z = s * s;
    vector r = NAME(broadcast)((REAL)(2. / (2 * LOG_TERMS + 1)));
    for (int j = LOG_TERMS - 1; j >= 1; j--)
        r = NAME(multiply_add)(r, z, NAME(broadcast)((REAL)(2. / (2 * j + 1))));
    vector half_square = f * f * (REAL)0.5;
    vector low = NAME(multiply_add)(s, NAME(multiply_add)(r, z, half_square), k * LN2_LOW);
    vector y = NAME(multiply_add)(k, NAME(broadcast)(LN2_HIGH), f - (half_square - low));
    const REAL infinity = __builtin_inf();
    y = NAME(select)(x == 0, NAME(broadcast)(-infinity), y);
    y = NAME(select)(x < 0, NAME(broadcast)(__builtin_nan("")), y);
    y = NAME(select)(x == infinity, x, y);
    return NAME(select)(x != x, x, y);
}

/* log(1 + e) for 0 <= e <= 1, exact for tiny e:  2 atanh(e / (2 + e)). */
INLINE vector NAME(vector_log1p)(vector e)
{
    vector sum = 1 + e;
    vector lost = e - (sum - 1);  /* what rounding took from the sum */
    return NAME(vector_log)(sum) + lost / sum;
}

#define MAP(function_name, expression) \
    static void NAME(function_name)(REAL *y, const REAL *x_, ptrdiff_t n) \
    { \
        FOR_EACH_VECTOR(n, { \
            vector x = LOAD(x_); \
            STORE(y, expression); \
        }); \
    }
MAP(exp, NAME(vector_exp)(x))
MAP(log, NAME(vector_log)(x))
MAP(relu, NAME(vector_relu)(x))
MAP(sigmoid, NAME(vector_sigmoid)(x))
MAP(tanh, NAME(vector_tanh)(x))
MAP(log1p_exp, NAME(vector_log1p)(NAME(vector_exp)(-NAME(absolute)(x))))

static void NAME(activation_forward)(REAL *y, const REAL *x, ptrdiff_t n, int activation)
{
    switch (activation) {
    case RELU: NAME(relu)(y, x, n); break;
    case SIGMOID: NAME(sigmoid)(y, x, n); break;
    case TANH: NAME(tanh)(y, x, n); break;
    default:
        if (y != x)
            memcpy(y, x, n * sizeof(REAL));
    }
}

/* relu' = [y > 0],  sigmoid' = y (1 - y),  tanh' = 1 - y^2 */
static void NAME(activation_backward)(REAL *dx, const REAL *dy_, const REAL *y_, ptrdiff_t n, int activation)
{
    switch (activation) {
    case RELU:
        FOR_EACH_VECTOR(n, { STORE(dx, NAME(select)(LOAD(y_) > 0, LOAD(dy_), NAME(broadcast)(0))); });
        break;
    case SIGMOID:
        FOR_EACH_VECTOR(n, {
            vector y = LOAD(y_);
            STORE(dx, LOAD(dy_) * (y * (1 - y)));
        });
        break;
    case TANH:
        FOR_EACH_VECTOR(n, {
            vector y = LOAD(y_);
            STORE(dx, LOAD(dy_) * ((1 - y) * (1 + y)));
        });
        break;
    default:
        if (dx != dy_)
            memcpy(dx, dy_, n * sizeof(REAL));
    }
}

#endif
