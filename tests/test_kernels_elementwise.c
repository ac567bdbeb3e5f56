/* The kernels but for the products, of every instruction set, against scalar.c, bit for bit, with every operand in
 * guarded memory; and the choice of an instruction set. */
#include "kernel_cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the index of columns: a product with too long an index is right, but slow ---- */

START_TEST(index_columns_exact)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    if (!isa->index_columns) /* in bf16 */
        return;
    const int rows = row_case[_i].rows, tiles = mf_ceil_div(rows, isa->mr);
    for (int d = 0; d < depths_to_try(); d++) {
        const int columns = depths[d], begin = d % 3, end = begin + rows, panels = mf_ceil_div(columns, MF_PANEL);
        struct random random = random_from(8, (uint64_t)rows, (uint64_t)columns, 0);
        support_case("index_columns/%s: samples [%d, %d), %d columns", isa->name, begin, end, columns);
        const struct mf_matrix x = matrix_new(end, panels);
        matrix_fill(x, end, panels, columns, 1.0f, NAN, &random);
        matrix_thin(x, end, columns, &random);
        if (d % 4 == 0)
            *mf_at(x, begin, columns - 1) = NAN; /* no zero: a product must show it */
        guarded_seal(x.data);
        struct mf_nonzero_index index = index_new(isa, columns);
        isa->index_columns(x, columns, begin, end, &index);
        for (int t = 0; t < tiles; t++) {
            int n = 0;
            for (int k = 0; k < columns; k++) {
                bool any = false;
                for (int r = begin + mf_part_begin(rows, t, tiles); r < begin + mf_part_begin(rows, t + 1, tiles); r++)
                    any |= *mf_at(x, r, k) != 0.0f;
                const uint64_t packed = index.packed_offset[(size_t)t * (size_t)columns + (size_t)n];
                if (any && (packed != ((uint64_t)(mf_at(x, 0, k) - x.data) << 32 | (uint64_t)k * MF_PANEL) ||
                            ++n > index.count[t]))
                    support_fail("tile %d, entry %d of %d: %llx for column %d", t, n, index.count[t],
                                 (unsigned long long)packed, k);
            }
            if (n != index.count[t])
                support_fail("tile %d: %d columns indexed, %d are not zero", t, index.count[t], n);
        }
        guarded_release();
    }
}
END_TEST
/* ---- softmax ---- */

/* Which results are wanted: the bits of `wanted`. */
enum { LABELS = 1, GRADIENT = 2, PROBABILITY = 4, LOSS = 8, ALL = 15 };

static void check_softmax(const struct mf_kernels *isa, int rows, int kind, unsigned wanted)
{
    static const char *const kind_name[] = {"small", "large", "huge", "ties", "one ahead"};
    struct random random = random_from(9, (uint64_t)rows, (uint64_t)kind, wanted);
    const int begin = random_below(&random, 4), end = begin + rows, samples = end + random_below(&random, 3);
    support_case("softmax/%s: %d samples [%d, %d), %s logits, wanted %x", isa->name, samples, begin, end,
                 kind_name[kind], wanted);

    const float magnitude[] = {3.0f, 90.0f, 1e4f, 2.0f, 60.0f};
    const struct mf_matrix logits = matrix_new(samples, 1);
    matrix_fill(logits, samples, 1, MF_CLASSES, magnitude[kind], NAN, &random);
    uint8_t *const labels = guarded_new((size_t)samples);
    for (int i = 0; i < samples; i++) {
        labels[i] = (uint8_t)random_below(&random, MF_CLASSES);
        for (int c = 0; c < MF_CLASSES; c++) {
            float *const logit = mf_at(logits, i, c);
            if (kind == 3) /* equal ones, zeros of both signs among them */
                *logit = random_below(&random, 2) ? copysignf(truncf(*logit), random_real(&random)) : 0.0f;
            if (kind == 4) /* p - 1 of the label is about 2^-24, and the other gradients denormal */
                *logit = c == labels[i] ? 100.0f : *logit - 40.0f;
        }
    }
    guarded_seal(logits.data);
    guarded_seal(labels);

    const struct mf_matrix none = {NULL, 0};
    struct mf_matrix gradient[2], probability[2];
    float *loss[2];
    uint8_t *digit[2];
    for (int which = 0; which < 2; which++) {
        gradient[which] = matrix_new(samples, 1);
        probability[which] = matrix_new(samples, 1);
        loss[which] = guarded_new(sizeof(float) * (size_t)samples);
        digit[which] = guarded_new((size_t)samples);
        const struct mf_softmax op = {
            .logits = logits,
            .labels = wanted & LABELS ? labels : NULL,
            .scale = 0.001f,
            .gradient = wanted & GRADIENT ? gradient[which] : none,
            .probability = wanted & PROBABILITY ? probability[which] : none,
            .loss = wanted & LOSS ? loss[which] : NULL,
            .digit = digit[which],
        };
        (which ? isa : definition_of(isa))->softmax(&op, begin, end);
    }
    expect_same("gradient", gradient[0], gradient[1], samples, 1);
    expect_same("probability", probability[0], probability[1], samples, 1);
    for (int i = 0; i < samples; i++) {
        if (memcmp(&loss[0][i], &loss[1][i], sizeof(float)))
            support_fail("loss %d is %a, expected %a", i, (double)loss[1][i], (double)loss[0][i]);
        if (digit[0][i] != digit[1][i])
            support_fail("digit %d is %d, expected %d", i, digit[1][i], digit[0][i]);
    }

    /* What scalar.c itself left alone. */
    const struct mf_matrix blank = matrix_new(samples, 1);
    const bool gradient_wanted = (wanted & GRADIENT) && (wanted & LABELS),
               loss_wanted = (wanted & LOSS) && (wanted & LABELS);
    expect_only("gradient", blank.data, gradient[0], samples, 1, gradient_wanted ? begin : end, end, 0, 1);
    expect_only("probability", blank.data, probability[0], samples, 1, wanted & PROBABILITY ? begin : end, end, 0, 1);
    for (int i = 0; i < samples; i++)
        if (!(loss_wanted && i >= begin && i < end) && memcmp(&loss[0][i], blank.data, sizeof(float)))
            support_fail("loss %d is written and was not asked for", i);
    for (int i = begin; i < end; i++)
        for (int c = MF_CLASSES; c < MF_PANEL; c++)
            if ((gradient_wanted && *mf_at(gradient[0], i, c) != 0.0f) ||
                (wanted & PROBABILITY && *mf_at(probability[0], i, c) != 0.0f))
                support_fail("column %d of row %d is not zero", c, i);
    guarded_release();
}

