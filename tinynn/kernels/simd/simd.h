/* The vector mathematics under the kernels: one C source, compiled for every instruction set, chosen at import. */
#ifndef TINYNN_SIMD_H
#define TINYNN_SIMD_H

#include "exact.h"

#include <stddef.h>
#include <stdint.h>

enum { LINEAR, RELU, SIGMOID, TANH };  /* activations that a matrix product can apply to its result */

/* Columns in a block of a packed matrix are a multiple of this for every instruction set and dtype, so that
 * the size of a packed matrix and the split of its packing depend on shapes only. */
enum { PACK_COLUMNS = 32 };
/* Bytes of scratch memory a gemm call needs: a packed panel of the right factor and a packed block of the left one. */
enum { GEMM_SCRATCH_BYTES = 5 << 16 };

/* How many counters random_words takes at once: a multiple of a vector's 64-bit numbers. */
enum { RANDOM_BLOCK = 16 };

/* A row of `count` windows on an image, each of rows x columns positions with `channels` numbers. Neighbouring windows are
 * `step` numbers apart, the positions in them `row` and `column`. Windows of one row or of two may overlap. */
typedef struct {
    ptrdiff_t count, step, row, column, rows, columns, channels;
    int overlap;
} Windows;

enum { UINT8, FLOAT, DOUBLE };  /* what samples consist of */

/* How images are changed at random: see augmentation.h. */
typedef struct {
    ptrdiff_t rows, columns, channels;
    /* Largest shift in pixels, turn in radians, change of size, shear; the numbers on the grid. */
    double shift, rotation, zoom, shear, elastic;
    double spacing;                         /* of the grid, in pixels */
    ptrdiff_t grid_rows, grid_columns;      /* as many points as the splines of all pixels reach */
    uint64_t key;
    uint32_t epoch;
} Augmentation;

/* Numbers of scratch memory: the image with a border, a row of places, the displacement at the grid's rows, the grid. */
static inline ptrdiff_t augmentation_scratch(const Augmentation *g)
{
    return (g->rows + 3) * (g->columns + 3) * g->channels + 2 * g->columns
           + 2 * g->grid_rows * (g->columns + g->grid_columns);
}

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

/* The operations of a tape are the activations (LINEAR is a leaf, which is given) and these, of two inputs. */
enum { MULTIPLY = TANH + 1, ADD, HALF_SQUARED_ERROR, FIRST_OF_TWO_INPUTS = MULTIPLY };

/* How one entry of a tape comes about, unless it is a leaf. */
typedef struct {
    int operation;
    int result;                             /* position of the entry */
    int first;                              /* position of the first input, smaller than the entry's own */
    int second;                             /* that of the second input; the first's again if there is none */
    int first_is_new, second_is_new;        /* on the way down: nobody has added to that input's gradient yet */
} Instruction;

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
    /* Random numbers: four words for each of RANDOM_BLOCK consecutive elements, element e's those of philox in random.h. */
    void (*random_words)(uint32_t *words, uint64_t key, uint32_t purpose, uint32_t epoch, uint32_t step,
                         uint32_t element);
} Simd;

/* The instruction sets compiled in that this machine can run, best last; returns their number. */
int simd_available(const Simd **sets, int most);

#endif
