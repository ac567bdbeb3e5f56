/* Every kernel of every instruction set against scalar.c, bit for bit, with every operand in guarded memory.
 *
 * Inputs are sealed, so that a kernel that writes to one crashes. What the contract does not let a kernel read (rows of
 * other samples' neighbours, padding of left operands, gaps between panels) is NaN and would spoil the result. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kernel {
    FORWARD,
    FORWARD_LISTED,
    FORWARD_SPARSE,
    INPUT_GRADIENT,
    INPUT_GRADIENT_LISTED,
    WEIGHT_UPDATE,
    WEIGHT_GRADIENT_SPARSE,
    BIAS_GRADIENT,
    LIST_COLUMNS,
    SOFTMAX
};

/* What a product knows of its left operand: nothing, lists of its columns, or lists of pixels alone. */
enum left { DENSE, PACKED_NONZEROS, SPARSE };
static const char *const left_name[] = {"", " with lists", "_sparse"};

/* Where the ink is. */
enum ink { BLACK, ONE_PIXEL, MNIST_LIKE, FULL, ONE_COLUMN, ONE_SAMPLE, CORNERS, INKS };
static const char *const ink_name[INKS] = {"black",      "one pixel",  "19% ink", "full",
                                           "one column", "one sample", "corners"};

static const struct mf_kernels *scalar_isa;

/* One row count of one instruction set: what a test of a loop stands for. */
static struct {
    const struct mf_kernels *isa;
    int rows;
} row_case[SUPPORT_ISAS_MAX * (2 * MF_MR_MAX + 1)];
static int row_cases;

static void find_cases(void)
{
    scalar_isa = mf_kernels_choose("scalar");
    for (int i = 0; i < support_isa_count; i++)
        for (int rows = 1; rows <= 2 * support_isas[i]->mr + 1; rows++) {
            row_case[row_cases].isa = support_isas[i];
            row_case[row_cases++].rows = rows;
        }
}

/* Depths of the sums: every one up to 40, then the odd and the real. */
static const int depths[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,  21, 22,
                             23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 97, 500, 784};
enum { DEPTHS = sizeof depths / sizeof *depths };

static int depths_to_try(void)
{
    return support_short ? DEPTHS - 2 : DEPTHS;
}

/* A single row has a tile of its own, wider than nr_panels; 20 is more than twice the widest. There, and in short
 * runs, a few depths stand for all. */
static int depth_step(const struct mf_kernels *isa, int panels)
{
    return support_short ? 7 : panels > 2 * isa->nr_panels + 1 ? 5 : 1;
}

static int panels_to_try(const struct mf_kernels *isa, int rows)
{
    const int edges = 2 * isa->nr_panels + 1;
    return rows == 1 && edges < 20 ? 20 : edges;
}

/* Normal numbers mostly; sometimes so small that sums and moments come out denormal and must be flushed. */
static float some_magnitude(struct random *random)
{
    static const float magnitude[] = {1.0f, 1.0f, 1.0f, 0x1p-64f};
    return magnitude[random_below(random, 4)];
}

static void fill_pixels(uint8_t *pixels, int samples, enum ink ink, struct random *random)
{
    const int sample = random_below(random, samples), pixel = random_below(random, MF_INPUTS);
    for (int i = 0; i < samples; i++)
        for (int k = 0; k < MF_INPUTS; k++) {
            bool inked = false;
            switch (ink) {
            case ONE_PIXEL: inked = i == sample && k == pixel; break;
            case MNIST_LIKE: inked = random_below(random, 100) < 19; break;
            case FULL: inked = true; break;
            case ONE_COLUMN: inked = k == pixel; break;
            case ONE_SAMPLE: inked = i == sample; break;
            case CORNERS: inked = (i == 0 || i == samples - 1) && (k == 0 || k == MF_INPUTS - 1); break;
            case BLACK:
            case INKS: break;
            }
            pixels[(size_t)i * MF_INPUTS + k] = inked ? (uint8_t)(1 + random_below(random, 255)) : 0;
        }
}

