#include "step.h"

#include "density.h"

#include <assert.h>

/* Indexing costs a pass over the activations and a load for each term. It pays below this density. */
#define INDEX_DENSITY_MAX 0.96

/* Dense-equivalent work of one product. */
static double flop_of(const struct mf_layer *layer, int samples)
{
    return 2.0 * layer->in * layer->out * samples;
}

/* A packed offset has 32 bits; only batches of 16 GB and more are larger. */
static bool can_index(struct mf_matrix x, int columns)
{
    return ((size_t)columns / MF_PANEL + 1) * x.stride <= UINT32_MAX;
}

/* The pixels of the block, ready for the first layer. Returns the packed nonzeros, or NULL where they are dense. */
static const struct mf_packed_nonzeros *prepare_pixels(mnist_fast *n, const struct mf_rows *rows, int begin, int end)
{
    struct mf_workspace *w = n->workspace;
    if (rows->sparse) {
        struct mf_packed_nonzeros *packed = mf_packed(w, rows->thread, MF_INPUTS);
        n->kernels->pack_samples(w->pixels, begin, end, packed);
        if (mf_density(n, packed->count, packed->depth, end - begin) < MF_PACKED_DENSITY_MAX)
            return packed;
    }
    n->kernels->scale(w->pixels, begin, end, w->x);
    return NULL;
}

/* The nonzeros of what layer l reads, or NULL where skipping its zeros does not pay. */
static const struct mf_nonzero_index *index_input(mnist_fast *n, const struct mf_rows *rows, int l, int begin, int end)
{
    struct mf_workspace *w = n->workspace;
    struct mf_nonzero_index *index = &w->index[rows->thread * n->layers + l];
    if (!mf_skips(n) || !n->kernels->index_columns || !can_index(w->y[l - 1], n->layer[l].in))
        return NULL;
    n->kernels->index_columns(w->y[l - 1], n->layer[l].in, begin, end, index);
    return mf_density(n, index->count, index->depth, end - begin) < INDEX_DENSITY_MAX ? index : NULL;
}

/* In bf16 the pixels enter the products as they are. */
static float scale_of(int layer)
{
    return layer ? 1.0f : 1.0f / 255.0f;
}

struct mf_forward mf_forward_operands(const mnist_fast *n, int l, const struct mf_packed_nonzeros *packed,
                                      const struct mf_nonzero_index *index)
{
    const struct mf_workspace *w = n->workspace;
    const struct mf_layer *layer = &n->layer[l];
    return (struct mf_forward){
        .x = l ? w->y[l - 1] : w->x,
        .index = index,
        .packed = packed,
        .w = mf_layer_operand(n, l),
        .scale = scale_of(l),
        .bias = mf_at(layer->w, layer->bias_row, 0),
        .y = w->y[l],
        .in = layer->in,
        .panels = layer->panels,
        .relu = l < n->layers - 1,
    };
}

struct mf_input_gradient mf_input_gradient_operands(const mnist_fast *n, int l, const struct mf_nonzero_index *index)
{
    const struct mf_workspace *w = n->workspace;
    return (struct mf_input_gradient){
        .dz = w->dy[l],
        .index = index,
        .wt = n->layer[l].wt,
        .h = w->y[l - 1],
        .dx = w->dy[l - 1],
        .out = n->layer[l].out,
        .panels = n->layer[l - 1].panels,
    };
}

struct mf_weight_update mf_weight_update_operands(const mnist_fast *n, int l, const struct mf_packed_nonzeros *packed,
                                                  int samples, const struct mf_adam *adam)
{
    const struct mf_workspace *w = n->workspace;
    const struct mf_layer *layer = &n->layer[l];
    return (struct mf_weight_update){
        .x = l ? w->y[l - 1] : w->x,
        .packed = packed,
        .dz = w->dy[l],
        .samples = samples,
        .w = layer->w,
        .m = layer->m,
        .v = layer->v,
        .copy = layer->copy,
        .scale = scale_of(l),
        .adam = *adam,
    };
}

