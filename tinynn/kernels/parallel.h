/* How the threads of a team share the work of a kernel.
 *
 * Every thread runs the same kernels in the same order. A parallel loop is a phase:
 *
 *     Range rows;
 *     while (claim(worker, n, grain, &rows))
 *         ... rows.start to rows.stop ...
 *
 * claim() hands out each part of 0..n once, to whichever thread asks first, and returns 0 when all parts are done,
 * so a phase ends with a barrier. The barrier waits for work, not for threads: a thread that holds no part and has
 * lost its core delays no other; later it finds the phases it missed closed and runs through them. How 0..n is split
 * changes no result, because each number has one owner. A worker without a team gets the parts one by one.
 *
 * Rules for kernels: no `break` out of the loop, no claim inside a claim, and the phases that a kernel runs
 * depend on its sizes only, never on data. */
#ifndef TINYNN_PARALLEL_H
#define TINYNN_PARALLEL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/simd.h"

enum { MAX_PARTS = 32 };

typedef struct {
    ptrdiff_t start, stop;
} Range;

typedef struct Team {
    _Alignas(64) _Atomic uint64_t state;  /* number of the phase << 32 | set of the parts claimed in it */
    _Alignas(64) _Atomic uint32_t done;   /* parts of this phase that are finished */
    int threads;
    void (*wait)(struct Team *, uint32_t phase);  /* until the phase is over */
    void (*wake)(struct Team *);                  /* the threads that wait */
} Team;

typedef struct {
    Team *team;       /* NULL: alone */
    int index;        /* of this thread in its team */
    int holding;      /* it works on a part of the phase */
    ptrdiff_t given;  /* alone: how much of 0..n it has been given */
    uint32_t phase;
    const Simd_float *f32;    /* the vector functions to compute with */
    const Simd_double *f64;
    void *scratch;    /* GEMM_SCRATCH_BYTES of this thread's own */
} Worker;

/* The worker's vector functions for the dtype of the array x. */
#define simd_for(worker, x) \
    _Generic((x), float *: (worker)->f32, const float *: (worker)->f32, \
                  double *: (worker)->f64, const double *: (worker)->f64)

static inline uint32_t team_phase(Team *team)
{
    return (uint32_t)(atomic_load_explicit(&team->state, memory_order_acquire) >> 32);
}

/* The first free part from this thread's own share on: a part stays with the thread whose cache has its data
 * from the kernel before, unless another thread has nothing left to do. */
static inline int free_part(uint32_t free, uint32_t parts, const Worker *worker)
{
    const uint32_t own = (uint32_t)worker->index * parts / (uint32_t)worker->team->threads;
    const uint32_t from_own = free & ~((1u << own) - 1);
    return __builtin_ctz(from_own ? from_own : free);
}

static inline int claim(Worker *worker, ptrdiff_t n, ptrdiff_t grain, Range *range)
{
    if (n <= 0)
        return 0;
    Team *team = worker->team;
    if (!team) {
        if (worker->given >= n) {
            worker->given = 0;
            return 0;
        }
        range->start = worker->given;
        range->stop = worker->given = n - worker->given < grain ? n : worker->given + grain;
        return 1;
    }
    const ptrdiff_t units = (n + grain - 1) / grain;
    const uint32_t parts = units < MAX_PARTS ? (uint32_t)units : MAX_PARTS;
    if (worker->holding) {
        worker->holding = 0;
        if (atomic_fetch_add_explicit(&team->done, 1, memory_order_acq_rel) + 1 == parts) {
            atomic_store_explicit(&team->done, 0, memory_order_relaxed);
            worker->phase++;
            atomic_store_explicit(&team->state, (uint64_t)worker->phase << 32, memory_order_seq_cst);
            team->wake(team);
            return 0;
        }
    }
    const uint32_t all = parts == 32 ? UINT32_MAX : (1u << parts) - 1;
    uint64_t state = atomic_load_explicit(&team->state, memory_order_acquire);
    for (;;) {
        const uint32_t free = all & ~(uint32_t)state;
        if ((uint32_t)(state >> 32) != worker->phase || !free) {
            if ((uint32_t)(state >> 32) == worker->phase)
                team->wait(team, worker->phase);
            worker->phase++;
            return 0;
        }
        const int part = free_part(free, parts, worker);
        if (atomic_compare_exchange_weak_explicit(&team->state, &state, state | (uint64_t)1 << part,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            worker->holding = 1;
            range->start = part * units / parts * grain;
            range->stop = (part + 1) * units / parts * grain;
            if (range->stop > n)
                range->stop = n;
            return 1;
        }
    }
}

#endif
