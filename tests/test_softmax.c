/* Properties of softmax and cross-entropy, and of the Adam step, on every instruction set.
 *
 * u = 2^-24 is the error of one rounding. A sum of 10 positive terms is off by at most 9 u of itself. */
#include "guarded.h"
#include "matrix.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double u = 0x1p-24;

/* Relative errors of the exponential and the logarithm: one rounding at the end, and half of one for all before it. */
static const double EXP_ERROR = 1.5 * 0x1p-24, LOG_ERROR = 1.5 * 0x1p-24;

enum { ROWS = 500 };
static const float scale = 0.001f;

struct results {
    struct mf_matrix gradient, probability;
    float *loss;
    uint8_t *digit;
};

static struct results run(const struct mf_kernels *isa, struct mf_matrix logits, const uint8_t *labels, int rows)
{
    const struct results results = {matrix_new(rows, 1), matrix_new(rows, 1), guarded_new(sizeof(float) * (size_t)rows),
                                    guarded_new((size_t)rows)};
    const struct mf_softmax op = {.logits = logits,
                                  .labels = labels,
                                  .scale = scale,
                                  .gradient = results.gradient,
                                  .probability = results.probability,
                                  .loss = results.loss,
                                  .digit = results.digit};
    isa->softmax(&op, 0, rows);
    return results;
}

static struct mf_matrix random_logits(float magnitude, struct random *random)
{
    const struct mf_matrix logits = matrix_new(ROWS, 1);
    matrix_fill(logits, ROWS, 1, MF_CLASSES, magnitude, NAN, random);
    return logits;
}

static uint8_t *random_labels(struct random *random)
{
    uint8_t *const labels = guarded_new(ROWS);
    for (int i = 0; i < ROWS; i++)
        labels[i] = (uint8_t)random_below(random, MF_CLASSES);
    return labels;
}

static const float magnitudes[] = {0.01f, 1.0f, 10.0f, 80.0f, 1e4f};
enum { MAGNITUDES = sizeof magnitudes / sizeof *magnitudes };

/* Loop tests run over instruction sets and magnitudes. */
static const struct mf_kernels *isa_of(int i)
{
    return support_isas[i / MAGNITUDES];
}

START_TEST(against_double)
{
    const struct mf_kernels *const isa = isa_of(_i);
    const float magnitude = magnitudes[_i % MAGNITUDES];
    support_case("softmax/%s against double, logits up to %g", isa->name, (double)magnitude);
    struct random random = random_from(300, (uint64_t)_i, 0, 0);
    const struct mf_matrix logits = random_logits(magnitude, &random);
    uint8_t *const labels = random_labels(&random);
    const struct results results = run(isa, logits, labels, ROWS);
    for (int i = 0; i < ROWS; i++) {
        int first = 0;
        for (int c = 1; c < MF_CLASSES; c++)
            if (*mf_at(logits, i, c) > *mf_at(logits, i, first))
                first = c;
        if (results.digit[i] != first)
            support_fail("row %d: digit %d, expected %d", i, results.digit[i], first);

        /* The difference to the largest logit is rounded: an error of u |x| in the exponent. */
        double e[MF_CLASSES], error[MF_CLASSES], sum = 0, sum_error = 0;
        for (int c = 0; c < MF_CLASSES; c++) {
            const double x = (double)*mf_at(logits, i, c) - *mf_at(logits, i, first);
            e[c] = exp(x);
            error[c] = u * fabs(x) + EXP_ERROR;
            sum += e[c];
            sum_error += e[c] * error[c];
        }
        sum_error = sum_error / sum + 9 * u; /* relative */
        for (int c = 0; c < MF_CLASSES; c++) {
            const double p = e[c] / sum, target = c == labels[i], got = *mf_at(results.probability, i, c);
            const double bound = p * (error[c] + sum_error + u) * 1.001 + 2.0 * FLT_MIN; /* exp(-87.3) gives 0 */
            if (!(fabs(got - p) <= bound))
                support_fail("row %d, class %d: probability %.9g, in double %.17g", i, c, got, p);
            const double g = (p - target) * scale,
                         g_bound = scale * (bound + 2 * u * fabs(p - target)) * 1.001 + FLT_MIN;
            if (!(fabs(*mf_at(results.gradient, i, c) - g) <= g_bound))
                support_fail("row %d, class %d: gradient %.9g, in double %.17g", i, c,
                             (double)*mf_at(results.gradient, i, c), g);
        }
        const double x = (double)*mf_at(logits, i, labels[i]) - *mf_at(logits, i, first), loss = log(sum) - x;
        const double bound = sum_error + LOG_ERROR * log(sum) + u * fabs(x) + u * fabs(loss);
        if (!(fabs(results.loss[i] - loss) <= bound * 1.001))
            support_fail("row %d: loss %.9g, in double %.17g, bound %.3g", i, (double)results.loss[i], loss, bound);
        if (results.loss[i] < 0)
            support_fail("row %d: loss %g below 0", i, (double)results.loss[i]);
    }
    guarded_release();
}
END_TEST

