/* The kernels of one instruction set: one table, one contract for every slot.
 *
 * simd/scalar.c is the definition of every slot; each other instruction set gives the same bits.
 *
 * Layout. Every matrix of floats is stored in panels of 16 columns, the micro-panels of BLIS (Van Zee and van de Geijn
 * 2015) with one width for all products: element (i, j) is at
 *     data[(j / 16) * stride + i * 16 + j % 16],
 * so that a row of a panel is one cache line and consecutive rows are consecutive in memory. data is 64-byte aligned,
 * stride (floats from a panel to the next) a multiple of 16. Columns beyond the last are zero.
 *
 * Tiles. MR and NR are the rows and columns of the sums that a kernel holds in registers, as in BLIS. A kernel divides
 * n rows into mf_ceil_div(n, MR) tiles of nearly equal height: mf_part_begin.
 *
 * The reproducibility contract. An element of a product is ONE chain of fused multiply-adds, acc = fma(a, b, acc), in
 * ascending order of the summed index; a zero a may be skipped, because fma(0, b, acc) == acc, but for the sign of a
 * zero, which the epilogues therefore set. Elementwise work uses only correctly rounded operations in the order that
 * scalar.c gives. flush(x) is x, or +0 where |x| < FLT_MIN: no gradient and no moment is ever denormal.
 *
 * bf16. There is a second table for that precision, with the same slots. What enters a product has 8 significant bits:
 * round(x), which scalar.c defines; weights are updated in fp32, and their rounded copy is what the products read. The
 * sum of an element runs over blocks of 32 consecutive terms, ascending, the last one filled up with zeros. In a block
 * the terms with an even number are one chain that starts from +0, those with an odd number are another, and
 *     sum = sum + (even + odd).
 * That is what the AMX instruction TDPBF16PS computes. Zeros may be skipped within a chain; the borders of the blocks
 * stay. Around the product everything is fp32. The numbers are stored as floats, already widened, in the same panels;
 * kernels with `tiled` keep two forms of 16 bits in that memory (simd/amx.c).
 *
 * Row ranges are [begin, end). Kernels own no memory, take no locks and never fail. */
#ifndef MF_KERNELS_H
#define MF_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MF_PANEL = 16,       /* columns of a panel */
    MF_INPUTS = 784,     /* pixels of an image: inputs of the network */
    MF_CLASSES = 10,     /* its outputs */
    MF_INDEX_AHEAD = 16, /* entries that may be read, and their rows prefetched, after the last nonzero */
    MF_MR_MAX = 8,       /* the largest MR of any instruction set */
    MF_BLOCK = 32        /* terms of a block of a sum in bf16 */
};

/* Smaller numbers are 0 in bf16: so every product and every partial sum is a multiple of 2^-124, none is denormal, and
 * hardware that flushes denormal results computes the same. */
#define MF_BF16_LEAST 0x1p-55f

enum mf_precision { MF_FP32, MF_BF16 };

static inline int mf_ceil_div(int a, int b) /* a >= 0, b > 0 */
{
    return (a + b - 1) / b;
}

/* Where the part-th of `parts` nearly equal parts of [0, count) begins; part == parts gives count. */
static inline int mf_part_begin(int count, int part, int parts)
{
    return (int)((long long)count * part / parts);
}

/* The chains of a sum of so many terms: in bf16 the even and the odd one of each block. */
static inline int mf_chains(enum mf_precision precision, int depth)
{
    return precision == MF_BF16 ? 2 * mf_ceil_div(depth, MF_BLOCK) : 1;
}

struct mf_matrix {
    float *data;
    size_t stride;
};

/* Element (row, column). */
static inline float *mf_at(struct mf_matrix matrix, int row, int column)
{
    return matrix.data + (size_t)(column / MF_PANEL) * matrix.stride + (size_t)row * MF_PANEL + column % MF_PANEL;
}

/* For assertions of the contract. */
static inline bool mf_is_matrix(struct mf_matrix matrix)
{
    return matrix.data && (uintptr_t)matrix.data % 64 == 0 && matrix.stride % MF_PANEL == 0;
}

/* The stride of a matrix of so many rows. An odd number of cache lines keeps equal rows of neighbouring panels out of
 * the same cache set. */
static inline size_t mf_stride(int rows)
{
    return (size_t)(rows | 1) * MF_PANEL;
}

/* Zero skipping. Both structures hold, for each tile of output rows, the terms of the sum that are not zero in every
 * row of the tile: chain after chain, ascending in each. depth is the length of the whole sum, rows what a call may
 * have of output rows, tiles is mf_ceil_div(rows, MR), and chains mf_chains(precision, depth). They are filled and read
 * by the kernels of one table; the memory is the caller's. */

