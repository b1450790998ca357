/* The tape: a graph of scalars as one array of instructions, walked both ways. See tape.pyx.
 * value_of and derivative_of say in C what evaluate and differentiate of tinynn/graph/nodes.py say in Python, bit for
 * bit. A sigmoid's slope is computed on the way up, where its exponential is at hand. */
#include "functions.h"
#include "types.h"


/* e^-|z| with the bits of exp; where the result is normal, without exp's care for the ends of the range. */
INLINE double decay_of(double z)
{
    double x = -__builtin_fabs(z);
    if (!(x > -700))
        return NAME(vector_exp)(NAME(broadcast)(x))[0];
    integers n;
    vector y = NAME(reduced_exp_minus_one)((vector){x}, &n) + 1;
    return (y * NAME(power_of_two)(n))[0];
}

/* s(z) = 1 / (1 + e^-z), given e = e^-|z| <= 1, so that nothing overflows */
INLINE double sigmoid_value(double z, double e) { return (z >= 0 ? 1 : e) / (1 + e); }

/* s'(z) = s(z) s(-z), given e = e^-|z|; s(z) (1 - s(z)) would cancel to 0 from z = 37 on */
INLINE double sigmoid_slope(double e)
{
    double larger = 1 / (1 + e);
    return larger * (e * larger);
}

/* tanh(z) = (1 - e^-2z) / (1 + e^-2z), and near zero, where 1 - e^-2z cancels, its Pade fraction */
INLINE double hyperbolic_tangent(double z)
{
    if (__builtin_fabs(z) < 0.5) {
        /* Lambert's continued fraction z / (1 + z^2 / (3 + z^2 / (5 + ...))), cut after 13: error 2e-16 at 0.5 */
        double squared = z * z;
        return z * (135135 + squared * (17325 + squared * (378 + squared)))
               / (135135 + squared * (62370 + squared * (3150 + squared * 28)));
    }
    double e = decay_of(2 * z);
    return z > 0 ? (1 - e) / (1 + e) : (e - 1) / (1 + e);
}

/* y = f(a, b) */
INLINE double value_of(int operation, double a, double b)
{
    switch (operation) {
    case SIGMOID: return sigmoid_value(a, decay_of(a));
    case RELU: return a <= 0 ? 0 : a;  /* NaN stays NaN */
    case TANH: return hyperbolic_tangent(a);
    case MULTIPLY: return a * b;
    case ADD: return a + b;
    case HALF_SQUARED_ERROR: return 0.5 * (a - b) * (a - b);
    default: return a;
    }
}

/* da = d f_a(a, b),  db = d f_b(a, b), which is not written for operations on one input */
INLINE void derivative_of(double *da, double *db, int operation, double d, double a, double b)
{
    switch (operation) {
    case SIGMOID: *da = d * sigmoid_slope(decay_of(a)); break;
    case RELU: *da = a <= 0 ? 0 : d; break;
    case TANH: *da = d * (4 * sigmoid_slope(decay_of(2 * a))); break;  /* 1 - tanh(a)^2 = 4 s'(2a) does not cancel */
    case MULTIPLY: *da = d * b; *db = d * a; break;
    case ADD: *da = d; *db = d; break;
    case HALF_SQUARED_ERROR: *da = d * (a - b); *db = d * (b - a); break;
    default: *da = d;
    }
}

/* The value of an entry: still in a register if it was computed last, else to be loaded. A step is one long chain of
 * dependent operations, and a store followed by a load costs as much as two of them. So this must stay a branch, which
 * processors predict, and not become a conditional move, which waits for both values. */
#define UNLESS_IN_REGISTER(in_register, otherwise) \
    if (in_register) { \
        __asm__ volatile(""); \
    } else { \
        otherwise; \
    }

/* values[i] = f_i(values[first_i], values[second_i]), i ascending; slopes[i] = s'(values[first_i]) of sigmoids */
INLINE void walk_up(double *values, double *slopes, const Instruction *instructions, ptrdiff_t length)
{
    double y = 0;
    int last = -1;
    for (const Instruction *at = instructions; at < instructions + length; at++) {
        double a = y, b = y;
        UNLESS_IN_REGISTER(at->first == last, a = values[at->first])
        UNLESS_IN_REGISTER(at->second == last, b = values[at->second])
        if (at->operation == SIGMOID) {
            double e = decay_of(a);
            slopes[at->result] = sigmoid_slope(e);
            y = sigmoid_value(a, e);
        } else {
            y = value_of(at->operation, a, b);
        }
        values[at->result] = y;
        last = at->result;
    }
}

/* gradients[first_i] += d_i f_a,  gradients[second_i] += d_i f_b;  d_i = gradients[i], i descending */
INLINE void walk_down(double *gradients, const double *values, const double *slopes, const Instruction *instructions,
                      ptrdiff_t length, ptrdiff_t size, double d)
{
    double da = 0, db = 0;
    int first = -1, second = -1;
    gradients[size - 1] = d;
    for (const Instruction *at = instructions + length; at-- > instructions;) {
        /* The second input's gradient was written last: it counts if both are one entry. */
        double dy = db;
        UNLESS_IN_REGISTER(at->result == second, dy = da;
                           UNLESS_IN_REGISTER(at->result == first, dy = gradients[at->result]))
        if (at->operation == SIGMOID)
            da = dy * slopes[at->result];
        else
            derivative_of(&da, &db, at->operation, dy, values[at->first], values[at->second]);
        first = at->first;
        if (!at->first_is_new)
            da += gradients[first];
        gradients[first] = da;
        second = -1;
        if (at->operation >= FIRST_OF_TWO_INPUTS) {
            second = at->second;
            if (!at->second_is_new)
                db += gradients[second];
            gradients[second] = db;
        }
    }
}

static void tape_forward(double *values, double *slopes, const Instruction *instructions, ptrdiff_t length)
{
    walk_up(values, slopes, instructions, length);
}

static void tape_backward(double *gradients, const double *values, const double *slopes,
                          const Instruction *instructions, ptrdiff_t length, ptrdiff_t size, double d)
{
    walk_down(gradients, values, slopes, instructions, length, size, d);
}

/* w <- w - lr dL/dw, `steps` times; stops before a step to a NaN or infinity; returns the steps done. Aligned, because
 * a step takes 4 % longer at other addresses. */
__attribute__((aligned(64)))
static long long tape_train(double *weights, double *values, double *slopes, double *gradients,
                            const Instruction *instructions, const ptrdiff_t *variables, ptrdiff_t length,
                            ptrdiff_t size, ptrdiff_t count, long long steps, double lr)
{
    for (ptrdiff_t k = 0; k < count && steps > 0; k++)
        values[variables[k]] = weights[k];
    for (long long step = 0; step < steps; step++) {
        walk_up(values, slopes, instructions, length);
        walk_down(gradients, values, slopes, instructions, length, size, 1);
        int finite = 1;  /* look first: all weights step or none does */
        for (ptrdiff_t k = 0; k < count; k++)
            finite &= __builtin_isfinite(weights[k] - lr * gradients[variables[k]]);
        if (!finite)
            return step;
        int last = step == steps - 1;  /* the values stay those of the last walk */
        for (ptrdiff_t k = 0; k < count; k++) {
            weights[k] = weights[k] - lr * gradients[variables[k]];
            if (!last)
                values[variables[k]] = weights[k];
        }
    }
    return steps;
}

static double tape_tanh(double z) { return hyperbolic_tangent(z); }

static const TapeFunctions tape_functions = {
    .tanh = tape_tanh, .forward = tape_forward, .backward = tape_backward, .train = tape_train,
};
