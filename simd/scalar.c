/* The definition of every kernel, in plain C and fmaf. Never tuned: the other instruction sets must equal it. */
#include "kernels.h"
#include "softmax_constants.h"
#include "spline.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

static float flush(float x)
{
    return fabsf(x) < FLT_MIN ? 0.0f : x;
}

/* To bf16: 8 significant bits, to nearest, ties to even; 0 where it would be tiny. A NaN stays one. */
static float round_bf16(float x)
{
    if (fabsf(x) < MF_BF16_LEAST)
        return 0.0f;
    if (isnan(x))
        return x;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rest = bits & 0xffff, half = 0x8000;
    bits -= rest;
    if (rest > half || (rest == half && bits & 0x10000))
        bits += 0x10000; /* may carry into the exponent, as it should */
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* What becomes of a gradient before it is stored. */
static float settle(enum mf_precision precision, float x)
{
    return precision == MF_BF16 ? round_bf16(x) : flush(x);
}

static bool mf_supported_scalar(void)
{
    return true;
}

/* The control points of one coordinate at a place. */
static float spline_at(const float points[MF_NODES][MF_NODES], int row, int column)
{
    float sum = 0.0f;
    for (int g = 0; g < MF_NODES; g++) {
        float along = 0.0f;
        for (int h = 0; h < MF_NODES; h++)
            along = fmaf(mf_spline[h][column], points[g][h], along);
        sum = fmaf(mf_spline[g][row], along, sum);
    }
    return sum;
}

/* In 1/MF_SUBPIXELS of a pixel, from the pixel before the first: 0 to 29 * MF_SUBPIXELS. */
static int subpixels(float place)
{
    place = place > -1.0f ? place : -1.0f;
    place = (float)MF_SIDE > place ? place : (float)MF_SIDE;
    return (int)(fmaf(place, MF_SUBPIXELS, MF_PLACE_ROUND) - MF_PLACE_ROUND) + MF_SUBPIXELS;
}

static int pixel_at(const uint8_t *pixels, int row, int column)
{
    const bool inside = row >= 0 && row < MF_SIDE && column >= 0 && column < MF_SIDE;
    return inside ? pixels[row * MF_SIDE + column] : 0;
}

static void deform(const uint8_t *pixels, const struct mf_deformation *deformation, uint8_t *deformed)
{
    for (int i = 0; i < MF_INPUTS; i++) {
        const int x = subpixels(spline_at(deformation->x, i / MF_SIDE, i % MF_SIDE));
        const int y = subpixels(spline_at(deformation->y, i / MF_SIDE, i % MF_SIDE));
        const int column = x / MF_SUBPIXELS - 1, right = x % MF_SUBPIXELS, left = MF_SUBPIXELS - right;
        const int row = y / MF_SUBPIXELS - 1, below = y % MF_SUBPIXELS, above = MF_SUBPIXELS - below;
        const int sum =
            left * above * pixel_at(pixels, row, column) + right * above * pixel_at(pixels, row, column + 1) +
            left * below * pixel_at(pixels, row + 1, column) + right * below * pixel_at(pixels, row + 1, column + 1);
        deformed[i] = (uint8_t)((sum + MF_SUBPIXELS * MF_SUBPIXELS / 2) / (MF_SUBPIXELS * MF_SUBPIXELS));
    }
}

static void scale(enum mf_precision precision, const uint8_t *pixels, int begin, int end, struct mf_matrix x)
{
    for (int i = begin; i < end; i++)
        for (int k = 0; k < MF_INPUTS; k++) {
            const float pixel = pixels[(size_t)i * MF_INPUTS + k];
            *mf_at(x, i, k) = precision == MF_BF16 ? pixel : pixel / 255.0f;
        }
}

/* ---- The sum of a product ---- */

/* The terms of a chain: first, first + step, ... below last. */
struct chain {
    int first, last, step;
};

static struct chain chain_of(enum mf_precision precision, int depth, int number)
{
    if (precision == MF_FP32)
        return (struct chain){0, depth, 1};
    const int block = number / 2 * MF_BLOCK;
    return (struct chain){block + number % 2, block + MF_BLOCK < depth ? block + MF_BLOCK : depth, 2};
}

struct sum {
    enum mf_precision precision;
    float total;
    float even, odd; /* bf16: of the block that is under way */
    int block;
};

static void end_block(struct sum *sum)
{
    sum->total = sum->total + (sum->even + sum->odd);
    sum->even = sum->odd = 0.0f;
}

/* Term k, a * b. Terms come block by block, and ascending in each chain. */
static void add_term(struct sum *sum, int k, float a, float b)
{
    if (sum->precision == MF_FP32) {
        sum->total = fmaf(a, b, sum->total);
        return;
    }
    if (k / MF_BLOCK != sum->block)
        end_block(sum);
    sum->block = k / MF_BLOCK;
    float *const chain = k % 2 ? &sum->odd : &sum->even;
    *chain = fmaf(a, b, *chain);
}

static float end_sum(struct sum *sum)
{
    if (sum->precision == MF_BF16)
        end_block(sum);
    return sum->total;
}

/* start + row i of a · column j of b: all terms, or those of tile number `tile` of the index. */
static float product(enum mf_precision precision, float start, struct mf_matrix a, struct mf_matrix b, int depth,
                     const struct mf_nonzero_index *index, int tile, int i, int j)
{
    struct sum sum = {.precision = precision, .total = start};
    const int terms = index ? index->count[tile] : depth;
    for (int n = 0; n < terms; n++) {
        const int k = index ? (int)(uint32_t)index->packed_offset[(size_t)tile * index->depth + n] / MF_PANEL : n;
        add_term(&sum, k, *mf_at(a, i, k), *mf_at(b, k, j));
    }
    return end_sum(&sum);
}

static float product_packed(enum mf_precision precision, float start, const struct mf_packed_nonzeros *packed, int tile,
                            const float *b)
{
    struct sum sum = {.precision = precision, .total = start};
    const size_t first = (size_t)tile * packed->depth;
    const int chains = mf_chains(precision, packed->depth);
    int terms = 0;
    for (int c = 0; c < chains; c++)
        terms += packed->count[tile * chains + c];
    for (int n = 0; n < terms; n++) {
        const int offset = packed->offset[first + n];
        add_term(&sum, offset / MF_PANEL, packed->value[first + n], b[offset]);
    }
    return end_sum(&sum);
}

/* ---- Lists of what is not zero. Tiles are one row tall here ---- */

static void pack_row(enum mf_precision precision, const uint8_t *pixels, size_t step, int tile,
                     struct mf_packed_nonzeros *packed)
{
    const size_t first = (size_t)tile * packed->depth;
    const int chains = mf_chains(precision, packed->depth);
    int n = 0;
    for (int c = 0; c < chains; c++) {
        const struct chain chain = chain_of(precision, packed->depth, c);
        const int before = n;
        for (int k = chain.first; k < chain.last; k += chain.step) {
            const float pixel = pixels[k * step];
            if (pixel != 0.0f) {
                packed->offset[first + n] = k * MF_PANEL;
                packed->value[first + n] = precision == MF_BF16 ? pixel : pixel / 255.0f;
                n++;
            }
        }
        packed->count[tile * chains + c] = n - before;
    }
}

static void pack_samples(enum mf_precision precision, const uint8_t *pixels, int begin, int end,
                         struct mf_packed_nonzeros *packed)
{
    for (int i = begin; i < end; i++)
        pack_row(precision, pixels + (size_t)i * MF_INPUTS, 1, i - begin, packed);
}

static void pack_pixels(enum mf_precision precision, const uint8_t *pixels, int samples, int begin, int end,
                        struct mf_packed_nonzeros *packed)
{
    assert(samples == packed->depth);
    (void)samples;
    for (int k = begin; k < end; k++)
        pack_row(precision, pixels + k, MF_INPUTS, k - begin, packed);
}

static void index_columns(struct mf_matrix x, int columns, int begin, int end, struct mf_nonzero_index *index)
{
    for (int i = begin; i < end; i++) {
        const int tile = i - begin;
        int n = 0;
        for (int k = 0; k < columns; k++)
            if (*mf_at(x, i, k) != 0.0f)
                index->packed_offset[(size_t)tile * index->depth + n++] =
                    ((uint64_t)(k / MF_PANEL * x.stride + k % MF_PANEL) << 32) | (uint64_t)(k * MF_PANEL);
        index->count[tile] = n;
    }
}

/* ---- The products ---- */

static void forward(enum mf_precision precision, const struct mf_forward *op, int begin, int end, bool sparse)
{
    for (int i = begin; i < end; i++)
        for (int j = 0; j < op->panels * MF_PANEL; j++) {
            const float bias = op->bias[(size_t)(j / MF_PANEL) * op->w.stride + j % MF_PANEL];
            const float start = precision == MF_BF16 ? 0.0f : bias;
            float z = sparse ? product_packed(precision, start, op->packed, i - begin, mf_at(op->w, 0, j))
                             : product(precision, start, op->x, op->w, op->in, op->index, i - begin, i, j);
            if (precision == MF_BF16)
                z = fmaf(z, op->scale, bias);
            z = z + 0.0f; /* a chain without its zero terms may end in -0 where the whole one ends in +0 */
            z = op->relu && 0.0f > z ? 0.0f : z; /* a NaN stays one, so that the loss shows it */
            *mf_at(op->y, i, j) = precision == MF_BF16 && op->relu ? round_bf16(z) : z;
        }
}

static void input_gradient(enum mf_precision precision, const struct mf_input_gradient *op, int begin, int end)
{
    for (int i = begin; i < end; i++)
        for (int j = 0; j < op->panels * MF_PANEL; j++) {
            const float sum = product(precision, 0.0f, op->dz, op->wt, op->out, op->index, i - begin, i, j);
            *mf_at(op->dx, i, j) = *mf_at(op->h, i, j) > 0.0f ? settle(precision, sum) : 0.0f;
        }
}

/* Returns whether w, m and v are finite. */
static bool adam(const struct mf_weight_update *op, int row, int column, float sum)
{
    const struct mf_adam *c = &op->adam;
    float *w = mf_at(op->w, row, column), *m = mf_at(op->m, row, column), *v = mf_at(op->v, row, column);
    const float g = flush(sum);
    *m = flush(fmaf(c->beta1, *m, c->gain1 * g));
    *v = flush(fmaf(c->beta2, *v, c->gain2 * (g * g)));
    *w = fmaf(-c->rate, *m / fmaf(sqrtf(*v), c->root, c->epsilon), *w * c->keep);
    return isfinite(*w) && isfinite(*m) && isfinite(*v);
}

static bool weight_update(enum mf_precision precision, const struct mf_weight_update *op, int begin, int end, int first,
                          int last, bool sparse)
{
    bool finite = true;
    for (int k = begin; k < end; k++)
        for (int j = first * MF_PANEL; j < last * MF_PANEL; j++) {
            struct sum dense = {.precision = precision};
            for (int i = 0; !sparse && i < op->samples; i++)
                add_term(&dense, i, *mf_at(op->x, i, k), *mf_at(op->dz, i, j));
            const float sum =
                sparse ? product_packed(precision, 0.0f, op->packed, k - begin, mf_at(op->dz, 0, j)) : end_sum(&dense);
            finite &= adam(op, k, j, precision == MF_BF16 ? sum * op->scale : sum);
            if (precision == MF_BF16) {
                const float copy = round_bf16(*mf_at(op->w, k, j));
                *mf_at(op->copy, k, j) = copy;
                finite &= isfinite(copy) != 0; /* a finite w may be too large for it */
            }
        }
    return finite;
}

static bool bias_update(enum mf_precision precision, const struct mf_weight_update *op, int row, int first, int last)
{
    (void)precision; /* one chain in both */
    bool finite = true;
    for (int j = first * MF_PANEL; j < last * MF_PANEL; j++) {
        float sum = 0.0f;
        for (int i = 0; i < op->samples; i++)
            sum = fmaf(1.0f, *mf_at(op->dz, i, j), sum);
        finite &= adam(op, row, j, sum);
    }
    return finite;
}

/* x <= 0. exp(x) = 2^n exp(r) with n the integer nearest to x / ln 2. Below EXP_LOWEST the result is 0, not denormal.
 */
static float exp_(float x)
{
    const float shifted = fmaf(x, MF_LOG2E, MF_ROUND);
    const float n = shifted - MF_ROUND;
    const float r = fmaf(n, -MF_LN2_LOW, fmaf(n, -MF_LN2_HIGH, x));
    float p = MF_EXP_5;
    p = fmaf(p, r, MF_EXP_4);
    p = fmaf(p, r, MF_EXP_3);
    p = fmaf(p, r, MF_EXP_2);
    p = fmaf(p, r, MF_EXP_1);
    p = fmaf(p, r, MF_EXP_0);
    p = fmaf(p, r * r, r) + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int32_t)((uint32_t)(bits + MF_EXPONENT_BIAS) << 23); /* the low bits of shifted hold n */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    p = p * scale;
    return x < MF_EXP_LOWEST ? 0.0f : p;
}

