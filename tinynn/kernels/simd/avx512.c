#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("prfchw,avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("prfchw,avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")
#endif
#include <immintrin.h>
#define SIMD_NAME "avx512"
#define VECTOR_BYTES 64
#define SIMD simd_avx512
#include "instance.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
