#include "workspace.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

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
    const size_t stride = (size_t)(rows | 1) * MF_PANEL; /* odd lines: see matrix() in network.c */
    const size_t panels = (columns + MF_PANEL - 1) / MF_PANEL;
    return (struct mf_matrix){.data = take(walk, panels * stride * sizeof(float)), .stride = stride};
}

/* Of pixels (layer 0) or of the columns of what the layer before it gives. */
static struct mf_lists take_lists(struct walk *walk, const mnist_fast *network, int layer, int depth)
{
    const int height = network->kernels->mr;
    const size_t tiles = (MF_BLOCK_ROWS + height - 1) / height;
    struct mf_lists lists = {.depth = depth, .count = take(walk, tiles * sizeof *lists.count)};
    if (layer == 0) {
        lists.offset = take(walk, (tiles * depth + MF_INDEX_AHEAD) * sizeof *lists.offset);
        lists.value = take(walk, ((size_t)MF_BLOCK_ROWS * depth + MF_PANEL) * sizeof *lists.value);
    } else {
        lists.place = take(walk, (tiles * depth + 1) * sizeof *lists.place);
    }
    return lists;
}

static void lay_out(struct mf_workspace *w, const mnist_fast *network, struct walk *walk)
{
    const int rows = w->samples, depth = rows > MF_INPUTS ? rows : MF_INPUTS;
    w->pixels = take(walk, (size_t)rows * MF_INPUTS + 16);
    w->labels = take(walk, rows);
    w->digits = take(walk, rows);
    w->loss = take(walk, rows * sizeof(float));
    w->x = take_matrix(walk, rows, MF_INPUTS);
    for (int l = 0; l < network->layers; l++) {
        w->y[l] = take_matrix(walk, rows, network->layer[l].out);
        w->dy[l] = take_matrix(walk, rows, network->layer[l].out);
    }
    struct mf_lists *lists = take(walk, w->threads * network->layers * sizeof *lists);
    for (int i = 0; i < w->threads * network->layers; i++) {
        const int l = i % network->layers;
        const struct mf_lists taken = take_lists(walk, network, l, l ? network->layer[l].in : depth);
        if (lists)
            lists[i] = taken;
    }
    w->lists = lists;
}

mnist_fast_status mf_workspace_reserve(mnist_fast *network, int samples, mnist_fast_error *error)
{
    if (network->workspace && network->workspace->samples >= samples)
        return MNIST_FAST_OK;
    struct mf_workspace *w = calloc(1, sizeof *w);
    if (!w)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a batch of %d images", samples);
    w->samples = samples;
    w->threads = network->threads;
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