START_TEST(sums)
{
    const struct mf_kernels *const isa = isa_of(_i);
    support_case("softmax/%s sums, logits up to %g", isa->name, (double)magnitudes[_i % MAGNITUDES]);
    struct random random = random_from(301, (uint64_t)_i, 0, 0);
    const struct mf_matrix logits = random_logits(magnitudes[_i % MAGNITUDES], &random);
    const struct results results = run(isa, logits, random_labels(&random), ROWS);
    for (int i = 0; i < ROWS; i++) {
        double p = 0, g = 0;
        for (int c = 0; c < MF_CLASSES; c++) {
            const float probability = *mf_at(results.probability, i, c);
            if (!(probability >= 0 && probability <= 1))
                support_fail("row %d: probability %g", i, (double)probability);
            p += probability;
            g += *mf_at(results.gradient, i, c);
        }
        /* e / sum: 9 u from the sum, u from the quotients. The gradient adds u for the difference and u for the
         * product, each of a total of at most 2, and what is flushed. */
        if (!(fabs(p - 1) <= 10 * u * 1.001))
            support_fail("row %d: probabilities sum to 1 %+.3g", i, p - 1);
        if (!(fabs(g) <= scale * (10 + 2 + 2) * u * 1.001 + MF_CLASSES * FLT_MIN))
            support_fail("row %d: gradients sum to %.3g", i, g);
    }
    guarded_release();
}
END_TEST

/* Logits and shifts that are multiples of 2^-10 and small: the shift rounds nothing, so nothing may change. */
START_TEST(shift_invariance)
{
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(302, 0, 0, 0);
    const struct mf_matrix logits = random_logits(1.0f, &random), shifted = matrix_new(ROWS, 1);
    for (int i = 0; i < ROWS; i++) {
        const float shift = (float)(random_below(&random, 2001) - 1000);
        for (int c = 0; c < MF_CLASSES; c++) {
            *mf_at(logits, i, c) = truncf(*mf_at(logits, i, c) * 0x1p13f) * 0x1p-10f;
            *mf_at(shifted, i, c) = *mf_at(logits, i, c) + shift;
        }
    }
    const uint8_t *const labels = random_labels(&random);
    support_case("softmax/%s: shift invariance", isa->name);
    const struct results one = run(isa, logits, labels, ROWS), other = run(isa, shifted, labels, ROWS);
    expect_same("gradient", one.gradient, other.gradient, ROWS, 1);
    expect_same("probability", one.probability, other.probability, ROWS, 1);
    if (memcmp(one.loss, other.loss, sizeof(float) * ROWS) || memcmp(one.digit, other.digit, ROWS))
        support_fail("loss or digit changes with a shift");
    guarded_release();
}
END_TEST

