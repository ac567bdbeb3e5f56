/* Every vector kernel, written once. avx2.c, avx512.c and neon.c include this after the operations that vector.h names
 * and
 *   ISA, NAME_TEXT          suffix of the names, and the name
 *   MR, NR_PANELS           the register tile of the products
 *   WIDE_PANELS             the tile of a single row: more panels, so that enough chains run side by side
 *
 * Both precisions are here: `precision` is a constant wherever it is passed, and kernels_table.h makes a table of each.
 *
 * The product is one loop, tile(): all loops over rows and vectors have constant bounds once it is inlined, so that
 * the accumulators live in registers from the first to the last element of the sum. What comes before and after that
 * loop (the bias, the ReLU, its gradient, Adam) works on those registers, so no intermediate result meets memory. */
#include "vector.h"

#include "deform.h"

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
    float scale; /* bf16 */
    bool round;  /* bf16: the output of a forward product is rounded */
    struct mf_matrix copy;
    float floor; /* of the output: 0 for a ReLU, -infinity for none. In memory, so that it costs no register in tile() */
    struct mf_matrix h;
    struct mf_matrix m, v;
    struct mf_adam adam;
    float *check; /* LANES sums of 0 * w and 0 * v over all that is updated: NaN where one of them is not finite */
};

/* One tile of the output: `rows` rows from `row`, `panels` panels from `panel`; number `t` among those of the call.
 *
 * bf16: `sum` is the chain that is under way. The even chain of a block waits in memory for the odd one, and so do the
 * sums of the blocks so far: they stay in L1, and the next chain need not wait for them. */
INLINE void tile(const struct product *p, enum mf_precision precision, enum source source, enum epilogue epilogue,
                 int rows, int panels, int row, int panel, int t)
{
    const bool blocks = precision == MF_BF16 && source != ONES; /* a bias gradient is one chain */
    const int vectors = panels * VECTORS, step = blocks ? 2 : 1, chains = blocks ? mf_chains(MF_BF16, p->depth) : 1;
    const size_t b_stride = p->b.stride;
    vf sum[MF_MR_MAX][PANELS_MAX * VECTORS];
    _Alignas(64) float even[MF_MR_MAX][PANELS_MAX * MF_PANEL], total[MF_MR_MAX][PANELS_MAX * MF_PANEL];
    if (blocks)
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int j = 0; j < vectors; j++)
                v_store(&total[r][j * LANES], v_zero());

    const float *const panel_b = p->b.data + (size_t)panel * p->b.stride;
    /* A single row passes many panels. A term takes fewer instructions where their addresses stay in registers: of 4
     * panels in AVX2 27 instead of 35. x86-64 has registers for 6 addresses. */
    const bool addresses = rows == 1 && panels <= 6;
    const float *address[PANELS_MAX];
    UNROLL for (int j = 0; addresses && j < panels; j++) {
        address[j] = panel_b + (size_t)j * b_stride;
        __asm__("" : "+r"(address[j])); /* or it is computed again for each term */
    }

/* Row b of panel j; b is within the first one. */
#define PANEL_OF(b, j) (addresses ? address[j] + ((b) - panel_b) : (b) + (size_t)(j) * b_stride)

