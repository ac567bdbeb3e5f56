/* A barrier for the threads of a team. It waits for a short time by looking, then asleep, whatever the OpenMP runtime
 * has been told: a thread that looks for long takes the processor from the one that it waits for. */
#ifndef MF_BARRIER_H
#define MF_BARRIER_H

#include <pthread.h>
#include <stdatomic.h>

struct mf_barrier {
    unsigned threads, looks;
    atomic_uint arrived, sleeping, round;
    pthread_mutex_t mutex;
    pthread_cond_t next_round;
};

/* spin: whether each thread has a processor of its own. */
void mf_barrier_init(struct mf_barrier *barrier, int threads, int spin);
void mf_barrier_destroy(struct mf_barrier *barrier);

/* Returns when all threads have called it; what they wrote before is then seen by all. */
void mf_barrier_wait(struct mf_barrier *barrier);

#endif
