#include "kernel_check.h"

#include "arena.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/minmax.h"
#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What all kernels write: one block, so that writing beside the part that was asked for is seen as well. */
struct results {
    float *block;
    struct mf_matrix scaled; /* (samples, 784) */
    struct mf_matrix y;      /* (samples, out) */
    struct mf_matrix dx;     /* (samples, in) */
    struct mf_matrix w, m, v, copy;
    struct mf_matrix gradient, probability;
    float *loss, *finite, *transposed;
    uint8_t *digit;
    uint8_t *deformed; /* (samples, 784) */
};

struct operands {
    struct mf_kernel_case shape;
    int rows; /* of w: the inputs or the pixels, whichever are more, and below them a row for the bias */
    uint8_t *pixels, *labels;
    struct mf_matrix inked;  /* (samples, 784): the pixels, by the definition of scale */
    struct mf_matrix x, h;   /* (samples, in) */
    struct mf_matrix dz;     /* (samples, out) */
    struct mf_matrix wt;     /* (out, in) */
    struct mf_matrix logits; /* (samples, 10) */
    struct mf_adam adam;
    struct mf_deformation deformation;
    struct mf_packed_nonzeros packed;
    struct mf_nonzero_index index;
    struct results initial, expected, found;
    size_t results_size; /* floats */
};

/* ---- memory ---- */

static struct results take_results(struct mf_arena *arena, const struct operands *o)
{
    const int samples = o->shape.samples, out = o->shape.out;
    return (struct results){
        .block = mf_arena_take(arena, 0),
        .scaled = mf_arena_take_matrix(arena, samples, MF_INPUTS),
        .y = mf_arena_take_matrix(arena, samples, out),
        .dx = mf_arena_take_matrix(arena, samples, o->shape.in),
        .w = mf_arena_take_matrix(arena, o->rows + 1, out),
        .m = mf_arena_take_matrix(arena, o->rows + 1, out),
        .v = mf_arena_take_matrix(arena, o->rows + 1, out),
        .copy = mf_arena_take_matrix(arena, o->rows + 1, out),
        .gradient = mf_arena_take_matrix(arena, samples, MF_CLASSES),
        .probability = mf_arena_take_matrix(arena, samples, MF_CLASSES),
        .loss = mf_arena_take(arena, (size_t)samples * sizeof(float)),
        .finite = mf_arena_take(arena, sizeof(float)),
        .transposed = mf_arena_take(arena, MF_PANEL * MF_PANEL * sizeof(float)),
        .digit = mf_arena_take(arena, (size_t)samples),
        .deformed = mf_arena_take(arena, (size_t)samples * MF_INPUTS),
    };
}

enum { BLOCK_ROWS = 48 }; /* of a call that skips zeros: whole tiles of every instruction set */

static void lay_out(struct operands *o, const struct mf_kernels *kernels, struct mf_arena *arena)
{
    const int samples = o->shape.samples, in = o->shape.in, out = o->shape.out;
    const int widest = o->rows > out ? o->rows : out, depth = samples > widest ? samples : widest;
    const int tiles = mf_ceil_div(BLOCK_ROWS, kernels->mr), chains = mf_chains(kernels->precision, depth);
    o->pixels = mf_arena_take(arena, (size_t)samples * MF_INPUTS + 16);
    o->labels = mf_arena_take(arena, (size_t)samples);
    o->inked = mf_arena_take_matrix(arena, samples, MF_INPUTS);
    o->x = mf_arena_take_matrix(arena, samples, in);
    o->h = mf_arena_take_matrix(arena, samples, in);
    o->dz = mf_arena_take_matrix(arena, samples, out);
    o->wt = mf_arena_take_matrix(arena, out, in);
    o->logits = mf_arena_take_matrix(arena, samples, MF_CLASSES);
    o->packed = (struct mf_packed_nonzeros){
        .rows = BLOCK_ROWS,
        .count = mf_arena_take(arena, (size_t)tiles * chains * sizeof(int)),
        .offset = mf_arena_take(arena, ((size_t)tiles * depth + MF_INDEX_AHEAD) * sizeof(int32_t)),
        .value = mf_arena_take(arena, ((size_t)tiles * kernels->mr * depth + MF_PANEL) * sizeof(float)),
    };
    o->index = (struct mf_nonzero_index){
        .rows = BLOCK_ROWS,
        .count = mf_arena_take(arena, (size_t)tiles * sizeof(int)),
        .packed_offset = mf_arena_take(arena, ((size_t)tiles * depth + MF_INDEX_AHEAD) * sizeof(uint64_t)),
    };
    const size_t before = arena->size;
    o->initial = take_results(arena, o);
    o->results_size = (arena->size - before) / sizeof(float);
    o->expected = take_results(arena, o);
    o->found = take_results(arena, o);
}

