/* The products forward and back of every instruction set against scalar.c, bit for bit, with every operand in guarded
 * memory.
 *
 * Inputs are sealed, so that a kernel that writes to one crashes. What the contract does not let a kernel read (rows of
 * other samples, padding of left operands, gaps between panels) is NaN and would spoil the result. */
#include "kernel_cases.h"

#include <math.h>

/* What a product knows of the zeros of its left operand: nothing, an index of its columns, or the pixels are packed. */
enum left { DENSE, INDEXED, PACKED };
static const char *const left_name[] = {"", " with an index", "_sparse"};

/* ---- y = x · w + bias ---- */

/* isas: of one precision. PACKED: in = 784, and x comes from pixels with this ink. The definition is always the dense
 * scalar kernel. */
static void check_forward(const struct mf_kernels *const *isas, enum left left, int rows, int out, int depth,
                          enum ink ink)
{
    struct random random =
        random_from((uint64_t)left, (uint64_t)rows, (uint64_t)out, (uint64_t)(left == PACKED ? (int)ink : depth));
    const struct mf_kernels *const definition = definition_of(*isas);
    const int in = left == PACKED ? MF_INPUTS : depth;
    const int begin = random_below(&random, 4), end = begin + rows, samples = end + random_below(&random, 3);
    const int panels = mf_ceil_div(out, MF_PANEL);
    const bool relu = random_below(&random, 4) != 0;
    support_case("forward: %d samples [%d, %d), in %d, out %d, %s", samples, begin, end, in, out,
                 left == PACKED ? ink_name[ink] : "dense");

    uint8_t *pixels = NULL;
    struct mf_matrix x;
    if (left == PACKED) {
        pixels = pixels_new(samples, ink, 0, &random);
        x = pixels_scaled(definition, pixels, samples);
    } else {
        x = matrix_new(samples, mf_ceil_div(in, MF_PANEL));
        matrix_fill(x, samples, mf_ceil_div(in, MF_PANEL), in, some_magnitude(&random), NAN, &random);
        if (left == INDEXED)
            matrix_thin(x, samples, in, &random);
        guarded_seal(x.data);
    }
    const struct mf_matrix w = matrix_sealed(in, out, some_magnitude(&random), 0.0f, &random);
    const struct mf_matrix bias = {guarded_new(matrix_size(w, 1, panels) * sizeof(float)), w.stride};
    matrix_fill(bias, 1, panels, out, 1.0f, 0.0f, &random);
    if (relu) /* skipping zeros may change the sign of a zero, which the ReLU must hide */
        *mf_at(bias, 0, random_below(&random, out)) = -0.0f;
    guarded_seal(bias.data);

    struct mf_forward op = {.x = x, .w = w, .bias = bias.data, .in = in, .panels = panels, .relu = relu};
    op.scale = random_below(&random, 2) ? 1.0f : 1.0f / 255.0f;
    const struct mf_matrix expected = matrix_new(samples, panels), got = matrix_new(samples, panels);
    const size_t size = matrix_size(expected, samples, panels);
    op.y = expected;
    definition->forward(&op, begin, end);
    expect_only("y", got.data, expected, samples, panels, begin, end, 0, panels);

    for (; *isas; isas++) {
        support_case("forward%s/%s%s: %d samples [%d, %d), in %d, out %d, %s%s", left_name[left], (*isas)->name,
                     precision_name[(*isas)->precision], samples, begin, end, in, out,
                     left == PACKED ? ink_name[ink] : "dense", relu ? ", relu" : "");
        guarded_blank(got.data, size);
        op.y = got;
        struct mf_packed_nonzeros packed = packed_new(*isas, in);
        struct mf_nonzero_index index = index_new(*isas, in);
        op.packed = left == PACKED ? &packed : NULL;
        op.index = left == INDEXED ? &index : NULL;
        op.x.data = left == PACKED ? NULL : x.data;
        for (int row = begin; row < end; row += CALL_ROWS) {
            const int next = row + CALL_ROWS < end ? row + CALL_ROWS : end;
            if (left == PACKED)
                (*isas)->pack_samples(pixels, row, next, &packed);
            else if (left == INDEXED)
                (*isas)->index_columns(x, in, row, next, &index);
            (left == PACKED ? (*isas)->forward_sparse : (*isas)->forward)(&op, row, left == DENSE ? end : next);
        }
        expect_same("y", expected, got, samples, panels);
    }
    guarded_release();
}

START_TEST(forward_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows;
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels++)
        for (int d = 0; d < depths_to_try(); d += depth_step(isa, panels))
            check_forward(only(isa), DENSE, rows, panels * MF_PANEL - d % MF_PANEL, depths[d], BLACK);
}
END_TEST

START_TEST(forward_indexed_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows;
    if (!isa->index_columns) /* in bf16 */
        return;
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels++)
        for (int d = 0; d < depths_to_try(); d += depth_step(isa, panels))
            check_forward(only(isa), INDEXED, rows, panels * MF_PANEL - d % MF_PANEL, depths[d], BLACK);
}
END_TEST

START_TEST(forward_sparse_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows;
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels += support_short ? 3 : 1)
        for (int ink = 0; ink < INKS; ink++)
            check_forward(only(isa), PACKED, rows, panels * MF_PANEL - ink, MF_INPUTS, (enum ink)ink);
}
END_TEST

/* ---- dx = dz · wᵀ where h > 0 ---- */