static struct mf_lists new_lists(int depth)
{
    return (struct mf_lists){
        .depth = depth,
        .count = guarded_new(sizeof(int) * MF_BLOCK_ROWS),
        .offset = guarded_new(sizeof(int32_t) * (MF_BLOCK_ROWS * (size_t)depth + MF_INDEX_AHEAD)),
        .value = guarded_new(sizeof(float) * (MF_BLOCK_ROWS * (size_t)depth + MF_PANEL)),
        .place = guarded_new(sizeof(uint64_t) * (MF_BLOCK_ROWS * (size_t)depth + 1)),
    };
}

/* Takes elements of a matrix to zero, as a ReLU does: more in some columns than in others, and whole rows. */
static void thin(struct mf_matrix matrix, int rows, int columns, struct random *random)
{
    for (int j = 0; j < columns; j++) {
        const int share = random_below(random, 3) * 50; /* percent */
        for (int i = 0; i < rows; i++)
            if (random_below(random, 100) < share)
                *matrix_at(matrix, i, j) = 0.0f;
    }
    const int row = random_below(random, 2 * rows);
    for (int j = 0; row < rows && j < columns; j++)
        *matrix_at(matrix, row, j) = 0.0f;
}

/* x as the dense kernels want it, by the definition of scale. */
static struct mf_matrix scaled(const uint8_t *pixels, int samples)
{
    const struct mf_matrix x = matrix_new(samples, MF_INPUTS / MF_PANEL);
    scalar_isa->scale(pixels, 0, samples, x);
    guarded_seal(x.data);
    return x;
}

static struct mf_matrix sealed_matrix(int rows, int columns, float magnitude, float padding, struct random *random)
{
    const int panels = (columns + MF_PANEL - 1) / MF_PANEL;
    const struct mf_matrix matrix = matrix_new(rows, panels);
    matrix_fill(matrix, rows, panels, columns, magnitude, padding, random);
    guarded_seal(matrix.data);
    return matrix;
}

static const struct mf_kernels *const *only(const struct mf_kernels *isa)
{
    static const struct mf_kernels *list[2];
    list[0] = isa;
    return list;
}

/* ---- y = x · w + bias ---- */

/* Sparse: in = 784, and x comes from pixels with this ink. The definition is always the dense scalar kernel. */
static void check_forward(const struct mf_kernels *const *isas, enum left left, int rows, int out, int depth,
                          enum ink ink)
{
    struct random random =
        random_from(FORWARD + (int)left, (uint64_t)rows, (uint64_t)out, (uint64_t)(left == SPARSE ? (int)ink : depth));
    const int in = left == SPARSE ? MF_INPUTS : depth;
    const int begin = random_below(&random, 4), end = begin + rows, samples = end + random_below(&random, 3);
    const int panels = (out + MF_PANEL - 1) / MF_PANEL;
    const bool relu = random_below(&random, 4) != 0;
    support_case("forward: %d samples [%d, %d), in %d, out %d, %s", samples, begin, end, in, out,
                 left == SPARSE ? ink_name[ink] : "dense");

    uint8_t *pixels = NULL;
    struct mf_matrix x;
    if (left == SPARSE) {
        pixels = guarded_new((size_t)samples * MF_INPUTS);
        fill_pixels(pixels, samples, ink, &random);
        guarded_seal(pixels);
        x = scaled(pixels, samples);
    } else {
        x = matrix_new(samples, (in + MF_PANEL - 1) / MF_PANEL);
        matrix_fill(x, samples, (in + MF_PANEL - 1) / MF_PANEL, in, some_magnitude(&random), NAN, &random);
        if (left == PACKED_NONZEROS)
            thin(x, samples, in, &random);
        guarded_seal(x.data);
    }
    const struct mf_matrix w = sealed_matrix(in, out, some_magnitude(&random), 0.0f, &random);
    const struct mf_matrix bias = {guarded_new(matrix_size(w, 1, panels) * sizeof(float)), w.stride};
    matrix_fill(bias, 1, panels, out, 1.0f, 0.0f, &random);
    if (relu) /* skipping zeros may change the sign of a zero, which the ReLU must hide */
        *matrix_at(bias, 0, random_below(&random, out)) = -0.0f;
    guarded_seal(bias.data);

    struct mf_forward op = {.x = x, .w = w, .bias = bias.data, .in = in, .panels = panels, .relu = relu};
    const struct mf_matrix expected = matrix_new(samples, panels), got = matrix_new(samples, panels);
    const size_t size = matrix_size(expected, samples, panels);
    op.y = expected;
    scalar_isa->forward(&op, begin, end);
    expect_only("y", got.data, expected, samples, panels, begin, end, 0, panels);