/* A block of rows that stays in the cache on its way through the network and back. */
static void pass_block(mnist_fast *n, const struct mf_rows *rows, int begin, int end, struct mf_clock *clock)
{
    const struct mf_kernels *kernels = n->kernels;
    struct mf_workspace *w = n->workspace;
    const struct mf_nonzero_index *index[MF_MAX_LAYERS] = {0}; /* of the input of each layer */
    const int last = n->layers - 1;

    const struct mf_packed_nonzeros *packed = prepare_pixels(n, rows, begin, end);
    mf_clock_lap(clock, MF_PHASE_NONZEROS, 0);

    for (int l = 0; l <= last; l++) {
        if (l > 0) {
            index[l] = index_input(n, rows, l, begin, end);
            mf_clock_lap(clock, MF_PHASE_NONZEROS, 0);
        }
        const struct mf_forward op = mf_forward_operands(n, l, packed, index[l]);
        (l == 0 && packed ? kernels->forward_sparse : kernels->forward)(&op, begin, end);
        mf_clock_lap(clock, l ? MF_PHASE_FORWARD : MF_PHASE_FORWARD1, flop_of(&n->layer[l], end - begin));
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
        /* where the output of a ReLU is zero, so is its gradient */
        const struct mf_input_gradient op = mf_input_gradient_operands(n, l, l < last ? index[l + 1] : NULL);
        kernels->input_gradient(&op, begin, end);
        mf_clock_lap(clock, MF_PHASE_INPUT_GRADIENT, flop_of(&n->layer[l], end - begin));
    }
}

int mf_block_rows(const mnist_fast *n, int rows)
{
    const int blocks = mf_ceil_div(rows, n->blocking.rows), mr = n->kernels->mr;
    return blocks ? mf_ceil_div(mf_ceil_div(rows, blocks), mr) * mr : 0;
}

int mf_rows_begin(const mnist_fast *n, int rows, int part, int parts)
{
    const int unit = n->kernels->tiled ? MF_BLOCK : 1;
    const int begin = mf_part_begin(mf_ceil_div(rows, unit), part, parts) * unit;
    return begin < rows ? begin : rows;
}

void mf_forward_backward(mnist_fast *n, const struct mf_rows *rows, struct mf_clock *clock)
{
    const int height = mf_block_rows(n, rows->end - rows->begin);
    assert(0 <= rows->begin && rows->begin <= rows->end && rows->end <= n->workspace->samples);
    assert(0 <= rows->thread && rows->thread < n->workspace->threads);
    assert(!rows->gradients || (rows->labels && rows->batch > 0));
    for (int begin = rows->begin; begin < rows->end; begin += height)
        pass_block(n, rows, begin, begin + height < rows->end ? begin + height : rows->end, clock);
}

/* Refreshes wᵀ where rows [begin, end) of panels [first, last) of w have changed. */
static void transpose(const mnist_fast *n, const struct mf_task *task)
{
    const struct mf_matrix w = mf_layer_operand(n, task->layer), wt = n->layer[task->layer].wt;
    for (int panel = task->first; panel < task->last; panel++)
        n->kernels->transpose(mf_at(w, task->begin, panel * MF_PANEL), mf_at(wt, panel * MF_PANEL, task->begin));
}

bool mf_update_weights(mnist_fast *n, const struct mf_partition *partition, struct mf_shares *shares, int samples,
                       const struct mf_adam *adam, int thread, struct mf_clock *clock)
{
    const struct mf_kernels *kernels = n->kernels;
    struct mf_workspace *w = n->workspace;
    struct mf_packed_nonzeros *packed = mf_packed(w, thread, samples);
    int packed_begin = -1; /* of the block of pixels that is packed */
    bool finite = true;
    assert(samples <= w->samples);

    for (size_t begin, end; mf_shares_take(shares, thread, &begin, &end);) {
        const struct mf_task *task = partition->tasks + begin; /* one at a time */
        const struct mf_layer *layer = &n->layer[task->layer];
        struct mf_weight_update op = mf_weight_update_operands(n, task->layer, packed, samples, adam);
        const bool is_bias = task->begin == layer->bias_row;
        if (is_bias) {
            op.adam.keep = 1.0f; /* biases do not decay */
            finite &= kernels->bias_update(&op, task->begin, task->first, task->last);
        } else if (task->layer == 0 && partition->sparse) {
            if (task->begin != packed_begin)
                kernels->pack_pixels(w->pixels, samples, task->begin, task->end, packed);
            packed_begin = task->begin;
            finite &= kernels->weight_update_sparse(&op, task->begin, task->end, task->first, task->last);
        } else {
            finite &= kernels->weight_update(&op, task->begin, task->end, task->first, task->last);
            if (task->layer > 0 && !kernels->tiled)
                transpose(n, task);
        }
        const int last = task->last * MF_PANEL < layer->out ? task->last * MF_PANEL : layer->out;
        const double flop = 2.0 * samples * (task->end - task->begin) * (last - task->first * MF_PANEL);
        mf_clock_lap(clock, task->layer ? MF_PHASE_WEIGHT_UPDATE : MF_PHASE_WEIGHT_UPDATE1, is_bias ? 0 : flop);
    }
    return finite;
}