START_TEST(softmax_edges)
{
    for (int rows = 1; rows <= 2 * MF_PANEL + 1; rows++)
        for (int kind = 0; kind < 5; kind++) {
            check_softmax(kernel_table[_i], rows, kind, ALL);
            check_softmax(kernel_table[_i], rows, kind, (unsigned)(rows % (ALL + 1)));
        }
}
END_TEST

/* The rarest difference of a last bit in the exponential or the logarithm takes millions of them to show. */
START_TEST(softmax_scan)
{
    const struct mf_kernels *const isa = kernel_table[_i];
    enum { ROWS = 1000 };
    struct random random = random_from(9, 0, 0, 0);
    static const uint8_t labels[ROWS];
    const struct mf_matrix logits = matrix_new(ROWS, 1);
    struct mf_matrix probability[2] = {matrix_new(ROWS, 1), matrix_new(ROWS, 1)};
    float *const loss[2] = {guarded_new(sizeof(float) * ROWS), guarded_new(sizeof(float) * ROWS)};
    uint8_t digit[ROWS];
    const int rounds = support_short ? 20 : 1000;
    for (int round = 0; round < rounds; round++) {
        support_case("softmax/%s: round %d of a scan", isa->name, round);
        matrix_fill(logits, ROWS, 1, MF_CLASSES, round % 4 ? 2.0f : 40.0f, NAN, &random);
        for (int which = 0; which < 2; which++) {
            const struct mf_softmax op = {.logits = logits,
                                          .labels = labels,
                                          .scale = 1.0f,
                                          .probability = probability[which],
                                          .loss = loss[which],
                                          .digit = digit};
            (which ? isa : definition_of(isa))->softmax(&op, 0, ROWS);
        }
        expect_same("probability", probability[0], probability[1], ROWS, 1);
        for (int i = 0; i < ROWS; i++)
            if (memcmp(&loss[0][i], &loss[1][i], sizeof(float)))
                support_fail("loss %d is %a, expected %a", i, (double)loss[1][i], (double)loss[0][i]);
    }
    guarded_release();
}
END_TEST

/* ---- the small ones ---- */

