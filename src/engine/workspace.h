/* Working memory: the activations and gradients of the samples on their way through the network. */
#ifndef MF_WORKSPACE_H
#define MF_WORKSPACE_H

#include "network.h"

struct mf_workspace {
    int samples;     /* rows of everything below */
    uint8_t *pixels; /* (samples, 784), and 16 bytes that pack_pixels may read */
    uint8_t *labels, *digits;
    float *loss;
    struct mf_matrix x;                 /* (samples, 784): the scaled pixels, where they are dense */
    struct mf_matrix y[MF_MAX_LAYERS];  /* (samples, out) of each layer: outputs; of the last: logits */
    struct mf_matrix dy[MF_MAX_LAYERS]; /* the same shapes: gradients before the activation */
    int threads;
    struct mf_lists *lists; /* [thread * layers + layer]: what is not zero in the input of the layer; see step.c */
    void *memory;           /* one block for all of it */
};

/* Sees to it that network->workspace has room for this many samples at least; what was in it may be lost. */
mnist_fast_status mf_workspace_reserve(mnist_fast *network, int samples, mnist_fast_error *error);
void mf_workspace_free(struct mf_workspace *workspace); /* accepts NULL */

#endif
