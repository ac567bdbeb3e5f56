/* How the work of a step is divided over threads: by fixed costs, known before training starts, so that the division
 * never depends on timing. */
#ifndef MF_PARTITION_H
#define MF_PARTITION_H

#include "network.h"

/* Rows [begin, end) and panels [first, last) of a layer's weights, or of its bias row. */
struct mf_task {
    int layer;
    int begin, end;
    int first, last;
    double cost; /* fused multiply-adds that it takes, about */
};

/* The weight updates of one step. */
struct mf_partition {
    struct mf_task *tasks;
    size_t count;
    bool sparse; /* layer 0 skips pixels without ink: its tasks are blocks of blocking.pixels pixels */
};

/* For network->blocking. density: for each block of pixels, the share of the samples that a tile keeps; NULL: layer 0
 * is dense. */
mnist_fast_status mf_partition_make(const mnist_fast *network, const double density[MF_INPUTS],
                                    struct mf_partition *partition, mnist_fast_error *error);
void mf_partition_free(struct mf_partition *partition); /* accepts a zeroed one */

/* Thread `part` of `parts` takes tasks [result, the next part's result): contiguous ranges of nearly equal cost. */
size_t mf_partition_begin(const struct mf_partition *partition, int part, int parts);

#endif
