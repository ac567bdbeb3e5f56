#include "barrier.h"

/* 5 to 25 us on the CPUs of today: about what falling asleep and being woken cost. Where two threads of the team share
 * a processor with another program, each look takes time from the thread that is waited for. */
enum { LOOKS = 500 };

static void pause_thread(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* yield does nothing on most */
#endif
}

void mf_barrier_init(struct mf_barrier *b, int threads, int spin)
{
    b->threads = (unsigned)threads;
    b->looks = spin ? LOOKS : 0;
    atomic_init(&b->arrived, 0);
    atomic_init(&b->sleeping, 0);
    atomic_init(&b->round, 0);
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->next_round, NULL);
}

void mf_barrier_destroy(struct mf_barrier *b)
{
    pthread_cond_destroy(&b->next_round);
    pthread_mutex_destroy(&b->mutex);
}

void mf_barrier_wait(struct mf_barrier *b)
{
    const unsigned round = atomic_load_explicit(&b->round, memory_order_relaxed);
    if (atomic_fetch_add(&b->arrived, 1) + 1 == b->threads) {
        atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
        atomic_store(&b->round, round + 1);
        /* A thread counts itself as sleeping before it looks at the round for the last time: one of the two sees the
         * other. */
        if (atomic_load(&b->sleeping) == 0)
            return;
        pthread_mutex_lock(&b->mutex);
        pthread_cond_broadcast(&b->next_round);
        pthread_mutex_unlock(&b->mutex);
        return;
    }
    for (unsigned i = 0; i < b->looks; i++) {
        if (atomic_load_explicit(&b->round, memory_order_acquire) != round)
            return;
        pause_thread();
    }
    pthread_mutex_lock(&b->mutex);
    atomic_fetch_add(&b->sleeping, 1);
    while (atomic_load(&b->round) == round)
        pthread_cond_wait(&b->next_round, &b->mutex);
    atomic_fetch_sub(&b->sleeping, 1);
    pthread_mutex_unlock(&b->mutex);
}
