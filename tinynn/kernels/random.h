/* Random order, from the counter-based random numbers of simd/philox.h. */
#ifndef TINYNN_RANDOM_H
#define TINYNN_RANDOM_H

#include <stdint.h>

#include "simd/philox.h"
#include "simd/simd.h"

/* The numbers 0..n-1 in random order (Fisher and Yates), the same for the same key and epoch. */
static inline void shuffle(int64_t *order, int64_t n, uint64_t key, uint32_t epoch, const Simd *simd)
{
    uint32_t words[4 * RANDOM_BLOCK];
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t last = n - 1, first; last > 0; last = first - 1) {
        first = last / RANDOM_BLOCK * RANDOM_BLOCK;
        simd->random_words(words, key, FOR_SHUFFLE, epoch, (uint32_t)(first >> 32), (uint32_t)first);
        for (int64_t i = last; i >= first; i--) {
            const uint32_t *draw = words + 4 * (i - first);
            /* 64 random bits scaled to 0..i: a bias below 2^-32 for any n that fits in memory. */
            const uint64_t bits = (uint64_t)draw[0] << 32 | draw[1];
            const int64_t j = (int64_t)(((unsigned __int128)bits * (uint64_t)(i + 1)) >> 64);
            const int64_t keep = order[i];
            order[i] = order[j];
            order[j] = keep;
        }
    }
}

#endif
