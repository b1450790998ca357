/* The random words of RANDOM_BLOCK consecutive elements, four of each, as philox.h defines them. It takes as many
 * counters at once as a vector has 64-bit numbers, each word in the lower half of one. */
#ifndef WORDS_H
#define WORDS_H

#include "philox.h"
#include "types.h"
#include "vector.h"

#if REAL_IS_FLOAT
#error "instance.h: double comes first, because random words are computed in vectors of 64-bit numbers"
#endif

#if VECTOR_BYTES == 16  /* two at once gain nothing */
static void random_words(uint32_t *words, uint64_t key, uint32_t purpose, uint32_t epoch, uint32_t step,
                         uint32_t element)
{
    for (uint32_t i = 0; i < RANDOM_BLOCK; i++) {
        const Random random = philox(key, purpose, epoch, step, element + i);
        memcpy(words + 4 * i, random.word, sizeof random.word);
    }
}
#else
/* a b, of a's lower halves. */
INLINE naturals NAME(product)(naturals a, uint32_t b)
{
#if VECTOR_BYTES == 64
    return (naturals)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#else
    return (naturals)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#endif
}

static void random_words(uint32_t *words, uint64_t key, uint32_t purpose, uint32_t epoch, uint32_t step,
                         uint32_t element)
{
    const integers lane = LANE_NUMBERS;
    /* Which lanes of two vectors lie next to each other in the end. */
    const integers lower = (lane >> 1) + (lane & 1) * LANES, upper = lower + LANES / 2;
    for (int first = 0; first < RANDOM_BLOCK; first += LANES, words += 4 * LANES) {
        naturals c0 = (naturals)lane + (element + (uint32_t)first), c1 = (naturals){0} + step;
        naturals c2 = (naturals){0} + epoch, c3 = (naturals){0} + purpose;
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        for (int round = 0; round < PHILOX_ROUNDS; round++) {
            const naturals p0 = NAME(product)(c0, PHILOX_MULTIPLIER_0), p1 = NAME(product)(c2, PHILOX_MULTIPLIER_1);
            c0 = (p1 >> 32) ^ c1 ^ k0;
            c2 = (p0 >> 32) ^ c3 ^ k1;
            c1 = p1;
            c3 = p0;
            k0 += PHILOX_KEY_STEP_0;
            k1 += PHILOX_KEY_STEP_1;
        }
        const vector low = (vector)((c0 & UINT32_MAX) | c1 << 32), high = (vector)((c2 & UINT32_MAX) | c3 << 32);
        const vector first_half = NAME(shuffle)(low, high, lower), second_half = NAME(shuffle)(low, high, upper);
        memcpy(words, &first_half, VECTOR_BYTES);
        memcpy(words + 2 * LANES, &second_half, VECTOR_BYTES);
    }
}
#endif

#endif
