/* src/web/fmaf.c, which the page computes with, against this machine's fmaf: the same bits. */
#include "support.h"
#include "web/fmaf.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void expect_same(float a, float b, float c)
{
    const float expected = fmaf(a, b, c), found = mf_fmaf(a, b, c);
    if (isnan(expected) ? !isnan(found) : bits_of(found) != bits_of(expected))
        support_fail("fma(%a, %a, %a) is %a, expected %a", (double)a, (double)b, (double)c, (double)found,
                     (double)expected);
}

static void expect_same_of_all_signs(float a, float b, float c)
{
    expect_same(a, b, c);
    expect_same(-a, b, c);
    expect_same(a, b, -c);
    expect_same(-a, b, -c);
}

static int rounds(void)
{
    return support_short ? 200000 : 4000000;
}

/* Every bit pattern may be there: denormal numbers, infinities and NaNs. Most sums are one of their terms. */
START_TEST(any_bits)
{
    struct random random = random_from(600, 0, 0, 0);
    for (int i = 0; i < rounds(); i++)
        expect_same(float_of((uint32_t)random_bits(&random)), float_of((uint32_t)random_bits(&random)),
                    float_of((uint32_t)random_bits(&random)));
}
END_TEST

/* The product and c are of similar size, so that they overlap or cancel. */
START_TEST(near_sizes)
{
    struct random random = random_from(601, 0, 0, 0);
    for (int i = 0; i < rounds(); i++) {
        const float a = random_real(&random), b = random_real(&random), c = random_real(&random);
        expect_same(a, b, ldexpf(c, random_below(&random, 120) - 60));
        expect_same(a, b, (float)(-(double)a * b)); /* what remains is the rounding error of the product */
    }
}
END_TEST

/* The product is half a unit of c's last place, or a quarter, but for its own last bits: the sum in double is half way
 * between two floats, or rounds to that, and the exact sum is on either side of it. */
START_TEST(half_way)
{
    struct random random = random_from(602, 0, 0, 0);
    for (int i = 0; i < rounds() / 4; i++) {
        const int exponent = random_below(&random, 200) - 100, size = random_below(&random, 40);
        const float c = ldexpf(1.0f + (float)random_below(&random, 1 << 23) * 0x1p-23f, exponent);
        /* (1 + d)(1 - d) = 1 - d², (1 + d)² = 1 + 2d + d²: less and more than 1, by as little as the double can't show
         */
        const float d = ldexpf(1.0f, -random_below(&random, 23) - 1), half = ldexpf(1.0f, exponent - 24 - size % 2);
        expect_same_of_all_signs(1.0f + d, (1.0f - d) * half, c);
        expect_same_of_all_signs(1.0f + d, (1.0f + d) * half, c);
        expect_same_of_all_signs(1.0f, half, c);
        /* A half way sum of c and an exact product, with a trace beyond the last bit of the double. */
        const float odd = ldexpf(1.0f + (float)(2 * random_below(&random, 1 << 22) + 1) * 0x1p-23f, exponent);
        expect_same_of_all_signs(odd, 1.0f + 0x1p-23f, ldexpf(c, size - 20 - exponent));
    }
}
END_TEST

/* Results that are denormal, or nearly: fewer bits remain, so half way is elsewhere. */
START_TEST(denormal_results)
{
    struct random random = random_from(603, 0, 0, 0);
    for (int i = 0; i < rounds() / 4; i++) {
        const int shift = random_below(&random, 100);
        const float a = ldexpf(random_real(&random), -shift), b = ldexpf(random_real(&random), shift - 150);
        expect_same(a, b, ldexpf(random_real(&random), -120 - random_below(&random, 32)));
        /* Half a unit of the last place, and a trace less or more. */
        const float c = ldexpf((float)random_below(&random, 1 << (1 + random_below(&random, 25))), -149);
        const float d = ldexpf(1.0f, -random_below(&random, 23) - 1), scale = 0x1p-75f;
        expect_same_of_all_signs((1.0f + d) * scale, (1.0f - d) * scale, c);
        expect_same_of_all_signs((1.0f + d) * scale, (1.0f + d) * scale, c);
        expect_same_of_all_signs(scale, scale, c);
    }
}
END_TEST

START_TEST(special_values)
{
    static const float value[] = {0.0f,
                                  0x1p-149f,
                                  0x1.fffffcp-127f,
                                  0x1p-126f,
                                  0x1p-75f,
                                  0x1p-24f,
                                  0x1.fffffep-25f,
                                  0.5f,
                                  1.0f,
                                  0x1.000002p0f,
                                  0x1.8p0f,
                                  0x1.fffffep0f,
                                  0x1p23f,
                                  0x1p24f,
                                  0x1.fffffep63f,
                                  0x1p64f,
                                  0x1.fffffep127f,
                                  INFINITY,
                                  NAN};
    enum { VALUES = sizeof value / sizeof *value };
    for (int i = 0; i < VALUES; i++)
        for (int j = 0; j < VALUES; j++)
            for (int k = 0; k < VALUES; k++)
                expect_same_of_all_signs(value[i], value[j], value[k]);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("fmaf");
    TCase *const exact = tcase_create("against the machine's");
    tcase_set_timeout(exact, 60);
    tcase_add_test(exact, any_bits);
    tcase_add_test(exact, near_sizes);
    tcase_add_test(exact, half_way);
    tcase_add_test(exact, denormal_results);
    tcase_add_test(exact, special_values);
    suite_add_tcase(suite, exact);
    return support_run(suite);
}
