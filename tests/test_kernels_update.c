/* The weight updates of every instruction set against scalar.c, bit for bit, with every operand in guarded memory. */
#include "kernel_cases.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- dw = xᵀ · dz, and Adam ---- */

/* Weights with their moments: never denormal, the second never negative. */
struct parameters {
    struct mf_matrix w, m, v, copy; /* copy: of the weights, rounded, which bf16 alone writes */
};

static struct parameters new_parameters(int rows, int panels)
{
    return (struct parameters){matrix_new(rows, panels), matrix_new(rows, panels), matrix_new(rows, panels),
                               matrix_new(rows, panels)};
}

static void fill_parameters(struct parameters p, int rows, int panels, int columns, struct random *random)
{
    matrix_fill(p.w, rows, panels, columns, 0.1f, 0.0f, random);
    matrix_fill(p.m, rows, panels, columns, 0.01f, 0.0f, random);
    matrix_fill(p.v, rows, panels, columns, 0.0001f, 0.0f, random);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            float *const m = mf_at(p.m, i, j), *const v = mf_at(p.v, i, j);
            *v = fabsf(*v);
            if (j < columns && random_below(random, 4) == 0) /* the next step takes many of these below FLT_MIN */
                *m = copysignf(FLT_MIN * (1.0f + fabsf(random_real(random))), *m);
            if (j < columns && random_below(random, 4) == 0)
                *v = FLT_MIN * (1.0f + fabsf(random_real(random)));
        }
}

static void copy_parameters(struct parameters to, struct parameters from, size_t size)
{
    memcpy(to.w.data, from.w.data, size * sizeof(float));
    memcpy(to.m.data, from.m.data, size * sizeof(float));
    memcpy(to.v.data, from.v.data, size * sizeof(float));
    memcpy(to.copy.data, from.copy.data, size * sizeof(float));
}

static void expect_same_parameters(struct parameters expected, struct parameters got, int rows, int panels)
{
    expect_same("m", expected.m, got.m, rows, panels);
    expect_same("v", expected.v, got.v, rows, panels);
    expect_same("w", expected.w, got.w, rows, panels);
    expect_same("copy", expected.copy, got.copy, rows, panels);
}

static void expect_only_parameters(struct parameters before, struct parameters after, int rows, int panels, int begin,
                                   int end, int first, int last)
{
    expect_only("m", before.m.data, after.m, rows, panels, begin, end, first, last);
    expect_only("v", before.v.data, after.v, rows, panels, begin, end, first, last);
    expect_only("w", before.w.data, after.w, rows, panels, begin, end, first, last);
    expect_only("copy", before.copy.data, after.copy, rows, panels, begin, end, first, last);
}

static struct mf_adam some_adam(struct random *random)
{
    struct mf_adam adam = adam_at_step(1 + random_below(random, 300));
    if (random_below(random, 2)) { /* the moment is the gradient then */
        adam.beta1 = 0.0f;
        adam.gain1 = 1.0f;
    }
    if (random_below(random, 2))
        adam.keep = 1.0f - 0.1f * fabsf(random_real(random));
    return adam;
}

/* A dense kernel takes rows of one panel of x at a time. */
static void weight_update_by_panels(const struct mf_kernels *isa, const struct mf_weight_update *op, int begin, int end,
                                    int first, int last)
{
    for (int row = begin; row < end;) {
        const int next_panel = (row / MF_PANEL + 1) * MF_PANEL, next = next_panel < end ? next_panel : end;
        isa->weight_update(op, row, next, first, last);
        row = next;
    }
}

/* isas: of one precision. Rows [begin, end) of `in`, panels [first, last) of those of `out`. Sparse: x comes from
 * pixels with this ink. */
