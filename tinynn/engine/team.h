/* A pool of threads that run one body together. */
#ifndef TINYNN_TEAM_H
#define TINYNN_TEAM_H

#include "parallel.h"

enum { MAX_THREADS = 256 };

typedef void (*Body)(void *context, Worker *worker);

/* Run the body on `threads` threads, including the caller, and return when all have left it. With `spin`, threads spin
 * briefly before they sleep, which only pays with at most one thread per core. Denormals are zero meanwhile. If another
 * call owns the pool, or threads cannot be started, the body runs on fewer threads, with the same result.
 * scratch: GEMM_SCRATCH_BYTES for the caller. */
void team_run(int threads, int spin, const Simd *simd, void *scratch, Body body, void *context);

/* Number of cores in the process's affinity mask. */
int team_cores(void);

#endif
