/* scalar.c, the definition of the kernels, against double precision with derived bounds.
 *
 * u = 2^-24 is the error of one rounding. A chain of k fused multiply-adds from a start value makes at most k roundings
 * of partial sums, each at most the sum of all |terms|: its error is below (k + 2) u sum|terms| (Higham, Accuracy and
 * Stability of Numerical Algorithms, section 3.1), plus the smallest denormal for every rounding that underflows. */
#include "guarded.h"
#include "matrix.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const double u = 0x1p-24, tiny = 0x1p-149;

static const int shape[][3] = {/* rows, columns, depth */
                               {1, 1, 1},    {3, 17, 5},    {7, 16, 40},   {13, 33, 97},
                               {9, 10, 500}, {20, 48, 784}, {5, 500, 1000}};
enum { SHAPES = sizeof shape / sizeof *shape };

/* Reals of very different size side by side; in half of the shapes all of one sign, so that nothing cancels. */
static struct mf_matrix wild_matrix(int rows, int columns, bool positive, struct random *random)
{
    const int panels = mf_ceil_div(columns, MF_PANEL);
    const struct mf_matrix matrix = matrix_new(rows, panels);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            const float x = ldexpf(random_real(random), random_below(random, 12) - 6);
            *mf_at(matrix, i, j) = j >= columns ? 0.0f : positive ? fabsf(x) : x;
        }
    guarded_seal(matrix.data);
    return matrix;
}

static void expect_near(const char *what, int row, int column, double got, double exact, double bound)
{
    if (!(fabs(got - exact) <= bound))
        support_fail("%s (%d, %d) is %.9g, in double %.17g: off by %.3g, bound %.3g", what, row, column, got, exact,
                     fabs(got - exact), bound);
}

START_TEST(forward)
{
    const int rows = shape[_i][0], out = shape[_i][1], in = shape[_i][2], panels = mf_ceil_div(out, MF_PANEL);
    struct random random = random_from(200, (uint64_t)_i, 0, 0);
    for (int relu = 0; relu <= 1; relu++) {
        support_case("forward: %d samples, in %d, out %d, relu %d", rows, in, out, relu);
        const struct mf_matrix x = wild_matrix(rows, in, _i % 2, &random), w = wild_matrix(in, out, _i % 2, &random),
                               y = matrix_new(rows, panels);
        const struct mf_matrix bias = {guarded_new(matrix_size(w, 1, panels) * sizeof(float)), w.stride};
        matrix_fill(bias, 1, panels, out, 1.0f, 0.0f, &random);
        const struct mf_forward op = {
            .x = x, .w = w, .bias = bias.data, .y = y, .in = in, .panels = panels, .relu = relu};
        support_scalar->forward(&op, 0, rows);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < panels * MF_PANEL; j++) {
                double sum = *mf_at(bias, 0, j), size = fabs(sum);
                for (int k = 0; k < in; k++) {
                    const double term = (double)*mf_at(x, i, k) * *mf_at(w, k, j);
                    sum += term;
                    size += fabs(term);
                }
                expect_near("y", i, j, *mf_at(y, i, j), relu && sum < 0 ? 0 : sum, (in + 2) * (u * size + tiny));
                if (relu && *mf_at(y, i, j) < 0)
                    support_fail("a negative output behind a ReLU");
            }
        guarded_release();
    }
}
END_TEST

START_TEST(input_gradient)
{
    const int rows = shape[_i][0], in = shape[_i][1], out = shape[_i][2], panels = mf_ceil_div(in, MF_PANEL);
    struct random random = random_from(201, (uint64_t)_i, 0, 0);
    support_case("input_gradient: %d samples, in %d, out %d", rows, in, out);
    const struct mf_matrix dz = wild_matrix(rows, out, _i % 2, &random), wt = wild_matrix(out, in, _i % 2, &random),
                           h = wild_matrix(rows, in, false, &random), dx = matrix_new(rows, panels);
    const struct mf_input_gradient op = {.dz = dz, .wt = wt, .h = h, .dx = dx, .out = out, .panels = panels};
    support_scalar->input_gradient(&op, 0, rows);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            double sum = 0, size = 0;
            for (int k = 0; k < out; k++) {
                const double term = (double)*mf_at(dz, i, k) * *mf_at(wt, k, j);
                sum += term;
                size += fabs(term);
            }
            const bool open = *mf_at(h, i, j) > 0;
            expect_near("dx", i, j, *mf_at(dx, i, j), open ? sum : 0,
                        open ? (out + 2) * (u * size + tiny) + FLT_MIN : 0);
        }
    guarded_release();
}
END_TEST

