#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("prfchw,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("prfchw,avx2,fma")
#endif
#include <immintrin.h>
#define SIMD_NAME "avx2"
#define VECTOR_BYTES 32
#define SIMD simd_avx2
#include "instance.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
