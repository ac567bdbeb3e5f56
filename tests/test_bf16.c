/* The definition of bf16: against tiles that a CPU with AMX has computed, and against arithmetic in double precision.
 */
#include "kernel_cases.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rounding ---- */

static float rounded(const struct mf_kernels *isa, float x)
{
    _Alignas(64) float from[MF_PANEL] = {0}, to[MF_PANEL];
    from[3] = x;
    isa->round((struct mf_matrix){from, MF_PANEL}, 1, 1, (struct mf_matrix){to, MF_PANEL});
    return to[3];
}

static void expect_rounded(const struct mf_kernels *isa, float x, float expected)
{
    const float found = rounded(isa, x);
    if (memcmp(&found, &expected, sizeof found) != 0 && !(isnan(found) && isnan(expected)))
        support_fail("%a becomes %a, expected %a", (double)x, (double)found, (double)expected);
}

static const struct mf_kernels *bf16_table(int i)
{
    return all_tables(MF_BF16)[i];
}

START_TEST(rounding_by_hand)
{
    static const float pairs[][2] = {
        {0.0f, 0.0f},
        {-0.0f, 0.0f},
        {1.0f, 1.0f},
        {255.0f, 255.0f},
        {0x1.01p0f, 0x1.00p0f}, /* a tie: to the even one below */
        {0x1.03p0f, 0x1.04p0f}, /* a tie: to the even one above */
        {-0x1.01p0f, -0x1.00p0f},
        {-0x1.03p0f, -0x1.04p0f},
        {0x1.010002p0f, 0x1.02p0f}, /* just above a tie */
        {0x1.02fffep0f, 0x1.02p0f}, /* just below one */
        {0x1.fffffep0f, 0x1p1f},    /* carries into the exponent */
        {0x1p-55f, 0x1p-55f},       /* the least */
        {-0x1p-55f, -0x1p-55f},
        {0x1.fffffep-56f, 0.0f},  /* would round to it, and is less */
        {-0x1.fffffep-56f, 0.0f}, /* no negative zero */
        {FLT_MIN, 0.0f},
        {0x1p-149f, 0.0f},
        {0x1.fep127f, 0x1.fep127f}, /* the largest */
        {FLT_MAX, INFINITY},
        {-FLT_MAX, -INFINITY},
        {INFINITY, INFINITY},
        {-INFINITY, -INFINITY},
        {NAN, NAN},
    };
    const struct mf_kernels *const isa = bf16_table(_i);
    support_case("round/%s", isa->name);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        expect_rounded(isa, pairs[i][0], pairs[i][1]);
    uint32_t bits = 0x7fffffff; /* a NaN that would carry into the sign */
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    expect_rounded(isa, nan, NAN);
}
END_TEST

START_TEST(rounding_in_double)
{
    const struct mf_kernels *const isa = bf16_table(_i);
    struct random random = random_from(800, 0, 0, 0);
    support_case("round/%s", isa->name);
    for (int i = 0; i < (support_short ? 20000 : 1000000); i++) {
        const uint32_t bits = (uint32_t)random_bits(&random);
        float x;
        memcpy(&x, &bits, sizeof x);
        if (i % 4 == 0) /* a tie, or next to one */
            x = ldexpf((float)(2 * (128 + random_below(&random, 128)) + 1), random_below(&random, 40) - 60) *
                (1.0f + (float)(random_below(&random, 3) - 1) * FLT_EPSILON);
        int exponent;
        if (!isfinite(x))
            continue;
        frexp((double)x, &exponent);
        const double unit = ldexp(1.0, exponent - 8); /* of the last of 8 places; rint takes ties to the even one */
        expect_rounded(isa, x, fabsf(x) < 0x1p-55f ? 0.0f : (float)(rint((double)x / unit) * unit));
    }
}
END_TEST