/* ---- values ---- */

struct values {
    uint64_t seed, next;
    uint32_t stream, block[4];
};

static uint32_t next_value(struct values *values)
{
    if (values->next % 4 == 0)
        mf_random_block(values->seed, values->stream, values->next / 4, values->block);
    return values->block[values->next++ % 4];
}

/* In (-2^exponent, 2^exponent), 0 in `zeros` percent. */
static float next_real(struct values *values, int exponent, int zeros)
{
    if (zeros && mf_random_below(next_value(values), 100) < (uint32_t)zeros)
        return 0.0f;
    const uint32_t bits = next_value(values);
    const float real = ldexpf((float)(bits >> 8 | 1), exponent - 24);
    return bits & 1 ? -real : real;
}

static void fill(struct mf_matrix matrix, int rows, int columns, int exponent, int zeros, struct values *values)
{
    for (int j = 0; j < columns; j++)
        for (int i = 0; i < rows; i++)
            *mf_at(matrix, i, j) = next_real(values, exponent, zeros);
}

static void fill_operands(struct operands *o, const struct mf_kernels *definition)
{
    const struct mf_kernel_case *shape = &o->shape;
    const int samples = shape->samples, in = shape->in, out = shape->out;
    struct values values = {.seed = shape->seed};
    for (int i = 0; i < samples * MF_INPUTS; i++)
        if (mf_random_below(next_value(&values), 100) >= (uint32_t)shape->zeros)
            o->pixels[i] = (uint8_t)next_value(&values);
    for (int i = 0; i < samples; i++)
        o->labels[i] = (uint8_t)mf_random_below(next_value(&values), MF_CLASSES);
    definition->scale(o->pixels, 0, samples, o->inked);
    fill(o->x, samples, in, shape->exponent, shape->zeros, &values);
    fill(o->h, samples, in, 0, shape->zeros, &values);
    fill(o->dz, samples, out, shape->exponent, shape->zeros, &values);
    fill(o->wt, out, in, shape->exponent, 0, &values);
    fill(o->logits, samples, MF_CLASSES, shape->exponent, 0, &values);

    const struct results *r = &o->initial;
    for (size_t i = 0; i < o->results_size; i++)
        r->block[i] = -1.0f; /* is to be overwritten, or left */
    const struct mf_matrix updated[] = {r->w, r->m, r->v};
    for (int k = 0; k < 3; k++) {
        memset(updated[k].data, 0, (size_t)mf_ceil_div(out, MF_PANEL) * updated[k].stride * sizeof(float));
        fill(updated[k], o->rows + 1, out, shape->exponent, 0, &values);
    }
    for (int j = 0; j < out; j++)
        for (int i = 0; i <= o->rows; i++)
            *mf_at(r->v, i, j) = fabsf(*mf_at(r->v, i, j));
    for (int g = 0; g < MF_NODES; g++)
        for (int h = 0; h < MF_NODES; h++) { /* places within the image and around it */
            o->deformation.x[g][h] = (float)(MF_SPAN * (h - 1)) + next_real(&values, 4, 0);
            o->deformation.y[g][h] = (float)(MF_SPAN * (g - 1)) + next_real(&values, 4, 0);
        }
    /* Step 3 of the default configuration, with a decay. */
    o->adam = (struct mf_adam){0.9f, 0.1f, 0.999f, 0.001f, 0.0037f, 18.3f, 1e-7f, 0.999f};
}

/* ---- the kernels, by the operands that they read ---- */

typedef void run(struct operands *o, const struct mf_kernels *kernels, struct results *r);

static void scale(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    kernels->scale(o->pixels, o->shape.begin, o->shape.samples, r->scaled);
}

static void deform(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    for (int i = o->shape.begin; i < o->shape.samples; i++)
        kernels->deform(o->pixels + (size_t)i * MF_INPUTS, &o->deformation, r->deformed + (size_t)i * MF_INPUTS);
}

