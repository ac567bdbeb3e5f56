/* Every vector kernel, written once. avx2.c, avx512.c and neon.c define the vector operations below and include this.
 *
 *   ISA                     suffix of the names
 *   LANES                   floats of a vector
 *   MR, NR_PANELS  the register tile of the products
 *   WIDE_PANELS             the tile of a single row: more panels, so that enough chains run side by side
 *   vf, vm                  a vector of floats; the result of a comparison
 *   v_load v_store          aligned; v_storeu need not be
 *   v_set v_zero v_sqrt v_abs
 *   v_fma(a, b, c)          a * b + c, rounded once
 *   v_greater v_equal(a, b) false for a NaN
 *   v_select(m, a, b)       a where m, else b
 *   v_pixels(p)             LANES bytes from p, as floats
 *   v_low, v_high(a, b)     the first and the second half of a and b, interleaved
 *
 * + - * / are the compiler's own operators on vectors (-ffp-contract=off keeps each of them one rounding).
 *
 * The product is one loop, tile(): all loops over rows and vectors have constant bounds once it is inlined, so that
 * the accumulators live in registers from the first to the last element of the sum. What comes before and after that
 * loop (the bias, the ReLU, its gradient, Adam) works on those registers, so no intermediate result meets memory. */
#include "kernels.h"
#include "softmax_constants.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define NAME(operation) PASTE(mf_##operation, _, ISA)
#define INLINE static inline __attribute__((always_inline))
/* Arrays of vectors become registers only when every loop over them is unrolled; the compiler needs this pragma below
 * -O3. */
#ifdef __clang__ /* it ignores gcc's without a word */
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { VECTORS = MF_PANEL / LANES }; /* of a panel */
enum { PANELS_MAX = NR_PANELS > WIDE_PANELS ? NR_PANELS : WIDE_PANELS };

/* How tile() finds its left operand. */
enum source {
    SAMPLES, /* row r of the product is row r of a matrix; the sum runs along it */
    COLUMNS, /* row r of the product is column r of a matrix; the sum runs down the samples */
    ONES,    /* 1 for every term */
    INDEXED, /* as SAMPLES, but only the terms of a nonzero index */
    PACKED_NONZEROS /* only the terms of packed nonzeros, which hold the values too */
};
enum epilogue { FORWARD, INPUT_GRADIENT, WEIGHT_UPDATE };

/* c(rows, panels) = a(rows, depth) · b(depth, panels), with what its epilogue needs. */
struct product {
    struct mf_matrix a;
    const struct mf_nonzero_index *index;
    const struct mf_packed_nonzeros *packed;
    struct mf_matrix b, c;
    int depth;
    const float *bias;
    float floor; /* of the output: 0 for a ReLU, -infinity for none. In memory, so that it costs no register in tile() */
    struct mf_matrix h;
    struct mf_matrix m, v;
    struct mf_adam adam;
    float *check; /* LANES sums of 0 * w and 0 * v over all that is updated: NaN where one of them is not finite */
};

typedef int32_t vi __attribute__((vector_size(4 * LANES)));

INLINE vf flush(vf x)
{
    return v_select(v_greater(v_set(FLT_MIN), v_abs(x)), v_zero(), x);
}

/* Returns check, or NaN where w or v is not finite; where m is not, neither is w. */
INLINE vf adam(const struct mf_adam *c, vf sum, float *pw, float *pm, float *pv, vf check)
{
    const vf g = flush(sum);
    const vf m = flush(v_fma(v_set(c->beta1), v_load(pm), v_set(c->gain1) * g));
    const vf v = flush(v_fma(v_set(c->beta2), v_load(pv), v_set(c->gain2) * (g * g)));
    const vf step = m / v_fma(v_sqrt(v), v_set(c->root), v_set(c->epsilon));
    v_store(pm, m);
    v_store(pv, v);
    const vf w = v_fma(v_set(-c->rate), step, v_load(pw) * v_set(c->keep));
    v_store(pw, w);
    return v_fma(w, v_zero(), v_fma(v, v_zero(), check));
}

