#include "workspace.h"

#include "base/error.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Walks through the block of memory: called once without a block, to measure it, and once with it. */
struct walk {
    char *block;
    size_t size;
};

static void *take(struct walk *walk, size_t bytes)
{
    void *place = walk->block ? walk->block + walk->size : NULL;
    walk->size += (bytes + 63) / 64 * 64;
    return place;
}

static struct mf_matrix take_matrix(struct walk *walk, int rows, int columns)
{
    const size_t stride = mf_stride(rows);
    return (struct mf_matrix){.data = take(walk, mf_ceil_div(columns, MF_PANEL) * stride * sizeof(float)),
                              .stride = stride};
}

static struct mf_packed_nonzeros take_packed(struct walk *walk, int tiles, int depth)
{
    return (struct mf_packed_nonzeros){
        .depth = depth,
        .count = take(walk, tiles * sizeof(int)),
        .offset = take(walk, ((size_t)tiles * depth + MF_INDEX_AHEAD) * sizeof(int32_t)),
        .value = take(walk, ((size_t)MF_BLOCK_ROWS * depth + MF_PANEL) * sizeof(float)),
    };
}

static struct mf_nonzero_index take_index(struct walk *walk, int tiles, int depth)
{
    return (struct mf_nonzero_index){
        .depth = depth,
        .count = take(walk, tiles * sizeof(int)),
        .packed_offset = take(walk, ((size_t)tiles * depth + 1) * sizeof(uint64_t)),
    };
}

static void lay_out(struct mf_workspace *w, const mnist_fast *network, struct walk *walk)
{
    const int rows = w->samples, layers = network->layers, threads = network->threads;
    const int tiles = mf_ceil_div(MF_BLOCK_ROWS, network->kernels->mr);
    w->pixels = take(walk, (size_t)rows * MF_INPUTS + 16);
    w->labels = take(walk, rows);
    w->digits = take(walk, rows);
    w->loss = take(walk, rows * sizeof(float));
    w->x = take_matrix(walk, rows, MF_INPUTS);
    for (int l = 0; l < layers; l++) {
        w->y[l] = take_matrix(walk, rows, network->layer[l].out);
        w->dy[l] = take_matrix(walk, rows, network->layer[l].out);
    }
    w->packed = take(walk, threads * sizeof *w->packed);
    w->index = take(walk, (size_t)threads * layers * sizeof *w->index);
    for (int thread = 0; thread < threads; thread++) {
        const struct mf_packed_nonzeros packed = take_packed(walk, tiles, w->depth);
        if (walk->block)
            w->packed[thread] = packed;
        for (int l = 1; l < layers; l++) {
            const struct mf_nonzero_index index = take_index(walk, tiles, network->layer[l].in);
            if (walk->block)
                w->index[thread * layers + l] = index;
        }
    }
}

mnist_fast_status mf_workspace_reserve(mnist_fast *network, int samples, int batch, mnist_fast_error *error)
{
    const int depth = batch > MF_INPUTS ? batch : MF_INPUTS;
    if (network->workspace && network->workspace->samples >= samples && network->workspace->depth >= depth)
        return MNIST_FAST_OK;
    struct mf_workspace *w = calloc(1, sizeof *w);
    if (!w)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a batch of %d images", samples);
    w->samples = samples;
    w->depth = depth;
    struct walk measure = {0};
    lay_out(w, network, &measure);
    struct walk walk = {.block = w->memory = mf_allocate_zeroed(measure.size)};
    if (!w->memory) {
        mf_workspace_free(w);
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a batch of %d images: %zu MB", samples,
                       measure.size >> 20);
    }
    lay_out(w, network, &walk);
    mf_workspace_free(network->workspace);
    network->workspace = w;
    return MNIST_FAST_OK;
}

void mf_workspace_free(struct mf_workspace *workspace)
{
    if (workspace)
        free(workspace->memory);
    free(workspace);
}

void mf_gather(struct mf_workspace *w, const mnist_fast_images *images, const uint32_t *order, size_t begin, size_t end,
               int row)
{
    assert(begin <= end && row >= 0 && end - begin <= (size_t)(w->samples - row));
    for (size_t i = begin; i < end; i++, row++) {
        const size_t image = order ? order[i] : i;
        memcpy(w->pixels + (size_t)row * MF_INPUTS, images->pixels + image * MF_INPUTS, MF_INPUTS);
        if (images->labels)
            w->labels[row] = images->labels[image];
    }
}