static struct mf_forward forward_op(const struct operands *o, struct mf_matrix x, int in, const struct results *r)
{
    return (struct mf_forward){
        .x = x,
        .w = o->initial.w,
        .scale = 1.0f / 255.0f,
        .bias = mf_at(o->initial.w, o->rows, 0),
        .y = r->y,
        .in = in,
        .panels = mf_ceil_div(o->shape.out, MF_PANEL),
        .relu = o->shape.seed % 2,
    };
}

static void forward(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    const struct mf_forward op = forward_op(o, o->x, o->shape.in, r);
    kernels->forward(&op, o->shape.begin, o->shape.samples);
}

static void forward_indexed(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    struct mf_forward op = forward_op(o, o->x, o->shape.in, r);
    op.index = kernels->index_columns ? &o->index : NULL; /* in bf16 there is none */
    o->index.depth = o->shape.in;
    for (int row = o->shape.begin; row < o->shape.samples; row += BLOCK_ROWS) {
        const int end = mf_min(row + BLOCK_ROWS, o->shape.samples);
        if (op.index)
            kernels->index_columns(o->x, o->shape.in, row, end, &o->index);
        kernels->forward(&op, row, end);
    }
}

static void forward_pixels(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    const struct mf_forward op = forward_op(o, o->inked, MF_INPUTS, r);
    kernels->forward(&op, o->shape.begin, o->shape.samples);
}

static void forward_sparse(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    struct mf_forward op = forward_op(o, (struct mf_matrix){0}, MF_INPUTS, r);
    op.packed = &o->packed;
    o->packed.depth = MF_INPUTS;
    for (int row = o->shape.begin; row < o->shape.samples; row += BLOCK_ROWS) {
        const int end = mf_min(row + BLOCK_ROWS, o->shape.samples);
        kernels->pack_samples(o->pixels, row, end, &o->packed);
        kernels->forward_sparse(&op, row, end);
    }
}

static struct mf_input_gradient input_gradient_op(const struct operands *o, const struct results *r)
{
    return (struct mf_input_gradient){
        .dz = o->dz,
        .wt = o->wt,
        .h = o->h,
        .dx = r->dx,
        .out = o->shape.out,
        .panels = mf_ceil_div(o->shape.in, MF_PANEL),
    };
}

static void input_gradient(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    const struct mf_input_gradient op = input_gradient_op(o, r);
    kernels->input_gradient(&op, o->shape.begin, o->shape.samples);
}

static void input_gradient_indexed(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    struct mf_input_gradient op = input_gradient_op(o, r);
    op.index = kernels->index_columns ? &o->index : NULL; /* in bf16 there is none */
    o->index.depth = o->shape.out;
    for (int row = o->shape.begin; row < o->shape.samples; row += BLOCK_ROWS) {
        const int end = mf_min(row + BLOCK_ROWS, o->shape.samples);
        if (op.index)
            kernels->index_columns(o->dz, o->shape.out, row, end, &o->index);
        kernels->input_gradient(&op, row, end);
    }
}

static struct mf_weight_update update_op(const struct operands *o, struct mf_matrix x, const struct results *r)
{
    return (struct mf_weight_update){
        .x = x,
        .dz = o->dz,
        .samples = o->shape.samples,
        .w = r->w,
        .m = r->m,
        .v = r->v,
        .copy = r->copy,
        .scale = 1.0f / 255.0f,
        .adam = o->adam,
    };
}

static void update_rows(struct operands *o, const struct mf_kernels *kernels, struct mf_matrix x, int rows,
                        struct results *r)
{
    const struct mf_weight_update op = update_op(o, x, r);
    bool finite = true;
    for (int row = 0; row < rows; row += MF_PANEL)
        finite &=
            kernels->weight_update(&op, row, mf_min(row + MF_PANEL, rows), 0, mf_ceil_div(o->shape.out, MF_PANEL));
    *r->finite = finite;
}

static void weight_update(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    update_rows(o, kernels, o->x, o->shape.in, r);
}

static void weight_update_pixels(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    update_rows(o, kernels, o->inked, MF_INPUTS, r);
}

