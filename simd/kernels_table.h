/* The table of one precision. scalar.c and kernels_impl.h include this twice: with PRECISION, with NAME for the names
 * of its functions, and after the functions that these call. */

static void NAME(deform)(const uint8_t *pixels, const struct mf_deformation *deformation, uint8_t *deformed)
{
    deform(pixels, deformation, deformed);
}

static void NAME(scale)(const uint8_t *pixels, int begin, int end, struct mf_matrix x)
{
    scale(PRECISION, pixels, begin, end, x);
}

static void NAME(pack_samples)(const uint8_t *pixels, int begin, int end, struct mf_packed_nonzeros *packed)
{
    pack_samples(PRECISION, pixels, begin, end, packed);
}

static void NAME(pack_pixels)(const uint8_t *pixels, int samples, int begin, int end, struct mf_packed_nonzeros *packed)
{
    pack_pixels(PRECISION, pixels, samples, begin, end, packed);
}

static void NAME(index_columns)(struct mf_matrix x, int columns, int begin, int end, struct mf_nonzero_index *index)
{
    index_columns(x, columns, begin, end, index);
}

static void NAME(forward)(const struct mf_forward *op, int begin, int end)
{
    forward(PRECISION, op, begin, end, false);
}

static void NAME(forward_sparse)(const struct mf_forward *op, int begin, int end)
{
    forward(PRECISION, op, begin, end, true);
}

static void NAME(input_gradient)(const struct mf_input_gradient *op, int begin, int end)
{
    input_gradient(PRECISION, op, begin, end);
}

static bool NAME(weight_update)(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    return weight_update(PRECISION, op, begin, end, first, last, false);
}

static bool NAME(weight_update_sparse)(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    return weight_update(PRECISION, op, begin, end, first, last, true);
}

static bool NAME(bias_update)(const struct mf_weight_update *op, int row, int first, int last)
{
    return bias_update(PRECISION, op, row, first, last);
}

static void NAME(softmax)(const struct mf_softmax *op, int begin, int end)
{
    softmax(PRECISION, op, begin, end);
}

static void NAME(transpose)(const float *block, float *transposed)
{
    transpose_block(block, transposed);
}

static void NAME(round)(struct mf_matrix w, int rows, int panels, struct mf_matrix copy)
{
    round_matrix(w, rows, panels, copy);
}

const struct mf_kernels NAME(kernels) = {
    .name = NAME_TEXT,
    .precision = PRECISION,
    .supported = SUPPORTED,
    .mr = MR,
    .nr_panels = NR_PANELS,
    .deform = NAME(deform),
    .scale = NAME(scale),
    .pack_samples = NAME(pack_samples),
    .pack_pixels = NAME(pack_pixels),
    .index_columns = PRECISION == MF_FP32 ? NAME(index_columns) : NULL,
    .forward = NAME(forward),
    .forward_sparse = NAME(forward_sparse),
    .input_gradient = NAME(input_gradient),
    .weight_update = NAME(weight_update),
    .weight_update_sparse = NAME(weight_update_sparse),
    .bias_update = NAME(bias_update),
    .softmax = NAME(softmax),
    .transpose = NAME(transpose),
    .round = PRECISION == MF_BF16 ? NAME(round) : NULL,
};