/* One logit that is no number must show in the loss, whichever class it is of: it is how training sees a divergence. */
START_TEST(a_nan_shows)
{
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(303, 0, 0, 0);
    const struct mf_matrix logits = random_logits(1.0f, &random);
    for (int i = 0; i < ROWS; i++)
        *mf_at(logits, i, i % MF_CLASSES) = i % 20 < 10 ? NAN : INFINITY;
    const uint8_t *const labels = random_labels(&random);
    support_case("softmax/%s: one logit is NaN or infinite", isa->name);
    const struct results results = run(isa, logits, labels, ROWS);
    for (int i = 0; i < ROWS; i++)
        if (isfinite(results.loss[i]))
            support_fail("row %d, label %d: the loss is %a", i, labels[i], (double)results.loss[i]);
    guarded_release();
}
END_TEST

START_TEST(extremes)
{
    const struct mf_kernels *const isa = support_isas[_i];
    support_case("softmax/%s: logits of 1e4 and -1e4", isa->name);
    const struct mf_matrix logits = matrix_new(MF_CLASSES, 1);
    uint8_t labels[MF_CLASSES];
    for (int i = 0; i < MF_CLASSES; i++) {
        labels[i] = (uint8_t)(i % 2 ? i : (i + 1) % MF_CLASSES);
        for (int c = 0; c < MF_CLASSES; c++)
            *mf_at(logits, i, c) = c == i ? 1e4f : -1e4f;
    }
    const struct results results = run(isa, logits, labels, MF_CLASSES);
    for (int i = 0; i < MF_CLASSES; i++) {
        const bool right = labels[i] == i;
        if (results.digit[i] != i || results.loss[i] != (right ? 0.0f : 2e4f))
            support_fail("row %d: digit %d, loss %g", i, results.digit[i], (double)results.loss[i]);
        for (int c = 0; c < MF_CLASSES; c++) {
            const float p = c == i, g = (p - (c == labels[i] ? 1.0f : 0.0f)) * scale;
            if (*mf_at(results.probability, i, c) != p || *mf_at(results.gradient, i, c) != g)
                support_fail("row %d, class %d: probability %g, gradient %g", i, c,
                             (double)*mf_at(results.probability, i, c), (double)*mf_at(results.gradient, i, c));
        }
    }
    /* All equal: ten times 1/10, the first class, log 10. */
    for (int c = 0; c < MF_CLASSES; c++)
        *mf_at(logits, 0, c) = -1e4f;
    const struct results equal = run(isa, logits, labels, 1);
    for (int c = 0; c < MF_CLASSES; c++)
        ck_assert_float_eq(*mf_at(equal.probability, 0, c), 0.1f);
    ck_assert_int_eq(equal.digit[0], 0);
    ck_assert_double_eq_tol(equal.loss[0], log(10), log(10) * (LOG_ERROR + u));
    guarded_release();
}
END_TEST

/* Reals in [-86.5, 0], the small ones as often as the large. */
static float some_exponent(struct random *random)
{
    const float x =
        random_below(random, 2) ? 86.5f * random_real(random) : ldexpf(random_real(random), -random_below(random, 24));
    return -fabsf(x);
}

/* Rows of `tops` zeros, one x, and otherwise classes too far below to count: the sum is tops + exp(x). */
static struct mf_matrix scan_logits(int tops, struct random *random)
{
    const struct mf_matrix logits = matrix_new(ROWS, 1);
    for (int i = 0; i < ROWS; i++)
        for (int c = 0; c < MF_CLASSES; c++)
            *mf_at(logits, i, c) = c < tops ? 0.0f : c == tops ? some_exponent(random) : -1e4f;
    return logits;
}

/* The probabilities 1 / s and exp(x) / s have the ratio exp(x), but for a rounding each. */
START_TEST(exp_scan)
{
    const struct mf_kernels *const isa = support_isas[_i];
    support_case("softmax/%s: exponential", isa->name);
    struct random random = random_from(303, 0, 0, 0);
    for (int round = 0; round < (support_short ? 20 : 400); round++) {
        const struct mf_matrix logits = scan_logits(1, &random);
        const struct results results = run(isa, logits, NULL, ROWS);
        for (int i = 0; i < ROWS; i++) {
            const double x = *mf_at(logits, i, 1);
            const double ratio = (double)*mf_at(results.probability, i, 1) / *mf_at(results.probability, i, 0);
            const double error = fabs(ratio / exp(x) - 1);
            if (!(error <= (EXP_ERROR + 2 * u) * 1.001))
                support_fail("exp(%a) is off by %.2f u", x, error / u);
        }
        guarded_release();
    }
}
END_TEST

