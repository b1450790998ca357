/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 * A number is a function of (key, counter), so its bits depend on neither the order of the draws nor the threads.
 * For many counters at once there is words.h. */
#ifndef TINYNN_PHILOX_H
#define TINYNN_PHILOX_H

#include <stdint.h>

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

#endif
