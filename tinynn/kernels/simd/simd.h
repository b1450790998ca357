/* The vector mathematics under the kernels: one C source, compiled for every instruction set, chosen at import. */
#ifndef TINYNN_SIMD_H
#define TINYNN_SIMD_H

#include "exact.h"
#include "types.h"

/* The vector functions of one instruction set, for each dtype. */
#define FUNCTION(type, name, parameters) type (*name) parameters;
#define REAL float
typedef struct {
#include "table.h"
} Simd_float;
#undef REAL
#define REAL double
typedef struct {
#include "table.h"
} Simd_double;
#undef REAL
#undef FUNCTION
typedef void Vectors;  /* either of them: what Cython calls both */

/* See tape.h. */
typedef struct {
    double (*tanh)(double z);
    void (*forward)(double *values, double *slopes, const Instruction *instructions, ptrdiff_t length);
    void (*backward)(double *gradients, const double *values, const double *slopes, const Instruction *instructions,
                     ptrdiff_t length, ptrdiff_t size, double d);
    long long (*train)(double *weights, double *values, double *slopes, double *gradients,
                       const Instruction *instructions, const ptrdiff_t *variables, ptrdiff_t length, ptrdiff_t size,
                       ptrdiff_t count, long long steps, double lr);
} TapeFunctions;

typedef struct {
    const char *name;           /* base, avx2, avx512 or neon */
    const Simd_float *f32;
    const Simd_double *f64;
    const TapeFunctions *tape;
    /* Random numbers: four words for each of RANDOM_BLOCK consecutive elements, the same as philox.h's. */
    void (*random_words)(uint32_t *words, uint64_t key, uint32_t purpose, uint32_t epoch, uint32_t step,
                         uint32_t element);
} Simd;

/* The instruction sets compiled in that this machine can run, best last; returns their number. */
int simd_available(const Simd **sets, int capacity);

#endif
