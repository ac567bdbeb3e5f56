/* The arithmetic of single vectors and the softmax, for every file of kernels. It defines the vector operations below
 * and includes this.
 *
 *   LANES                   floats of a vector
 *   vf, vm                  a vector of floats; the result of a comparison
 *   v_load v_store          aligned; v_storeu need not be
 *   v_set v_zero v_sqrt v_abs
 *   v_fma(a, b, c)          a * b + c, rounded once
 *   v_greater v_equal(a, b) false for a NaN
 *   v_select(m, a, b)       a where m, else b
 *   v_pixels(p)             LANES bytes from p, as floats
 *   v_low, v_high(a, b)     the first and the second half of a and b, interleaved
 *   v_gather(p, i)          32 bits from p + i, where p points to 16 bits
 *   v_store_bytes(p, i)     the lowest byte of each integer
 *
 * + - * / are the compiler's own operators on vectors (-ffp-contract=off keeps each of them one rounding). */
#include "kernels.h"
#include "softmax_constants.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define INLINE static inline __attribute__((always_inline))
/* Arrays of vectors become registers only when every loop over them is unrolled; the compiler needs this pragma below
 * -O3. */
#ifdef __clang__ /* it ignores gcc's without a word */
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));

INLINE vf flush(vf x)
{
    return v_select(v_greater(v_set(FLT_MIN), v_abs(x)), v_zero(), x);
}

/* To bf16, by integers: half of the last place that stays is added, less one where that place is even. */
INLINE vf round_bf16(vf x)
{
    const vu bits = (vu)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
    const vf number = v_select(v_equal(x, x), (vf)rounded, x);
    return v_select(v_greater(v_set(MF_BF16_LEAST), v_abs(x)), v_zero(), number);
}

/* What becomes of a gradient. */
INLINE vf settle(enum mf_precision precision, vf x)
{
    return precision == MF_BF16 ? round_bf16(x) : flush(x);
}

/* Returns the new w. *check becomes NaN where w or v is not finite; where m is not, neither is w. */
INLINE vf adam(const struct mf_adam *c, vf sum, float *pw, float *pm, float *pv, vf *check)
{
    const vf g = flush(sum);
    const vf m = flush(v_fma(v_set(c->beta1), v_load(pm), v_set(c->gain1) * g));
    const vf v = flush(v_fma(v_set(c->beta2), v_load(pv), v_set(c->gain2) * (g * g)));
    const vf step = m / v_fma(v_sqrt(v), v_set(c->root), v_set(c->epsilon));
    v_store(pm, m);
    v_store(pv, v);
    const vf w = v_fma(v_set(-c->rate), step, v_load(pw) * v_set(c->keep));
    v_store(pw, w);
    *check = v_fma(w, v_zero(), v_fma(v, v_zero(), *check));
    return w;
}

/* LANES pixels as the precision wants them. */
INLINE vf load_pixels(enum mf_precision precision, const uint8_t *pixels)
{
    return precision == MF_BF16 ? v_pixels(pixels) : (vf)(v_pixels(pixels) / v_set(255.0f));
}

/* ---- Softmax and cross-entropy: a lane is a sample ---- */

/* LANES vectors become their transpose: each round interleaves the first half of the vectors with the second. */
INLINE void transpose(vf row[LANES])
{
    UNROLL for (int round = 1; round < LANES; round *= 2)
    {
        vf next[LANES];
        UNROLL for (int i = 0; i < LANES / 2; i++)
        {
            next[2 * i] = v_low(row[i], row[i + LANES / 2]);
            next[2 * i + 1] = v_high(row[i], row[i + LANES / 2]);
        }
        UNROLL for (int i = 0; i < LANES; i++) row[i] = next[i];
    }
}

INLINE void transpose_block(const float *block, float *transposed)
{
    for (int i = 0; i < MF_PANEL; i += LANES)
        for (int j = 0; j < MF_PANEL; j += LANES) {
            vf row[LANES];
            UNROLL for (int r = 0; r < LANES; r++) row[r] = v_load(block + (i + r) * MF_PANEL + j);
            transpose(row);
            UNROLL for (int r = 0; r < LANES; r++) v_store(transposed + (j + r) * MF_PANEL + i, row[r]);
        }
}

/* 2^n, for shifted = MF_ROUND + n. */
INLINE vf power_of_two(vf shifted)
{
    return (vf)(((vi)shifted + MF_EXPONENT_BIAS) << 23);
}

/* x = 2^n f with f in [sqrt(1/2), sqrt(2)): returns f. */
INLINE vf split(vf x, vf *n)
{
    const vi exponent = ((vi)x - MF_SQRT_HALF_BITS) >> 23;
    *n = __builtin_convertvector(exponent, vf);
    return (vf)((vi)x - (exponent << 23));
}

