/* The constants and structs that the vector functions and their callers share. */
#ifndef TINYNN_TYPES_H
#define TINYNN_TYPES_H

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

/* A row of `count` windows on an image, each of rows x columns positions with `channels` numbers. Neighbouring windows
 * are `step` numbers apart, the positions in them `row` and `column`. Windows of one row or of two may overlap. */
typedef struct {
    ptrdiff_t count, step, row, column, rows, columns, channels;
    int overlap;
} Windows;

enum { UINT8, FLOAT, DOUBLE };  /* the numbers of samples */

/* How images are changed at random: see augmentation.h. */
typedef struct {
    ptrdiff_t rows, columns, channels;
    /* Largest shift in pixels, turn in radians, change of size, shear; the numbers on the grid. */
    double shift, rotation, zoom, shear, elastic;
    double spacing;                         /* of the grid, in pixels */
    ptrdiff_t grid_rows, grid_columns;      /* the points that the splines of all pixels reach */
    uint64_t key;
    uint32_t epoch;
} Augmentation;

/* How many numbers of scratch memory it needs: the image with a border, a row of places, the displacement at the
 * grid's rows, the grid. */
static inline ptrdiff_t augmentation_scratch(const Augmentation *g)
{
    return (g->rows + 3) * (g->columns + 3) * g->channels + 2 * g->columns
           + 2 * g->grid_rows * (g->columns + g->grid_columns);
}

/* The operations of a tape are the activations (LINEAR is a leaf, which is given) and these, of two inputs. */
enum { MULTIPLY = TANH + 1, ADD, HALF_SQUARED_ERROR, FIRST_OF_TWO_INPUTS = MULTIPLY };

/* How an entry of a tape is computed, unless it is a leaf. */
typedef struct {
    int operation;
    int result;                             /* position of the entry */
    int first;                              /* position of the first input, smaller than the entry's own */
    int second;                             /* that of the second input; the first's again if there is none */
    int first_is_new, second_is_new;        /* on the way down: this is the first addition to that input's gradient */
} Instruction;

#endif
