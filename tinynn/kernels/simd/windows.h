/* Windows that slide over an image, channels last: vectors run along the channels. */
#include "reduce.h"
#include "types.h"
#include "vector.h"

/* BODY for every vector of channels of every window, and within it EACH_POSITION for its offset `at` in x. */
#define EACH_WINDOW(BODY) \
    for (ptrdiff_t window = 0; window < windows->count; window++) { \
        const ptrdiff_t from = window * windows->step, to = window * windows->channels; \
        FOR_EACH_VECTOR(windows->channels, BODY); \
    }
#define EACH_POSITION(BODY) \
    for (ptrdiff_t row = 0; row < windows->rows; row++) \
        for (ptrdiff_t column = 0; column < windows->columns; column++) { \
            const ptrdiff_t at = from + row * windows->row + column * windows->column; \
            BODY \
        }

/* NaN counts as the largest. Plain reference of all here: tests/oracles/images.py. */
static void NAME(max_pool)(REAL *y, const REAL *x, const Windows *windows)
{
    EACH_WINDOW({
        vector largest = LOAD(x + from);
        EACH_POSITION({ largest = NAME(larger_or_nan)(LOAD(x + at), largest); })
        STORE(y + to, largest);
    })
}

/* `wanted` marks the lanes whose largest number has not been met yet, by all ones. Where windows do not overlap, dx is
 * not set yet, and stored to instead of added to. */
INLINE void NAME(max_pool_gradient)(REAL *dx, const REAL *dy, const REAL *x, const REAL *y, const Windows *windows,
                                    const int add)
{
    EACH_WINDOW({
        const vector largest = LOAD(y + to);
        const vector gradient = LOAD(dy + to);
        integers wanted = largest == largest;
        EACH_POSITION({
            const integers here = wanted & (LOAD(x + at) == largest);
            const vector share = (vector)(here & (integers)gradient);
            STORE(dx + at, add ? LOAD(dx + at) + share : share);
            wanted &= ~here;
        })
    })
}

static void NAME(max_pool_backward)(REAL *dx, const REAL *dy, const REAL *x, const REAL *y, const Windows *windows)
{
    if (windows->overlap)
        NAME(max_pool_gradient)(dx, dy, x, y, windows, 1);
    else
        NAME(max_pool_gradient)(dx, dy, x, y, windows, 0);
}

static void NAME(average_pool)(REAL *y, const REAL *x, const Windows *windows)
{
    EACH_WINDOW({
        vector total = NAME(broadcast)(0);
        EACH_POSITION({ total += LOAD(x + at); })
        STORE(y + to, total / (REAL)(windows->rows * windows->columns));
    })
}

static void NAME(average_pool_backward)(REAL *dx, const REAL *dy, const Windows *windows)
{
    EACH_WINDOW({
        const vector share = LOAD(dy + to) / (REAL)(windows->rows * windows->columns);
        EACH_POSITION({ STORE(dx + at, windows->overlap ? LOAD(dx + at) + share : share); })
    })
}
#undef EACH_WINDOW
#undef EACH_POSITION

/* Add a row of `pixels` windows, n numbers each, to a row of the image: x[start + step * pixel ...] += windows.
 * Of a window that reaches beyond the image's `width` numbers, the part inside counts. */
static void NAME(add_windows)(REAL *x, ptrdiff_t width, ptrdiff_t start, ptrdiff_t step, const REAL *windows,
                              ptrdiff_t window_row, ptrdiff_t pixels, ptrdiff_t n)
{
    for (ptrdiff_t pixel = 0; pixel < pixels; pixel++, start += step, windows += window_row) {
        const ptrdiff_t first = start < 0 ? -start : 0, last = start + n > width ? width - start : n;
        REAL *to = x + start + first;
        const REAL *from = windows + first;
        FOR_EACH_VECTOR(last - first, { STORE(to, LOAD(to) + LOAD(from)); });
    }
}
