/* How the work of a step is divided over threads: by fixed costs, known before training starts, so that the division
 * never depends on timing. */
#ifndef MF_PLAN_H
#define MF_PLAN_H

#include "network.h"

/* The part-th of `parts` nearly equal parts of [0, count) begins here; part == parts gives count. */
static inline int mf_share(int count, int part, int parts)
{
    return (int)((long long)count * part / parts);
}

/* Rows [begin, end) and panels [first, last) of a layer's weights, or of its bias row. */
struct mf_unit {
    int layer;
    int begin, end;
    int first, last;
    double cost; /* fused multiply-adds that it takes, about */
};

/* The weight-gradient pass of one step. */
struct mf_plan {
    struct mf_unit *units;
    size_t count;
    bool sparse; /* layer 0 by lists: its units are blocks of MF_LIST_BLOCK pixels */
};

enum { MF_BLOCKS = (MF_INPUTS + MF_LIST_BLOCK - 1) / MF_LIST_BLOCK };

/* density: for each block of pixels, the share of the samples on its lists; NULL: layer 0 is dense. */
mnist_fast_status mf_plan_make(const mnist_fast *network, const double density[MF_BLOCKS], struct mf_plan *plan,
                               mnist_fast_error *error);
void mf_plan_free(struct mf_plan *plan); /* accepts a zeroed one */

/* Thread `part` of `parts` takes units [result, the next part's result): contiguous ranges of nearly equal cost. */
size_t mf_plan_begin(const struct mf_plan *plan, int part, int parts);

#endif