/* One tile of the output: `rows` rows from `row`, `panels` panels from `panel`; number `t` among those of the call. */
INLINE void tile(const struct product *p, enum source source, enum epilogue epilogue, int rows, int panels, int row,
                 int panel, int t)
{
    const int vectors = panels * VECTORS;
    const float *b = p->b.data + (size_t)panel * p->b.stride;
    const size_t b_stride = p->b.stride;
    vf sum[MF_MR_MAX][PANELS_MAX * VECTORS];

    UNROLL for (int j = 0; j < vectors; j++) {
        const float *bias = p->bias + (size_t)(panel + j / VECTORS) * b_stride + j % VECTORS * LANES;
        const vf start = epilogue == FORWARD ? v_load(bias) : v_zero();
        UNROLL for (int r = 0; r < rows; r++)
            sum[r][j] = start;
    }

/* One term of every sum: row r of a at a[r * across], row of b at b. */
#define TERM(a, across, b)                                                                                             \
    do {                                                                                                               \
        vf right[PANELS_MAX * VECTORS];                                                                                \
        UNROLL for (int j = 0; j < vectors; j++)                                                                       \
            right[j] = v_load((b) + (size_t)(j / VECTORS) * b_stride + j % VECTORS * LANES);                           \
        UNROLL for (int r = 0; r < rows; r++) {                                                                        \
            const vf left = v_set((a)[r * (across)]);                                                                  \
            UNROLL for (int j = 0; j < vectors; j++)                                                                   \
                sum[r][j] = v_fma(left, right[j], sum[r][j]);                                                          \
        }                                                                                                              \
    } while (0)

    if (source == SAMPLES) {
        const float *a = p->a.data + (size_t)row * MF_PANEL;
        int k = 0;
        for (; k + MF_PANEL <= p->depth; k += MF_PANEL, a += p->a.stride)
            for (int n = 0; n < MF_PANEL; n++, b += MF_PANEL)
                TERM(a + n, MF_PANEL, b);
        for (; k < p->depth; k++, a++, b += MF_PANEL)
            TERM(a, MF_PANEL, b);
    } else if (source == COLUMNS) {
        const float *a = p->a.data + (size_t)(row / MF_PANEL) * p->a.stride + row % MF_PANEL;
        for (int k = 0; k < p->depth; k++, a += MF_PANEL, b += MF_PANEL)
            TERM(a, 1, b);
    } else if (source == ONES) {
        const float one = 1.0f;
        for (int k = 0; k < p->depth; k++, b += MF_PANEL)
            TERM(&one, 0, b);
    } else if (source == INDEXED) {
        const uint64_t *offset = p->index->packed_offset + (size_t)t * p->depth;
        const float *a = p->a.data + (size_t)row * MF_PANEL;
        for (const uint64_t *end = offset + p->index->count[t]; offset < end; offset++) {
            if (rows == 1) /* as below; where more rows pass it, a panel is in L1 */
                UNROLL for (int j = 0; j < panels; j++)
                    __builtin_prefetch(b + (size_t)j * b_stride + (uint32_t)offset[MF_INDEX_AHEAD]);
            TERM(a + (*offset >> 32), MF_PANEL, b + (uint32_t)*offset);
        }
    } else {
        const int32_t *offset = p->packed->offset + (size_t)t * p->depth;
        const float *a = p->packed->value + (size_t)t * MR * p->depth;
        for (int n = p->packed->count[t]; n > 0; n--, a += rows, offset++) {
            /* the hardware prefetcher does not follow these offsets: this takes 14% off the sparse kernels */
            UNROLL for (int j = 0; j < panels; j++)
                __builtin_prefetch(b + (size_t)j * b_stride + offset[MF_INDEX_AHEAD]);
            TERM(a, 1, b + *offset);
        }
    }
#undef TERM

    vf check = epilogue == WEIGHT_UPDATE ? v_load(p->check) : v_zero();
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < vectors; j++) {
            const size_t in_panel = (size_t)(row + r) * MF_PANEL + j % VECTORS * LANES;
            const size_t at = (size_t)(panel + j / VECTORS) * p->c.stride + in_panel;
            if (epilogue == FORWARD) {
                const vf z = sum[r][j] + v_set(0.0f), floor = v_set(p->floor); /* -0 becomes +0 */
                v_store(p->c.data + at, v_select(v_greater(floor, z), floor, z));
            } else if (epilogue == INPUT_GRADIENT) {
                const vf h = v_load(p->h.data + (size_t)(panel + j / VECTORS) * p->h.stride + in_panel);
                const vf floor = v_set(p->floor);
                v_store(p->c.data + at, v_select(v_greater(h, floor), flush(sum[r][j]), floor));
            } else {
                check = adam(&p->adam, sum[r][j], p->c.data + at, p->m.data + at, p->v.data + at, check);
            }
        }
    if (epilogue == WEIGHT_UPDATE)
        v_store(p->check, check);
}

