/* A batch on its way through the network: forward, backward, update. Every function is called by each thread of a team
 * with its own share of the work; none of them waits. */
#ifndef MF_STEP_H
#define MF_STEP_H

#include "partition.h"
#include "shares.h"
#include "workspace.h"

/* A thread's share of a batch: rows [begin, end) of the workspace. */
struct mf_rows {
    int thread; /* whose scratch memory to use */
    int begin, end;
    bool sparse;    /* skip the pixels without ink */
    bool labels;    /* the losses are wanted */
    bool gradients; /* so are the gradients, of a mean over `batch` samples */
    int batch;
};

/* From pixels to logits, digits and losses, and with gradients back to those of the first layer. */
void mf_forward_backward(mnist_fast *network, const struct mf_rows *rows, struct mf_clock *clock);

/* How many of so many rows go through all layers together: at most blocking.rows, in blocks of nearly equal height, but
 * whole tiles, because lower ones leave arithmetic units idle. */
int mf_block_rows(const mnist_fast *network, int rows);

/* Where the rows of thread `part` of `parts` begin: in whole units of the kernels' tiles. */
int mf_rows_begin(const mnist_fast *network, int rows, int part, int parts);

/* Weight gradients over `samples` rows and the Adam step, for the tasks of the partition that the thread takes from
 * `shares` until none is left. Returns whether all of their new weights and moments are finite. */
bool mf_update_weights(mnist_fast *network, const struct mf_partition *partition, struct mf_shares *shares, int samples,
                       const struct mf_adam *adam, int thread, struct mf_clock *clock);

/* What the three products of layer l read and write in the workspace. packed, index: the nonzeros of the layer's input,
 * or NULL; for the input gradient the index of the layer's output. The first layer has no input gradient. */
struct mf_forward mf_forward_operands(const mnist_fast *network, int l, const struct mf_packed_nonzeros *packed,
                                      const struct mf_nonzero_index *index);
struct mf_input_gradient mf_input_gradient_operands(const mnist_fast *network, int l,
                                                    const struct mf_nonzero_index *index);
struct mf_weight_update mf_weight_update_operands(const mnist_fast *network, int l,
                                                  const struct mf_packed_nonzeros *packed, int samples,
                                                  const struct mf_adam *adam);

#endif