static void weight_update_sparse(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    struct mf_weight_update op = update_op(o, (struct mf_matrix){0}, r);
    op.packed = &o->packed;
    o->packed.depth = o->shape.samples;
    bool finite = true;
    for (int pixel = 0; pixel < MF_INPUTS; pixel += BLOCK_ROWS) {
        const int end = mf_min(pixel + BLOCK_ROWS, MF_INPUTS);
        kernels->pack_pixels(o->pixels, o->shape.samples, pixel, end, &o->packed);
        finite &= kernels->weight_update_sparse(&op, pixel, end, 0, mf_ceil_div(o->shape.out, MF_PANEL));
    }
    *r->finite = finite;
}

static void bias_update(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    const struct mf_weight_update op = update_op(o, o->x, r);
    *r->finite = kernels->bias_update(&op, o->rows, 0, mf_ceil_div(o->shape.out, MF_PANEL));
}

static void softmax(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    const struct mf_softmax op = {
        .logits = o->logits,
        .labels = o->labels,
        .scale = 1.0f / (float)o->shape.samples,
        .gradient = r->gradient,
        .probability = r->probability,
        .loss = r->loss,
        .digit = r->digit,
    };
    kernels->softmax(&op, o->shape.begin, o->shape.samples);
}

static void transpose(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    kernels->transpose(mf_at(o->initial.w, 0, 0), r->transposed);
}

static void round_weights(struct operands *o, const struct mf_kernels *kernels, struct results *r)
{
    if (kernels->precision == MF_BF16)
        kernels->round(o->initial.w, o->rows, mf_ceil_div(o->shape.out, MF_PANEL), r->copy);
}

/* The definition is computed without leaving out zeros. */
static const struct {
    const char *name;
    run *definition, *kernel;
} checks[] = {
    {"deform", deform, deform},
    {"scale", scale, scale},
    {"forward", forward, forward},
    {"index_columns or forward", forward, forward_indexed},
    {"pack_samples or forward_sparse", forward_pixels, forward_sparse},
    {"input_gradient", input_gradient, input_gradient},
    {"index_columns or input_gradient", input_gradient, input_gradient_indexed},
    {"weight_update", weight_update, weight_update},
    {"pack_pixels or weight_update_sparse", weight_update_pixels, weight_update_sparse},
    {"bias_update", bias_update, bias_update},
    {"softmax", softmax, softmax},
    {"transpose", transpose, transpose},
    {"round", round_weights, round_weights},
};

/* ---- comparing ---- */

/* The same bits, or both NaN. */
static bool same(float a, float b)
{
    uint32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y || (isnan(a) && isnan(b));
}

mnist_fast_status mf_compare_results(const char *isa, const char *check, const float *expected, const float *found,
                                     size_t count, mnist_fast_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!same(expected[i], found[i]))
            return mf_fail(error, MNIST_FAST_BAD_MACHINE,
                           "%s: %s computes a wrong number (expected %a, found %a, at %zu); do not rely on results of "
                           "this CPU or build",
                           isa, check, (double)expected[i], (double)found[i], i);
    return MNIST_FAST_OK;
}

mnist_fast_status mf_kernels_check(const struct mf_kernels *kernels, const struct mf_kernels *definition,
                                   const struct mf_kernel_case *shape, mnist_fast_error *error)
{
    assert(0 <= shape->begin && shape->begin < shape->samples && shape->in >= 1 && shape->out >= 1);
    assert(shape->exponent <= 127 && !kernels->tiled && kernels->precision == definition->precision);
    struct operands o = {.shape = *shape, .rows = shape->in > MF_INPUTS ? shape->in : MF_INPUTS};
    struct mf_arena measure = {0};
    lay_out(&o, kernels, &measure);
    struct mf_arena arena = {.block = mf_allocate_zeroed(measure.size)};
    if (!arena.block)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory to test kernels: %zu MB", measure.size >> 20);
    lay_out(&o, kernels, &arena);
    fill_operands(&o, definition);
    mnist_fast_status status = MNIST_FAST_OK;
    for (size_t i = 0; !status && i < sizeof checks / sizeof *checks; i++) {
        memcpy(o.expected.block, o.initial.block, o.results_size * sizeof(float));
        memcpy(o.found.block, o.initial.block, o.results_size * sizeof(float));
        checks[i].definition(&o, definition, &o.expected);
        checks[i].kernel(&o, kernels, &o.found);
        status =
            mf_compare_results(kernels->name, checks[i].name, o.expected.block, o.found.block, o.results_size, error);
    }
    free(arena.block);
    return status;
}