/* Panels [first, last) of one group of rows, by the widest tiles that fit; `t` as in tile(). */
#define TILE_OF(n)                                                                                                     \
    case n:                                                                                                            \
        if (n <= MR)                                                                                            \
            tile(p, source, epilogue, n, panels, row, panel, t);                                                    \
        break;
INLINE void tile_of_rows(const struct product *p, enum source source, enum epilogue epilogue, int rows, int panels,
                         int row, int panel, int t)
{
    switch (rows) {
        TILE_OF(1)
        TILE_OF(2)
        TILE_OF(3)
        TILE_OF(4)
        TILE_OF(5)
        TILE_OF(6)
        TILE_OF(7)
        TILE_OF(8)
    }
}
#undef TILE_OF

/* Rows [begin, end) in tiles of nearly equal height. A group of panels of b stays in the cache while all tiles of rows
 * pass it. */
INLINE void product(const struct product *p, enum source source, enum epilogue epilogue, int begin, int end, int first,
                    int last)
{
    const int rows = end - begin, tiles = mf_ceil_div(rows, MR);
    int panel = first;
    assert(0 <= begin && begin <= end && 0 <= first && first <= last);
    assert((source != INDEXED || rows <= p->index->rows) && (source != PACKED_NONZEROS || rows <= p->packed->rows));
    assert(mf_is_matrix(p->b) && mf_is_matrix(p->c) && ((source != SAMPLES && source != COLUMNS) || mf_is_matrix(p->a)));
    if (rows == 1)
        for (; panel + WIDE_PANELS <= last; panel += WIDE_PANELS)
            tile(p, source, epilogue, 1, WIDE_PANELS, begin, panel, 0);
    if (source == ONES)
        for (; panel < last; panel++)
            tile(p, source, epilogue, 1, 1, begin, panel, 0);
    while (panel < last) {
        const int panels = last - panel < NR_PANELS ? last - panel : NR_PANELS;
        for (int t = 0; t < tiles; t++) {
            const int row = mf_part_begin(rows, t, tiles), next = mf_part_begin(rows, t + 1, tiles);
            if (panels == NR_PANELS)
                tile_of_rows(p, source, epilogue, next - row, NR_PANELS, begin + row, panel, t);
#if NR_PANELS > 2
            else if (panels == 2)
                tile_of_rows(p, source, epilogue, next - row, 2, begin + row, panel, t);
#endif
#if NR_PANELS > 1
            else
                tile_of_rows(p, source, epilogue, next - row, 1, begin + row, panel, t);
#endif
        }
        panel += panels;
    }
}

static void NAME(forward)(const struct mf_forward *op, int begin, int end)
{
    const struct product p = {
        .a = op->x, .index = op->index, .b = op->w, .c = op->y, .depth = op->in, .bias = op->bias,
        .floor = op->relu ? 0.0f : -INFINITY};
    if (op->index)
        product(&p, INDEXED, FORWARD, begin, end, 0, op->panels);
    else
        product(&p, SAMPLES, FORWARD, begin, end, 0, op->panels);
}

static void NAME(forward_sparse)(const struct mf_forward *op, int begin, int end)
{
    const struct product p = {
        .packed = op->packed, .b = op->w, .c = op->y, .depth = op->packed->depth, .bias = op->bias,
        .floor = op->relu ? 0.0f : -INFINITY};
    product(&p, PACKED_NONZEROS, FORWARD, begin, end, 0, op->panels);
}

static void NAME(input_gradient)(const struct mf_input_gradient *op, int begin, int end)
{
    const struct product p = {.a = op->dz, .index = op->index, .b = op->wt, .c = op->dx, .depth = op->out, .h = op->h};
    if (op->index)
        product(&p, INDEXED, INPUT_GRADIENT, begin, end, 0, op->panels);
    else
        product(&p, SAMPLES, INPUT_GRADIENT, begin, end, 0, op->panels);
}