START_TEST(scale_exact)
{
    const struct mf_kernels *const isa = kernel_table[_i];
    for (int rows = 1; rows <= 5; rows++) {
        struct random random = random_from(100, (uint64_t)rows, 0, 0);
        const int begin = rows % 3, end = begin + rows, samples = end + rows % 2, panels = MF_INPUTS / MF_PANEL;
        support_case("scale/%s: %d samples [%d, %d)", isa->name, samples, begin, end);
        uint8_t *const pixels = guarded_new((size_t)samples * MF_INPUTS);
        for (int i = 0; i < samples * MF_INPUTS; i++)
            pixels[i] = (uint8_t)(rows == 1 ? i : random_below(&random, 256)); /* every value at least once */
        guarded_seal(pixels);
        const struct mf_matrix expected = matrix_new(samples, panels), got = matrix_new(samples, panels);
        definition_of(isa)->scale(pixels, begin, end, expected);
        expect_only("x", got.data, expected, samples, panels, begin, end, 0, panels);
        for (int i = begin; i < end; i++)
            for (int k = 0; k < MF_INPUTS; k++)
                if (*mf_at(expected, i, k) !=
                    (float)(pixels[i * MF_INPUTS + k] / (isa->precision == MF_BF16 ? 1.0 : 255.0)))
                    support_fail("pixel %d is %a", pixels[i * MF_INPUTS + k], (double)*mf_at(expected, i, k));
        isa->scale(pixels, begin, end, got);
        expect_same("x", expected, got, samples, panels);
        guarded_release();
    }
}
END_TEST

START_TEST(transpose_exact)
{
    const struct mf_kernels *const isa = kernel_table[_i];
    struct random random = random_from(101, 0, 0, 0);
    support_case("transpose/%s", isa->name);
    const struct mf_matrix block = matrix_sealed(MF_PANEL, MF_PANEL, 1.0f, 0.0f, &random);
    const struct mf_matrix transposed = matrix_new(MF_PANEL, 1);
    isa->transpose(block.data, transposed.data);
    for (int i = 0; i < MF_PANEL; i++)
        for (int j = 0; j < MF_PANEL; j++)
            if (transposed.data[j * MF_PANEL + i] != block.data[i * MF_PANEL + j])
                support_fail("element (%d, %d) is not where it belongs", i, j);
    guarded_release();
}
END_TEST

START_TEST(empty_ranges)
{
    const struct mf_kernels *const isa = kernel_table[_i];
    struct random random = random_from(102, 0, 0, 0);
    support_case("%s: empty ranges", isa->name);
    const struct mf_matrix blank = matrix_new(5, 1), a = matrix_sealed(5, 5, 1.0f, 0.0f, &random), c = matrix_new(5, 1);
    const struct mf_forward forward = {.x = a, .w = a, .bias = a.data, .y = c, .in = 5, .panels = 1};
    isa->forward(&forward, 2, 2);
    const struct mf_input_gradient input = {.dz = a, .wt = a, .h = a, .dx = c, .out = 5, .panels = 1};
    isa->input_gradient(&input, 5, 5);
    const struct mf_weight_update weight = {.x = a, .dz = a, .samples = 5, .w = c, .m = c, .v = c, .copy = c};
    isa->weight_update(&weight, 0, 5, 0, 0);
    isa->weight_update(&weight, 3, 3, 0, 1);
    expect_same("output", blank, c, 5, 1);
    guarded_release();
}
END_TEST

/* A diverged training must show: no kernel may turn a NaN into a number on the way to the loss. */
START_TEST(nan_stays)
{
    const struct mf_kernels *const isa = kernel_table[_i];
    struct random random = random_from(103, 0, 0, 0);
    const int rows = 7, in = 20, out = 32;
    support_case("%s: a NaN stays one", isa->name);
    const struct mf_matrix x = matrix_sealed(rows, in, 1.0f, 0.0f, &random), w = matrix_new(in, 2),
                           y = matrix_new(rows, 2), dx = matrix_new(rows, 2);
    matrix_fill(w, in, 2, out, 1.0f, 0.0f, &random);
    float *const bias = guarded_new(sizeof(float) * matrix_size(w, 1, 2)); /* all NaN */
    const struct mf_forward forward = {.x = x, .w = w, .bias = bias, .y = y, .in = in, .panels = 2, .relu = true};
    isa->forward(&forward, 0, rows);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < out; j++)
            if (!isnan(*mf_at(y, i, j)))
                support_fail("forward gave %a", (double)*mf_at(y, i, j));

    const struct mf_matrix h = matrix_new(rows, 2), nan = matrix_new(rows, 2); /* nan: all NaN */
    matrix_fill(h, rows, 2, 0, 0.0f, 1.0f, &random);
    const struct mf_input_gradient input = {.dz = nan, .wt = w, .h = h, .dx = dx, .out = in, .panels = 2};
    isa->input_gradient(&input, 0, rows);
    for (int i = 0; i < rows; i++)
        if (!isnan(*mf_at(dx, i, i)))
            support_fail("input_gradient gave %a", (double)*mf_at(dx, i, i));

    const struct mf_matrix m = matrix_new(in, 2), v = matrix_new(in, 2), copy = matrix_new(in, 2);
    matrix_fill(m, in, 2, 0, 0.0f, 0.0f, &random);
    matrix_fill(v, in, 2, 0, 0.0f, 0.0f, &random);
    const struct mf_weight_update weight = {.x = x,
                                            .dz = nan,
                                            .samples = rows,
                                            .w = w,
                                            .m = m,
                                            .v = v,
                                            .copy = copy,
                                            .scale = 1.0f,
                                            .adam = adam_at_step(1)};
    isa->weight_update(&weight, 0, 10, 0, 2);
    for (int i = 0; i < 10; i++)
        if (!isnan(*mf_at(w, i, i)) || !isnan(*mf_at(m, i, i)) || !isnan(*mf_at(v, i, i)))
            support_fail("weight_update gave a number");

    const uint8_t labels[] = {0, 1, 2, 3, 4, 5, 6};
    uint8_t digit[7];
    float loss[7];
    const struct mf_softmax softmax = {.logits = nan, .labels = labels, .scale = 1.0f, .digit = digit, .loss = loss};
    isa->softmax(&softmax, 0, rows);
    for (int i = 0; i < rows; i++)
        if (!isnan(loss[i]))
            support_fail("softmax gave the loss %a", (double)loss[i]);
    guarded_release();
}
END_TEST

