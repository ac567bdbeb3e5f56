#include "network.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Gives the matrix its place in the block at *next, or only counts when the block is not there yet. */
static void place(struct mf_matrix *m, int panels, float *block, size_t *next)
{
    if (block)
        m->data = block + *next;
    *next += m->stride * panels;
}

static void place_layers(mnist_fast *n)
{
    size_t next = 0;
    for (int l = 0; l < n->layers; l++) {
        struct mf_layer *layer = &n->layer[l];
        struct mf_matrix *of[] = {&layer->w, &layer->m, &layer->v};
        for (int i = 0; i < 3; i++)
            place(of[i], layer->panels, n->parameters, &next);
        const int whole = mf_unit(n->kernels) / MF_PANEL; /* panels */
        if (n->kernels->precision == MF_BF16)
            place(&layer->copy, mf_ceil_div(layer->panels, whole) * whole, n->parameters, &next);
        if (n->kernels->tiled)
            layer->wt = layer->copy;
        else if (l > 0)
            place(&layer->wt, mf_ceil_div(layer->in, MF_PANEL), n->parameters, &next);
    }
    n->parameters_size = next;
}

mnist_fast_status mf_network_create(const mnist_fast_config *config, const struct mf_runtime *runtime,
                                    mnist_fast **network, mnist_fast_error *error)
{
    *network = NULL;
    mnist_fast *n = calloc(1, sizeof *n);
    if (!n)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a network");
    n->kernels = runtime->kernels;
    n->threads = runtime->threads;
    n->cpu = runtime->cpu;
    n->forced = runtime->forced;
    n->config = *config;
    n->layers = config->hidden_count + 1;
    const int unit = mf_unit(n->kernels);
    for (int l = 0; l < n->layers; l++) {
        struct mf_layer *layer = &n->layer[l];
        layer->in = l ? config->hidden[l - 1] : MNIST_FAST_PIXELS;
        layer->out = l < config->hidden_count ? config->hidden[l] : MNIST_FAST_CLASSES;
        layer->bias_row = mf_ceil_div(layer->in, unit) * unit;
        layer->panels = mf_ceil_div(layer->out, MF_PANEL);
        layer->w.stride = layer->m.stride = layer->v.stride = layer->copy.stride = mf_stride(layer->bias_row + 1);
        layer->wt.stride = mf_stride(layer->panels * MF_PANEL);
    }
    place_layers(n);
    n->parameters = mf_allocate_zeroed(n->parameters_size * sizeof(float));
    if (!n->parameters) {
        const size_t size = n->parameters_size * sizeof(float) >> 20;
        free(n);
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a network of %zu MB", size);
    }
    place_layers(n);
    n->blocking = mf_network_blocking(n, (size_t)config->batch_size, true);
    *network = n;
    return MNIST_FAST_OK;
}

struct mf_blocking mf_network_blocking(const mnist_fast *n, size_t images, bool training)
{
    return mf_blocking_choose(&(struct mf_blocking_request){
        .kernels = n->kernels,
        .cpu = &n->cpu,
        .config = &n->config,
        .threads = n->threads,
        .all_threads = n->all_threads,
        .training = training,
        .samples = images,
        .forced = n->forced,
    });
}

void mf_network_initialise(mnist_fast *n)
{
    for (int l = 0; l < n->layers; l++) {
        const struct mf_layer *layer = &n->layer[l];
        const float limit = (float)sqrt(6.0 / (layer->in + layer->out));
        uint32_t random[4];
        uint64_t index = 0;
        for (int k = 0; k < layer->in; k++)
            for (int j = 0; j < layer->out; j++, index++) {
                if (index % 4 == 0)
                    mf_random_block(n->config.seed, MF_STREAM_WEIGHTS + l, index / 4, random);
                /* 24 bits, so that the float is exact, centred on zero */
                const int32_t integer = (int32_t)(random[index % 4] >> 8) - (1 << 23);
                *mf_at(layer->w, k, j) = (float)integer / (float)(1 << 23) * limit;
            }
        mf_layer_refresh(n, l);
    }
    n->moments = true;
}