INLINE bool update(const struct mf_weight_update *op, enum source source, int begin, int end, int first, int last)
{
    _Alignas(64) float check[LANES] = {0};
    const struct product p = {.a = op->x,
                              .packed = op->packed,
                              .b = op->dz,
                              .c = op->w,
                              .depth = op->samples,
                              .m = op->m,
                              .v = op->v,
                              .adam = op->adam,
                              .check = check};
    product(&p, source, WEIGHT_UPDATE, begin, end, first, last);
    bool finite = true;
    for (int i = 0; i < LANES; i++)
        finite &= check[i] == 0.0f;
    return finite;
}

static bool NAME(weight_update)(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    return update(op, COLUMNS, begin, end, first, last);
}

static bool NAME(weight_update_sparse)(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    return update(op, PACKED_NONZEROS, begin, end, first, last);
}

static bool NAME(bias_update)(const struct mf_weight_update *op, int row, int first, int last)
{
    return update(op, ONES, row, row + 1, first, last);
}

/* ---- Pixels: scaling, and packing those that are not zero ---- */

static void NAME(scale)(const uint8_t *pixels, int begin, int end, struct mf_matrix x)
{
    for (int i = begin; i < end; i++)
        for (int k = 0; k < MF_INPUTS; k += LANES)
            v_store(mf_at(x, i, k), v_pixels(pixels + (size_t)i * MF_INPUTS + k) / v_set(255.0f));
}

/* pixel / 255 of every pixel: a division for each would be most of the work of pack_samples. */
#define SCALED(i) (i) / 255.0f, ((i) + 1) / 255.0f, ((i) + 2) / 255.0f, ((i) + 3) / 255.0f
#define SCALED16(i) SCALED(i), SCALED((i) + 4), SCALED((i) + 8), SCALED((i) + 12)
#define SCALED64(i) SCALED16(i), SCALED16((i) + 16), SCALED16((i) + 32), SCALED16((i) + 48)
static const float scaled[256] = {SCALED64(0), SCALED64(64), SCALED64(128), SCALED64(192)};

/* Eight pixels in one word: whether any has ink is one comparison, and rows are joined by one or. */
INLINE uint64_t eight(const uint8_t *pixels)
{
    uint64_t word;
    memcpy(&word, pixels, sizeof word);
    return word;
}

static void NAME(pack_samples)(const uint8_t *pixels, int begin, int end, struct mf_packed_nonzeros *packed)
{
    const int rows = end - begin, tiles = mf_ceil_div(rows, MR);
    assert(rows <= packed->rows && packed->depth >= MF_INPUTS);
    for (int t = 0; t < tiles; t++) {
        const int row = mf_part_begin(rows, t, tiles), height = mf_part_begin(rows, t + 1, tiles) - row;
        const uint8_t *image = pixels + (size_t)(begin + row) * MF_INPUTS;
        int32_t *offset = packed->offset + (size_t)t * packed->depth;
        float *value = packed->value + (size_t)t * MR * packed->depth;
        int n = 0;
        for (int k = 0; k < MF_INPUTS; k += 8) {
            uint64_t ink = 0;
            for (int r = 0; r < height; r++)
                ink |= eight(image + (size_t)r * MF_INPUTS + k);
            for (int bit = 0; ink; ink >>= 8, bit += MF_PANEL) { /* branch-free: pixels are unpredictable */
                offset[n] = k * MF_PANEL + bit;
                n += (ink & 255) != 0;
            }
        }
        for (int i = 0; i < n; i++)
            for (int r = 0; r < height; r++)
                value[i * height + r] = scaled[image[(size_t)r * MF_INPUTS + offset[i] / MF_PANEL]];
        packed->count[t] = n;
    }
}