/* One term of every sum: row r of a at a[r * across], row of b at b. */
#define TERM(a, across, b)                                                                                             \
    do {                                                                                                               \
        vf right[PANELS_MAX * VECTORS];                                                                                \
        UNROLL for (int j = 0; j < vectors; j++)                                                                       \
            right[j] = v_load(PANEL_OF(b, j / VECTORS) + j % VECTORS * LANES);                                         \
        UNROLL for (int r = 0; r < rows; r++) {                                                                        \
            const vf left = v_set((a)[r * (across)]);                                                                  \
            UNROLL for (int j = 0; j < vectors; j++)                                                                   \
                sum[r][j] = v_fma(left, right[j], sum[r][j]);                                                          \
        }                                                                                                              \
    } while (0)

    const uint64_t *index = source == INDEXED ? p->index->packed_offset + (size_t)t * p->depth : NULL;
    const int32_t *packed = source == PACKED_NONZEROS ? p->packed->offset + (size_t)t * p->depth : NULL;
    const float *value = source == PACKED_NONZEROS ? p->packed->value + (size_t)t * MR * p->depth : NULL;
    const int *count = source == INDEXED           ? p->index->count + t
                       : source == PACKED_NONZEROS ? p->packed->count + (size_t)t * chains
                                                   : NULL;
    for (int block = 0; block == 0 || block < p->depth; block += MF_BLOCK, count += step) { /* in fp32 there is one */
        const int last = blocks && p->depth - block > MF_BLOCK ? block + MF_BLOCK : p->depth;
        if (blocks && source == PACKED_NONZEROS && !(count[0] | count[1]))
            continue; /* zeros only: the borders of an image */
        UNROLL for (int parity = 0; parity < step; parity++) {
            /* a chain: terms first, first + step, ... below last */
            const int first = block + parity;
            UNROLL for (int j = 0; j < vectors; j++) {
                const float *bias = p->bias + (size_t)(panel + j / VECTORS) * b_stride + j % VECTORS * LANES;
                const vf start = epilogue == FORWARD && !blocks ? v_load(bias) : v_zero();
                UNROLL for (int r = 0; r < rows; r++)
                    sum[r][j] = start;
            }

            const float *b = panel_b + (size_t)first * MF_PANEL;
            if (source == SAMPLES) {
                const float *a =
                    p->a.data + (size_t)(block / MF_PANEL) * p->a.stride + (size_t)row * MF_PANEL + parity;
                int k = first;
                for (; k + MF_PANEL <= last + step - 1; k += MF_PANEL, a += p->a.stride)
                    for (int n = 0; n < MF_PANEL; n += step, b += step * MF_PANEL)
                        TERM(a + n, MF_PANEL, b);
                for (; k < last; k += step, a += step, b += step * MF_PANEL)
                    TERM(a, MF_PANEL, b);
            } else if (source == COLUMNS) {
                const float *a =
                    p->a.data + (size_t)(row / MF_PANEL) * p->a.stride + row % MF_PANEL + (size_t)first * MF_PANEL;
                for (int k = first; k < last; k += step, a += step * MF_PANEL, b += step * MF_PANEL)
                    TERM(a, 1, b);
            } else if (source == ONES) {
                const float one = 1.0f;
                for (int k = 0; k < p->depth; k++, b += MF_PANEL)
                    TERM(&one, 0, b);
            } else if (source == INDEXED) {
                const float *a = p->a.data + (size_t)row * MF_PANEL;
                for (const uint64_t *end = index + count[0]; index < end; index++) {
                    if (rows == 1) /* as below; where more rows pass it, a panel is in L1 */
                        UNROLL for (int j = 0; j < panels; j++)
                            __builtin_prefetch(PANEL_OF(panel_b + (uint32_t)index[MF_INDEX_AHEAD], j));
                    TERM(a + (*index >> 32), MF_PANEL, panel_b + (uint32_t)*index);
                }
            } else {
                for (int n = count[parity]; n > 0; n--, value += rows, packed++) {
                    /* the hardware prefetcher does not follow these offsets: this takes 14% off the sparse kernels */
                    UNROLL for (int j = 0; j < panels; j++)
                        __builtin_prefetch(PANEL_OF(panel_b + packed[MF_INDEX_AHEAD], j));
                    TERM(value, 1, panel_b + *packed);
                }
            }
            if (!blocks)
                continue;
            __asm__ volatile("" : : "r"(even), "r"(total) : "memory"); /* they are not for registers */
            UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int j = 0; j < vectors; j++) {
                    float *const waits = &even[r][j * LANES], *const before = &total[r][j * LANES];
                    if (parity == 0)
                        v_store(waits, sum[r][j]);
                    else
                        v_store(before, v_load(before) + (v_load(waits) + sum[r][j]));
                }
        }
        if (!blocks)
            break;
    }