static void check_weight_update(const struct mf_kernels *const *isas, bool sparse, int in, int begin, int end, int out,
                                int first, int last, int samples, enum ink ink)
{
    struct random random =
        random_from(sparse ? 6 : 5, (uint64_t)begin * 1000 + (uint64_t)end,
                    (uint64_t)out * 1000 + (uint64_t)first * 100 + (uint64_t)last, (uint64_t)samples * INKS + ink);
    const struct mf_kernels *const definition = definition_of(*isas);
    const int panels = mf_ceil_div(out, MF_PANEL);
    support_case("weight_update: rows [%d, %d) of %d, panels [%d, %d), out %d, %d samples, %s", begin, end, in, first,
                 last, out, samples, sparse ? ink_name[ink] : "dense");

    const float magnitude = some_magnitude(&random);
    uint8_t *pixels = NULL;
    struct mf_matrix x;
    if (sparse) {
        enum { RESERVE = 16 };
        pixels = pixels_new(samples, ink, RESERVE, &random);
        x = pixels_scaled(definition, pixels, samples);
    } else {
        x = matrix_sealed(samples, in, magnitude, NAN, &random);
    }
    const struct mf_matrix dz =
        matrix_sealed(samples, out, 0.001f * (sparse ? magnitude * magnitude : magnitude), 0.0f, &random);

    const struct parameters before = new_parameters(in, panels), expected = new_parameters(in, panels),
                            got = new_parameters(in, panels);
    const size_t size = matrix_size(before.w, in, panels);
    fill_parameters(before, in, panels, out, &random);
    struct mf_weight_update op = {.x = x, .dz = dz, .samples = samples, .adam = some_adam(&random)};
    op.scale = random_below(&random, 2) ? 1.0f : 1.0f / 255.0f;
    copy_parameters(expected, before, size);
    op.w = expected.w, op.m = expected.m, op.v = expected.v, op.copy = expected.copy;
    weight_update_by_panels(definition, &op, begin, end, first, last);
    expect_only_parameters(before, expected, in, panels, begin, end, first, last);

    op.w = got.w, op.m = got.m, op.v = got.v, op.copy = got.copy;
    for (; *isas; isas++) {
        support_case("%s/%s%s: rows [%d, %d) of %d, panels [%d, %d), out %d, %d samples, %s",
                     sparse ? "weight_update_sparse" : "weight_update", (*isas)->name,
                     precision_name[(*isas)->precision], begin, end, in, first, last, out, samples,
                     sparse ? ink_name[ink] : "dense");
        copy_parameters(got, before, size);
        if (sparse) {
            struct mf_packed_nonzeros packed = packed_new(*isas, samples);
            op.x.data = NULL;
            op.packed = &packed;
            for (int row = begin; row < end; row += CALL_ROWS) {
                const int next = row + CALL_ROWS < end ? row + CALL_ROWS : end;
                (*isas)->pack_pixels(pixels, samples, row, next, &packed);
                (*isas)->weight_update_sparse(&op, row, next, first, last);
            }
        } else {
            weight_update_by_panels(*isas, &op, begin, end, first, last);
        }
        expect_same_parameters(expected, got, in, panels);
    }
    guarded_release();
}

/* The part of a few more panels that is asked for: sometimes all, sometimes from the middle. */
static int some_first(int panels, int depth)
{
    return depth % 2 ? 0 : (panels + depth) % 3;
}

START_TEST(weight_update_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows < MF_PANEL ? row_case[_i].rows : MF_PANEL; /* within one panel of x */
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels++)
        for (int d = 0; d < depths_to_try(); d += depth_step(isa, panels)) {
            const int before = depths[d] % (MF_PANEL - rows + 1), first = some_first(panels, depths[d]);
            const int begin = d % 3 * MF_PANEL + before, end = begin + rows, after = (d + panels) % 3;
            check_weight_update(only(isa), false, end + after, begin, end,
                                (first + panels + after) * MF_PANEL - d % MF_PANEL, first, first + panels, depths[d],
                                BLACK);
        }
}
END_TEST

