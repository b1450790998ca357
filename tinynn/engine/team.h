/* A pool of threads that run one body together. */
#ifndef TINYNN_TEAM_H
#define TINYNN_TEAM_H

#include "parallel.h"

typedef void (*Body)(void *context, Worker *worker);

/* Run the body on `threads` threads, the caller among them, and return when all are done with it. Who waits for
 * the others may spin a little if `spin`, which is for no more threads than cores. Denormal numbers count as zero
 * meanwhile. If the pool is taken by another call, or threads cannot be had, the body
 * runs with fewer; the result is the same. scratch: GEMM_SCRATCH_BYTES for the caller. */
void team_run(int threads, int spin, const Simd *simd, void *scratch, Body body, void *context);

/* Cores this process may use now, by its affinity mask. */
int team_cores(void);

#endif
