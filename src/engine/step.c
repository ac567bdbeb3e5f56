#include "step.h"

#include <string.h>

/* A list costs its making, and a load for each of its terms: it pays where it leaves out more than this. */
#define INDEX_DENSITY_MAX 0.96

void mf_gather(struct mf_workspace *w, const mnist_fast_images *images, const uint32_t *order, size_t begin, size_t end,
               int row)
{
    for (size_t i = begin; i < end; i++, row++) {
        const size_t image = order ? order[i] : i;
        memcpy(w->pixels + (size_t)row * MF_INPUTS, images->pixels + image * MF_INPUTS, MF_INPUTS);
        if (images->labels)
            w->labels[row] = images->labels[image];
    }
}

/* Dense-equivalent work of one product. */
static double flop_of(const struct mf_layer *layer, int samples)
{
    return 2.0 * layer->in * layer->out * samples;
}

static int tiles_of(const mnist_fast *n, int rows)
{
    return (rows + n->kernels->mr - 1) / n->kernels->mr;
}

/* The share of its elements that a block of rows keeps on its lists. */
static double kept_density(const mnist_fast *n, const struct mf_lists *lists, int rows)
{
    const int tiles = tiles_of(n, rows);
    double sum = 0;
    for (int t = 0; t < tiles; t++)
        sum += lists->count[t];
    return sum / tiles / lists->depth;
}

/* Lists of columns hold places in 32 bits; only batches of 16 GB and more are larger. */
static bool can_list(struct mf_matrix x, int columns)
{
    return ((size_t)columns / MF_PANEL + 1) * x.stride <= UINT32_MAX;
}

/* A block of rows that stays in the cache on its way through the network and back. */
static void pass_block(mnist_fast *n, const struct mf_rows *rows, int begin, int end, struct mf_clock *clock)
{
    const struct mf_kernels *kernels = n->kernels;
    struct mf_workspace *w = n->workspace;
    struct mf_lists *lists = w->lists + rows->thread * n->layers;
    const struct mf_lists *listed[MF_MAX_LAYERS] = {0}; /* of the input of each layer, where that pays */
    const int last = n->layers - 1;

    if (rows->sparse) {
        lists->depth = MF_INPUTS;
        kernels->pack_samples(w->pixels, begin, end, lists);
        listed[0] = lists;
    } else {
        kernels->scale(w->pixels, begin, end, w->x);
    }
    mf_clock_lap(clock, MF_PHASE_LISTS, 0);

    for (int l = 0; l <= last; l++) {
        const struct mf_layer *layer = &n->layer[l];
        if (l > 0 && !n->dense && can_list(w->y[l - 1], layer->in)) {
            kernels->index_columns(w->y[l - 1], layer->in, begin, end, &lists[l]);
            if (kept_density(n, &lists[l], end - begin) < INDEX_DENSITY_MAX)
                listed[l] = &lists[l];
            mf_clock_lap(clock, MF_PHASE_LISTS, 0);
        }
        const struct mf_forward op = {
            .x = l ? w->y[l - 1] : w->x,
            .lists = listed[l],
            .w = layer->w,
            .bias = layer->w.data + (size_t)layer->bias_row * MF_PANEL,
            .y = w->y[l],
            .in = layer->in,
            .panels = layer->panels,
            .relu = l < last,
        };
        (l == 0 && rows->sparse ? kernels->forward_sparse : kernels->forward)(&op, begin, end);
        mf_clock_lap(clock, l ? MF_PHASE_FORWARD : MF_PHASE_FORWARD1, flop_of(layer, end - begin));
    }

    const struct mf_softmax softmax = {
        .logits = w->y[last],
        .labels = rows->labels ? w->labels : NULL,
        .scale = rows->gradients ? 1.0f / (float)rows->batch : 1.0f,
        .gradient = rows->gradients ? w->dy[last] : (struct mf_matrix){0},
        .probability = rows->gradients ? (struct mf_matrix){0} : w->dy[last],
        .loss = w->loss,
        .digit = w->digits,
    };
    kernels->softmax(&softmax, begin, end);
    mf_clock_lap(clock, MF_PHASE_SOFTMAX, 0);

    for (int l = last; rows->gradients && l > 0; l--) {
        const struct mf_layer *layer = &n->layer[l];
        const struct mf_input_gradient op = {
            .dz = w->dy[l],
            .lists = l < last ? listed[l + 1] : NULL, /* where the output of a ReLU is zero, so is its gradient */
            .wt = layer->wt,
            .h = w->y[l - 1],
            .dx = w->dy[l - 1],
            .out = layer->out,
            .panels = n->layer[l - 1].panels,
        };
        kernels->input_gradient(&op, begin, end);
        mf_clock_lap(clock, MF_PHASE_INPUT_GRADIENT, flop_of(layer, end - begin));
    }
}