/* ---- the choice ---- */

START_TEST(choose_by_name)
{
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++) {
        const struct mf_kernels *const chosen = mf_kernels_choose((*isa)->name, MF_FP32);
        if ((*isa)->supported()) {
            ck_assert_msg(chosen == *isa, "asked for %s, got %s", (*isa)->name, chosen ? chosen->name : "none");
            ck_assert_str_eq(chosen->name, (*isa)->name);
        } else {
            ck_assert_msg(!chosen, "%s is not supported, got %s", (*isa)->name, chosen ? chosen->name : "none");
        }
    }
    ck_assert_ptr_eq(mf_kernels_choose(NULL, MF_FP32), support_isas[0]);
    ck_assert_ptr_null(mf_kernels_choose("", MF_FP32));
    ck_assert_ptr_null(mf_kernels_choose("AVX2", MF_FP32));
    ck_assert_ptr_null(mf_kernels_choose("sse9", MF_FP32));
    ck_assert_ptr_null(mf_kernels_choose("scalar ", MF_FP32));
}
END_TEST

START_TEST(built_in)
{
#if defined(__x86_64__)
    static const char *const expected[] = {"avx512", "avx2", "scalar", NULL};
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    ck_assert_int_eq(mf_isas[1]->supported(), avx2);
#elif defined(__aarch64__)
    static const char *const expected[] = {"neon", "scalar", NULL};
#else
    static const char *const expected[] = {"scalar", NULL};
#endif
    int i = 0;
    for (; expected[i]; i++) {
        ck_assert_ptr_nonnull(mf_isas[i]);
        ck_assert_str_eq(mf_isas[i]->name, expected[i]);
        ck_assert_int_ge(mf_isas[i]->mr, 1);
        ck_assert_int_le(mf_isas[i]->mr, MF_MR_MAX);
    }
    ck_assert_ptr_null(mf_isas[i]);
}
END_TEST

/* A table whose products are those of another instruction set would pass every comparison above. */
START_TEST(own_products)
{
    for (int a = 0; a < kernel_tables; a++)
        for (int b = 0; b < a; b++) {
            const struct mf_kernels *const one = kernel_table[a], *const other = kernel_table[b];
            ck_assert_msg(one->forward != other->forward && one->forward_sparse != other->forward_sparse &&
                              one->input_gradient != other->input_gradient &&
                              one->weight_update != other->weight_update &&
                              one->weight_update_sparse != other->weight_update_sparse,
                          "%s and %s share a product", one->name, other->name);
        }
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    find_row_cases();
    Suite *const suite = suite_create("kernels_elementwise");

    TCase *const choice = tcase_create("choice");
    tcase_add_test(choice, choose_by_name);
    tcase_add_test(choice, built_in);
    tcase_add_test(choice, own_products);
    suite_add_tcase(suite, choice);

    TCase *const edges = tcase_create("edges");
    tcase_set_timeout(edges, 60);
    tcase_add_loop_test(edges, index_columns_exact, 0, row_cases);
    tcase_add_loop_test(edges, softmax_edges, 0, kernel_tables);
    tcase_add_loop_test(edges, softmax_scan, 0, kernel_tables);
    suite_add_tcase(suite, edges);

    TCase *const small = tcase_create("small");
    tcase_add_loop_test(small, scale_exact, 0, kernel_tables);
    tcase_add_loop_test(small, transpose_exact, 0, kernel_tables);
    tcase_add_loop_test(small, empty_ranges, 0, kernel_tables);
    tcase_add_loop_test(small, nan_stays, 0, kernel_tables);
    suite_add_tcase(suite, small);

    return support_run(suite);
}
