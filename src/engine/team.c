#include "team.h"

#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool team_has_run, orphaned;

static void after_fork(void)
{
    if (atomic_load(&team_has_run))
        atomic_store(&orphaned, true);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork);
}

/* Bytes of a thread's stack that OMP_STACKSIZE asks for ("16 M"; a bare number counts KB); 0: the default. */
static size_t stack_size(void)
{
    const char *text = getenv("OMP_STACKSIZE");
    if (!text)
        text = getenv("GOMP_STACKSIZE");
    if (!text)
        return 0;
    char *unit;
    errno = 0;
    const unsigned long long number = strtoull(text, &unit, 10);
    unit += strspn(unit, " \t");
    const int shift = *unit == 'b' || *unit == 'B'   ? 0
                      : *unit == 'm' || *unit == 'M' ? 20
                      : *unit == 'g' || *unit == 'G' ? 30
                                                     : 10;
    return errno || number > SIZE_MAX >> shift ? 0 : (size_t)number << shift;
}

static void *wait_for_the_others(void *all)
{
    while (sem_wait(all) != 0 && errno == EINTR)
        ;
    return NULL;
}

/* How many threads the system gives beside the calling one, up to `wanted`: by creating them. */
static int count_threads(int wanted)
{
    pthread_t thread[MNIST_FAST_MAX_THREADS];
    pthread_attr_t attributes;
    sem_t all;
    int created = 0;
    if (pthread_attr_init(&attributes) != 0)
        return 0;
    if (stack_size() > 0)
        pthread_attr_setstacksize(&attributes, stack_size()); /* libgomp too ignores a size that is refused */
    sem_init(&all, 0, 0);
    while (created < wanted && pthread_create(&thread[created], &attributes, wait_for_the_others, &all) == 0)
        created++;
    for (int i = 0; i < created; i++)
        sem_post(&all);
    for (int i = 0; i < created; i++)
        pthread_join(thread[i], NULL);
    sem_destroy(&all);
    pthread_attr_destroy(&attributes);
    return created;
}

mnist_fast_status mf_team_size(int wanted, int *threads, mnist_fast_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Thread_local int proven = 1; /* libgomp keeps the threads of each thread that starts a team */
    pthread_once(&once, watch_forks);
    *threads = atomic_load(&orphaned) ? 1 : wanted;
    if (*threads <= proven)
        return MNIST_FAST_OK;
    const int found = 1 + count_threads(*threads - 1);
    if (found < *threads)
        return mf_fail(error, MNIST_FAST_NO_MEMORY,
                       "threads: this system gives %d of %d; use fewer threads, or raise its limits (ulimit -u, -v; "
                       "OMP_STACKSIZE)",
                       found, *threads);
    proven = *threads;
    atomic_store(&team_has_run, true);
    return MNIST_FAST_OK;
}
