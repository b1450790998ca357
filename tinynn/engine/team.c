/* The thread pool.
 *
 * Design: one mutex guards the state of the pool. A call that finds the pool in use runs alone on its own thread.
 * Pool threads sleep between calls; a thread that waits inside a call spins for SPIN_NANOSECONDS and then sleeps,
 * and does not spin at all when there are more threads than cores. A thread that comes late to a call that has
 * ended never joins it. After fork() the child starts its own pool. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "team.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { SPIN_NANOSECONDS = 20000 };

static struct {
    Team team;
    pthread_mutex_t owner;     /* held by the call that uses the pool */
    pthread_mutex_t lock;      /* guards all that follows */
    pthread_cond_t start;      /* a call has begun */
    pthread_cond_t finished;   /* the last helper has left the call */
    pthread_cond_t phase;      /* a phase has ended, and a thread sleeps until it does */
    atomic_int sleepers;       /* until a phase ends */
    int started;               /* threads that exist, without the callers */
    uint64_t call;             /* number of the call; a helper joins each once at most */
    int open;                  /* helpers may join */
    int inside;                /* helpers that have joined */
    uint32_t first_phase;
    int spin;
    const Simd *simd;
    Body body;
    void *context;
} pool;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void wait_for_phase(Team *team, uint32_t phase)
{
    if (pool.spin) {
        const int64_t start = nanoseconds();
        do {
            for (int i = 0; i < 16; i++) {
                if (team_phase(team) != phase)
                    return;
                pause_briefly();
            }
        } while (nanoseconds() - start < SPIN_NANOSECONDS);
    }
    pthread_mutex_lock(&pool.lock);
    /* Count this thread before looking: the thread that ends the phase stores it before it looks at the count. */
    atomic_fetch_add(&pool.sleepers, 1);
    while ((uint32_t)(atomic_load(&team->state) >> 32) == phase)
        pthread_cond_wait(&pool.phase, &pool.lock);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void wake_sleepers(Team *team)
{
    (void)team;
    if (atomic_load(&pool.sleepers)) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.phase);
        pthread_mutex_unlock(&pool.lock);
    }
}

/* The body; on this thread, denormals are zero while it runs. */
static void run_body(Body body, void *context, Worker *worker)
{
#if defined(__x86_64__)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    body(context, worker);
    _mm_setcsr(before);
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | UINT64_C(1) << 24));
    body(context, worker);
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    body(context, worker);
#endif
}

static void *helper(void *argument)
{
    const int index = (int)(intptr_t)argument;
    void *scratch = NULL;
    if (posix_memalign(&scratch, 64, GEMM_SCRATCH_BYTES))
        return NULL;  /* calls run with one thread fewer */
    uint64_t seen = 0;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (!(pool.open && pool.call != seen && index < pool.team.threads))
            pthread_cond_wait(&pool.start, &pool.lock);
        seen = pool.call;
        pool.inside++;
        Worker worker = {.team = &pool.team, .index = index, .phase = pool.first_phase,
                         .f32 = pool.simd->f32, .f64 = pool.simd->f64, .scratch = scratch};
        Body body = pool.body;
        void *context = pool.context;
        pthread_mutex_unlock(&pool.lock);
        run_body(body, context, &worker);
        pthread_mutex_lock(&pool.lock);
        if (--pool.inside == 0)
            pthread_cond_signal(&pool.finished);
    }
    return NULL;
}

static void set_up(void)
{
    pthread_mutex_init(&pool.owner, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.start, NULL);
    pthread_cond_init(&pool.finished, NULL);
    pthread_cond_init(&pool.phase, NULL);
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.team.state, 0);  /* after a fork: the parent may have been inside a phase */
    atomic_store(&pool.team.done, 0);
    pool.started = pool.open = pool.inside = 0;
    pool.team.wait = wait_for_phase;
    pool.team.wake = wake_sleepers;
}

static void first_use(void)
{
    set_up();
    pthread_atfork(NULL, NULL, set_up);  /* a child has none of the parent's threads */
}

/* Start threads until there are `wanted`; returns their number, which may be smaller. */
static int start_threads(int wanted)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  /* the main thread handles signals */
    while (pool.started < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, helper, (void *)(intptr_t)(pool.started + 1)))
            break;
        pthread_detach(thread);
        pool.started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool.started;
}

int team_cores(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (int)cores : 1;
}

void team_run(int threads, int spin, const Simd *simd, void *scratch, Body body, void *context)
{
    Worker worker = {.f32 = simd->f32, .f64 = simd->f64, .scratch = scratch};
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    if (threads > 1) {
        pthread_once(&once, first_use);
        if (pthread_mutex_trylock(&pool.owner) == 0) {
            pthread_mutex_lock(&pool.lock);
            const int helpers = start_threads(threads - 1);
            if (threads > helpers + 1)
                threads = helpers + 1;
            pool.team.threads = threads;
            pool.spin = spin;
            pool.simd = simd;
            pool.body = body;
            pool.context = context;
            worker.team = &pool.team;
            worker.phase = pool.first_phase = team_phase(&pool.team);
            pool.call++;
            pool.open = 1;
            pthread_cond_broadcast(&pool.start);
            pthread_mutex_unlock(&pool.lock);
            run_body(body, context, &worker);
            pthread_mutex_lock(&pool.lock);
            pool.open = 0;
            while (pool.inside)
                pthread_cond_wait(&pool.finished, &pool.lock);
            pthread_mutex_unlock(&pool.lock);
            pthread_mutex_unlock(&pool.owner);
            return;
        }
    }
    run_body(body, context, &worker);
}
