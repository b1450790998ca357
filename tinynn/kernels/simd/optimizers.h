/* Update rules, as Keras 3 states them, on n consecutive parameters. Plain reference: tests/oracles/optimizers.py. */
#include "vector.h"

/* The other threads have read w in this step. A store to a cache line that another core has too is slow, and the next
 * store waits for it, so ask for ownership early. (Two threads, 784 x 128 weights: 54 to 27 us.) */
INLINE void NAME(will_write)(const REAL *w) { __builtin_prefetch(w + 2048 / sizeof(REAL), 1); }

/* velocity = momentum velocity - rate dw;   w += velocity   (Nesterov: w += momentum velocity - rate dw)
 * Without momentum, velocity is NULL and w -= rate dw. */
static void NAME(sgd)(REAL *w, const REAL *dw, REAL *velocity, REAL rate, REAL momentum, int nesterov, ptrdiff_t n)
{
    if (!velocity)
        FOR_EACH_VECTOR(n, {
            NAME(will_write)(w + i);
            STORE(w, NAME(multiply_add)(NAME(broadcast)(-rate), LOAD(dw), LOAD(w)));
        });
    else
        FOR_EACH_VECTOR(n, {
            NAME(will_write)(w + i);
            vector step = rate * LOAD(dw);
            vector v = NAME(multiply_add)(NAME(broadcast)(momentum), LOAD(velocity), -step);
            vector change = nesterov ? NAME(multiply_add)(NAME(broadcast)(momentum), v, -step) : v;
            STORE(velocity, v);
            STORE(w, LOAD(w) + change);
        });
}

/* m += m_weight (dw - m);  v += v_weight (dw^2 - v);  w -= decay w;  w -= rate m / (sqrt(v) + epsilon)
 * m_weight = 1 - beta_1 and v_weight = 1 - beta_2, computed in double: 1 - 0.999f has a relative error of 1e-5.
 * rate includes the bias correction, decay is learning rate times weight decay (AdamW; 0 for Adam). */
static void NAME(adam)(REAL *w, const REAL *dw, REAL *m, REAL *v, REAL rate, REAL m_weight, REAL v_weight, REAL epsilon,
                       REAL decay, ptrdiff_t n)
{
    FOR_EACH_VECTOR(n, {
        NAME(will_write)(w + i);
        vector gradient = LOAD(dw);
        vector first = LOAD(m);
        vector second = LOAD(v);
        first = NAME(multiply_add)(gradient - first, NAME(broadcast)(m_weight), first);
        second = NAME(multiply_add)(gradient * gradient - second, NAME(broadcast)(v_weight), second);
        vector weight = LOAD(w);
        weight -= decay * weight;
        STORE(m, first);
        STORE(v, second);
        STORE(w, weight - rate * first / (NAME(square_root)(second) + epsilon));
    });
}

/* v = rho v + v_weight dw^2;  step = rate dw / sqrt(v + epsilon);  velocity = momentum velocity + step;  w -= velocity
 * v_weight = 1 - rho, computed in double. Without momentum, velocity is NULL and w -= step. */
static void NAME(rmsprop)(REAL *w, const REAL *dw, REAL *v, REAL *velocity, REAL rate, REAL rho, REAL v_weight,
                          REAL momentum, REAL epsilon, ptrdiff_t n)
{
    FOR_EACH_VECTOR(n, {
        NAME(will_write)(w + i);
        vector gradient = LOAD(dw);
        vector mean = NAME(multiply_add)(NAME(broadcast)(rho), LOAD(v), v_weight * (gradient * gradient));
        vector step = rate * gradient / NAME(square_root)(mean + epsilon);
        STORE(v, mean);
        if (velocity) {
            step = NAME(multiply_add)(NAME(broadcast)(momentum), LOAD(velocity), step);
            STORE(velocity, step);
        }
        STORE(w, LOAD(w) - step);
    });
}