INLINE vf exponential(vf x)
{
    const vf shifted = v_fma(x, v_set(MF_LOG2E), v_set(MF_ROUND));
    const vf n = shifted - v_set(MF_ROUND);
    const vf r = v_fma(n, v_set(-MF_LN2_LOW), v_fma(n, v_set(-MF_LN2_HIGH), x));
    vf p = v_set(MF_EXP_5);
    p = v_fma(p, r, v_set(MF_EXP_4));
    p = v_fma(p, r, v_set(MF_EXP_3));
    p = v_fma(p, r, v_set(MF_EXP_2));
    p = v_fma(p, r, v_set(MF_EXP_1));
    p = v_fma(p, r, v_set(MF_EXP_0));
    p = v_fma(p, r * r, r) + v_set(1.0f);
    p = p * power_of_two(shifted);
    return v_select(v_greater(v_set(MF_EXP_LOWEST), x), v_zero(), p);
}

INLINE vf logarithm(vf x)
{
    vf n;
    const vf r = split(x, &n) - v_set(1.0f), square = r * r;
    vf p = v_set(MF_LOG_8);
    p = v_fma(p, r, v_set(MF_LOG_7));
    p = v_fma(p, r, v_set(MF_LOG_6));
    p = v_fma(p, r, v_set(MF_LOG_5));
    p = v_fma(p, r, v_set(MF_LOG_4));
    p = v_fma(p, r, v_set(MF_LOG_3));
    p = v_fma(p, r, v_set(MF_LOG_2));
    p = v_fma(p, r, v_set(MF_LOG_1));
    p = v_fma(p, r, v_set(MF_LOG_0));
    p = v_fma(p * r, square, v_set(-0.5f) * square);
    p = v_fma(n, v_set(MF_LN2_HIGH), v_fma(n, v_set(MF_LN2_LOW), p) + r);
    return p + (x - x);
}

/* Panels of a few samples, so that the last ones need no code of their own. */
struct samples {
    _Alignas(64) float of[LANES][MF_PANEL];
};

INLINE void load_classes(const float *panel, int count, vf class[MF_PANEL])
{
    struct samples rows = {0};
    memcpy(rows.of, panel, sizeof rows.of[0] * count);
    for (int c = 0; c < MF_PANEL; c += LANES) {
        for (int i = 0; i < LANES; i++)
            class[c + i] = v_load(rows.of[i] + c);
        transpose(class + c);
    }
}

INLINE void store_classes(float *panel, int count, vf class[MF_PANEL])
{
    struct samples rows;
    for (int c = 0; c < MF_PANEL; c += LANES) {
        vf row[LANES];
        memcpy(row, class + c, sizeof row);
        transpose(row);
        for (int i = 0; i < LANES; i++)
            v_store(rows.of[i] + c, row[i]);
    }
    memcpy(panel, rows.of, sizeof rows.of[0] * count);
}

INLINE void softmax(enum mf_precision precision, const struct mf_softmax *op, int begin, int end)
{
    for (int i = begin; i < end; i += LANES) {
        const int count = end - i < LANES ? end - i : LANES;
        const size_t first = (size_t)i * MF_PANEL;
        _Alignas(64) float lane[LANES] = {0}; /* labels on the way in, digits and losses on the way out */
        vf logit[MF_PANEL], p[MF_PANEL];
        load_classes(op->logits.data + first, count, logit);

        vf largest = logit[0], digit = v_zero(), sum = v_zero();
        for (int c = 1; c < MF_CLASSES; c++) {
            const vm more = v_greater(logit[c], largest);
            largest = v_select(more, logit[c], largest);
            digit = v_select(more, v_set((float)c), digit);
        }
        for (int c = 0; c < MF_CLASSES; c++) {
            p[c] = exponential(logit[c] - largest);
            sum = sum + p[c];
        }
        v_store(lane, digit);
        for (int s = 0; s < count; s++)
            op->digit[i + s] = (uint8_t)lane[s];
        for (int c = 0; c < MF_CLASSES; c++)
            p[c] = p[c] / sum;
        for (int c = MF_CLASSES; c < MF_PANEL; c++)
            p[c] = v_zero();
        if (op->probability.data)
            store_classes(op->probability.data + first, count, p);
        if (!op->labels)
            continue;

        for (int s = 0; s < count; s++)
            lane[s] = (float)op->labels[i + s];
        const vf label = v_load(lane);
        vf right = v_zero(); /* the logit of the label */
        for (int c = 0; c < MF_CLASSES; c++) {
            const vm match = v_equal(label, v_set((float)c));
            right = v_select(match, logit[c], right);
            p[c] = settle(precision, (p[c] - v_select(match, v_set(1.0f), v_zero())) * v_set(op->scale));
        }
        if (op->gradient.data)
            store_classes(op->gradient.data + first, count, p);
        if (op->loss) {
            v_store(lane, (logarithm(sum) - (right - largest)));
            memcpy(op->loss + i, lane, sizeof(float) * count);
        }
    }
}
