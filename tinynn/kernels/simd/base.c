/* What every machine of the architecture has: SSE2 on x86-64, NEON on 64-bit ARM, plain C elsewhere. */
#if defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define SIMD_NAME "neon"
#else
#define SIMD_NAME "base"
#endif
#define VECTOR_BYTES 16
#define SIMD simd_base
#include "instance.h"