struct mf_matrix mf_layer_operand(const mnist_fast *n, int layer)
{
    return n->kernels->precision == MF_BF16 ? n->layer[layer].copy : n->layer[layer].w;
}

void mf_layer_refresh(mnist_fast *n, int layer)
{
    const struct mf_layer *l = &n->layer[layer];
    if (n->kernels->precision == MF_BF16)
        n->kernels->round(l->w, l->in, l->panels, l->copy);
    const struct mf_matrix from = mf_layer_operand(n, layer);
    if (layer > 0 && !n->kernels->tiled)
        for (int panel = 0; panel < l->panels; panel++)
            for (int row = 0; row < l->bias_row; row += MF_PANEL)
                n->kernels->transpose(mf_at(from, row, panel * MF_PANEL), mf_at(l->wt, panel * MF_PANEL, row));
}

mnist_fast_status mf_check_diverged(const mnist_fast *n, mnist_fast_error *error)
{
    return n->diverged
               ? mf_fail(error, MNIST_FAST_DIVERGED,
                         "the training of this network has diverged; train another, with a smaller learning rate")
               : MNIST_FAST_OK;
}

enum mf_tensor_kind mf_users_weights(const mnist_fast *n)
{
    return n->best.epoch ? MF_BEST : MF_WEIGHT;
}

struct mf_matrix mf_layer_matrix(const mnist_fast *n, int layer, enum mf_tensor_kind kind)
{
    const struct mf_layer *l = &n->layer[layer];
    const struct mf_matrix of[MF_TENSOR_KINDS] = {
        [MF_WEIGHT] = n->best.used ? l->best : l->w,
        [MF_MOMENT1] = l->m,
        [MF_MOMENT2] = l->v,
        [MF_BEST] = n->best.used ? l->w : l->best,
    };
    return of[kind];
}

int mf_tensor_count(const mnist_fast *n)
{
    return 2 * n->layers;
}

struct mf_tensor mf_tensor_describe(const mnist_fast *n, int tensor)
{
    const struct mf_layer *layer = &n->layer[tensor / 2];
    const bool bias = tensor % 2;
    struct mf_tensor t = {.rows = layer->out, .columns = bias ? 0 : layer->in};
    snprintf(t.name, sizeof t.name, "%d.%s", tensor / 2 * 2, bias ? "bias" : "weight");
    return t;
}

size_t mf_tensor_size(const mnist_fast *n, int tensor)
{
    const struct mf_tensor t = mf_tensor_describe(n, tensor);
    return (size_t)t.rows * (t.columns ? t.columns : 1);
}

/* PyTorch keeps a weight as (out, in); here it is (in, out), and the bias is one more row. */
static float *tensor_element(const mnist_fast *n, int tensor, enum mf_tensor_kind kind, size_t index)
{
    const struct mf_layer *layer = &n->layer[tensor / 2];
    const struct mf_matrix matrix = mf_layer_matrix(n, tensor / 2, kind);
    if (tensor % 2)
        return mf_at(matrix, layer->bias_row, (int)index);
    return mf_at(matrix, (int)(index % layer->in), (int)(index / layer->in));
}

void mf_tensor_get(const mnist_fast *n, int tensor, enum mf_tensor_kind kind, float *values)
{
    const size_t size = mf_tensor_size(n, tensor);
    for (size_t i = 0; i < size; i++)
        values[i] = *tensor_element(n, tensor, kind, i);
}

void mf_tensor_set(mnist_fast *n, int tensor, enum mf_tensor_kind kind, const float *values)
{
    const size_t size = mf_tensor_size(n, tensor);
    for (size_t i = 0; i < size; i++)
        *tensor_element(n, tensor, kind, i) = values[i];
    if (kind == MF_WEIGHT)
        mf_layer_refresh(n, tensor / 2);
}
