#include "shares.h"

#include "base/error.h"

#include <stdatomic.h>
#include <stdlib.h>

struct mf_share {
    _Alignas(128) atomic_size_t next; /* two cache lines, because CPUs fetch pairs */
    size_t end, step;
};

mnist_fast_status mf_shares_create(int threads, struct mf_shares *shares, mnist_fast_error *error)
{
    *shares = (struct mf_shares){.threads = threads};
    shares->share = aligned_alloc(_Alignof(struct mf_share), (size_t)threads * sizeof *shares->share);
    if (!shares->share)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for the shares of %d threads", threads);
    for (int i = 0; i < threads; i++)
        mf_shares_set(shares, i, 0, 0, 1);
    return MNIST_FAST_OK;
}

void mf_shares_free(struct mf_shares *shares)
{
    free(shares->share);
    *shares = (struct mf_shares){0};
}

void mf_shares_set(struct mf_shares *shares, int thread, size_t begin, size_t end, size_t step)
{
    struct mf_share *share = &shares->share[thread];
    atomic_store_explicit(&share->next, begin, memory_order_relaxed);
    share->end = end;
    share->step = step;
}

bool mf_shares_take(struct mf_shares *shares, int thread, size_t *begin, size_t *end)
{
    for (int i = 0; i < shares->threads; i++) {
        struct mf_share *share = &shares->share[(thread + i) % shares->threads];
        /* the load keeps `next` from growing with every thread that finds nothing left */
        if (atomic_load_explicit(&share->next, memory_order_relaxed) >= share->end)
            continue;
        *begin = atomic_fetch_add_explicit(&share->next, share->step, memory_order_relaxed);
        *end = *begin + share->step < share->end ? *begin + share->step : share->end;
        if (*begin < share->end)
            return true;
    }
    return false;
}
