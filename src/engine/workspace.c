#include "workspace.h"

#include "arena.h"
#include "base/error.h"
#include "base/memory.h"
#include "deformation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A whole number of units of columns. */
static struct mf_matrix take_matrix(struct mf_arena *arena, int rows, int columns, int unit)
{
    return mf_arena_take_matrix(arena, rows, mf_ceil_div(columns, unit) * unit);
}

/* The chains of all tiles, whatever `depth` mf_packed is asked for: tiles * depth is at most packed_terms. */
static struct mf_packed_nonzeros take_packed(struct mf_arena *arena, const struct mf_workspace *w)
{
    const size_t chains = 2 * w->packed_terms / MF_BLOCK + 2 * (size_t)mf_ceil_div(w->rows, w->mr);
    return (struct mf_packed_nonzeros){
        .count = mf_arena_take(arena, chains * sizeof(int)),
        .offset = mf_arena_take(arena, (w->packed_terms + MF_INDEX_AHEAD) * sizeof(int32_t)),
        .value = mf_arena_take(arena, (w->packed_terms * w->mr + MF_PANEL) * sizeof(float)),
    };
}

static struct mf_nonzero_index take_index(struct mf_arena *arena, const struct mf_workspace *w, int depth)
{
    const size_t tiles = mf_ceil_div(w->rows, w->mr);
    return (struct mf_nonzero_index){
        .depth = depth,
        .rows = w->rows,
        .count = mf_arena_take(arena, tiles * sizeof(int)),
        .packed_offset = mf_arena_take(arena, (tiles * depth + MF_INDEX_AHEAD) * sizeof(uint64_t)),
    };
}

static void lay_out(struct mf_workspace *w, const mnist_fast *network, struct mf_arena *arena)
{
    const int rows = w->samples, layers = network->layers, unit = mf_unit(network->kernels);
    w->pixels = mf_arena_take(arena, (size_t)rows * MF_INPUTS + 16);
    w->labels = mf_arena_take(arena, rows);
    w->digits = mf_arena_take(arena, rows);
    w->loss = mf_arena_take(arena, rows * sizeof(float));
    w->x = take_matrix(arena, rows, MF_INPUTS, unit);
    for (int l = 0; l < layers; l++) {
        w->y[l] = take_matrix(arena, rows, network->layer[l].out, unit);
        w->dy[l] = take_matrix(arena, rows, network->layer[l].out, unit);
    }
    w->packed = mf_arena_take(arena, w->threads * sizeof *w->packed);
    w->index = mf_arena_take(arena, (size_t)w->threads * layers * sizeof *w->index);
    for (int thread = 0; thread < w->threads; thread++) {
        const struct mf_packed_nonzeros packed = take_packed(arena, w);
        if (arena->block)
            w->packed[thread] = packed;
        for (int l = 1; l < layers; l++) {
            const struct mf_nonzero_index index = take_index(arena, w, network->layer[l].in);
            if (arena->block)
                w->index[thread * layers + l] = index;
        }
    }
}

static bool is_enough(const struct mf_workspace *have, const struct mf_workspace *need)
{
    return have && have->samples >= need->samples && have->threads >= need->threads && have->rows >= need->rows &&
           have->packed_terms >= need->packed_terms;
}

mnist_fast_status mf_workspace_reserve(mnist_fast *network, int samples, int batch, mnist_fast_error *error)
{
    const struct mf_blocking *b = &network->blocking;
    const int mr = network->kernels->mr, pixels = batch ? b->pixels : 0;
    const size_t by_rows = (size_t)mf_ceil_div(b->rows, mr) * MF_INPUTS;
    const size_t by_pixels = (size_t)mf_ceil_div(pixels, mr) * batch;
    const struct mf_workspace need = {
        .samples = network->kernels->tiled ? mf_ceil_div(samples, MF_BLOCK) * MF_BLOCK : samples,
        .threads = b->threads,
        .mr = mr,
        .rows = b->rows > pixels ? b->rows : pixels,
        .packed_terms = by_rows > by_pixels ? by_rows : by_pixels,
    };
    if (is_enough(network->workspace, &need))
        return MNIST_FAST_OK;
    struct mf_workspace *w = malloc(sizeof *w);
    if (!w)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a batch of %d images", samples);
    *w = need;
    struct mf_arena measure = {0};
    lay_out(w, network, &measure);
    struct mf_arena arena = {.block = w->memory = mf_allocate_zeroed(measure.size)};
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

struct mf_packed_nonzeros *mf_packed(struct mf_workspace *w, int thread, int depth)
{
    struct mf_packed_nonzeros *packed = &w->packed[thread];
    const size_t rows = w->packed_terms / depth * w->mr;
    packed->depth = depth;
    packed->rows = rows < (size_t)w->rows ? (int)rows : w->rows;
    return packed;
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

void mf_gather_deformed(mnist_fast *n, const mnist_fast_images *images, const uint32_t *order, size_t begin, size_t end,
                        int row)
{
    struct mf_workspace *w = n->workspace;
    if (!mf_deforms(&n->config)) {
        mf_gather(w, images, order, begin, end, row);
        return;
    }
    assert(begin <= end && row >= 0 && end - begin <= (size_t)(w->samples - row));
    for (size_t i = begin; i < end; i++, row++) {
        mf_deform_image(n, (uint32_t)n->position.epoch, order[i], images->pixels + (size_t)order[i] * MF_INPUTS,
                        w->pixels + (size_t)row * MF_INPUTS);
        w->labels[row] = images->labels[order[i]];
    }
}