    for (; *isas; isas++) {
        support_case("forward%s/%s: %d samples [%d, %d), in %d, out %d, %s%s", left_name[left], (*isas)->name, samples,
                     begin, end, in, out, left == SPARSE ? ink_name[ink] : "dense", relu ? ", relu" : "");
        guarded_blank(got.data, size);
        op.y = got;
        struct mf_lists lists = new_lists(in);
        op.lists = left == DENSE ? NULL : &lists;
        op.x.data = left == SPARSE ? NULL : x.data;
        for (int row = begin; row < end; row += MF_BLOCK_ROWS) {
            const int next = row + MF_BLOCK_ROWS < end ? row + MF_BLOCK_ROWS : end;
            if (left == SPARSE)
                (*isas)->pack_samples(pixels, row, next, &lists);
            else if (left == PACKED_NONZEROS)
                (*isas)->index_columns(x, in, row, next, &lists);
            (left == SPARSE ? (*isas)->forward_sparse : (*isas)->forward)(&op, row, left == DENSE ? end : next);
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

START_TEST(forward_listed_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows;
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels++)
        for (int d = 0; d < depths_to_try(); d += depth_step(isa, panels))
            check_forward(only(isa), PACKED_NONZEROS, rows, panels * MF_PANEL - d % MF_PANEL, depths[d], BLACK);
}
END_TEST

START_TEST(forward_sparse_edges)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows;
    for (int panels = 1; panels <= panels_to_try(isa, rows); panels += support_short ? 3 : 1)
        for (int ink = 0; ink < INKS; ink++)
            check_forward(only(isa), SPARSE, rows, panels * MF_PANEL - ink, MF_INPUTS, (enum ink)ink);
}
END_TEST

/* ---- dx = dz · wᵀ where h > 0 ---- */

static void check_input_gradient(const struct mf_kernels *const *isas, bool listed, int rows, int in, int out)
{
    struct random random =
        random_from(listed ? INPUT_GRADIENT_LISTED : INPUT_GRADIENT, (uint64_t)rows, (uint64_t)in, (uint64_t)out);
    const int begin = random_below(&random, 4), end = begin + rows, samples = end + random_below(&random, 3);
    const int panels = (in + MF_PANEL - 1) / MF_PANEL;
    support_case("input_gradient: %d samples [%d, %d), in %d, out %d", samples, begin, end, in, out);

    /* lists are of the output y that dz belongs to: where that is zero, so is dz, and now and then elsewhere */
    const int depth_panels = (out + MF_PANEL - 1) / MF_PANEL;
    const struct mf_matrix dz = matrix_new(samples, depth_panels), y = matrix_new(samples, depth_panels);
    matrix_fill(dz, samples, depth_panels, out, some_magnitude(&random), NAN, &random);
    matrix_fill(y, samples, depth_panels, out, 1.0f, NAN, &random);
    if (listed) {
        thin(y, samples, out, &random);
        for (int i = 0; i < samples; i++)
            for (int j = 0; j < out; j++)
                if (*matrix_at(y, i, j) == 0.0f || random_below(&random, 9) == 0)
                    *matrix_at(dz, i, j) = 0.0f;
    }
    guarded_seal(y.data);
    guarded_seal(dz.data);
    const struct mf_matrix wt = sealed_matrix(out, in, some_magnitude(&random), 0.0f, &random);
    const struct mf_matrix h = matrix_new(samples, panels);
    for (int i = 0; i < samples; i++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            const float z = random_real(&random);
            *matrix_at(h, i, j) = j < in && z > 0.0f ? (z > 0.9f ? 0x1p-149f : z) : 0.0f;
        }
    guarded_seal(h.data);

    struct mf_input_gradient op = {.dz = dz, .wt = wt, .h = h, .out = out, .panels = panels};
    const struct mf_matrix expected = matrix_new(samples, panels), got = matrix_new(samples, panels);
    const size_t size = matrix_size(expected, samples, panels);
    op.dx = expected;
    scalar_isa->input_gradient(&op, begin, end);
    expect_only("dx", got.data, expected, samples, panels, begin, end, 0, panels);

    for (; *isas; isas++) {
        support_case("input_gradient%s/%s: %d samples [%d, %d), in %d, out %d", left_name[listed], (*isas)->name,
                     samples, begin, end, in, out);
        guarded_blank(got.data, size);
        op.dx = got;
        struct mf_lists lists = new_lists(out);
        op.lists = listed ? &lists : NULL;
        for (int row = begin; row < end; row += MF_BLOCK_ROWS) {
            const int next = row + MF_BLOCK_ROWS < end ? row + MF_BLOCK_ROWS : end;
            if (listed)
                (*isas)->index_columns(y, out, row, next, &lists);
            (*isas)->input_gradient(&op, row, listed ? next : end);
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
            for (int listed = 0; listed < 2; listed++)
                check_input_gradient(only(isa), listed, rows, panels * MF_PANEL - d % MF_PANEL, depths[d]);
}
END_TEST

/* ---- dw = xᵀ · dz, and Adam ---- */

/* Weights with their moments: never denormal, the second never negative. */
struct parameters {
    struct mf_matrix w, m, v;
};

static struct parameters new_parameters(int rows, int panels)
{
    return (struct parameters){matrix_new(rows, panels), matrix_new(rows, panels), matrix_new(rows, panels)};
}

static void fill_parameters(struct parameters p, int rows, int panels, int columns, struct random *random)
{
    matrix_fill(p.w, rows, panels, columns, 0.1f, 0.0f, random);
    matrix_fill(p.m, rows, panels, columns, 0.01f, 0.0f, random);
    matrix_fill(p.v, rows, panels, columns, 0.0001f, 0.0f, random);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            float *const m = matrix_at(p.m, i, j), *const v = matrix_at(p.v, i, j);
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
}

static void expect_same_parameters(struct parameters expected, struct parameters got, int rows, int panels)
{
    expect_same("m", expected.m, got.m, rows, panels);
    expect_same("v", expected.v, got.v, rows, panels);
    expect_same("w", expected.w, got.w, rows, panels);
}

static void expect_only_parameters(struct parameters before, struct parameters after, int rows, int panels, int begin,
                                   int end, int first, int last)
{
    expect_only("m", before.m.data, after.m, rows, panels, begin, end, first, last);
    expect_only("v", before.v.data, after.v, rows, panels, begin, end, first, last);
    expect_only("w", before.w.data, after.w, rows, panels, begin, end, first, last);
}

static struct mf_adam some_adam(struct random *random)
{
    struct mf_adam adam = adam_at_step(1 + random_below(random, 300));
    if (random_below(random, 2)) { /* the moment is the gradient then */
        adam.beta1 = 0.0f;
        adam.gain1 = 1.0f;
    }
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

/* Rows [begin, end) of `in`, panels [first, last) of those of `out`. Sparse: x comes from pixels with this ink. */
static void check_weight_update(const struct mf_kernels *const *isas, bool sparse, int in, int begin, int end, int out,
                                int first, int last, int samples, enum ink ink)
{
    struct random random =
        random_from(sparse ? WEIGHT_GRADIENT_SPARSE : WEIGHT_UPDATE, (uint64_t)begin * 1000 + (uint64_t)end,
                    (uint64_t)out * 1000 + (uint64_t)first * 100 + (uint64_t)last, (uint64_t)samples * INKS + ink);
    const int panels = (out + MF_PANEL - 1) / MF_PANEL;
    support_case("weight_update: rows [%d, %d) of %d, panels [%d, %d), out %d, %d samples, %s", begin, end, in, first,
                 last, out, samples, sparse ? ink_name[ink] : "dense");

    const float magnitude = some_magnitude(&random);
    uint8_t *pixels = NULL;
    struct mf_matrix x;
    if (sparse) {
        enum { RESERVE = 16 };
        pixels = guarded_new((size_t)samples * MF_INPUTS + RESERVE);
        fill_pixels(pixels, samples, ink, &random);
        guarded_seal(pixels);
        x = scaled(pixels, samples);
    } else {
        x = sealed_matrix(samples, in, magnitude, NAN, &random);
    }
    const struct mf_matrix dz =
        sealed_matrix(samples, out, 0.001f * (sparse ? magnitude * magnitude : magnitude), 0.0f, &random);

    const struct parameters before = new_parameters(in, panels), expected = new_parameters(in, panels),
                            got = new_parameters(in, panels);
    const size_t size = matrix_size(before.w, in, panels);
    fill_parameters(before, in, panels, out, &random);
    struct mf_weight_update op = {.x = x, .dz = dz, .samples = samples, .adam = some_adam(&random)};
    copy_parameters(expected, before, size);
    op.w = expected.w, op.m = expected.m, op.v = expected.v;
    weight_update_by_panels(scalar_isa, &op, begin, end, first, last);
    expect_only_parameters(before, expected, in, panels, begin, end, first, last);

    op.w = got.w, op.m = got.m, op.v = got.v;
    for (; *isas; isas++) {
        support_case("%s/%s: rows [%d, %d) of %d, panels [%d, %d), out %d, %d samples, %s",
                     sparse ? "weight_update_sparse" : "weight_update", (*isas)->name, begin, end, in, first, last, out,
                     samples, sparse ? ink_name[ink] : "dense");
        copy_parameters(got, before, size);
        if (sparse) {
            struct mf_lists lists = new_lists(samples);
            op.x.data = NULL;
            op.lists = &lists;
            for (int row = begin; row < end; row += MF_BLOCK_ROWS) {
                const int next = row + MF_BLOCK_ROWS < end ? row + MF_BLOCK_ROWS : end;
                (*isas)->pack_pixels(pixels, samples, row, next, &lists);
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
        for (int d = 0; d < DEPTHS - 2; d += depth_step(isa, panels)) {
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
    struct random random = random_from(BIAS_GRADIENT, (uint64_t)panels, (uint64_t)samples, 0);
    const int first = some_first(panels, samples), last = first + panels;
    const int all = last + samples % 3, rows = 20, row = samples % rows;
    support_case("bias_update/%s: row %d, panels [%d, %d), %d samples", isa->name, row, first, last, samples);

    const float magnitude = some_magnitude(&random);
    const struct mf_matrix dz = sealed_matrix(samples, all * MF_PANEL, magnitude * magnitude, 0.0f, &random);
    const struct parameters before = new_parameters(rows, all), expected = new_parameters(rows, all),
                            got = new_parameters(rows, all);
    const size_t size = matrix_size(before.w, rows, all);
    fill_parameters(before, rows, all, all * MF_PANEL, &random);
    copy_parameters(expected, before, size);
    copy_parameters(got, before, size);

    struct mf_weight_update op = {.dz = dz, .samples = samples, .adam = some_adam(&random)};
    op.w = expected.w, op.m = expected.m, op.v = expected.v;
    scalar_isa->bias_update(&op, row, first, last);
    expect_only_parameters(before, expected, rows, all, row, row + 1, first, last);
    op.w = got.w, op.m = got.m, op.v = got.v;
    isa->bias_update(&op, row, first, last);
    expect_same_parameters(expected, got, rows, all);
    guarded_release();
}

START_TEST(bias_update_edges)
{
    const struct mf_kernels *const isa = support_isas[_i];
    for (int panels = 1; panels <= panels_to_try(isa, 1); panels++)
        for (int d = 0; d < depths_to_try(); d += depth_step(isa, panels))
            check_bias_update(isa, panels, depths[d]);
}
END_TEST

/* ---- lists of columns: a product with too long a list is right, but slow ---- */

START_TEST(index_columns_exact)
{
    const struct mf_kernels *const isa = row_case[_i].isa;
    const int rows = row_case[_i].rows, tiles = (rows + isa->mr - 1) / isa->mr;
    for (int d = 0; d < depths_to_try(); d++) {
        const int columns = depths[d], begin = d % 3, end = begin + rows, panels = (columns + MF_PANEL - 1) / MF_PANEL;
        struct random random = random_from(LIST_COLUMNS, (uint64_t)rows, (uint64_t)columns, 0);
        support_case("index_columns/%s: samples [%d, %d), %d columns", isa->name, begin, end, columns);
        const struct mf_matrix x = matrix_new(end, panels);
        matrix_fill(x, end, panels, columns, 1.0f, NAN, &random);
        thin(x, end, columns, &random);
        if (d % 4 == 0)
            *matrix_at(x, begin, columns - 1) = NAN; /* no zero: a product must show it */
        guarded_seal(x.data);
        struct mf_lists lists = new_lists(columns);
        isa->index_columns(x, columns, begin, end, &lists);
        for (int t = 0; t < tiles; t++) {
            int n = 0;
            for (int k = 0; k < columns; k++) {
                bool any = false;
                for (int r = begin + rows * t / tiles; r < begin + rows * (t + 1) / tiles; r++)
                    any |= *matrix_at(x, r, k) != 0.0f;
                const uint64_t place = lists.place[(size_t)t * (size_t)columns + (size_t)n];
                if (any && (place != ((uint64_t)(matrix_at(x, 0, k) - x.data) << 32 | (uint64_t)k * MF_PANEL) ||
                            ++n > lists.count[t]))
                    support_fail("tile %d, entry %d of %d: %llx for column %d", t, n, lists.count[t],
                                 (unsigned long long)place, k);
            }
            if (n != lists.count[t])
                support_fail("tile %d: %d columns listed, %d are not zero", t, lists.count[t], n);
        }
        guarded_release();
    }
}
END_TEST

/* ---- the real shapes, all instruction sets against one scalar run ---- */

static int real_samples(void)
{
    return support_short ? 50 : 1000;
}

/* All but scalar, which would only repeat itself at length. */
static const struct mf_kernels *const *vector_isas(void)
{
    static const struct mf_kernels *list[SUPPORT_ISAS_MAX];
    int n = 0;
    for (int i = 0; i < support_isa_count; i++)
        if (support_isas[i] != scalar_isa)
            list[n++] = support_isas[i];
    return list;
}

START_TEST(forward_real)
{
    static const int shape[][2] = {{784, 500}, {500, 500}, {500, 10}};
    check_forward(vector_isas(), DENSE, real_samples(), shape[_i][1], shape[_i][0], BLACK);
    check_forward(support_isas, PACKED_NONZEROS, real_samples(), shape[_i][1], shape[_i][0], BLACK);
}
END_TEST

START_TEST(forward_sparse_real)
{
    check_forward(support_isas, SPARSE, _i ? 50 : real_samples(), 500, MF_INPUTS, _i ? FULL : MNIST_LIKE);
}
END_TEST

START_TEST(input_gradient_real)
{
    check_input_gradient(vector_isas(), false, real_samples(), 500, _i ? 10 : 500);
    check_input_gradient(support_isas, true, real_samples(), 500, _i ? 10 : 500);
}
END_TEST

START_TEST(weight_update_real)
{
    static const int shape[][2] = {{784, 500}, {500, 500}, {500, 10}};
    const int in = shape[_i][0], out = shape[_i][1];
    check_weight_update(vector_isas(), false, in, 0, in, out, 0, (out + MF_PANEL - 1) / MF_PANEL, real_samples(),
                        BLACK);
}
END_TEST

START_TEST(weight_update_sparse_real)
{
    check_weight_update(support_isas, true, MF_INPUTS, 0, MF_INPUTS, 500, 0, 32, _i ? 50 : real_samples(),
                        _i ? FULL : MNIST_LIKE);
}
END_TEST

/* ---- softmax ---- */

/* Which results are wanted: the bits of `wanted`. */
enum { LABELS = 1, GRADIENT = 2, PROBABILITY = 4, LOSS = 8, ALL = 15 };

static void check_softmax(const struct mf_kernels *isa, int rows, int kind, unsigned wanted)
{
    static const char *const kind_name[] = {"small", "large", "huge", "ties", "one ahead"};
    struct random random = random_from(SOFTMAX, (uint64_t)rows, (uint64_t)kind, wanted);
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
            float *const logit = matrix_at(logits, i, c);
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
        (which ? isa : scalar_isa)->softmax(&op, begin, end);
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
            if ((gradient_wanted && *matrix_at(gradient[0], i, c) != 0.0f) ||
                (wanted & PROBABILITY && *matrix_at(probability[0], i, c) != 0.0f))
                support_fail("column %d of row %d is not zero", c, i);
    guarded_release();
}

START_TEST(softmax_edges)
{
    for (int rows = 1; rows <= 2 * MF_PANEL + 1; rows++)
        for (int kind = 0; kind < 5; kind++) {
            check_softmax(support_isas[_i], rows, kind, ALL);
            check_softmax(support_isas[_i], rows, kind, (unsigned)(rows % (ALL + 1)));
        }
}
END_TEST

/* The rarest difference of a last bit in the exponential or the logarithm takes millions of them to show. */
START_TEST(softmax_scan)
{
    const struct mf_kernels *const isa = support_isas[_i];
    enum { ROWS = 1000 };
    struct random random = random_from(SOFTMAX, 0, 0, 0);
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
            (which ? isa : scalar_isa)->softmax(&op, 0, ROWS);
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
    const struct mf_kernels *const isa = support_isas[_i];
    for (int rows = 1; rows <= 5; rows++) {
        struct random random = random_from(100, (uint64_t)rows, 0, 0);
        const int begin = rows % 3, end = begin + rows, samples = end + rows % 2, panels = MF_INPUTS / MF_PANEL;
        support_case("scale/%s: %d samples [%d, %d)", isa->name, samples, begin, end);
        uint8_t *const pixels = guarded_new((size_t)samples * MF_INPUTS);
        for (int i = 0; i < samples * MF_INPUTS; i++)
            pixels[i] = (uint8_t)(rows == 1 ? i : random_below(&random, 256)); /* every value at least once */
        guarded_seal(pixels);
        const struct mf_matrix expected = matrix_new(samples, panels), got = matrix_new(samples, panels);
        scalar_isa->scale(pixels, begin, end, expected);
        expect_only("x", got.data, expected, samples, panels, begin, end, 0, panels);
        for (int i = begin; i < end; i++)
            for (int k = 0; k < MF_INPUTS; k++)
                if (*matrix_at(expected, i, k) != (float)(pixels[i * MF_INPUTS + k] / 255.0))
                    support_fail("pixel %d is %a", pixels[i * MF_INPUTS + k], (double)*matrix_at(expected, i, k));
        isa->scale(pixels, begin, end, got);
        expect_same("x", expected, got, samples, panels);
        guarded_release();
    }
}
END_TEST

START_TEST(transpose_exact)
{
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(101, 0, 0, 0);
    support_case("transpose/%s", isa->name);
    const struct mf_matrix block = sealed_matrix(MF_PANEL, MF_PANEL, 1.0f, 0.0f, &random);
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
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(102, 0, 0, 0);
    support_case("%s: empty ranges", isa->name);
    const struct mf_matrix blank = matrix_new(5, 1), a = sealed_matrix(5, 5, 1.0f, 0.0f, &random), c = matrix_new(5, 1);
    const struct mf_forward forward = {.x = a, .w = a, .bias = a.data, .y = c, .in = 5, .panels = 1};
    isa->forward(&forward, 2, 2);
    const struct mf_input_gradient input = {.dz = a, .wt = a, .h = a, .dx = c, .out = 5, .panels = 1};
    isa->input_gradient(&input, 5, 5);
    const struct mf_weight_update weight = {.x = a, .dz = a, .samples = 5, .w = c, .m = c, .v = c};
    isa->weight_update(&weight, 0, 5, 0, 0);
    isa->weight_update(&weight, 3, 3, 0, 1);
    expect_same("output", blank, c, 5, 1);
    guarded_release();
}
END_TEST

/* A diverged training must show: no kernel may turn a NaN into a number on the way to the loss. */
START_TEST(nan_stays)
{
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(103, 0, 0, 0);
    const int rows = 7, in = 20, out = 32;
    support_case("%s: a NaN stays one", isa->name);
    const struct mf_matrix x = sealed_matrix(rows, in, 1.0f, 0.0f, &random), w = matrix_new(in, 2),
                           y = matrix_new(rows, 2), dx = matrix_new(rows, 2);
    matrix_fill(w, in, 2, out, 1.0f, 0.0f, &random);
    float *const bias = guarded_new(sizeof(float) * matrix_size(w, 1, 2)); /* all NaN */
    const struct mf_forward forward = {.x = x, .w = w, .bias = bias, .y = y, .in = in, .panels = 2, .relu = true};
    isa->forward(&forward, 0, rows);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < out; j++)
            if (!isnan(*matrix_at(y, i, j)))
                support_fail("forward gave %a", (double)*matrix_at(y, i, j));

    const struct mf_matrix h = matrix_new(rows, 2), nan = matrix_new(rows, 2); /* nan: all NaN */
    matrix_fill(h, rows, 2, 0, 0.0f, 1.0f, &random);
    const struct mf_input_gradient input = {.dz = nan, .wt = w, .h = h, .dx = dx, .out = in, .panels = 2};
    isa->input_gradient(&input, 0, rows);
    for (int i = 0; i < rows; i++)
        if (!isnan(*matrix_at(dx, i, i)))
            support_fail("input_gradient gave %a", (double)*matrix_at(dx, i, i));

    const struct mf_matrix m = matrix_new(in, 2), v = matrix_new(in, 2);
    matrix_fill(m, in, 2, 0, 0.0f, 0.0f, &random);
    matrix_fill(v, in, 2, 0, 0.0f, 0.0f, &random);
    const struct mf_weight_update weight = {
        .x = x, .dz = nan, .samples = rows, .w = w, .m = m, .v = v, .adam = adam_at_step(1)};
    isa->weight_update(&weight, 0, 10, 0, 2);
    for (int i = 0; i < 10; i++)
        if (!isnan(*matrix_at(w, i, i)) || !isnan(*matrix_at(m, i, i)) || !isnan(*matrix_at(v, i, i)))
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
        const struct mf_kernels *const chosen = mf_kernels_choose((*isa)->name);
        if ((*isa)->supported()) {
            ck_assert_msg(chosen == *isa, "asked for %s, got %s", (*isa)->name, chosen ? chosen->name : "none");
            ck_assert_str_eq(chosen->name, (*isa)->name);
        } else {
            ck_assert_msg(!chosen, "%s is not supported, got %s", (*isa)->name, chosen ? chosen->name : "none");
        }
    }
    ck_assert_ptr_eq(mf_kernels_choose(NULL), support_isas[0]);
    ck_assert_ptr_null(mf_kernels_choose(""));
    ck_assert_ptr_null(mf_kernels_choose("AVX2"));
    ck_assert_ptr_null(mf_kernels_choose("sse9"));
    ck_assert_ptr_null(mf_kernels_choose("scalar "));
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
    for (int a = 0; a < support_isa_count; a++)
        for (int b = 0; b < a; b++) {
            const struct mf_kernels *const one = support_isas[a], *const other = support_isas[b];
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
    find_cases();
    Suite *const suite = suite_create("kernels");

    TCase *const choice = tcase_create("choice");
    tcase_add_test(choice, choose_by_name);
    tcase_add_test(choice, built_in);
    tcase_add_test(choice, own_products);
    suite_add_tcase(suite, choice);

    TCase *const edges = tcase_create("edges");
    tcase_set_timeout(edges, 60);
    tcase_add_loop_test(edges, forward_edges, 0, row_cases);
    tcase_add_loop_test(edges, forward_listed_edges, 0, row_cases);
    tcase_add_loop_test(edges, forward_sparse_edges, 0, row_cases);
    tcase_add_loop_test(edges, index_columns_exact, 0, row_cases);
    tcase_add_loop_test(edges, input_gradient_edges, 0, row_cases);
    tcase_add_loop_test(edges, weight_update_edges, 0, row_cases);
    tcase_add_loop_test(edges, weight_update_sparse_edges, 0, row_cases);
    tcase_add_loop_test(edges, bias_update_edges, 0, support_isa_count);
    tcase_add_loop_test(edges, softmax_edges, 0, support_isa_count);
    tcase_add_loop_test(edges, softmax_scan, 0, support_isa_count);
    suite_add_tcase(suite, edges);

    TCase *const small = tcase_create("small");
    tcase_add_loop_test(small, scale_exact, 0, support_isa_count);
    tcase_add_loop_test(small, transpose_exact, 0, support_isa_count);
    tcase_add_loop_test(small, empty_ranges, 0, support_isa_count);
    tcase_add_loop_test(small, nan_stays, 0, support_isa_count);
    suite_add_tcase(suite, small);

    TCase *const real = tcase_create("real shapes");
    tcase_set_timeout(real, 120);
    tcase_add_loop_test(real, forward_real, 0, 3);
    tcase_add_loop_test(real, forward_sparse_real, 0, 2);
    tcase_add_loop_test(real, input_gradient_real, 0, 2);
    tcase_add_loop_test(real, weight_update_real, 0, 3);
    tcase_add_loop_test(real, weight_update_sparse_real, 0, 2);
    suite_add_tcase(suite, real);

    return support_run(suite);
}