int mf_block_rows(const mnist_fast *n, int rows)
{
    const int blocks = (rows + MF_BLOCK_ROWS - 1) / MF_BLOCK_ROWS, tile = n->kernels->mr;
    return blocks ? ((rows + blocks - 1) / blocks + tile - 1) / tile * tile : 0;
}

void mf_forward_backward(mnist_fast *n, const struct mf_rows *rows, struct mf_clock *clock)
{
    const int height = mf_block_rows(n, rows->end - rows->begin);
    for (int begin = rows->begin; begin < rows->end; begin += height)
        pass_block(n, rows, begin, begin + height < rows->end ? begin + height : rows->end, clock);
}

void mf_update_weights(mnist_fast *n, const struct mf_partition *partition, size_t begin, size_t end, int samples,
                       const struct mf_adam *adam, int thread, struct mf_clock *clock)
{
    const struct mf_kernels *kernels = n->kernels;
    struct mf_workspace *w = n->workspace;
    struct mf_lists *lists = &w->lists[thread * n->layers];
    int listed = -1; /* the block that the lists are of */
    lists->depth = samples;

    for (const struct mf_task *u = partition->tasks + begin; u < partition->tasks + end; u++) {
        const struct mf_layer *layer = &n->layer[u->layer];
        const struct mf_weight_update op = {
            .x = u->layer ? w->y[u->layer - 1] : w->x,
            .lists = lists,
            .dz = w->dy[u->layer],
            .samples = samples,
            .w = layer->w,
            .m = layer->m,
            .v = layer->v,
            .adam = *adam,
        };
        if (u->begin == layer->bias_row) {
            kernels->bias_update(&op, u->begin, u->first, u->last);
        } else if (u->layer == 0 && partition->sparse) {
            if (u->begin != listed)
                kernels->pack_pixels(w->pixels, samples, u->begin, u->end, lists);
            listed = u->begin;
            kernels->weight_update_sparse(&op, u->begin, u->end, u->first, u->last);
        } else {
            kernels->weight_update(&op, u->begin, u->end, u->first, u->last);
            if (u->layer > 0)
                for (int p = u->first; p < u->last; p++)
                    kernels->transpose(layer->w.data + p * layer->w.stride + (size_t)u->begin * MF_PANEL,
                                       layer->wt.data + u->begin / MF_PANEL * layer->wt.stride +
                                           (size_t)p * MF_PANEL * MF_PANEL);
        }
        const int last = u->last * MF_PANEL < layer->out ? u->last * MF_PANEL : layer->out;
        mf_clock_lap(clock, u->layer ? MF_PHASE_WEIGHT_UPDATE : MF_PHASE_WEIGHT_UPDATE1,
                     2.0 * samples * (u->end - u->begin) * (last - u->first * MF_PANEL));
    }
}

bool mf_skipping_pays(mnist_fast *n, const mnist_fast_images *images)
{
    const int probes = images->count < MF_BLOCK_ROWS ? (int)images->count : MF_BLOCK_ROWS;
    struct mf_lists *lists = &n->workspace->lists[0];
    for (int i = 0; i < probes; i++) {
        const size_t image = images->count * i / probes;
        mf_gather(n->workspace, images, NULL, image, image + 1, i);
    }
    lists->depth = MF_INPUTS;
    n->kernels->pack_samples(n->workspace->pixels, 0, probes, lists);
    return kept_density(n, lists, probes) < 0.8;
}

void mf_measure_density(mnist_fast *n, int samples, double density[MF_PIXEL_BLOCKS])
{
    struct mf_lists *lists = &n->workspace->lists[0];
    lists->depth = samples;
    for (int b = 0; b < MF_PIXEL_BLOCKS; b++) {
        const int begin = b * MF_BLOCK_ROWS,
                  end = begin + MF_BLOCK_ROWS < MF_INPUTS ? begin + MF_BLOCK_ROWS : MF_INPUTS;
        n->kernels->pack_pixels(n->workspace->pixels, samples, begin, end, lists);
        density[b] = kept_density(n, lists, end - begin);
    }
}