/* The loss of a class with the largest logit is log(tops + exp(x)). */
START_TEST(log_scan)
{
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(304, 0, 0, 0);
    static const uint8_t labels[ROWS];
    for (int round = 0; round < (support_short ? 18 : 360); round++) {
        const int tops = 1 + round % (MF_CLASSES - 1);
        support_case("softmax/%s: logarithm of %d and a little", isa->name, tops);
        const struct mf_matrix logits = scan_logits(tops, &random);
        const struct results results = run(isa, logits, labels, ROWS);
        for (int i = 0; i < ROWS; i++) {
            const double e = exp(*mf_at(logits, i, tops)), exact = log(tops + e);
            const double bound = EXP_ERROR * e / (tops + e) + u + LOG_ERROR * exact;
            if (!(fabs(results.loss[i] - exact) <= bound * 1.001))
                support_fail("log(%.9g) is off by %.2f u", tops + e, fabs(results.loss[i] - exact) / u);
        }
        guarded_release();
    }
}
END_TEST

/* Without memory (both betas 0) and epsilon, m / sqrt(v) = g / |g|: each weight moves by the rate against the sign of
 * its gradient. */
START_TEST(adam_sign)
{
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(305, 0, 0, 0);
    support_case("adam/%s: betas and epsilon 0", isa->name);
    enum { PANELS = 10 };
    const struct mf_matrix g = matrix_new(1, PANELS), w = matrix_new(1, PANELS), m = matrix_new(1, PANELS),
                           v = matrix_new(1, PANELS);
    matrix_fill(m, 1, PANELS, PANELS * MF_PANEL, 1.0f, 0.0f, &random);
    for (int j = 0; j < PANELS * MF_PANEL; j++) {
        *mf_at(g, 0, j) = ldexpf(random_real(&random), random_below(&random, 80) - 40);
        *mf_at(w, 0, j) = 0.0f;
        *mf_at(v, 0, j) = fabsf(*mf_at(m, 0, j));
    }
    const float rate = 0.001f;
    const struct mf_weight_update op = {.dz = g,
                                        .samples = 1,
                                        .w = w,
                                        .m = m,
                                        .v = v,
                                        .adam = {.gain1 = 1.0f, .gain2 = 1.0f, .rate = rate, .root = 1.0f}};
    isa->bias_update(&op, 0, 0, PANELS);
    for (int j = 0; j < PANELS * MF_PANEL; j++) {
        const double moved = *mf_at(w, 0, j), expected = -copysign(rate, (double)*mf_at(g, 0, j));
        if (*mf_at(m, 0, j) != *mf_at(g, 0, j))
            support_fail("column %d: the moment is not the gradient", j);
        if (!(fabs(moved - expected) <= 5 * u * rate)) /* square, root, quotient, product, sum */
            support_fail("column %d: moved by %g for the gradient %g", j, moved, (double)*mf_at(g, 0, j));
    }
    guarded_release();
}
END_TEST

static void expect_no_denormal(const char *what, struct mf_matrix matrix, int rows, int panels)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < panels * MF_PANEL; j++) {
            const float x = *mf_at(matrix, i, j);
            if (fpclassify(x) == FP_SUBNORMAL || (x == 0.0f && signbit(x)))
                support_fail("%s (%d, %d) is %a", what, i, j, (double)x);
        }
}

