/* The vector mathematics under the kernels: one C source, compiled for every instruction set, chosen at import. */
#ifndef TINYNN_SIMD_H
#define TINYNN_SIMD_H

#include <stddef.h>
#include <stdint.h>

enum { LINEAR, RELU, SIGMOID, TANH };  /* activations that a matrix product can apply to its result */

/* Columns in a block of a packed matrix are a multiple of this for every instruction set and dtype, so that
 * the size of a packed matrix and the split of its packing depend on shapes only. */
enum { PACK_COLUMNS = 32 };
/* Bytes of scratch memory a gemm call needs: one packed panel. */
enum { GEMM_SCRATCH_BYTES = 1 << 16 };

/* A row of `count` windows on an image, each of rows x columns positions with `channels` numbers. Neighbouring windows are
 * `step` numbers apart, the positions in them `row` and `column`. */
typedef struct {
    ptrdiff_t count, step, row, column, rows, columns, channels;
} Windows;

#define REAL float
#define NAME(name) name##_float
#include "table.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(name) name##_double
#include "table.h"
#undef REAL
#undef NAME

typedef struct {
    const char *name;           /* base, avx2, avx512 or neon */
    const Simd_float *f32;
    const Simd_double *f64;
} Simd;

/* The instruction sets compiled in that this machine can run, best last; returns their number. */
int simd_available(const Simd **sets, int most);

#endif
