/* Working memory: the activations and gradients of the samples on their way through the network. */
#ifndef MF_WORKSPACE_H
#define MF_WORKSPACE_H

#include "network.h"

struct mf_workspace {
    int samples;     /* rows of everything below */
    int threads;     /* that have scratch memory */
    uint8_t *pixels; /* (samples, 784), and 16 bytes that pack_pixels may read */
    uint8_t *labels, *digits;
    float *loss;
    struct mf_matrix x;                 /* (samples, 784): the scaled pixels, where they are dense */
    struct mf_matrix y[MF_MAX_LAYERS];  /* (samples, out) of each layer: outputs; of the last: logits */
    struct mf_matrix dy[MF_MAX_LAYERS]; /* the same shapes: gradients before the activation; of the last, where there
                                           are no gradients: the probabilities */
    int rows;                           /* output rows of one call that skips zeros, at most */
    int mr;                             /* of the kernels */
    size_t packed_terms;                /* capacity of each of `packed`: tiles * depth */
    struct mf_packed_nonzeros *packed;  /* [thread]: of the block of rows, or of pixels, that the thread works on */
    struct mf_nonzero_index *index;     /* [thread * layers + layer]: of the inputs of the layers but the first */
    void *memory;                       /* one block for all of it */
};

/* Makes network->workspace large enough for this many samples, batch of them in a step of training (0: none), cut as
 * network->blocking says; what was in it may be lost. */
mnist_fast_status mf_workspace_reserve(mnist_fast *network, int samples, int batch, mnist_fast_error *error);
void mf_workspace_free(struct mf_workspace *workspace); /* accepts NULL */

/* The thread's packed nonzeros, for sums of this length: MF_INPUTS pixels, or the samples of a batch. */
struct mf_packed_nonzeros *mf_packed(struct mf_workspace *workspace, int thread, int depth);

/* Copies images order[begin..end) (order NULL: images begin..end) to the workspace's rows from `row`. */
void mf_gather(struct mf_workspace *workspace, const mnist_fast_images *images, const uint32_t *order, size_t begin,
               size_t end, int row);

/* The same for training in the epoch of network->position: deformed, where the configuration says so. */
void mf_gather_deformed(mnist_fast *network, const mnist_fast_images *images, const uint32_t *order, size_t begin,
                        size_t end, int row);

#endif
