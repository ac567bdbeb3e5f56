#include "network.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"
#include "workspace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mnist_fast_default_config(mnist_fast_config *config)
{
    *config = (mnist_fast_config){
        .hidden = {500, 500, 500},
        .hidden_count = 3,
        .batch_size = 1000,
        .learning_rate = 1e-3f,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-7f,
        .validation_fraction = 0.1,
        .shuffle_buffer = 10000,
        .seed = 1,
    };
}

static mnist_fast_status check_config(const mnist_fast_config *c, mnist_fast_error *error)
{
    if (c->hidden_count < 1 || c->hidden_count > MNIST_FAST_MAX_HIDDEN)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "hidden layers: expected 1 to %d, found %d",
                       MNIST_FAST_MAX_HIDDEN, c->hidden_count);
    for (int i = 0; i < c->hidden_count; i++)
        if (c->hidden[i] < 1 || c->hidden[i] > MNIST_FAST_MAX_UNITS)
            return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "units of hidden layer %d: expected 1 to %d, found %d",
                           i + 1, MNIST_FAST_MAX_UNITS, c->hidden[i]);
    if (c->batch_size < 1 || c->batch_size > MF_MAX_BATCH)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "batch: expected 1 to %d, found %d", MF_MAX_BATCH,
                       c->batch_size);
    if (c->shuffle_buffer < 1)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "shuffle buffer: expected at least 1, found %d",
                       c->shuffle_buffer);
    if (!(c->learning_rate > 0) || !isfinite(c->learning_rate))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "learning rate: expected a positive number, found %g",
                       (double)c->learning_rate);
    if (!(c->beta1 >= 0 && c->beta1 < 1) || !(c->beta2 >= 0 && c->beta2 < 1))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "betas of Adam: expected 0 to less than 1, found %g and %g",
                       (double)c->beta1, (double)c->beta2);
    if (!(c->epsilon >= 0) || !isfinite(c->epsilon))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "epsilon of Adam: expected a number of at least 0, found %g",
                       (double)c->epsilon);
    if (!(c->validation_fraction >= 0 && c->validation_fraction < 1))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "validation: expected a share from 0 to less than 1, found %g",
                       c->validation_fraction);
    return MNIST_FAST_OK;
}

static const struct mf_kernels *choose_kernels(const char *name, mnist_fast_error *error)
{
    if (!name)
        name = getenv("MNIST_FAST_ISA");
    if (name && !*name)
        name = NULL;
    const struct mf_kernels *kernels = mf_kernels_choose(name);
    if (kernels)
        return kernels;
    char list[128] = "";
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++)
        if ((*isa)->supported())
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "", (*isa)->name);
    mf_fail(error, MNIST_FAST_NO_ISA, "instruction set '%s': not known or not supported here; this CPU runs %s", name,
            list);
    return NULL;
}

/* An odd number of cache lines from panel to panel keeps equal rows of neighbouring panels out of the same set. */
static struct mf_matrix matrix(int rows)
{
    return (struct mf_matrix){.stride = (size_t)(rows | 1) * MF_PANEL};
}

static int panels_of(int columns)
{
    return (columns + MF_PANEL - 1) / MF_PANEL;
}

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
        if (l > 0)
            place(&layer->wt, panels_of(layer->in), n->parameters, &next);
    }
    n->parameters_size = next;
}

mnist_fast_status mf_network_create(const mnist_fast_config *config, const mnist_fast_runtime *runtime,
                                    mnist_fast **network, mnist_fast_error *error)
{
    static const mnist_fast_runtime any = {0};
    *network = NULL;
    runtime = runtime ? runtime : &any;
    const mnist_fast_status status = check_config(config, error);
    if (status)
        return status;
    if (runtime->threads < 0 || runtime->threads > MNIST_FAST_MAX_THREADS)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "threads: expected 0 to %d, found %d", MNIST_FAST_MAX_THREADS,
                       runtime->threads);
    const struct mf_kernels *kernels = choose_kernels(runtime->isa, error);
    if (!kernels)
        return MNIST_FAST_NO_ISA;

    mnist_fast *n = calloc(1, sizeof *n);
    if (!n)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a network");
    n->kernels = kernels;
    n->threads = runtime->threads ? runtime->threads : mf_cpu_default_threads();
    n->config = *config;
    n->layers = config->hidden_count + 1;
    for (int l = 0; l < n->layers; l++) {
        struct mf_layer *layer = &n->layer[l];
        layer->in = l ? config->hidden[l - 1] : MNIST_FAST_PIXELS;
        layer->out = l < config->hidden_count ? config->hidden[l] : MNIST_FAST_CLASSES;
        layer->bias_row = panels_of(layer->in) * MF_PANEL;
        layer->panels = panels_of(layer->out);
        layer->w = layer->m = layer->v = matrix(layer->bias_row + 1);
        layer->wt = matrix(layer->panels * MF_PANEL);
    }
    place_layers(n);
    n->parameters = mf_allocate_zeroed(n->parameters_size * sizeof(float));
    if (!n->parameters) {
        const size_t size = n->parameters_size * sizeof(float) >> 20;
        mnist_fast_free(n);
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a network of %zu MB", size);
    }
    place_layers(n);
    *network = n;
    return MNIST_FAST_OK;
}

void mnist_fast_free(mnist_fast *network)
{
    if (!network)
        return;
    mf_workspace_free(network->workspace);
    free(network->parameters);
    free(network);
}

static float *element(struct mf_matrix m, int row, int column)
{
    return m.data + (size_t)(column / MF_PANEL) * m.stride + (size_t)row * MF_PANEL + column % MF_PANEL;
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
                *element(layer->w, k, j) = (float)integer / (float)(1 << 23) * limit;
            }
        mf_layer_transpose(n, l);
    }
    n->moments = true;
}

mnist_fast_status mnist_fast_create(const mnist_fast_config *config, const mnist_fast_runtime *runtime,
                                    mnist_fast **network, mnist_fast_error *error)
{
    const mnist_fast_status status = mf_network_create(config, runtime, network, error);
    if (!status)
        mf_network_initialise(*network);
    return status;
}

void mf_layer_transpose(mnist_fast *n, int layer)
{
    const struct mf_layer *l = &n->layer[layer];
    if (layer > 0)
        for (int panel = 0; panel < l->panels; panel++)
            for (int row = 0; row < l->bias_row; row += MF_PANEL)
                n->kernels->transpose(element(l->w, row, panel * MF_PANEL), element(l->wt, panel * MF_PANEL, row));
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

size_t mnist_fast_parameter_count(const mnist_fast *n)
{
    size_t sum = 0;
    for (int t = 0; t < mf_tensor_count(n); t++)
        sum += mf_tensor_size(n, t);
    return sum;
}

/* PyTorch keeps a weight as (out, in); here it is (in, out), and the bias is one more row. */
static float *tensor_element(const mnist_fast *n, int tensor, enum mf_tensor_kind kind, size_t index)
{
    const struct mf_layer *layer = &n->layer[tensor / 2];
    const struct mf_matrix of[] = {layer->w, layer->m, layer->v};
    if (tensor % 2)
        return element(of[kind], layer->bias_row, (int)index);
    return element(of[kind], (int)(index % layer->in), (int)(index / layer->in));
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
        mf_layer_transpose(n, tensor / 2);
}

const char *mnist_fast_isa(const mnist_fast *network)
{
    return network->kernels->name;
}

int mnist_fast_threads(const mnist_fast *network)
{
    return network->threads;
}