/* Numbers so small that a good part of all results would be denormal: they must come out as +0, and not all of them. */
START_TEST(no_denormals)
{
    const struct mf_kernels *const isa = support_isas[_i];
    struct random random = random_from(306, 0, 0, 0);
    enum { SAMPLES = 23, UNITS = 48, PANELS = UNITS / MF_PANEL };
    support_case("%s: denormals", isa->name);
    const struct mf_matrix a = matrix_new(SAMPLES, PANELS), b = matrix_new(UNITS, PANELS),
                           h = matrix_new(SAMPLES, PANELS), dx = matrix_new(SAMPLES, PANELS);
    const struct mf_matrix w = matrix_new(UNITS, PANELS), m = matrix_new(UNITS, PANELS), v = matrix_new(UNITS, PANELS);
    matrix_fill(a, SAMPLES, PANELS, UNITS, 0x1p-63f, 0.0f, &random);
    matrix_fill(b, UNITS, PANELS, UNITS, 0x1p-63f, 0.0f, &random);
    matrix_fill(h, SAMPLES, PANELS, 0, 0.0f, 1.0f, &random);
    const struct mf_input_gradient input = {.dz = a, .wt = b, .h = h, .dx = dx, .out = UNITS, .panels = PANELS};
    isa->input_gradient(&input, 0, SAMPLES);
    expect_no_denormal("dx", dx, SAMPLES, PANELS);

    matrix_fill(w, UNITS, PANELS, UNITS, 1.0f, 0.0f, &random);
    matrix_fill(m, UNITS, PANELS, UNITS, 2.0f * FLT_MIN, 0.0f, &random);
    matrix_fill(v, UNITS, PANELS, UNITS, 2.0f * FLT_MIN, 0.0f, &random);
    for (int i = 0; i < UNITS; i++)
        for (int j = 0; j < UNITS; j++) {
            *mf_at(m, i, j) += copysignf(FLT_MIN, *mf_at(m, i, j));
            *mf_at(v, i, j) = fabsf(*mf_at(v, i, j)) + FLT_MIN;
        }
    /* a · a would be denormal here too; gains of 1 keep m what the flushed gradient makes it. */
    struct mf_weight_update weight = {.x = a, .dz = a, .samples = SAMPLES, .w = w, .m = m, .v = v};
    weight.adam = adam_at_step(1);
    weight.adam.beta1 = weight.adam.beta2 = 0.5f;
    for (int row = 0; row < UNITS; row += MF_PANEL)
        isa->weight_update(&weight, row, row + MF_PANEL, 0, PANELS);
    expect_no_denormal("m", m, UNITS, PANELS);
    expect_no_denormal("v", v, UNITS, PANELS);
    isa->bias_update(&weight, 0, 0, PANELS);
    expect_no_denormal("m", m, UNITS, PANELS);

    int zeros = 0, rest = 0;
    for (int i = 0; i < UNITS; i++)
        for (int j = 0; j < UNITS; j++) {
            const float x = *mf_at(m, i, j);
            zeros += x == 0.0f;
            rest += x != 0.0f;
        }
    if (zeros < UNITS || rest < UNITS)
        support_fail("the test has lost its sense: %d zeros, %d others", zeros, rest);

    const struct mf_matrix logits = random_logits(1.0f, &random);
    uint8_t *const labels = random_labels(&random);
    for (int i = 0; i < ROWS; i++) /* other classes are near exp(-85) */
        *mf_at(logits, i, labels[i]) = 85.0f;
    const struct results results = run(isa, logits, labels, ROWS);
    expect_no_denormal("gradient", results.gradient, ROWS, 1);
    guarded_release();
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *const suite = suite_create("softmax");
    TCase *const properties = tcase_create("properties");
    tcase_set_timeout(properties, 60);
    tcase_add_loop_test(properties, against_double, 0, support_isa_count * MAGNITUDES);
    tcase_add_loop_test(properties, sums, 0, support_isa_count * MAGNITUDES);
    tcase_add_loop_test(properties, shift_invariance, 0, support_isa_count);
    tcase_add_loop_test(properties, a_nan_shows, 0, support_isa_count);
    tcase_add_loop_test(properties, extremes, 0, support_isa_count);
    tcase_add_loop_test(properties, exp_scan, 0, support_isa_count);
    tcase_add_loop_test(properties, log_scan, 0, support_isa_count);
    tcase_add_loop_test(properties, adam_sign, 0, support_isa_count);
    tcase_add_loop_test(properties, no_denormals, 0, support_isa_count);
    suite_add_tcase(suite, properties);
    return support_run(suite);
}