/* With beta1 = 0 and gain1 = 1 the first moment is the gradient. */
static void check_gradient(bool bias, int rows, int columns, int samples, uint64_t number)
{
    const int panels = mf_ceil_div(columns, MF_PANEL);
    struct random random = random_from(202, number, bias, 0);
    support_case("%s_gradient: %d samples, in %d, out %d", bias ? "bias" : "weight", samples, rows, columns);
    const struct mf_matrix x = wild_matrix(samples, rows, number % 2, &random),
                           dz = wild_matrix(samples, columns, number % 2, &random), w = matrix_new(rows, panels),
                           m = matrix_new(rows, panels), v = matrix_new(rows, panels);
    matrix_fill(w, rows, panels, columns, 1.0f, 0.0f, &random);
    matrix_fill(m, rows, panels, columns, 1.0f, 0.0f, &random);
    matrix_fill(v, rows, panels, 0, 0.0f, 1.0f, &random);
    struct mf_adam adam = adam_at_step(1);
    adam.beta1 = 0.0f;
    adam.gain1 = 1.0f;
    const struct mf_weight_update op = {.x = x, .dz = dz, .samples = samples, .w = w, .m = m, .v = v, .adam = adam};
    for (int row = 0; row < rows; row += bias ? 1 : MF_PANEL)
        if (bias)
            support_scalar->bias_update(&op, row, 0, panels);
        else
            support_scalar->weight_update(&op, row, row + MF_PANEL < rows ? row + MF_PANEL : rows, 0, panels);
    for (int k = 0; k < rows; k++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            double sum = 0, size = 0;
            for (int i = 0; i < samples; i++) {
                const double term = (bias ? 1.0 : (double)*mf_at(x, i, k)) * *mf_at(dz, i, j);
                sum += term;
                size += fabs(term);
            }
            expect_near("gradient", k, j, *mf_at(m, k, j), sum, (samples + 2) * (u * size + tiny) + FLT_MIN);
        }
    guarded_release();
}

START_TEST(weight_update)
{
    check_gradient(false, shape[_i][0], shape[_i][1], shape[_i][2], (uint64_t)_i);
}
END_TEST

START_TEST(bias_update)
{
    check_gradient(true, 2, shape[_i][1], shape[_i][2], (uint64_t)_i);
}
END_TEST

/* One step from a gradient that is exact: one sample, x = 1. */
START_TEST(adam_step)
{
    static const int steps[] = {1, 2, 10, 270, 100000};
    const int columns = 160, panels = columns / MF_PANEL;
    struct random random = random_from(203, (uint64_t)_i, 0, 0);
    support_case("adam at step %d", steps[_i]);
    struct mf_adam adam = adam_at_step(steps[_i]);
    adam.keep = _i % 2 ? 1.0f : 0.99f;
    const struct mf_matrix g = wild_matrix(1, columns, false, &random);
    struct mf_matrix before[3], after[3];
    for (int i = 0; i < 3; i++) {
        before[i] = matrix_new(1, panels);
        after[i] = matrix_new(1, panels);
        matrix_fill(before[i], 1, panels, columns, 1.0f, 0.0f, &random);
        for (int j = 0; j < columns; j++) {
            float *const x = mf_at(before[i], 0, j);
            if (i == 2) /* second moments as they are in a training: the square of the gradient's size */
                *x = fabsf(*x) * *mf_at(g, 0, j) * *mf_at(g, 0, j);
            *mf_at(after[i], 0, j) = *x;
        }
    }
    const struct mf_weight_update op = {
        .dz = g, .samples = 1, .w = after[0], .m = after[1], .v = after[2], .adam = adam};
    support_scalar->bias_update(&op, 0, 0, panels);
    for (int j = 0; j < columns; j++) {
        const double gradient = *mf_at(g, 0, j), w = *mf_at(before[0], 0, j);
        const double m_terms[] = {(double)adam.beta1 * *mf_at(before[1], 0, j), adam.gain1 * gradient};
        const double v_terms[] = {(double)adam.beta2 * *mf_at(before[2], 0, j), adam.gain2 * gradient * gradient};
        const double m = m_terms[0] + m_terms[1], v = v_terms[0] + v_terms[1];
        /* gain1 * g is rounded, then the sum; for v also the square. */
        expect_near("m", 0, j, *mf_at(after[1], 0, j), m, u * (fabs(m_terms[1]) + fabs(m)) * 1.001 + FLT_MIN);
        expect_near("v", 0, j, *mf_at(after[2], 0, j), v, u * (2 * v_terms[1] + v) * 1.001 + FLT_MIN);

        /* From the moments as they came out: root, fused multiply-add, quotient (3 u), what is kept of w, then the last
         * sum. */
        const double move =
            (double)adam.rate * *mf_at(after[1], 0, j) / (sqrt(*mf_at(after[2], 0, j)) * adam.root + adam.epsilon);
        const double kept = w * adam.keep, sum = kept - move;
        expect_near("w", 0, j, *mf_at(after[0], 0, j), sum, u * (3 * fabs(move) + fabs(kept) + fabs(sum)) * 1.001);
    }
    guarded_release();
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("rounding");
    TCase *const products = tcase_create("scalar against double");
    tcase_set_timeout(products, 60);
    const int shapes = support_short ? SHAPES - 2 : SHAPES;
    tcase_add_loop_test(products, forward, 0, shapes);
    tcase_add_loop_test(products, input_gradient, 0, shapes);
    tcase_add_loop_test(products, weight_update, 0, shapes);
    tcase_add_loop_test(products, bias_update, 0, shapes);
    tcase_add_loop_test(products, adam_step, 0, 5);
    suite_add_tcase(suite, products);
    return support_run(suite);
}
