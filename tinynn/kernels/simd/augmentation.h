/* Random changes of an image: moved, turned, zoomed, sheared, and bent elastically.
 *
 * Output pixel p, counted from the middle, shows the image at  A^-1 (p - shift) + d(p),  A = rotation zoom shear,
 * by bilinear interpolation; beyond its edges the image is 0. The displacement d is smooth noise: random numbers on a
 * grid, spread by cubic B-splines, which are close to the Gaussians of Simard, Steinkraus and Platt ("Best practices
 * for convolutional neural networks applied to visual document analysis", 2003) at a tenth of their cost.
 *
 * All numbers are functions of (key, epoch, sample, place in the sample), and there is no fused multiply-add here, so
 * every instruction set gives the same bits. The plain reference is tests/oracles/augmentation.py. */
#include "philox.h"
#include "samples.h"
#include "types.h"
#include "vector.h"

/* Uniform in (-1, 1). */
INLINE REAL NAME(symmetric)(uint32_t word) { return ((REAL)(int32_t)word + (REAL)0.5) * (REAL)0x1p-31; }

/* sin x / x (first = 2) or cos x (first = 1) of x^2 for |x| <= pi, to 1e-9: the Taylor series. */
static REAL NAME(sine_series)(double square, int first)
{
    double sum = 1, term = 1;
    for (int n = first; n < first + 22; n += 2) {
        term *= -square / (n * (n + 1));
        sum += term;
    }
    return (REAL)sum;
}

/* The cubic B-splines that reach a point, the fraction t of the way from one grid point to the next. */
INLINE void NAME(spline)(REAL *w, REAL t)
{
    const REAL s = 1 - t;
    w[0] = s * s * s / 6;
    w[1] = (4 - 6 * t * t + 3 * t * t * t) / 6;
    w[2] = (4 - 6 * s * s + 3 * s * s * s) / 6;
    w[3] = t * t * t / 6;
}

/* Smooth noise at the grid's rows: `bent` (grid_rows, 2, columns), displacements along columns and along rows. */
static void NAME(bend)(REAL *bent, REAL *grid, const Augmentation *g, uint32_t purpose, uint32_t sample)
{
    const ptrdiff_t n = 2 * g->grid_rows * g->grid_columns;
    for (ptrdiff_t i = 0; i < n; i += 4) {
        const Random draw = philox(g->key, purpose, g->epoch, sample, (uint32_t)(2 + i / 4));
        for (ptrdiff_t j = i; j < i + 4 && j < n; j++)
            grid[j] = (REAL)g->elastic * NAME(symmetric)(draw.word[j - i]);
    }
    for (ptrdiff_t column = 0; column < g->columns; column++) {
        const REAL at = (REAL)column / (REAL)g->spacing;
        REAL w[4];
        NAME(spline)(w, at - (REAL)(ptrdiff_t)at);
        for (ptrdiff_t row = 0; row < 2 * g->grid_rows; row++) {
            const REAL *p = grid + row * g->grid_columns + (ptrdiff_t)at;
            bent[row * g->columns + column] = w[0] * p[0] + w[1] * p[1] + w[2] * p[2] + w[3] * p[3];
        }
    }
}

/* y (columns, channels): the padded image at the places (across, down), times scale, plus offset. */
static void NAME(sample_row)(REAL *y, const REAL *padded, const REAL *across, const REAL *down, const Augmentation *g,
                             REAL scale, REAL offset)
{
    const vector before = NAME(broadcast)(-1);
    const ptrdiff_t below = (g->columns + 3) * g->channels;
    FOR_EACH_VECTOR(g->columns, {
        /* A pixel or more outside there is only padding; NaN is read there, too. */
        vector column = NAME(at_most)(NAME(above)(LOAD(across), before), NAME(broadcast)((REAL)g->columns));
        vector row = NAME(at_most)(NAME(above)(LOAD(down), before), NAME(broadcast)((REAL)g->rows));
        const integers left = __builtin_convertvector(column - before, integers);
        const integers top = __builtin_convertvector(row - before, integers);
        const integers place = (top * (INTEGER)(g->columns + 3) + left) * (INTEGER)g->channels;
        column = column - before - __builtin_convertvector(left, vector);
        row = row - before - __builtin_convertvector(top, vector);
        for (ptrdiff_t channel = 0; channel < g->channels; channel++) {
            vector upper_left = before;
            vector upper_right = before;
            vector lower_left = before;
            vector lower_right = before;
            for (ptrdiff_t lane = 0; lane < count; lane++) {
                const REAL *p = padded + place[lane] + channel;
                upper_left[lane] = p[0];
                upper_right[lane] = p[g->channels];
                lower_left[lane] = p[below];
                lower_right[lane] = p[below + g->channels];
            }
            const vector upper = upper_left + column * (upper_right - upper_left);
            const vector lower = lower_left + column * (lower_right - lower_left);
            const vector value = (upper + row * (lower - upper)) * scale + offset;
            if (g->channels == 1)
                STORE(y, value);
            else
                for (ptrdiff_t lane = 0; lane < count; lane++)
                    y[(i + lane) * g->channels + channel] = value[lane];
        }
    });
}