/* For the pixels: the terms with their values. */
struct mf_packed_nonzeros {
    int depth, rows;
    int *count;      /* tiles * chains: terms of each chain */
    int32_t *offset; /* tiles * depth + MF_INDEX_AHEAD: 16 * term, where a row of the right operand begins */
    float *value;    /* tiles * MR * depth + MF_PANEL: the scaled pixels, the rows of a tile side by side; in bf16 not
                        scaled */
};

/* For the columns of a matrix: the terms alone. In fp32 only: in bf16 chains are short, and their ends take most of
 * what skipping a fifth of the terms would win (docs/performance.md). */
struct mf_nonzero_index {
    int depth, rows;
    int *count; /* of each tile */
    uint64_t
        *packed_offset; /* tiles * depth + MF_INDEX_AHEAD: (offset of the column in the matrix) << 32 | 16 * term */
};

/* y = x · w + bias, then max(0, ·) when relu. The chain starts from the bias; a result of -0 becomes +0.
 * bf16: y = fma(x · w, scale, bias), then with relu round(max(0, ·)); without it, y is floats in panels. */
struct mf_forward {
    struct mf_matrix x;                      /* (samples, in); not read by forward_sparse */
    const struct mf_nonzero_index *index;    /* of the columns of x; NULL: all terms */
    const struct mf_packed_nonzeros *packed; /* the pixels of the samples; read by forward_sparse alone */
    struct mf_matrix w;                      /* (in, out); bf16: their rounded copy */
    float scale;                             /* bf16: of the product */
    const float *bias;                       /* column j at bias[(j / 16) * w.stride + j % 16] */
    struct mf_matrix y;                      /* (samples, out) */
    int in, panels;                          /* panels of the output: ceil(out / 16) */
    bool relu;
};

/* dx = flush(dz · wᵀ) where h > 0, else 0. h is the output of the ReLU whose input gradient this is.
 * bf16: round in place of flush. */
struct mf_input_gradient {
    struct mf_matrix dz;                  /* (samples, out) */
    const struct mf_nonzero_index *index; /* of its columns; NULL: all terms */
    struct mf_matrix wt;                  /* (out, in) */
    struct mf_matrix h;                   /* (samples, in) */
    struct mf_matrix dx;                  /* (samples, in) */
    int out, panels;                      /* panels of in */
};

/* The constants of one step of Adam (Kingma and Ba 2015, with epsilon outside the root) with decoupled weight decay
 * (Loshchilov and Hutter 2019):
 *     m = flush(fma(beta1, m, gain1 * g)),  v = flush(fma(beta2, v, gain2 * (g * g))),
 *     w = fma(-rate, m / fma(sqrt(v), root, epsilon), w * keep)
 * where gain = 1 - beta, rate = learning rate / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t), and keep = 1 - learning
 * rate * decay: 1 without decay, which changes no bit of w. */
struct mf_adam {
    float beta1, gain1, beta2, gain2, rate, root, epsilon, keep;
};

/* g = flush(xᵀ · dz), and at once the Adam step of w with its moments m and v.
 * bf16: g = flush((xᵀ · dz) * scale), and round(w) is written to copy. The gradient of a bias is one chain as in fp32,
 * not scaled, and has no copy. */
struct mf_weight_update {
    struct mf_matrix x;                      /* (samples, in); not read by weight_update_sparse */
    const struct mf_packed_nonzeros *packed; /* these pixels of all samples; read by weight_update_sparse alone */
    struct mf_matrix dz;                     /* (samples, out) */
    int samples;
    struct mf_matrix w, m, v; /* (in, out), one stride */
    struct mf_matrix copy;    /* bf16: the same shape and stride */
    float scale;              /* bf16: of the product */
    struct mf_adam adam;
};

/* For each sample: p = softmax(logits) with the largest logit taken away first, loss = log(sum) - (logit of the
 * label, less the largest), gradient = flush((p - onehot(label)) * scale), digit = the first largest class.
 * bf16: round in place of flush. */
struct mf_softmax {
    struct mf_matrix logits;      /* (samples, 10), one panel; columns 10 to 15 are not read */
    const uint8_t *labels;        /* one a sample; NULL: no loss, no gradient */
    float scale;                  /* 1 / samples of the batch */
    struct mf_matrix gradient;    /* (samples, 10), columns 10 to 15 written as zero; data NULL: not wanted */
    struct mf_matrix probability; /* the same shape; data NULL: not wanted */
    float *loss;                  /* one a sample; NULL: not wanted */
    uint8_t *digit;               /* one a sample */
};

