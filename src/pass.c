#include "pass.h"

#include <string.h>

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

/* The list of the outputs of a ReLU that are not zero, for one row alone: about half of the weights stay unread. */
static void list_row(const float *row, size_t stride, int count, struct mf_lists *lists)
{
    int n = 0;
    for (int k = 0; k < count; k++) {
        const float value = row[k / MF_PANEL * stride + k % MF_PANEL];
        lists->offset[n] = k * MF_PANEL;
        lists->value[n] = value;
        n += value != 0.0f;
    }
    lists->count[0] = n;
}

/* A block of rows that stays in the cache on its way through the network and back. */
static void pass_block(mnist_fast *n, const struct mf_rows *rows, int begin, int end, struct mf_clock *clock)
{
    const struct mf_kernels *kernels = n->kernels;
    struct mf_workspace *w = n->workspace;
    struct mf_lists *lists = &w->lists[rows->thread];
    const int last = n->layers - 1;

    lists->depth = MF_INPUTS;
    if (rows->sparse)
        kernels->list_samples(w->pixels, begin, end, lists);
    else
        kernels->scale(w->pixels, begin, end, w->x);
    mf_clock_lap(clock, MF_PHASE_LISTS, 0);

    for (int l = 0; l <= last; l++) {
        const struct mf_layer *layer = &n->layer[l];
        const bool listed = rows->sparse && (l == 0 || end - begin == 1);
        if (listed && l > 0)
            list_row(w->y[l - 1].data + (size_t)begin * MF_PANEL, w->y[l - 1].stride, layer->in, lists);
        const struct mf_forward op = {
            .x = l ? w->y[l - 1] : w->x,
            .lists = lists,
            .w = layer->w,
            .bias = layer->w.data + (size_t)layer->bias_row * MF_PANEL,
            .y = w->y[l],
            .in = layer->in,
            .panels = layer->panels,
            .relu = l < last,
        };
        (listed ? kernels->forward_sparse : kernels->forward)(&op, begin, end);
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

void mf_pass_rows(mnist_fast *network, const struct mf_rows *rows, struct mf_clock *clock)
{
    const int count = rows->end - rows->begin, blocks = (count + MF_LIST_BLOCK - 1) / MF_LIST_BLOCK;
    for (int b = 0; b < blocks; b++)
        pass_block(network, rows, rows->begin + mf_share(count, b, blocks),
                   rows->begin + mf_share(count, b + 1, blocks), clock);
}

void mf_pass_units(mnist_fast *n, const struct mf_plan *plan, size_t begin, size_t end, int samples,
                   const struct mf_adam *adam, int thread, struct mf_clock *clock)
{
    const struct mf_kernels *kernels = n->kernels;
    struct mf_workspace *w = n->workspace;
    struct mf_lists *lists = &w->lists[thread];
    int listed = -1; /* the block that the lists are of */
    lists->depth = samples;

    for (const struct mf_unit *u = plan->units + begin; u < plan->units + end; u++) {
        const struct mf_layer *layer = &n->layer[u->layer];
        const struct mf_weight_gradient op = {
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
            kernels->bias_gradient(&op, u->begin, u->first, u->last);
        } else if (u->layer == 0 && plan->sparse) {
            if (u->begin != listed)
                kernels->list_pixels(w->pixels, samples, u->begin, u->end, lists);
            listed = u->begin;
            kernels->weight_gradient_sparse(&op, u->begin, u->end, u->first, u->last);
        } else {
            kernels->weight_gradient(&op, u->begin, u->end, u->first, u->last);
            if (u->layer > 0)
                for (int p = u->first; p < u->last; p++)
                    kernels->transpose(layer->w.data + p * layer->w.stride + (size_t)u->begin * MF_PANEL,
                                       layer->wt.data + u->begin / MF_PANEL * layer->wt.stride +
                                           (size_t)p * MF_PANEL * MF_PANEL);
        }
        mf_clock_lap(clock, u->layer ? MF_PHASE_WEIGHT_GRADIENT : MF_PHASE_WEIGHT_GRADIENT1,
                     2.0 * samples * (u->end - u->begin) * (u->last - u->first) * MF_PANEL);
    }
}

static int count_listed(const struct mf_lists *lists, int tiles)
{
    int sum = 0;
    for (int t = 0; t < tiles; t++)
        sum += lists->count[t];
    return sum;
}

static int tiles_of(const mnist_fast *n, int rows)
{
    return (rows + n->kernels->tile_rows - 1) / n->kernels->tile_rows;
}

bool mf_worth_lists(mnist_fast *n, const mnist_fast_images *images)
{
    const int probes = images->count < MF_LIST_BLOCK ? (int)images->count : MF_LIST_BLOCK;
    struct mf_lists *lists = &n->workspace->lists[0];
    for (int i = 0; i < probes; i++) {
        const size_t image = images->count * i / probes;
        mf_gather(n->workspace, images, NULL, image, image + 1, i);
    }
    lists->depth = MF_INPUTS;
    n->kernels->list_samples(n->workspace->pixels, 0, probes, lists);
    const int tiles = tiles_of(n, probes);
    return count_listed(lists, tiles) < 0.8 * tiles * MF_INPUTS;
}

void mf_measure_density(mnist_fast *n, int samples, double density[MF_BLOCKS])
{
    struct mf_lists *lists = &n->workspace->lists[0];
    lists->depth = samples;
    for (int b = 0; b < MF_BLOCKS; b++) {
        const int begin = b * MF_LIST_BLOCK,
                  end = begin + MF_LIST_BLOCK < MF_INPUTS ? begin + MF_LIST_BLOCK : MF_INPUTS;
        n->kernels->list_pixels(n->workspace->pixels, samples, begin, end, lists);
        const int tiles = tiles_of(n, end - begin);
        density[b] = (double)count_listed(lists, tiles) / tiles / samples;
    }
}
