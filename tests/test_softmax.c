/* Laws of softmax and cross-entropy, and of the Adam step, on every instruction set.
 *
 * u = 2^-24 is the error of one rounding. A sum of 10 positive terms is off by at most 9 u of itself. */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double u = 0x1p-24;

/* The exponential is within EXP_ERROR of the truth, the logarithm within LOG_ERROR, both relative: found by the scans
 * below, and tested there. */
static const double EXP_ERROR = 2.0 * 0x1p-24, LOG_ERROR = 3.0 * 0x1p-24;

enum { ROWS = 500 };
static const float scale = 0.001f;

struct results {
    struct mf_matrix gradient, probability;
    float *loss;
    uint8_t *digit;
};

static struct results run(const struct mf_kernels *isa, struct mf_matrix logits, const uint8_t *labels, int rows)
{
    const struct results results = {matrix_new(rows, 1), matrix_new(rows, 1),
                                    guarded_new(sizeof(float) * (size_t)rows), guarded_new((size_t)rows)};
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
            if (*matrix_at(logits, i, c) > *matrix_at(logits, i, first))
                first = c;
        if (results.digit[i] != first)
            support_fail("row %d: digit %d, expected %d", i, results.digit[i], first);

        /* The difference to the largest logit is rounded: an error of u |x| in the exponent. */
        double e[MF_CLASSES], error[MF_CLASSES], sum = 0, sum_error = 0;
        for (int c = 0; c < MF_CLASSES; c++) {
            const double x = (double)*matrix_at(logits, i, c) - *matrix_at(logits, i, first);
            e[c] = exp(x);
            error[c] = u * fabs(x) + EXP_ERROR;
            sum += e[c];
            sum_error += e[c] * error[c];
        }
        sum_error = sum_error / sum + 9 * u; /* relative */
        for (int c = 0; c < MF_CLASSES; c++) {
            const double p = e[c] / sum, target = c == labels[i], got = *matrix_at(results.probability, i, c);
            const double bound = p * (error[c] + sum_error + u) * 1.001 + 2.0 * FLT_MIN; /* exp(-87.3) gives 0 */
            if (!(fabs(got - p) <= bound))
                support_fail("row %d, class %d: probability %.9g, in double %.17g", i, c, got, p);
            const double g = (p - target) * scale, g_bound = scale * (bound + 2 * u * fabs(p - target)) * 1.001 + FLT_MIN;
            if (!(fabs(*matrix_at(results.gradient, i, c) - g) <= g_bound))
                support_fail("row %d, class %d: gradient %.9g, in double %.17g", i, c,
                             (double)*matrix_at(results.gradient, i, c), g);
        }
        const double x = (double)*matrix_at(logits, i, labels[i]) - *matrix_at(logits, i, first), loss = log(sum) - x;
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
            const float probability = *matrix_at(results.probability, i, c);
            if (!(probability >= 0 && probability <= 1))
                support_fail("row %d: probability %g", i, (double)probability);
            p += probability;
            g += *matrix_at(results.gradient, i, c);
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
            *matrix_at(logits, i, c) = truncf(*matrix_at(logits, i, c) * 0x1p13f) * 0x1p-10f;
            *matrix_at(shifted, i, c) = *matrix_at(logits, i, c) + shift;
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

START_TEST(extremes)
{
    const struct mf_kernels *const isa = support_isas[_i];
    support_case("softmax/%s: logits of 1e4 and -1e4", isa->name);
    const struct mf_matrix logits = matrix_new(MF_CLASSES, 1);
    uint8_t labels[MF_CLASSES];
    for (int i = 0; i < MF_CLASSES; i++) {
        labels[i] = (uint8_t)(i % 2 ? i : (i + 1) % MF_CLASSES);
        for (int c = 0; c < MF_CLASSES; c++)
            *matrix_at(logits, i, c) = c == i ? 1e4f : -1e4f;
    }
    const struct results results = run(isa, logits, labels, MF_CLASSES);
    for (int i = 0; i < MF_CLASSES; i++) {
        const bool right = labels[i] == i;
        if (results.digit[i] != i || results.loss[i] != (right ? 0.0f : 2e4f))
            support_fail("row %d: digit %d, loss %g", i, results.digit[i], (double)results.loss[i]);
        for (int c = 0; c < MF_CLASSES; c++) {
            const float p = c == i, g = (p - (c == labels[i] ? 1.0f : 0.0f)) * scale;
            if (*matrix_at(results.probability, i, c) != p || *matrix_at(results.gradient, i, c) != g)
                support_fail("row %d, class %d: probability %g, gradient %g", i, c,
                             (double)*matrix_at(results.probability, i, c), (double)*matrix_at(results.gradient, i, c));
        }
    }
    /* All equal: ten times 1/10, the first class, log 10. */
    for (int c = 0; c < MF_CLASSES; c++)
        *matrix_at(logits, 0, c) = -1e4f;
    const struct results equal = run(isa, logits, labels, 1);
    for (int c = 0; c < MF_CLASSES; c++)
        ck_assert_float_eq(*matrix_at(equal.probability, 0, c), 0.1f);
    ck_assert_int_eq(equal.digit[0], 0);
    ck_assert_double_eq_tol(equal.loss[0], log(10), log(10) * (LOG_ERROR + u));
    guarded_release();
}
END_TEST

/* Two classes, the others too far below to count: probabilities 1 / s and e / s, s = 1 + e. Their ratio is e with one
 * rounding each from the two quotients. */
START_TEST(exp_scan)
{
    const struct mf_kernels *const isa = support_isas[_i];
    support_case("softmax/%s: exponential", isa->name);
    const struct mf_matrix logits = matrix_new(ROWS, 1);
    struct random random = random_from(303, 0, 0, 0);
    double worst = 0;
    const int rounds = support_short ? 20 : 400;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < ROWS; i++) {
            for (int c = 2; c < MF_CLASSES; c++)
                *matrix_at(logits, i, c) = -1e4f;
            *matrix_at(logits, i, 0) = 0.0f;
            const float x = round % 2 ? 86.5f * random_real(&random) : ldexpf(random_real(&random), -random_below(&random, 24));
            *matrix_at(logits, i, 1) = -fabsf(x);
        }
        const struct results results = run(isa, logits, NULL, ROWS);
        for (int i = 0; i < ROWS; i++) {
            const double x = *matrix_at(logits, i, 1);
            const double ratio = (double)*matrix_at(results.probability, i, 1) / *matrix_at(results.probability, i, 0);
            const double error = fabs(ratio / exp(x) - 1);
            worst = error > worst ? error : worst;
            if (!(error <= (EXP_ERROR + 2 * u) * 1.001))
                support_fail("exp(%a) is off by %.3g, relative", x, error);
        }
        guarded_release();
        const struct mf_matrix again = matrix_new(ROWS, 1);
        memcpy((void *)&logits, &again, sizeof again);
    }
    guarded_release();
}
END_TEST

int main(void)
{
    support_begin();
    return EXIT_FAILURE;
}