/* Where each pixel of a deformed image is looked up: x and y of place (row, column) of the original, in pixels from the
 * middle of the first one, are cubic B-splines over a grid of MF_NODES x MF_NODES control points, one every MF_SPAN
 * pixels, the first MF_SPAN - 1/2 to the left of and above the original and the last as far beyond it: x(row, column) =
 * Σ_g spline[g][row] · (Σ_h spline[h][column] · x[g][h]), each sum one ascending chain of fused multiply-adds that
 * starts from 0, and y the same. A place is brought into
 * [-1, 28], a NaN to -1, and rounded to 1/MF_SUBPIXELS of a pixel, ties to even. The new pixel is the bilinear
 * interpolation of the four around that place, of integers, rounded once, a half upwards; beyond the image all is 0.
 * Control points are below 2^100 in magnitude, so that no sum is infinite. */
enum {
    MF_SIDE = 28, /* rows and columns of an image */
    MF_NODES = 7, /* rows and columns of the grid */
    MF_SPAN = 7,  /* pixels between two of them */
    MF_SUBPIXELS = 64
};
struct mf_deformation {
    float x[MF_NODES][MF_NODES], y[MF_NODES][MF_NODES]; /* [row][column] */
};

struct mf_kernels {
    const char *name; /* "scalar", "avx2", "avx512", "neon", "avx512bf16", "amx" */
    enum mf_precision precision;
    bool tiled;              /* bf16 in tiles of 32 x 32: samples and rows of weights come in whole ones, wt is in copy,
                                zeros are not skipped (no lists), and transpose is NULL */
    bool (*supported)(void); /* by this CPU and its operating system, of which AMX asks permission for the process */
    const char *(*problem)(void); /* what is in the way where it is not supported; NULL: the CPU */
    int mr, nr_panels;            /* MR, and NR / 16: the partition of the work follows them */

    /* One image of 784 bytes to another; they do not overlap. */
    void (*deform)(const uint8_t *pixels, const struct mf_deformation *deformation, uint8_t *deformed);

    /* x = pixels / 255 for samples [begin, end). pixels: (samples, 784) bytes, row-major. bf16: x = pixels. */
    void (*scale)(const uint8_t *pixels, int begin, int end, struct mf_matrix x);

    /* The pixels with ink in any sample of a tile, for samples [begin, end), at most packed->rows. */
    void (*pack_samples)(const uint8_t *pixels, int begin, int end, struct mf_packed_nonzeros *packed);
    /* The samples with ink in any pixel of a tile, for pixels [begin, end), at most packed->rows.
     * Up to 16 bytes after the last pixel of the last sample may be read. */
    void (*pack_pixels)(const uint8_t *pixels, int samples, int begin, int end, struct mf_packed_nonzeros *packed);

    /* fp32, else NULL: the columns of x in which any sample of a tile is not zero, for samples [begin, end), at most
     * index->rows.
     * x has less than 2^32 elements. */
    void (*index_columns)(struct mf_matrix x, int columns, int begin, int end, struct mf_nonzero_index *index);

    void (*forward)(const struct mf_forward *op, int begin, int end);               /* samples */
    void (*forward_sparse)(const struct mf_forward *op, int begin, int end);        /* those packed */
    void (*input_gradient)(const struct mf_input_gradient *op, int begin, int end); /* samples */

    /* The updates return whether all that they have written, w, m and v, is finite. */
    /* Rows [begin, end) of w, within one panel of x (begin / 16 == (end - 1) / 16), panels [first, last) of w. */
    bool (*weight_update)(const struct mf_weight_update *op, int begin, int end, int first, int last);
    /* Rows [begin, end) are the packed pixels. */
    bool (*weight_update_sparse)(const struct mf_weight_update *op, int begin, int end, int first, int last);
    /* Row `row` of w is the bias: x is taken as 1 for every sample. */
    bool (*bias_update)(const struct mf_weight_update *op, int row, int first, int last);

    void (*softmax)(const struct mf_softmax *op, int begin, int end); /* samples */
    void (*transpose)(const float *block, float *transposed);         /* 16 x 16, both row-major and aligned */
    /* bf16: copy = round(w) for the first `rows` rows of panels [0, panels). fp32: NULL. */
    void (*round)(struct mf_matrix w, int rows, int panels, struct mf_matrix copy);
};

/* Rows of samples and of weights that belong together. */
static inline int mf_unit(const struct mf_kernels *kernels)
{
    return kernels->tiled ? MF_BLOCK : MF_PANEL;
}

/* The instruction sets built in, best first, NULL last; scalar is always there. One list for each precision. */
extern const struct mf_kernels *const mf_isas[], *const mf_isas_bf16[];

static inline const struct mf_kernels *const *mf_isas_of(enum mf_precision precision)
{
    return precision == MF_BF16 ? mf_isas_bf16 : mf_isas;
}

/* The one named, or with NULL the best that this CPU runs. NULL when it is unknown or not supported. */
const struct mf_kernels *mf_kernels_choose(const char *name, enum mf_precision precision);

#endif