/* ---- products: tests/golden/tdpbf16ps ----
 *
 * Four tiles with their operands, as a Xeon (Granite Rapids) computed them: C, A, B in pairs of rows, and C + A · B. C
 * of each is the transposed result of the one before, or zero: so the results are those of longer products too, in
 * which every second block has its operands transposed. */

enum { SIDE = 16, TILES = 4 };

struct tile {
    uint32_t c[SIDE * SIDE];
    uint16_t a[SIDE * MF_BLOCK], b[SIDE * MF_BLOCK];
    uint32_t result[SIDE * SIDE];
};

static unsigned read_word(FILE *file)
{
    unsigned word;
    if (fscanf(file, "%x", &word) != 1)
        support_fail("tests/golden/tdpbf16ps: too short, or not hexadecimal");
    return word;
}

static void read_tiles(struct tile tiles[TILES])
{
    FILE *file = fopen("tests/golden/tdpbf16ps", "r");
    if (!file)
        support_fail("tests/golden/tdpbf16ps: cannot be read; run the tests in the top folder");
    for (struct tile *tile = tiles; tile < tiles + TILES; tile++) {
        for (int i = 0; i < SIDE * SIDE; i++)
            tile->c[i] = read_word(file);
        for (int i = 0; i < SIDE * MF_BLOCK; i++)
            tile->a[i] = (uint16_t)read_word(file);
        for (int i = 0; i < SIDE * MF_BLOCK; i++)
            tile->b[i] = (uint16_t)read_word(file);
        for (int i = 0; i < SIDE * SIDE; i++)
            tile->result[i] = read_word(file);
    }
    fclose(file);
}

static float widened(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float left_of(const struct tile *tile, int i, int k)
{
    return widened(tile->a[i * MF_BLOCK + k]);
}

static float right_of(const struct tile *tile, int k, int j)
{
    return widened(tile->b[k / 2 * MF_BLOCK + 2 * j + k % 2]);
}

START_TEST(tiles_of_silicon)
{
    static struct tile tiles[TILES];
    const struct mf_kernels *const isa = bf16_table(_i);
    read_tiles(tiles);
    for (int last = 0; last < TILES; last++) {
        support_case("product/%s of %d blocks", isa->name, last + 1);
        for (int i = 0; i < SIDE * SIDE; i++) {
            const uint32_t before = last ? tiles[last - 1].result[i % SIDE * SIDE + i / SIDE] : 0;
            if (tiles[last].c[i] != before)
                support_fail("tests/golden/tdpbf16ps: tile %d does not go on from the one before", last);
        }
        const int depth = (last + 1) * MF_BLOCK;
        const struct mf_matrix x = matrix_new(SIDE, depth / MF_PANEL), w = matrix_new(depth, 1),
                               y = matrix_new(SIDE, 1);
        float *const bias = guarded_new(sizeof(float) * matrix_size(w, 1, 1));
        memset(bias, 0, sizeof(float) * matrix_size(w, 1, 1));
        for (int i = 0; i < SIDE; i++)
            for (int k = 0; k < depth; k++) {
                const int block = k / MF_BLOCK, of = k % MF_BLOCK;
                const struct tile *const tile = &tiles[block];
                const bool transposed = (last - block) % 2;
                *mf_at(x, i, k) = transposed ? right_of(tile, of, i) : left_of(tile, i, of);
                *mf_at(w, k, i) = transposed ? left_of(tile, i, of) : right_of(tile, of, i);
            }
        const struct mf_forward op = {
            .x = x, .w = w, .scale = 1.0f, .bias = bias, .y = y, .in = depth, .panels = 1, .relu = false};
        isa->forward(&op, 0, SIDE);
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                float expected;
                memcpy(&expected, &tiles[last].result[i * SIDE + j], sizeof expected);
                if (*mf_at(y, i, j) != expected)
                    support_fail("(%d, %d) is %a, of the CPU it is %a", i, j, (double)*mf_at(y, i, j),
                                 (double)expected);
            }
        guarded_release();
    }
}
END_TEST