#undef TERM
#undef PANEL_OF

    vf check = epilogue == WEIGHT_UPDATE ? v_load(p->check) : v_zero();
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < vectors; j++) {
            const size_t in_panel = (size_t)(row + r) * MF_PANEL + j % VECTORS * LANES;
            const size_t at = (size_t)(panel + j / VECTORS) * p->c.stride + in_panel;
            const vf product = blocks ? v_load(&total[r][j * LANES]) : sum[r][j];
            if (epilogue == FORWARD) {
                const float *bias = p->bias + (size_t)(panel + j / VECTORS) * b_stride + j % VECTORS * LANES;
                const vf z = (blocks ? v_fma(product, v_set(p->scale), v_load(bias)) : product) + v_set(0.0f);
                const vf floor = v_set(p->floor), y = v_select(v_greater(floor, z), floor, z); /* -0 became +0 */
                v_store(p->c.data + at, blocks && p->round ? round_bf16(y) : y);
            } else if (epilogue == INPUT_GRADIENT) {
                const vf h = v_load(p->h.data + (size_t)(panel + j / VECTORS) * p->h.stride + in_panel);
                const vf floor = v_set(p->floor);
                v_store(p->c.data + at, v_select(v_greater(h, floor), settle(precision, product), floor));
            } else {
                const vf g = blocks ? (vf)(product * v_set(p->scale)) : product;
                const vf w = adam(&p->adam, g, p->c.data + at, p->m.data + at, p->v.data + at, &check);
                if (blocks) { /* a finite w may be too large for its copy */
                    const vf copy = round_bf16(w);
                    v_store(p->copy.data + at, copy);
                    check = v_fma(copy, v_zero(), check);
                }
            }
        }
    if (epilogue == WEIGHT_UPDATE)
        v_store(p->check, check);
}

/* Panels [first, last) of one group of rows, by the widest tiles that fit; `t` as in tile(). */
#define TILE_OF(n)                                                                                                     \
    case n:                                                                                                            \
        if (n <= MR)                                                                                            \
            tile(p, precision, source, epilogue, n, panels, row, panel, t);                                         \
        break;
INLINE void tile_of_rows(const struct product *p, enum mf_precision precision, enum source source,
                         enum epilogue epilogue, int rows, int panels, int row, int panel, int t)
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
INLINE void product(const struct product *p, enum mf_precision precision, enum source source, enum epilogue epilogue,
                    int begin, int end, int first, int last)
{
    const int rows = end - begin, tiles = mf_ceil_div(rows, MR);
    int panel = first;
    assert(0 <= begin && begin <= end && 0 <= first && first <= last);
    assert((source != INDEXED || rows <= p->index->rows) && (source != PACKED_NONZEROS || rows <= p->packed->rows));
    assert(mf_is_matrix(p->b) && mf_is_matrix(p->c) && ((source != SAMPLES && source != COLUMNS) || mf_is_matrix(p->a)));
    if (rows == 1)
        for (; panel + WIDE_PANELS <= last; panel += WIDE_PANELS)
            tile(p, precision, source, epilogue, 1, WIDE_PANELS, begin, panel, 0);
    if (source == ONES)
        for (; panel < last; panel++)
            tile(p, precision, source, epilogue, 1, 1, begin, panel, 0);
    while (panel < last) {
        const int left = last - panel, panels = left >= NR_PANELS ? NR_PANELS : left > 1 && NR_PANELS > 2 ? 2 : 1;
        for (int t = 0; t < tiles; t++) {
            const int row = mf_part_begin(rows, t, tiles), next = mf_part_begin(rows, t + 1, tiles);
            if (panels == NR_PANELS)
                tile_of_rows(p, precision, source, epilogue, next - row, NR_PANELS, begin + row, panel, t);
#if NR_PANELS > 2
            else if (panels == 2)
                tile_of_rows(p, precision, source, epilogue, next - row, 2, begin + row, panel, t);
#endif
#if NR_PANELS > 1
            else
                tile_of_rows(p, precision, source, epilogue, next - row, 1, begin + row, panel, t);
#endif
        }
        panel += panels;
    }
}

