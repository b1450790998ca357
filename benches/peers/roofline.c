/* What this machine can do at best, for one thread each: multiply-adds, streams of an update like Adam's, exponentials.
 * Compiled by roofline.py with -O3 -march=native, and called from as many Python threads as there are to measure.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define BYTES 64
#define CHAINS 16
#elif defined(__AVX__)
#define BYTES 32
#define CHAINS 12
#else
#define BYTES 16
#define CHAINS 12
#endif
typedef float vector __attribute__((vector_size(BYTES)));

/* Multiply-adds in chains that do not depend on each other: enough to hide the latency, all in registers. */
double roofline_flops(long repeats, float *sink) {
    vector chain[CHAINS];
    vector factor = {0}, term = {0};
    factor += 0.999f;
    term += 0.001f;
    for (int c = 0; c < CHAINS; c++) chain[c] = term * (float)c;
    for (long r = 0; r < repeats; r++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++) chain[c] = chain[c] * factor + term;
    }
    vector sum = {0};
    for (int c = 0; c < CHAINS; c++) sum += chain[c];
    memcpy(sink, &sum, sizeof sum);
    return 2.0 * CHAINS * (BYTES / sizeof(float)) * repeats;
}

/* The memory traffic of Adam (reads w, dw, m, v; writes w, m, v) without its root and quotient: a bound, not a model. */
double roofline_stream(long repeats, long n, float *restrict w, const float *restrict dw, float *restrict m,
                       float *restrict v) {
    for (long r = 0; r < repeats; r++) {
        for (long i = 0; i < n; i++) {
            float mi = 0.9f * m[i] + 0.1f * dw[i];
            float vi = 0.999f * v[i] + 0.001f * (dw[i] * dw[i]);
            m[i] = mi;
            v[i] = vi;
            w[i] -= 1e-7f * (mi + vi);
        }
        __asm__ volatile("" : : "r"(w), "r"(m), "r"(v) : "memory"); /* each repeat is work of its own */
    }
    return 28.0 * n * repeats;
}

/* exp by range reduction and a polynomial of degree 6: about as exact as float32 gets, and compilers vectorise it. */
static inline float exponential(float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number, in the low bits */
    float shifted = x * 1.44269504f + shift;
    float n = shifted - shift;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.0f + r * (1.0f + r * (0.5f + r * (1.6666667e-1f + r * (4.1666485e-2f + r * (8.3333e-3f + r * 1.3981999e-3f)))));
    int32_t bits;
    memcpy(&bits, &shifted, 4);
    int32_t scale = (int32_t)((uint32_t)(bits - 0x4B400000 + 127) << 23);
    float power;
    memcpy(&power, &scale, 4);
    return p * power;
}

double roofline_exponentials(long repeats, long n, const float *restrict x, float *restrict y) {
    for (long r = 0; r < repeats; r++) {
        for (long i = 0; i < n; i++) y[i] = exponential(x[i]);
        __asm__ volatile("" : : "r"(y) : "memory");
    }
    return (double)n * repeats;
}