/* x in [1, 10]: log(x) = n ln 2 + log(f), f in [sqrt(1/2), sqrt(2)). */
static float log_(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t n = (bits - MF_SQRT_HALF_BITS) >> 23;
    bits -= (int32_t)((uint32_t)n << 23);
    float f;
    memcpy(&f, &bits, sizeof f);
    const float r = f - 1.0f;
    const float square = r * r;
    float p = MF_LOG_8;
    p = fmaf(p, r, MF_LOG_7);
    p = fmaf(p, r, MF_LOG_6);
    p = fmaf(p, r, MF_LOG_5);
    p = fmaf(p, r, MF_LOG_4);
    p = fmaf(p, r, MF_LOG_3);
    p = fmaf(p, r, MF_LOG_2);
    p = fmaf(p, r, MF_LOG_1);
    p = fmaf(p, r, MF_LOG_0);
    p = fmaf(p * r, square, -0.5f * square);
    p = fmaf((float)n, MF_LN2_HIGH, fmaf((float)n, MF_LN2_LOW, p) + r);
    return p + (x - x); /* NaN for a NaN and for infinity, whose bits mean nothing above */
}

static void softmax(enum mf_precision precision, const struct mf_softmax *op, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        const float *logit = mf_at(op->logits, i, 0);
        float largest = logit[0], digit = 0.0f, e[MF_CLASSES], sum = 0.0f;
        for (int c = 1; c < MF_CLASSES; c++)
            if (logit[c] > largest) {
                largest = logit[c];
                digit = (float)c;
            }
        for (int c = 0; c < MF_CLASSES; c++) {
            e[c] = exp_(logit[c] - largest);
            sum = sum + e[c];
        }
        op->digit[i] = (uint8_t)digit;
        for (int c = 0; c < MF_PANEL; c++) {
            const float p = c < MF_CLASSES ? e[c] / sum : 0.0f;
            if (op->probability.data)
                *mf_at(op->probability, i, c) = p;
            if (op->labels && op->gradient.data) {
                const float target = c == op->labels[i] ? 1.0f : 0.0f;
                *mf_at(op->gradient, i, c) = settle(precision, (p - target) * op->scale);
            }
        }
        if (op->labels && op->loss)
            op->loss[i] = log_(sum) - (logit[op->labels[i]] - largest);
    }
}

static void transpose_block(const float *block, float *transposed)
{
    for (int i = 0; i < MF_PANEL; i++)
        for (int j = 0; j < MF_PANEL; j++)
            transposed[j * MF_PANEL + i] = block[i * MF_PANEL + j];
}

static void round_matrix(struct mf_matrix w, int rows, int panels, struct mf_matrix copy)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < panels * MF_PANEL; j++)
            *mf_at(copy, i, j) = round_bf16(*mf_at(w, i, j));
}

#define SUPPORTED mf_supported_scalar
#define NAME_TEXT "scalar"
#define MR 1
#define NR_PANELS 1

#define PRECISION MF_FP32
#define NAME(operation) mf_##operation##_scalar
#include "kernels_table.h"
#undef PRECISION
#undef NAME

#define PRECISION MF_BF16
#define NAME(operation) mf_##operation##_bf16_scalar
#include "kernels_table.h"