INLINE void forward(enum mf_precision precision, const struct mf_forward *op, int begin, int end, bool sparse)
{
    const struct product p = {
        .a = op->x,
        .index = op->index,
        .packed = op->packed,
        .b = op->w,
        .c = op->y,
        .depth = sparse ? op->packed->depth : op->in,
        .bias = op->bias,
        .scale = op->scale,
        .round = op->relu,
        .floor = op->relu ? 0.0f : -INFINITY,
    };
    if (sparse)
        product(&p, precision, PACKED_NONZEROS, FORWARD, begin, end, 0, op->panels);
    else if (precision == MF_FP32 && op->index)
        product(&p, precision, INDEXED, FORWARD, begin, end, 0, op->panels);
    else
        product(&p, precision, SAMPLES, FORWARD, begin, end, 0, op->panels);
}

INLINE void input_gradient(enum mf_precision precision, const struct mf_input_gradient *op, int begin, int end)
{
    const struct product p = {.a = op->dz, .index = op->index, .b = op->wt, .c = op->dx, .depth = op->out, .h = op->h};
    if (precision == MF_FP32 && op->index)
        product(&p, precision, INDEXED, INPUT_GRADIENT, begin, end, 0, op->panels);
    else
        product(&p, precision, SAMPLES, INPUT_GRADIENT, begin, end, 0, op->panels);
}

INLINE bool update(enum mf_precision precision, const struct mf_weight_update *op, enum source source, int begin,
                   int end, int first, int last)
{
    _Alignas(64) float check[LANES] = {0};
    const struct product p = {.a = op->x,
                              .packed = op->packed,
                              .b = op->dz,
                              .c = op->w,
                              .depth = op->samples,
                              .scale = op->scale,
                              .copy = op->copy,
                              .m = op->m,
                              .v = op->v,
                              .adam = op->adam,
                              .check = check};
    product(&p, precision, source, WEIGHT_UPDATE, begin, end, first, last);
    bool finite = true;
    for (int i = 0; i < LANES; i++)
        finite &= check[i] == 0.0f;
    return finite;
}

INLINE bool weight_update(enum mf_precision precision, const struct mf_weight_update *op, int begin, int end, int first,
                          int last, bool sparse)
{
    return update(precision, op, sparse ? PACKED_NONZEROS : COLUMNS, begin, end, first, last);
}

INLINE bool bias_update(enum mf_precision precision, const struct mf_weight_update *op, int row, int first, int last)
{
    return update(precision, op, ONES, row, row + 1, first, last);
}

/* ---- Pixels: scaling, and packing those that are not zero ---- */