static void check_input_gradient(const struct mf_kernels *const *isas, bool indexed, int rows, int in, int out)
{
    struct random random = random_from(indexed ? 4 : 3, (uint64_t)rows, (uint64_t)in, (uint64_t)out);
    const int begin = random_below(&random, 4), end = begin + rows, samples = end + random_below(&random, 3);
    const int panels = mf_ceil_div(in, MF_PANEL);
    support_case("input_gradient: %d samples [%d, %d), in %d, out %d", samples, begin, end, in, out);

    /* the index is of the output y that dz belongs to: where that is zero, so is dz, and now and then elsewhere */
    const int depth_panels = mf_ceil_div(out, MF_PANEL);
    const struct mf_matrix dz = matrix_new(samples, depth_panels), y = matrix_new(samples, depth_panels);
    matrix_fill(dz, samples, depth_panels, out, some_magnitude(&random), NAN, &random);
    matrix_fill(y, samples, depth_panels, out, 1.0f, NAN, &random);
    if (indexed) {
        matrix_thin(y, samples, out, &random);
        for (int i = 0; i < samples; i++)
            for (int j = 0; j < out; j++)
                if (*mf_at(y, i, j) == 0.0f || random_below(&random, 9) == 0)
                    *mf_at(dz, i, j) = 0.0f;
    }
    guarded_seal(y.data);
    guarded_seal(dz.data);
    const struct mf_matrix wt = matrix_sealed(out, in, some_magnitude(&random), 0.0f, &random);
    const struct mf_matrix h = matrix_new(samples, panels);
    for (int i = 0; i < samples; i++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            const float z = random_real(&random);
            *mf_at(h, i, j) = j < in && z > 0.0f ? (z > 0.9f ? 0x1p-149f : z) : 0.0f;
        }
    guarded_seal(h.data);

    struct mf_input_gradient op = {.dz = dz, .wt = wt, .h = h, .out = out, .panels = panels};
    const struct mf_matrix expected = matrix_new(samples, panels), got = matrix_new(samples, panels);
    const size_t size = matrix_size(expected, samples, panels);
    op.dx = expected;
    definition_of(*isas)->input_gradient(&op, begin, end);
    expect_only("dx", got.data, expected, samples, panels, begin, end, 0, panels);

    for (; *isas; isas++) {
        support_case("input_gradient%s/%s%s: %d samples [%d, %d), in %d, out %d", left_name[indexed], (*isas)->name,
                     precision_name[(*isas)->precision], samples, begin, end, in, out);
        guarded_blank(got.data, size);
        op.dx = got;
        struct mf_nonzero_index index = index_new(*isas, out);
        op.index = indexed ? &index : NULL;
        for (int row = begin; row < end; row += CALL_ROWS) {
            const int next = row + CALL_ROWS < end ? row + CALL_ROWS : end;
            if (indexed)
                (*isas)->index_columns(y, out, row, next, &index);
            (*isas)->input_gradient(&op, row, indexed ? next : end);
        }
        expect_same("dx", expected, got, samples, panels);
    }
    guarded_release();
}

START_TEST(input_gradient_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows;
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels++)
        for (int d = 0; d < depths_to_try(); d += depth_step(isa, panels))
            for (int indexed = 0; indexed < (isa->index_columns ? 2 : 1); indexed++)
                check_input_gradient(only(isa), indexed, rows, panels * MF_PANEL - d % MF_PANEL, depths[d]);
}
END_TEST
/* ---- the real shapes, all instruction sets against one scalar run ---- */

/* Rows of the output are independent of each other: some blocks of a call and a part of one stand for a batch. */
static int real_rows(void)
{
    return support_short ? 50 : 5 * CALL_ROWS + 7;
}

START_TEST(forward_real)
{
    static const int shape[][2] = {{784, 500}, {500, 500}, {500, 10}};
    const int *in_out = shape[_i / 2];
    check_forward(vector_tables(_i % 2), DENSE, real_rows(), in_out[1], in_out[0], BLACK);
    if (_i % 2 == MF_FP32)
        check_forward(all_tables(MF_FP32), INDEXED, real_rows(), in_out[1], in_out[0], BLACK);
}
END_TEST

START_TEST(forward_sparse_real)
{
    check_forward(all_tables(_i % 2), PACKED, _i / 2 ? 50 : real_rows(), 500, MF_INPUTS, _i / 2 ? FULL : MNIST_LIKE);
}
END_TEST

START_TEST(input_gradient_real)
{
    check_input_gradient(vector_tables(_i % 2), false, real_rows(), 500, _i / 2 ? 10 : 500);
    if (_i % 2 == MF_FP32)
        check_input_gradient(all_tables(MF_FP32), true, real_rows(), 500, _i / 2 ? 10 : 500);
}
END_TEST
int main(void)
{
    support_begin();
    support_announce_isas();
    find_row_cases();
    Suite *const suite = suite_create("kernels_products");
    TCase *const edges = tcase_create("edges");
    tcase_set_timeout(edges, 60);
    tcase_add_loop_test(edges, forward_edges, 0, row_cases);
    tcase_add_loop_test(edges, forward_indexed_edges, 0, row_cases);
    tcase_add_loop_test(edges, forward_sparse_edges, 0, row_cases);
    tcase_add_loop_test(edges, input_gradient_edges, 0, row_cases);
    suite_add_tcase(suite, edges);

    TCase *const real = tcase_create("real shapes");
    tcase_set_timeout(real, 120);
    tcase_add_loop_test(real, forward_real, 0, 2 * 3);
    tcase_add_loop_test(real, forward_sparse_real, 0, 2 * 2);
    tcase_add_loop_test(real, input_gradient_real, 0, 2 * 2);
    suite_add_tcase(suite, real);
    return support_run(suite);
}
