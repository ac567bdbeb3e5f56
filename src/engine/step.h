/* A batch on its way through the network: forward, backward, update. Every function is called by each thread of a team
 * with its own share of the work; none of them waits. */
#ifndef MF_STEP_H
#define MF_STEP_H

#include "base/profile.h"
#include "partition.h"
#include "workspace.h"

/* Copies images order[begin..end) (order NULL: images begin..end) to the workspace's rows from `row`. */
void mf_gather(struct mf_workspace *workspace, const mnist_fast_images *images, const uint32_t *order, size_t begin,
               size_t end, int row);

/* Rows [begin, end) of the workspace from pixels to logits, digits, and with labels losses. sparse: by lists of the
 * pixels with ink. With gradients (of a mean over `batch` samples), the way back to the first layer's as well. */
struct mf_rows {
    int thread;
    int begin, end;
    bool sparse, labels, gradients;
    int batch;
};
void mf_forward_backward(mnist_fast *network, const struct mf_rows *rows, struct mf_clock *clock);

/* How many of them go through all layers together: at most MF_BLOCK_ROWS, in blocks of nearly equal height, but whole
 * tiles, because lower ones leave arithmetic tasks idle. */
int mf_block_rows(const mnist_fast *network, int rows);

/* Weight gradients over `samples` rows and the Adam step, for tasks [begin, end) of the partition. */
void mf_update_weights(mnist_fast *network, const struct mf_partition *partition, size_t begin, size_t end, int samples,
                       const struct mf_adam *adam, int thread, struct mf_clock *clock);

/* Whether lists are worth their while for images like these: the share of the pixels that they keep, below which they
 * win. Looks at a few images all over the set; uses the workspace's first rows. */
bool mf_skipping_pays(mnist_fast *network, const mnist_fast_images *images);

/* For each block of pixels, the share of the samples on its lists, over rows [0, samples) of the workspace. */
void mf_measure_density(mnist_fast *network, int samples, double density[MF_PIXEL_BLOCKS]);

#endif
