/* The definition of every kernel, in plain C and fmaf. Never tuned: the other instruction sets must equal it. */
#include "kernels.h"
#include "softmax_constants.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

static float flush(float x)
{
    return fabsf(x) < FLT_MIN ? 0.0f : x;
}

static bool mf_supported_scalar(void)
{
    return true;
}

static void mf_scale_scalar(const uint8_t *pixels, int begin, int end, struct mf_matrix x)
{
    for (int i = begin; i < end; i++)
        for (int k = 0; k < MF_INPUTS; k++)
            *mf_at(x, i, k) = (float)pixels[(size_t)i * MF_INPUTS + k] / 255.0f;
}

/* Tiles are one row tall here: the non-zero elements of a row. */
static void pack_row(const uint8_t *pixels, size_t step, int tile, struct mf_packed_nonzeros *packed)
{
    const size_t first = (size_t)tile * packed->depth;
    int n = 0;
    for (int k = 0; k < packed->depth; k++) {
        const uint8_t pixel = pixels[k * step];
        if (pixel) {
            packed->offset[first + n] = k * MF_PANEL;
            packed->value[first + n] = (float)pixel / 255.0f;
            n++;
        }
    }
    packed->count[tile] = n;
}

static void mf_pack_samples_scalar(const uint8_t *pixels, int begin, int end, struct mf_packed_nonzeros *packed)
{
    for (int i = begin; i < end; i++)
        pack_row(pixels + (size_t)i * MF_INPUTS, 1, i - begin, packed);
}

static void mf_pack_pixels_scalar(const uint8_t *pixels, int samples, int begin, int end,
                                  struct mf_packed_nonzeros *packed)
{
    assert(samples == packed->depth);
    (void)samples;
    for (int k = begin; k < end; k++)
        pack_row(pixels + k, MF_INPUTS, k - begin, packed);
}

static void mf_index_columns_scalar(struct mf_matrix x, int columns, int begin, int end, struct mf_nonzero_index *index)
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

/* sum + row i of a · column j of b: all terms, or those of tile number `tile` of the index. */
static float chain(float sum, struct mf_matrix a, struct mf_matrix b, int depth, const struct mf_nonzero_index *index,
                   int tile, int i, int j)
{
    const int terms = index ? index->count[tile] : depth;
    for (int n = 0; n < terms; n++) {
        const int k = index ? (int)(uint32_t)index->packed_offset[(size_t)tile * index->depth + n] / MF_PANEL : n;
        sum = fmaf(*mf_at(a, i, k), *mf_at(b, k, j), sum);
    }
    return sum;
}

static float chain_packed(float sum, const struct mf_packed_nonzeros *packed, int tile, const float *b)
{
    const size_t first = (size_t)tile * packed->depth;
    for (int n = 0; n < packed->count[tile]; n++)
        sum = fmaf(packed->value[first + n], b[packed->offset[first + n]], sum);
    return sum;
}

static void forward(const struct mf_forward *op, int begin, int end, bool sparse)
{
    for (int i = begin; i < end; i++)
        for (int j = 0; j < op->panels * MF_PANEL; j++) {
            float z = op->bias[(size_t)(j / MF_PANEL) * op->w.stride + j % MF_PANEL];
            if (sparse)
                z = chain_packed(z, op->packed, i - begin, mf_at(op->w, 0, j));
            else
                z = chain(z, op->x, op->w, op->in, op->index, i - begin, i, j);
            z = z + 0.0f; /* a chain without its zero terms may end in -0 where the whole one ends in +0 */
            *mf_at(op->y, i, j) = op->relu && 0.0f > z ? 0.0f : z; /* a NaN stays one, so that the loss shows it */
        }
}

static void mf_forward_scalar(const struct mf_forward *op, int begin, int end)
{
    forward(op, begin, end, false);
}

static void mf_forward_sparse_scalar(const struct mf_forward *op, int begin, int end)
{
    forward(op, begin, end, true);
}

static void mf_input_gradient_scalar(const struct mf_input_gradient *op, int begin, int end)
{
    for (int i = begin; i < end; i++)
        for (int j = 0; j < op->panels * MF_PANEL; j++) {
            const float sum = chain(0.0f, op->dz, op->wt, op->out, op->index, i - begin, i, j);
            *mf_at(op->dx, i, j) = *mf_at(op->h, i, j) > 0.0f ? flush(sum) : 0.0f;
        }
}

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

static bool mf_weight_update_scalar(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    bool finite = true;
    for (int k = begin; k < end; k++)
        for (int j = first * MF_PANEL; j < last * MF_PANEL; j++) {
            float sum = 0.0f;
            for (int i = 0; i < op->samples; i++)
                sum = fmaf(*mf_at(op->x, i, k), *mf_at(op->dz, i, j), sum);
            finite &= adam(op, k, j, sum);
        }
    return finite;
}

static bool mf_weight_update_sparse_scalar(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    bool finite = true;
    for (int k = begin; k < end; k++)
        for (int j = first * MF_PANEL; j < last * MF_PANEL; j++)
            finite &= adam(op, k, j, chain_packed(0.0f, op->packed, k - begin, mf_at(op->dz, 0, j)));
    return finite;
}

static bool mf_bias_update_scalar(const struct mf_weight_update *op, int row, int first, int last)
{
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

static void mf_softmax_scalar(const struct mf_softmax *op, int begin, int end)
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
                *mf_at(op->gradient, i, c) = flush((p - target) * op->scale);
            }
        }
        if (op->labels && op->loss)
            op->loss[i] = log_(sum) - (logit[op->labels[i]] - largest);
    }
}

static void mf_transpose_scalar(const float *block, float *transposed)
{
    for (int i = 0; i < MF_PANEL; i++)
        for (int j = 0; j < MF_PANEL; j++)
            transposed[j * MF_PANEL + i] = block[i * MF_PANEL + j];
}

const struct mf_kernels mf_kernels_scalar = {
    .name = "scalar",
    .supported = mf_supported_scalar,
    .mr = 1,
    .nr_panels = 1,
    .scale = mf_scale_scalar,
    .pack_samples = mf_pack_samples_scalar,
    .pack_pixels = mf_pack_pixels_scalar,
    .index_columns = mf_index_columns_scalar,
    .forward = mf_forward_scalar,
    .forward_sparse = mf_forward_sparse_scalar,
    .input_gradient = mf_input_gradient_scalar,
    .weight_update = mf_weight_update_scalar,
    .weight_update_sparse = mf_weight_update_sparse_scalar,
    .bias_update = mf_bias_update_scalar,
    .softmax = mf_softmax_scalar,
    .transpose = mf_transpose_scalar,
};
