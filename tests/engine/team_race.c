/* The thread pool by itself; test_pool.py compiles and runs it, .ci/sanitize with the sanitizers.
 *
 * Every phase reads what the whole team wrote in the phase before, so a barrier that opens early is a data race, and
 * a part that is lost or handed out twice is a wrong result: each call is compared with the same loops run plainly. */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 3000, CALLERS = 4 };

typedef struct {
    int phases;
    uint32_t values[2][MOST];
    int visits[MOST];
} Work;

static const ptrdiff_t sizes[] = {MOST, 1, 33, 0, 32, 700, 2, 31, 1025};
static const ptrdiff_t grains[] = {1, 64, 3, 1000};

static ptrdiff_t size_of(int phase)
{
    return sizes[phase % 9];
}

static void compute(Work *work, int phase, ptrdiff_t start, ptrdiff_t stop)
{
    const ptrdiff_t n = size_of(phase);
    const uint32_t *from = work->values[phase & 1];
    uint32_t *to = work->values[~phase & 1];
    for (ptrdiff_t i = start; i < stop; i++) {
        to[i] = from[i] * 2654435761u + from[n - 1 - i] + (uint32_t)(phase + i);
        work->visits[i]++;
    }
}

static void body(void *context, Worker *worker)
{
    Work *work = context;
    char *scratch = worker->scratch;
    Range part;
    for (int phase = 0; phase < work->phases; phase++)
        while (claim(worker, size_of(phase), grains[phase % 4], &part)) {
            memset(scratch, worker->index, 64);
            if ((part.start + phase) % 97 == 0)
                sched_yield();  /* some are late */
            compute(work, phase, part.start, part.stop);
            for (int i = 0; i < 64; i++)
                if (scratch[i] != (char)worker->index)
                    abort();  /* two workers with one scratch memory */
        }
}

/* Returns 0 if `threads` threads compute what one plain loop does. */
static int run(int threads, int phases)
{
    static const Simd none = {.name = "none"};
    Work *team = calloc(1, sizeof *team), *plain = calloc(1, sizeof *plain);
    char *scratch = malloc(64);
    team->phases = plain->phases = phases;
    team_run(threads, phases % 2, &none, scratch, body, team);  /* threads that spin before they sleep, or do not */
    for (int phase = 0; phase < phases; phase++)
        compute(plain, phase, 0, size_of(phase));
    const int different = memcmp(team, plain, sizeof *team) != 0;
    free(scratch);
    free(plain);
    free(team);
    return different;
}

static void check(int different, const char *what)
{
    if (different) {
        fprintf(stderr, "%s: wrong result\n", what);
        exit(1);
    }
}

static void *caller(void *argument)
{
    const int first = *(int *)argument;
    for (int i = 0; i < 40; i++)
        check(run(1 + (first + i) % 6, i), "callers at the same time");
    return NULL;
}

static void fork_and_run(const char *what)
{
#if defined(__SANITIZE_THREAD__)
    (void)what;  /* ThreadSanitizer knows no threads that a child of a process with threads starts */
#else
    const pid_t child = fork();
    if (child == 0)
        _exit(run(3, 50) || run(5, 50));
    int status = 1;
    waitpid(child, &status, 0);
    check(status != 0, what);
#endif
}

int main(void)
{
    static const int threads[] = {2, 1, 3, 7, 2, 16, 4, 40};
    for (int i = 0; i < 100; i++)
        check(run(threads[i % 8], i), "more and fewer threads");
    fork_and_run("a child of an idle pool");

    pthread_t callers[CALLERS];
    int numbers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        numbers[i] = i;
        pthread_create(&callers[i], NULL, caller, &numbers[i]);
    }
#if !defined(__SANITIZE_ADDRESS__)  /* whose allocator another thread may have locked at that moment: for ever in the child */
    for (int i = 0; i < 5; i++)
        fork_and_run("a child of a pool at work");
#endif
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    puts("team_race: fine");
    return 0;
}
