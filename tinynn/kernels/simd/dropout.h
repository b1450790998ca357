/* Dropout: y = scale x where a random word is at least `dropped`, and else 0. Number i uses word i mod 4 of element
 * i / 4; `first` is the number of x[0], a multiple of a block's. */
#include "vector.h"
#include "words.h"

static void NAME(dropout)(REAL *y, const REAL *x_, REAL scale, uint32_t dropped, uint64_t key, uint32_t purpose,
                          uint32_t epoch, uint32_t step, ptrdiff_t first, ptrdiff_t n)
{
    typedef uint32_t NAME(words) __attribute__((vector_size(4 * VECTOR_BYTES / sizeof(REAL))));
    uint32_t block[4 * RANDOM_BLOCK];
    for (ptrdiff_t start = 0; start < n; start += 4 * RANDOM_BLOCK) {
        const ptrdiff_t size = n - start < 4 * RANDOM_BLOCK ? n - start : 4 * RANDOM_BLOCK;
        random_words(block, key, purpose, epoch, step, (uint32_t)((first + start) / 4));
        FOR_EACH_VECTOR(size, {
            NAME(words) words;
            memcpy(&words, block + i, sizeof words);
            const integers kept = __builtin_convertvector(words, naturals) >= (naturals){0} + dropped;
            STORE(y + start, NAME(select)(kept, LOAD(x_ + start) * scale, NAME(broadcast)(0)));
        });
    }
}
