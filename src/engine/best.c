#include "best.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

static size_t floats_of(const struct mf_layer *layer)
{
    return layer->w.stride * (size_t)layer->panels;
}

mnist_fast_status mf_best_reserve(mnist_fast *n, mnist_fast_error *error)
{
    if (n->best.memory)
        return MNIST_FAST_OK;
    size_t floats = 0;
    for (int l = 0; l < n->layers; l++)
        floats += floats_of(&n->layer[l]);
    float *next = n->best.memory = mf_allocate_zeroed(floats * sizeof *next);
    if (!next)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory to keep the best epoch: %zu MB",
                       floats * sizeof *next >> 20);
    for (int l = 0; l < n->layers; l++) {
        struct mf_layer *layer = &n->layer[l];
        layer->best = (struct mf_matrix){.data = next, .stride = layer->w.stride};
        next += floats_of(layer);
    }
    return MNIST_FAST_OK;
}

void mf_best_keep(mnist_fast *n, double loss)
{
    for (int l = 0; l < n->layers; l++)
        memcpy(n->layer[l].best.data, n->layer[l].w.data, floats_of(&n->layer[l]) * sizeof(float));
    n->best.epoch = n->position.epoch;
    n->best.loss = loss;
}

void mf_best_forget(mnist_fast *n)
{
    mf_best_use(n, false);
    n->best.epoch = 0;
    n->best.loss = 0;
}

void mf_best_use(mnist_fast *n, bool use)
{
    if (!n->best.epoch || n->best.used == use)
        return;
    n->best.used = use;
    for (int l = 0; l < n->layers; l++) {
        struct mf_layer *layer = &n->layer[l];
        const struct mf_matrix other = layer->best;
        layer->best = layer->w;
        layer->w = other;
        if (n->kernels->precision == MF_BF16)
            n->kernels->round(layer->w, layer->in, layer->panels, layer->copy);
    }
}
