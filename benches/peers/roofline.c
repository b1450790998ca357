/* What this machine can do at best: multiply-adds, streams of an update like Adam's, exponentials, on any number of threads.
 * Compiled by roofline.py with -O3 -march=native -pthread. */
#include <pthread.h>
#include <stdatomic.h>
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
static double flops(long repeats, float *sink) {
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
static double stream(long repeats, long n, float *restrict w, const float *restrict dw, float *restrict m,
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

static double exponentials(long repeats, long n, const float *restrict x, float *restrict y) {
    for (long r = 0; r < repeats; r++) {
        for (long i = 0; i < n; i++) y[i] = exponential(x[i]);
        __asm__ volatile("" : : "r"(y) : "memory");
    }
    return (double)n * repeats;
}

enum { FLOPS, STREAM, EXPONENTIALS };

/* One thread's part: its arrays of n numbers begin `distance` apart. */
typedef struct {
    int kind;
    long repeats, n, distance;
    float *memory;
    atomic_int *missing; /* threads that are not here yet */
    double done;
} Part;

static void *run(void *argument) {
    Part *part = argument;
    float *a = part->memory, *b = a + part->distance, *c = b + part->distance, *d = c + part->distance;
    atomic_fetch_sub(part->missing, 1);
    while (atomic_load(part->missing) > 0) {
    }
    part->done = part->kind == FLOPS    ? flops(part->repeats, a)
                 : part->kind == STREAM ? stream(part->repeats, part->n, a, b, c, d)
                                        : exponentials(part->repeats, part->n, a, b);
    return NULL;
}

/* All threads at once; returns how much was done. A thread's memory is 4 distances. */
double roofline_run(int threads, int kind, long repeats, long n, long distance, float *memory) {
    pthread_t thread[threads];
    Part part[threads];
    atomic_int missing = threads;
    double done = 0;
    for (int t = 0; t < threads; t++)
        part[t] = (Part){kind, repeats, n, distance, memory + 4 * t * distance, &missing, 0};
    for (int t = 1; t < threads; t++)
        if (pthread_create(&thread[t], NULL, run, &part[t])) __builtin_abort();
    run(&part[0]);
    for (int t = 1; t < threads; t++) pthread_join(thread[t], NULL);
    for (int t = 0; t < threads; t++) done += part[t].done;
    return done;
}
