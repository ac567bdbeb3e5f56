/* The items of one phase of the work, divided among the threads of a team: each has a range of its own, and a thread
 * that has done its range takes from the ranges of the others, so that one which is held up costs only its share.
 * Who computes an item changes no bit of the result. */
#ifndef MF_SHARES_H
#define MF_SHARES_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stddef.h>

struct mf_shares {
    struct mf_share *share; /* [threads] */
    int threads;
};

mnist_fast_status mf_shares_create(int threads, struct mf_shares *shares, mnist_fast_error *error);
void mf_shares_free(struct mf_shares *shares); /* accepts a zeroed one */

/* Gives a thread the range [begin, end), in pieces of `step` items. While nobody takes; a barrier before the first
 * take. */
void mf_shares_set(struct mf_shares *shares, int thread, size_t begin, size_t end, size_t step);

/* The next piece for this thread; false when none is left in any range. */
bool mf_shares_take(struct mf_shares *shares, int thread, size_t *begin, size_t *end);

#endif