INLINE void scale(enum mf_precision precision, const uint8_t *pixels, int begin, int end, struct mf_matrix x)
{
    for (int i = begin; i < end; i++)
        for (int k = 0; k < MF_INPUTS; k += LANES)
            v_store(mf_at(x, i, k), load_pixels(precision, pixels + (size_t)i * MF_INPUTS + k));
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

/* The lists are written chain by chain: in bf16 a block of terms is passed once for its even and once for its odd ones.
 */
INLINE void pack_samples(enum mf_precision precision, const uint8_t *pixels, int begin, int end,
                         struct mf_packed_nonzeros *packed)
{
    const int rows = end - begin, tiles = mf_ceil_div(rows, MR), chains = mf_chains(precision, packed->depth);
    const int block = precision == MF_BF16 ? MF_BLOCK : MF_INPUTS, step = precision == MF_BF16 ? 2 : 1;
    assert(rows <= packed->rows && packed->depth >= MF_INPUTS);
    for (int t = 0; t < tiles; t++) {
        const int row = mf_part_begin(rows, t, tiles), height = mf_part_begin(rows, t + 1, tiles) - row;
        const uint8_t *image = pixels + (size_t)(begin + row) * MF_INPUTS;
        int32_t *offset = packed->offset + (size_t)t * packed->depth;
        float *value = packed->value + (size_t)t * MR * packed->depth;
        int n = 0;
        for (int chain = 0; chain < chains; chain++) {
            const int before = n, first = chain / step * block, parity = chain % step;
            for (int k = first; k < first + block && k < MF_INPUTS; k += 8) {
                uint64_t ink = 0;
                for (int r = 0; r < height; r++)
                    ink |= eight(image + (size_t)r * MF_INPUTS + k);
                ink >>= 8 * parity;
                for (int at = k + parity; ink; ink >>= 8 * step, at += step) { /* branch-free: pixels are unpredictable */
                    offset[n] = at * MF_PANEL;
                    n += (ink & 255) != 0;
                }
            }
            packed->count[t * chains + chain] = n - before;
        }
        for (int i = 0; i < n; i++)
            for (int r = 0; r < height; r++) {
                const uint8_t pixel = image[(size_t)r * MF_INPUTS + offset[i] / MF_PANEL];
                value[i * height + r] = precision == MF_BF16 ? (float)pixel : scaled[pixel];
            }
    }
}

/* An element that is not +0 has a bit. */
INLINE void index_columns(struct mf_matrix x, int columns, int begin, int end, struct mf_nonzero_index *index)
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

INLINE void pack_pixels(enum mf_precision precision, const uint8_t *pixels, int samples, int begin, int end,
                        struct mf_packed_nonzeros *packed)
{
    const int rows = end - begin, tiles = mf_ceil_div(rows, MR), chains = mf_chains(precision, packed->depth);
    const int block = precision == MF_BF16 ? MF_BLOCK : samples, step = precision == MF_BF16 ? 2 : 1;
    assert(rows <= packed->rows && packed->depth >= samples && end <= MF_INPUTS);
    for (int t = 0; t < tiles; t++) {
        const int row = mf_part_begin(rows, t, tiles), height = mf_part_begin(rows, t + 1, tiles) - row;
        const uint8_t *patch = pixels + begin + row;
        const uint64_t mine = ~(uint64_t)0 >> (64 - 8 * height);
        int32_t *offset = packed->offset + (size_t)t * packed->depth;
        float *value = packed->value + (size_t)t * MR * packed->depth;
        int n = 0;
        for (int chain = 0; chain < chains; chain++) {
            const int before = n, first = chain / step * block;
            const int last = samples - first < block ? samples : first + block;
            for (int i = first + chain % step; i < last; i += step) {
                offset[n] = i * MF_PANEL;
                n += (eight(patch + (size_t)i * MF_INPUTS) & mine) != 0;
            }
            packed->count[t * chains + chain] = n - before;
        }
        for (int i = 0; i < n; i++) /* what is stored beyond height belongs to the next sample, or to the reserve */
            for (int r = 0; r < height; r += LANES)
                v_storeu(value + i * height + r,
                         load_pixels(precision, patch + (size_t)(offset[i] / MF_PANEL) * MF_INPUTS + r));
    }
}

/* Columns beyond the last are zero, and stay so. */
INLINE void round_matrix(struct mf_matrix w, int rows, int panels, struct mf_matrix copy)
{
    for (int panel = 0; panel < panels; panel++)
        for (size_t i = 0; i < (size_t)rows * MF_PANEL; i += LANES)
            v_store(copy.data + panel * copy.stride + i, round_bf16(v_load(w.data + panel * w.stride + i)));
}

/* ---- The two tables ---- */

#define SUPPORTED PASTE(mf_supported, _, ISA)
#define PRECISION MF_FP32
#define NAME(operation) PASTE(mf_##operation, _, ISA)
#include "kernels_table.h"
#undef PRECISION
#undef NAME

#define PRECISION MF_BF16
#define NAME(operation) PASTE(mf_##operation, _bf16_, ISA)
#include "kernels_table.h"
