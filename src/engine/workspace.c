#include "workspace.h"

#include "base/error.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Divides one block of memory: once without the block, to measure it, and once with it. */
struct arena {
    char *block;
    size_t size;
};

static void *take(struct arena *arena, size_t bytes)
{
    void *part = arena->block ? arena->block + arena->size : NULL;
    arena->size += (bytes + 63) / 64 * 64;
    return part;
}

static struct mf_matrix take_matrix(struct arena *arena, int rows, int columns)
{
    const size_t stride = mf_stride(rows);
    return (struct mf_matrix){.data = take(arena, mf_ceil_div(columns, MF_PANEL) * stride * sizeof(float)),
                              .stride = stride};
}

static struct mf_packed_nonzeros take_packed(struct arena *arena, int tiles, int depth)
{
    return (struct mf_packed_nonzeros){
        .depth = depth,
        .count = take(arena, tiles * sizeof(int)),
        .offset = take(arena, ((size_t)tiles * depth + MF_INDEX_AHEAD) * sizeof(int32_t)),
        .value = take(arena, ((size_t)MF_BLOCK_ROWS * depth + MF_PANEL) * sizeof(float)),
    };
}

static struct mf_nonzero_index take_index(struct arena *arena, int tiles, int depth)
{
    return (struct mf_nonzero_index){
        .depth = depth,
        .count = take(arena, tiles * sizeof(int)),
        .packed_offset = take(arena, ((size_t)tiles * depth + 1) * sizeof(uint64_t)),
    };
}

static void lay_out(struct mf_workspace *w, const mnist_fast *network, struct arena *arena)
{
    const int rows = w->samples, layers = network->layers, threads = network->threads;
    const int tiles = mf_ceil_div(MF_BLOCK_ROWS, network->kernels->mr);
    w->pixels = take(arena, (size_t)rows * MF_INPUTS + 16);
    w->labels = take(arena, rows);
    w->digits = take(arena, rows);
    w->loss = take(arena, rows * sizeof(float));
    w->x = take_matrix(arena, rows, MF_INPUTS);
    for (int l = 0; l < layers; l++) {
        w->y[l] = take_matrix(arena, rows, network->layer[l].out);
        w->dy[l] = take_matrix(arena, rows, network->layer[l].out);
    }
    w->packed = take(arena, threads * sizeof *w->packed);
    w->index = take(arena, (size_t)threads * layers * sizeof *w->index);
    for (int thread = 0; thread < threads; thread++) {
        const struct mf_packed_nonzeros packed = take_packed(arena, tiles, w->depth);
        if (arena->block)
            w->packed[thread] = packed;
        for (int l = 1; l < layers; l++) {
            const struct mf_nonzero_index index = take_index(arena, tiles, network->layer[l].in);
            if (arena->block)
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
    struct arena measure = {0};
    lay_out(w, network, &measure);
    struct arena arena = {.block = w->memory = mf_allocate_zeroed(measure.size)};
    if (!w->memory) {
        mf_workspace_free(w);
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a batch of %d images: %zu MB", samples,
                       measure.size >> 20);
    }
    lay_out(w, network, &arena);
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