START_TEST(weight_update_sparse_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows;
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels += support_short ? 3 : 1)
        for (int d = 0; d < DEPTHS_UNREAL; d += depth_step(isa, panels)) {
            const int first = some_first(panels, depths[d]), after = (d + panels) % 3;
            const bool at_the_end = panels == 1 && d % 4 == 0; /* of the image, where reading on leaves the memory */
            const int begin = at_the_end ? MF_INPUTS - rows : d * 7 % 40,
                      in = at_the_end ? MF_INPUTS : begin + rows + after;
            check_weight_update(only(isa), true, in, begin, begin + rows,
                                (first + panels + after) * MF_PANEL - d % MF_PANEL, first, first + panels, depths[d],
                                (enum ink)((d + panels + rows) % INKS));
        }
}
END_TEST

static void check_bias_update(const struct mf_kernels *isa, int panels, int samples)
{
    struct random random = random_from(7, (uint64_t)panels, (uint64_t)samples, 0);
    const int first = some_first(panels, samples), last = first + panels;
    const int all = last + samples % 3, rows = 20, row = samples % rows;
    support_case("bias_update/%s: row %d, panels [%d, %d), %d samples", isa->name, row, first, last, samples);

    const float magnitude = some_magnitude(&random);
    const struct mf_matrix dz = matrix_sealed(samples, all * MF_PANEL, magnitude * magnitude, 0.0f, &random);
    const struct parameters before = new_parameters(rows, all), expected = new_parameters(rows, all),
                            got = new_parameters(rows, all);
    const size_t size = matrix_size(before.w, rows, all);
    fill_parameters(before, rows, all, all * MF_PANEL, &random);
    copy_parameters(expected, before, size);
    copy_parameters(got, before, size);

    struct mf_weight_update op = {.dz = dz, .samples = samples, .adam = some_adam(&random)};
    op.w = expected.w, op.m = expected.m, op.v = expected.v, op.copy = expected.copy;
    definition_of(isa)->bias_update(&op, row, first, last);
    expect_only_parameters(before, expected, rows, all, row, row + 1, first, last);
    op.w = got.w, op.m = got.m, op.v = got.v, op.copy = got.copy;
    isa->bias_update(&op, row, first, last);
    expect_same_parameters(expected, got, rows, all);
    guarded_release();
}

START_TEST(bias_update_edges)
{
    const struct mf_kernels *const isa = kernel_table[_i];
    for (int panels = 1; panels <= panels_to_try(isa, 1); panels++)
        for (int d = 0; d < depths_to_try(); d += depth_step(isa, panels))
            check_bias_update(isa, panels, depths[d]);
}
END_TEST
/* ---- the real shapes, all instruction sets against one scalar run ---- */

START_TEST(weight_update_real)
{
    static const int shape[][2] = {{784, 500}, {500, 500}, {500, 10}};
    const int in = shape[_i / 2][0], out = shape[_i / 2][1];
    check_weight_update(vector_tables(_i % 2), false, in, 0, in, out, 0, mf_ceil_div(out, MF_PANEL), real_samples(),
                        BLACK);
}
END_TEST

START_TEST(weight_update_sparse_real)
{
    check_weight_update(all_tables(_i % 2), true, MF_INPUTS, 0, MF_INPUTS, 500, 0, 32, _i / 2 ? 50 : real_samples(),
                        _i / 2 ? FULL : MNIST_LIKE);
}
END_TEST
int main(void)
{
    support_begin();
    support_announce_isas();
    find_row_cases();
    Suite *const suite = suite_create("kernels_update");
    TCase *const edges = tcase_create("edges");
    tcase_set_timeout(edges, 60);
    tcase_add_loop_test(edges, weight_update_edges, 0, row_cases);
    tcase_add_loop_test(edges, weight_update_sparse_edges, 0, row_cases);
    tcase_add_loop_test(edges, bias_update_edges, 0, kernel_tables);
    suite_add_tcase(suite, edges);

    TCase *const real = tcase_create("real shapes");
    tcase_set_timeout(real, 120);
    tcase_add_loop_test(real, weight_update_real, 0, 2 * 3);
    tcase_add_loop_test(real, weight_update_sparse_real, 0, 2 * 2);
    suite_add_tcase(suite, real);
    return support_run(suite);
}