/* An element that is not +0 has a bit. */
static void NAME(index_columns)(struct mf_matrix x, int columns, int begin, int end, struct mf_nonzero_index *index)
{
    const int rows = end - begin, tiles = mf_ceil_div(rows, MR);
    assert(rows <= index->rows && mf_is_matrix(x) && index->depth >= columns);
    for (int t = 0; t < tiles; t++) {
        const int row = begin + mf_part_begin(rows, t, tiles), next = begin + mf_part_begin(rows, t + 1, tiles);
        uint64_t *const first = index->packed_offset + (size_t)t * index->depth, *offset = first;
        for (int k = 0; k < columns; k += MF_PANEL) {
            const size_t panel = (size_t)(k / MF_PANEL) * x.stride;
            _Alignas(64) int32_t any[MF_PANEL];
            for (int i = 0; i < MF_PANEL; i += LANES) {
                vi bits = {0};
                for (int r = row; r < next; r++)
                    bits |= (vi)v_load(x.data + panel + (size_t)r * MF_PANEL + i);
                memcpy(any + i, &bits, sizeof bits);
            }
            const int width = columns - k < MF_PANEL ? columns - k : MF_PANEL;
            uint64_t here = (uint64_t)panel << 32 | (uint64_t)k * MF_PANEL;
            for (int i = 0; i < width; i++, here += (uint64_t)1 << 32 | MF_PANEL) { /* branch-free, as above */
                *offset = here;
                offset += any[i] != 0;
            }
        }
        index->count[t] = (int)(offset - first);
    }
}

static void NAME(pack_pixels)(const uint8_t *pixels, int samples, int begin, int end, struct mf_packed_nonzeros *packed)
{
    const int rows = end - begin, tiles = mf_ceil_div(rows, MR);
    assert(rows <= packed->rows && packed->depth >= samples && end <= MF_INPUTS);
    for (int t = 0; t < tiles; t++) {
        const int row = mf_part_begin(rows, t, tiles), height = mf_part_begin(rows, t + 1, tiles) - row;
        const uint8_t *patch = pixels + begin + row;
        const uint64_t mine = ~(uint64_t)0 >> (64 - 8 * height);
        int32_t *offset = packed->offset + (size_t)t * packed->depth;
        float *value = packed->value + (size_t)t * MR * packed->depth;
        int n = 0;
        for (int i = 0; i < samples; i++) {
            offset[n] = i * MF_PANEL;
            n += (eight(patch + (size_t)i * MF_INPUTS) & mine) != 0;
        }
        for (int i = 0; i < n; i++) /* what is stored beyond height belongs to the next sample, or to the reserve */
            for (int r = 0; r < height; r += LANES)
                v_storeu(value + i * height + r,
                         v_pixels(patch + (size_t)(offset[i] / MF_PANEL) * MF_INPUTS + r) / v_set(255.0f));
        packed->count[t] = n;
    }
}

/* ---- Softmax and cross-entropy: a lane is a sample ---- */

/* LANES vectors become their transpose: each round interleaves the first half of the vectors with the second. */
INLINE void transpose(vf row[LANES])
{
    for (int round = 1; round < LANES; round *= 2) {
        vf next[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = v_low(row[i], row[i + LANES / 2]);
            next[2 * i + 1] = v_high(row[i], row[i + LANES / 2]);
        }
        for (int i = 0; i < LANES; i++)
            row[i] = next[i];
    }
}

static void NAME(transpose)(const float *block, float *transposed)
{
    for (int i = 0; i < MF_PANEL; i += LANES)
        for (int j = 0; j < MF_PANEL; j += LANES) {
            vf row[LANES];
            for (int r = 0; r < LANES; r++)
                row[r] = v_load(block + (i + r) * MF_PANEL + j);
            transpose(row);
            for (int r = 0; r < LANES; r++)
                v_store(transposed + (j + r) * MF_PANEL + i, row[r]);
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

static void NAME(softmax)(const struct mf_softmax *op, int begin, int end)
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
            p[c] = flush((p[c] - v_select(match, v_set(1.0f), v_zero())) * v_set(op->scale));
        }
        if (op->gradient.data)
            store_classes(op->gradient.data + first, count, p);
        if (op->loss) {
            v_store(lane, (logarithm(sum) - (right - largest)));
            memcpy(op->loss + i, lane, sizeof(float) * count);
        }
    }
}

const struct mf_kernels NAME(kernels) = {
    .name = NAME_TEXT,
    .supported = NAME(supported),
    .mr = MR,
    .nr_panels = NR_PANELS,
    .scale = NAME(scale),
    .pack_samples = NAME(pack_samples),
    .pack_pixels = NAME(pack_pixels),
    .index_columns = NAME(index_columns),
    .forward = NAME(forward),
    .forward_sparse = NAME(forward_sparse),
    .input_gradient = NAME(input_gradient),
    .weight_update = NAME(weight_update),
    .weight_update_sparse = NAME(weight_update_sparse),
    .bias_update = NAME(bias_update),
    .softmax = NAME(softmax),
    .transpose = NAME(transpose),
};
