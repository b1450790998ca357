/* Which instruction sets this machine can run, found once, at import. Not by ifunc: musl and the sanitizers lack it. */
#include "simd.h"

extern const Simd simd_base, simd_avx2, simd_avx512;

int simd_available(const Simd **sets, int capacity)
{
    int found = 0;
    if (found < capacity)
        sets[found++] = &simd_base;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (found < capacity && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        sets[found++] = &simd_avx2;
    if (found < capacity && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        sets[found++] = &simd_avx512;
#endif
    return found;
}
