/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 * A number is a function of (key, counter), so its bits depend on neither the order of the draws nor the threads.
 * For many counters at once there is simd/philox.h. */
#ifndef TINYNN_RANDOM_H
#define TINYNN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "simd/simd.h"

/* What the randomness is for: keeps one purpose's counters apart from another's. */
enum { FOR_SHUFFLE = 1, FOR_DROPOUT = 2, FOR_AUGMENTATION = 3 };

/* The constants of the paper, for four words. */
#define PHILOX_ROUNDS 10
#define PHILOX_MULTIPLIER_0 UINT32_C(0xD2511F53)
#define PHILOX_MULTIPLIER_1 UINT32_C(0xCD9E8D57)
#define PHILOX_KEY_STEP_0 UINT32_C(0x9E3779B9)
#define PHILOX_KEY_STEP_1 UINT32_C(0xBB67AE85)

typedef struct {
    uint32_t word[4];
} Random;

/* Four words for one counter: the run's key, and (purpose and who asks, epoch, step, element / 4). */
static inline Random philox(uint64_t key, uint32_t purpose, uint32_t epoch, uint32_t step, uint32_t element)
{
    uint32_t c0 = element, c1 = step, c2 = epoch, c3 = purpose;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)PHILOX_MULTIPLIER_0 * c0, p1 = (uint64_t)PHILOX_MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_KEY_STEP_0;
        k1 += PHILOX_KEY_STEP_1;
    }
    const Random result = {{c0, c1, c2, c3}};
    return result;
}

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