/* Outputs of a product are rounded where they enter another one, and the logits are not. */
START_TEST(outputs)
{
    const struct mf_kernels *const isa = bf16_table(_i);
    enum { ROWS = 5, IN = 70 };
    struct random random = random_from(801, 0, 0, 0);
    const struct mf_matrix x = matrix_sealed(ROWS, IN, 1.0f, 0.0f, &random),
                           w = matrix_sealed(IN, MF_PANEL, 1.0f, 0.0f, &random), y = matrix_new(ROWS, 1),
                           dx = matrix_new(ROWS, 1), h = matrix_new(ROWS, 1);
    matrix_fill(h, ROWS, 1, 0, 0.0f, 1.0f, &random);
    for (int relu = 0; relu < 2; relu++) {
        const struct mf_forward op = {
            .x = x, .w = w, .scale = 1.0f, .bias = w.data, .y = y, .in = IN, .panels = 1, .relu = relu};
        const struct mf_input_gradient input = {.dz = x, .wt = w, .h = h, .dx = dx, .out = IN, .panels = 1};
        isa->forward(&op, 0, ROWS);
        isa->input_gradient(&input, 0, ROWS);
        int exact = 0;
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < MF_PANEL; j++) {
                exact += rounded(isa, *mf_at(y, i, j)) == *mf_at(y, i, j);
                if (rounded(isa, *mf_at(dx, i, j)) != *mf_at(dx, i, j))
                    support_fail("a gradient is not rounded");
            }
        if (relu ? exact != ROWS * MF_PANEL : exact > ROWS)
            support_fail("%d of %d outputs have 8 significant bits, relu %d", exact, ROWS * MF_PANEL, relu);
    }
    guarded_release();
}
END_TEST

/* A finite weight whose copy would be infinite is a divergence. */
START_TEST(too_large_for_a_copy)
{
    const struct mf_kernels *const isa = bf16_table(_i);
    enum { SAMPLES = 3, ROWS = 5 };
    struct random random = random_from(802, 0, 0, 0);
    const struct mf_matrix x = matrix_sealed(SAMPLES, ROWS, 1.0f, 0.0f, &random),
                           dz = matrix_sealed(SAMPLES, MF_PANEL, 1.0f, 0.0f, &random), w = matrix_new(ROWS, 1),
                           m = matrix_new(ROWS, 1), v = matrix_new(ROWS, 1), copy = matrix_new(ROWS, 1);
    for (int large = 0; large < 2; large++) {
        matrix_fill(w, ROWS, 1, MF_PANEL, 1.0f, 0.0f, &random);
        matrix_fill(m, ROWS, 1, 0, 0.0f, 0.0f, &random);
        matrix_fill(v, ROWS, 1, 0, 0.0f, 0.0f, &random);
        if (large)
            *mf_at(w, 2, 7) = FLT_MAX;
        const struct mf_weight_update op = {.x = x,
                                            .dz = dz,
                                            .samples = SAMPLES,
                                            .w = w,
                                            .m = m,
                                            .v = v,
                                            .copy = copy,
                                            .scale = 1.0f,
                                            .adam = adam_at_step(1)};
        support_case("weight_update/%s, %s", isa->name, large ? "too large" : "usual");
        ck_assert(isa->weight_update(&op, 0, ROWS, 0, 1) == !large);
    }
    guarded_release();
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    find_row_cases();
    int tables = 0;
    while (all_tables(MF_BF16)[tables])
        tables++;
    Suite *const suite = suite_create("bf16");
    TCase *const definition = tcase_create("definition");
    tcase_set_timeout(definition, 30);
    tcase_add_loop_test(definition, rounding_by_hand, 0, tables);
    tcase_add_loop_test(definition, rounding_in_double, 0, tables);
    tcase_add_loop_test(definition, tiles_of_silicon, 0, tables);
    tcase_add_loop_test(definition, outputs, 0, tables);
    tcase_add_loop_test(definition, too_large_for_a_copy, 0, tables);
    suite_add_tcase(suite, definition);
    return support_run(suite);
}