static void NAME(augment)(REAL *y, const void *x, int kind, const Augmentation *g, uint32_t sample, uint32_t place,
                          REAL scale, REAL offset, REAL *scratch)
{
    const uint32_t purpose = FOR_AUGMENTATION + (place << 8);
    const Random first = philox(g->key, purpose, g->epoch, sample, 0);
    const Random second = philox(g->key, purpose, g->epoch, sample, 1);
    const ptrdiff_t width = g->columns * g->channels, padded_width = width + 3 * g->channels;
    REAL *padded = scratch, *across = padded + (g->rows + 3) * padded_width, *down = across + g->columns;
    REAL *bent = down + g->columns;

    memset(padded, 0, (size_t)((g->rows + 3) * padded_width) * sizeof(REAL));
    for (ptrdiff_t row = 0; row < g->rows; row++) {
        REAL *to = padded + (row + 1) * padded_width + g->channels;
        NAME(convert)(to, (const char *)x + row * width * (kind == UINT8 ? 1 : 4 * kind), kind, 1, 0, width);
    }
    if (g->elastic > 0)
        NAME(bend)(bent, bent + 2 * g->grid_rows * g->columns, g, purpose, sample);

    const double angle = g->rotation * (double)NAME(symmetric)(first.word[2]);
    const REAL sine = (REAL)angle * NAME(sine_series)(angle * angle, 2), cosine = NAME(sine_series)(angle * angle, 1);
    const REAL size = 1 + (REAL)g->zoom * NAME(symmetric)(first.word[3]);
    const REAL shear = (REAL)g->shear * NAME(symmetric)(second.word[0]);
    /* The inverse: rotate back, then scale back, then shear back. */
    const REAL c = -sine / size, d = cosine / size, a = cosine / size - shear * c, b = sine / size - shear * d;
    const REAL middle_row = (REAL)(g->rows - 1) / 2, middle_column = (REAL)(g->columns - 1) / 2;
    const REAL shift_row = (REAL)g->shift * NAME(symmetric)(first.word[0]);
    const REAL shift_column = (REAL)g->shift * NAME(symmetric)(first.word[1]);

    for (ptrdiff_t row = 0; row < g->rows; row++) {
        const REAL dy = (REAL)row - middle_row - shift_row;
        for (ptrdiff_t column = 0; column < g->columns; column++) {
            const REAL dx = (REAL)column - middle_column - shift_column;
            across[column] = a * dx + b * dy + middle_column;
            down[column] = c * dx + d * dy + middle_row;
        }
        if (g->elastic > 0) {
            const REAL at = (REAL)row / (REAL)g->spacing;
            const REAL *p = bent + 2 * (ptrdiff_t)at * g->columns;
            REAL w[4];
            NAME(spline)(w, at - (REAL)(ptrdiff_t)at);
            /* across and down lie side by side, like the two displacements of each of the grid's rows */
            for (ptrdiff_t i = 0; i < 2 * g->columns; i++)
                across[i] += w[0] * p[i] + w[1] * p[i + 2 * g->columns] + w[2] * p[i + 4 * g->columns]
                             + w[3] * p[i + 6 * g->columns];
        }
        NAME(sample_row)(y + row * width, padded, across, down, g, scale, offset);
    }
}
