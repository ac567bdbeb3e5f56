/* Random deformations of the training images: the kernel, what is drawn, and training with it. */
#include "base/sine.h"
#include "engine/deformation.h"
#include "guarded.h"
#include "trainings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- The kernel ---- */

/* place = at + slope * the place in the new image, along one axis and across it. */
static void fill_affine(float points[MF_NODES][MF_NODES], float at, float by_row, float by_column)
{
    for (int g = 0; g < MF_NODES; g++)
        for (int h = 0; h < MF_NODES; h++)
            points[g][h] =
                at + by_row * ((float)(g - 1) * MF_SPAN - 0.5f) + by_column * ((float)(h - 1) * MF_SPAN - 0.5f);
}

static struct mf_deformation shifted(float x, float y)
{
    struct mf_deformation d;
    fill_affine(d.x, x, 0, 1);
    fill_affine(d.y, y, 1, 0);
    return d;
}

static uint8_t *random_image(struct random *random)
{
    uint8_t *const pixels = guarded_new(MF_INPUTS);
    for (int i = 0; i < MF_INPUTS; i++)
        pixels[i] = random_below(random, 3) ? (uint8_t)random_below(random, 256) : 255;
    guarded_seal(pixels);
    return pixels;
}

/* From mild ones to places far outside the image, and numbers as large as are allowed. */
static struct mf_deformation random_deformation(int kind, struct random *random)
{
    struct mf_deformation d = shifted(4 * random_real(random), 4 * random_real(random));
    static const float magnitudes[] = {0.0f, 0.01f, 1.0f, 5.0f, 40.0f, 1e4f, 0x1p99f};
    for (int g = 0; g < MF_NODES; g++)
        for (int h = 0; h < MF_NODES; h++) {
            d.x[g][h] += magnitudes[kind] * random_real(random);
            d.y[g][h] += magnitudes[kind] * random_real(random);
        }
    return d;
}
enum { KINDS = 7 };

START_TEST(deform_exact)
{
    const struct mf_kernels *const isa = support_isas[_i];
    const int rounds = support_short ? 10 : 500;
    for (int round = 0; round < rounds; round++)
        for (int kind = 0; kind < KINDS; kind++) {
            struct random random = random_from(720, (uint64_t)round, (uint64_t)kind, 0);
            support_case("deform/%s: kind %d, round %d", isa->name, kind, round);
            const struct mf_deformation d = random_deformation(kind, &random);
            const uint8_t *const pixels = random_image(&random);
            uint8_t *const expected = guarded_new(MF_INPUTS), *const found = guarded_new(MF_INPUTS);
            support_scalar->deform(pixels, &d, expected);
            isa->deform(pixels, &d, found);
            for (int i = 0; i < MF_INPUTS; i++)
                if (found[i] != expected[i])
                    support_fail("pixel %d is %d, expected %d", i, found[i], expected[i]);
            guarded_release();
        }
}
END_TEST

/* Where the places are pixels, the pixels stay as they are; beyond the image all is 0. */
START_TEST(whole_pixels)
{
    struct random random = random_from(721, 0, 0, 0);
    for (int x = -MF_SIDE - 1; x <= MF_SIDE + 1; x += x > -3 && x < 3 ? 1 : 5)
        for (int y = -MF_SIDE - 1; y <= MF_SIDE + 1; y += y > -3 && y < 3 ? 1 : 5) {
            support_case("moved by %d and %d", x, y);
            const struct mf_deformation d = shifted((float)x, (float)y);
            const uint8_t *const pixels = random_image(&random);
            uint8_t found[MF_INPUTS];
            support_scalar->deform(pixels, &d, found);
            for (int row = 0; row < MF_SIDE; row++)
                for (int column = 0; column < MF_SIDE; column++) {
                    const int from = row + y, across = column + x;
                    const bool inside = from >= 0 && from < MF_SIDE && across >= 0 && across < MF_SIDE;
                    const int expected = inside ? pixels[from * MF_SIDE + across] : 0;
                    if (found[row * MF_SIDE + column] != expected)
                        support_fail("(%d, %d) is %d, expected %d", row, column, found[row * MF_SIDE + column],
                                     expected);
                }
            guarded_release();
        }
}
END_TEST

/* The cubic B-spline of de Boor in double precision, straight from its recurrence. */
static double basis(int degree, double knot, double u)
{
    if (degree == 0)
        return u >= knot && u < knot + 1;
    return (u - knot) / degree * basis(degree - 1, knot, u) +
           (knot + degree + 1 - u) / degree * basis(degree - 1, knot + 1, u);
}

static double place_of(const float points[MF_NODES][MF_NODES], int row, int column)
{
    double sum = 0;
    for (int g = 0; g < MF_NODES; g++)
        for (int h = 0; h < MF_NODES; h++)
            sum += basis(3, g - 3, (row + 0.5) / MF_SPAN) * basis(3, h - 3, (column + 0.5) / MF_SPAN) *
                   (double)points[g][h];
    return fmin(fmax(sum, -1), MF_SIDE);
}

static double pixel_or_0(const uint8_t *pixels, int row, int column)
{
    return row >= 0 && row < MF_SIDE && column >= 0 && column < MF_SIDE ? pixels[row * MF_SIDE + column] : 0;
}

static double interpolated(const uint8_t *pixels, double y, double x)
{
    const int row = (int)floor(y), column = (int)floor(x);
    const double below = y - row, right = x - column;
    return (1 - below) * ((1 - right) * pixel_or_0(pixels, row, column) + right * pixel_or_0(pixels, row, column + 1)) +
           below *
               ((1 - right) * pixel_or_0(pixels, row + 1, column) + right * pixel_or_0(pixels, row + 1, column + 1));
}

/* A place is off by half a subpixel and by the roundings of the sums, along each axis; a pixel changes by at most 255
 * where a place moves by a pixel; the result is rounded once. The places are below 2^6, and a sum has fewer than 64
 * roundings of 2^-24 of that. */
START_TEST(against_double_precision)
{
    const double place_error = 0.5 / MF_SUBPIXELS + 64 * 0x1p-18, bound = 2 * 255 * place_error + 0.5;
    double largest = 0;
    for (int round = 0; round < 20; round++) {
        struct random random = random_from(722, (uint64_t)round, 0, 0);
        support_case("round %d", round);
        const struct mf_deformation d = random_deformation(3, &random);
        const uint8_t *const pixels = random_image(&random);
        uint8_t found[MF_INPUTS];
        support_scalar->deform(pixels, &d, found);
        for (int row = 0; row < MF_SIDE; row++)
            for (int column = 0; column < MF_SIDE; column++) {
                const double expected = interpolated(pixels, place_of(d.y, row, column), place_of(d.x, row, column));
                const double off = fabs(found[row * MF_SIDE + column] - expected);
                largest = off > largest ? off : largest;
                if (off > bound)
                    support_fail("(%d, %d) is %d, expected %g +- %g", row, column, found[row * MF_SIDE + column],
                                 expected, bound);
            }
        guarded_release();
    }
    ck_assert_msg(largest > 0.5, "the bound is %g, and nothing is off by more than %g", bound, largest);
}
END_TEST

/* ---- What is drawn ---- */

static const int hidden[] = {17, 9};

static mnist_fast_config strengths(double rotation, double shear, double scale, double shift, double elastic)
{
    mnist_fast_config config = config_of(BATCH, 0.1, 2, hidden);
    config.rotation = rotation;
    config.shear = shear;
    config.scale = scale;
    config.shift = shift;
    config.elastic = elastic;
    return config;
}

static mnist_fast_config all_strengths(void)
{
    return strengths(0.25, 0.1, 0.15, 1.5, 2);
}

/* Where a blob ends up that is at (row, column) in the original. */
struct centre {
    double row, column, ink;
};

static struct centre centre_of(const uint8_t *pixels)
{
    struct centre c = {0};
    for (int i = 0; i < MF_INPUTS; i++) {
        c.ink += pixels[i];
        c.row += pixels[i] * (i / MF_SIDE - 13.5);
        c.column += pixels[i] * (i % MF_SIDE - 13.5);
    }
    c.row /= c.ink;
    c.column /= c.ink;
    return c;
}

static mnist_fast_images blob_at(int row, int column, uint8_t pixels[MF_INPUTS])
{
    memset(pixels, 0, MF_INPUTS);
    for (int r = row - 1; r <= row + 1; r++)
        memset(pixels + r * MF_SIDE + column - 1, 255, 3);
    return (mnist_fast_images){.pixels = pixels, .count = 1};
}

/* Many draws of one strength alone, of a blob 7.5 pixels to the right of the middle and 0.5 below it. */
enum { DRAWS = 400 };
static void draw_blobs(mnist_fast_config config, struct centre centres[DRAWS])
{
    uint8_t pixels[MF_INPUTS], deformed[MF_INPUTS];
    const mnist_fast_images blob = blob_at(14, 21, pixels);
    mnist_fast *network = network_new(&config, support_isas[0], 1, false);
    for (int epoch = 0; epoch < DRAWS; epoch++) {
        expect_status("deform", mnist_fast_deform(network, &blob, 0, epoch, deformed, NULL), MNIST_FAST_OK);
        centres[epoch] = centre_of(deformed);
    }
    mnist_fast_free(network);
}

/* The values lie within [low, high], come near both, and are as often above the middle as below. */
static void expect_spread(const char *what, const double values[DRAWS], double low, double high, double near)
{
    double least = INFINITY, most = -INFINITY, sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
        sum += values[i];
    }
    const double middle = (low + high) / 2, range = high - low;
    if (least < low - near || most > high + near)
        support_fail("%s: from %g to %g, expected %g to %g", what, least, most, low, high);
    if (least > low + 0.05 * range + near || most < high - 0.05 * range - near)
        support_fail("%s: from %g to %g, expected nearly %g to %g", what, least, most, low, high);
    if (fabs(sum / DRAWS - middle) > 0.1 * range + near) /* over 6 standard errors of an even distribution */
        support_fail("%s: a mean of %g, expected %g", what, sum / DRAWS, middle);
}

/* Two numbers that are drawn each to itself have the same sign in half of the draws. */
static void expect_independent(const char *what, const double a[DRAWS], const double b[DRAWS])
{
    int same = 0;
    for (int i = 0; i < DRAWS; i++)
        same += a[i] * b[i] > 0;
    if (abs(same - DRAWS / 2) > 6 * 10) /* six standard deviations */
        support_fail("%s: the same sign in %d of %d draws", what, same, DRAWS);
}

#define VALUES(expression)                                                                                             \
    for (int i = 0; i < DRAWS; i++) {                                                                                  \
        const struct centre c = centres[i];                                                                            \
        (void)c;                                                                                                       \
        values[i] = (expression);                                                                                      \
    }

START_TEST(what_each_strength_does)
{
    struct centre centres[DRAWS];
    double values[DRAWS], across[DRAWS];
    const double row = 0.5, column = 7.5, near = 0.05;

    draw_blobs(strengths(0.5, 0, 0, 0, 0), centres);
    VALUES(hypot(c.row, c.column));
    for (int i = 0; i < DRAWS; i++)
        if (fabs(values[i] - hypot(row, column)) > near)
            support_fail("rotation: a distance of %g from the middle, expected %g", values[i], hypot(row, column));
    VALUES(atan2(c.row, c.column) - atan2(row, column));
    expect_spread("rotation", values, -0.5, 0.5, 0.01);

    draw_blobs(strengths(0, 0, 0, 3, 0), centres);
    VALUES(c.row - row);
    expect_spread("shift down", values, -3, 3, near);
    memcpy(across, values, sizeof across);
    VALUES(c.column - column);
    expect_spread("shift to the right", values, -3, 3, near);
    expect_independent("shift", across, values);

    /* The place in the original is the new one times 1 + scale. */
    draw_blobs(strengths(0, 0, 0.25, 0, 0), centres);
    VALUES(column / c.column - 1);
    expect_spread("scale of the width", values, -0.25, 0.25, 0.01);
    memcpy(across, values, sizeof across);
    VALUES(row / c.row - 1);
    expect_spread("scale of the height", values, -0.25, 0.25, 0.1);
    expect_independent("scale", across, values);

    /* Rows move along themselves: by 0.5 columns a row at a row of 0.5 at most. */
    draw_blobs(strengths(0, 1, 0, 0, 0), centres);
    VALUES(c.column - column);
    expect_spread("shear", values, -0.5, 0.5, near);
    VALUES(c.row - row);
    for (int i = 0; i < DRAWS; i++)
        if (fabs(values[i]) > near)
            support_fail("shear moves a row by %g", values[i]);

    /* A place is a mean of control points. */
    draw_blobs(strengths(0, 0, 0, 0, 4), centres);
    VALUES(c.row - row);
    memcpy(across, values, sizeof across);
    VALUES(c.column - column);
    expect_independent("elastic", across, values);
    double largest = 0;
    VALUES(fmax(fabs(c.row - row), fabs(c.column - column)));
    for (int i = 0; i < DRAWS; i++)
        largest = fmax(largest, values[i]);
    ck_assert_msg(largest > 1 && largest < 4, "elastic: moved by %g at most", largest);
}
END_TEST

START_TEST(a_function_of_seed_epoch_and_image)
{
    struct random random = random_from(723, 0, 0, 0);
    mnist_fast_images few = images_new(&random, 3);
    memcpy((uint8_t *)few.pixels + MF_INPUTS, few.pixels, MF_INPUTS); /* 0 and 1 are one image */
    mnist_fast_config config = all_strengths();
    uint8_t seen[4][MF_INPUTS], again[MF_INPUTS];
    for (int seed = 0; seed < 2; seed++) {
        config.seed = (uint64_t)(seed + 1);
        mnist_fast *network = network_new(&config, support_isas[0], 1, false);
        for (int which = 0; which < 2; which++)
            mnist_fast_deform(network, &few, seed ? 0 : (size_t)which, seed ? 4 * which + 3 : 3, seen[2 * seed + which],
                              NULL);
        mnist_fast_deform(network, &few, 0, 3, again, NULL);
        ck_assert_mem_eq(again, seen[2 * seed], MF_INPUTS);
        mnist_fast_free(network);
    }
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < a; b++)
            ck_assert_msg(memcmp(seen[a], seen[b], MF_INPUTS) != 0, "%d and %d are the same", a, b);
    mnist_fast_free_images(&few);
}
END_TEST

/* The least strength of any kind, alone. */
START_TEST(any_strength_deforms)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    ck_assert(!mf_deforms(&config));
    double *const strengths[] = {&config.rotation, &config.shear, &config.scale, &config.shift, &config.elastic};
    for (int i = 0; i < 5; i++) {
        *strengths[i] = 1e-9;
        ck_assert(mf_deforms(&config));
        *strengths[i] = 0;
    }
}
END_TEST

START_TEST(deform_arguments)
{
    struct random random = random_from(724, 0, 0, 0);
    mnist_fast_images few = images_new(&random, 3);
    mnist_fast_config config = all_strengths();
    mnist_fast *network = network_new(&config, support_isas[0], 1, false);
    uint8_t pixels[MF_INPUTS];
    mnist_fast_error error;
    expect_bad_argument("no network", mnist_fast_deform(NULL, &few, 0, 0, pixels, &error), &error);
    expect_bad_argument("no images", mnist_fast_deform(network, NULL, 0, 0, pixels, &error), &error);
    expect_bad_argument("no pixels", mnist_fast_deform(network, &few, 0, 0, NULL, &error), &error);
    expect_bad_argument("image 3 of 3", mnist_fast_deform(network, &few, 3, 0, pixels, &error), &error);
    expect_bad_argument("epoch -1", mnist_fast_deform(network, &few, 0, -1, pixels, &error), &error);
    config = config_of(BATCH, 0.1, 2, hidden); /* without strengths, the image itself */
    ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    ck_assert_int_eq(mnist_fast_deform(network, &few, 2, 7, pixels, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(pixels, few.pixels + 2 * MF_INPUTS, MF_INPUTS);
    mnist_fast_free(network);
    mnist_fast_free_images(&few);
}
END_TEST

START_TEST(sine)
{
    for (int i = -1000; i <= 1000; i++) {
        const double angle = i * 0.001, expected = sin(angle);
        ck_assert_msg(fabs(mf_sine(angle) - expected) <= 4 * 0x1p-53 * fabs(expected), "sin(%g)", angle);
    }
}
END_TEST

/* ---- Training ---- */

/* With batches of one image, whose order nothing sorts, training sees what mnist_fast_deform gives. */
START_TEST(training_sees_it)
{
    mnist_fast_config config = all_strengths();
    config.batch_size = 1;
    config.validation_fraction = 0;
    mnist_fast *network = network_new(&config, support_isas[0], 1, false);
    uint8_t *const pixels = malloc(IMAGES * MF_INPUTS);
    ck_assert_ptr_nonnull(pixels);
    uint32_t crc[2];
    for (int epoch = 0; epoch < 2; epoch++) { /* the second must see other images */
        for (int i = 0; i < IMAGES; i++)
            mnist_fast_deform(network, &images, (size_t)i, epoch, pixels + i * MF_INPUTS, NULL);
        const mnist_fast_images deformed = {.pixels = pixels, .labels = images.labels, .count = IMAGES};
        mnist_fast_config plain = config;
        plain.rotation = plain.shear = plain.scale = plain.shift = plain.elastic = 0;
        mnist_fast *other = network_new(&config, support_isas[0], 1, false);
        train(other, &images, epoch, NULL, NULL);
        ck_assert_int_eq(mnist_fast_set_config(other, &plain, NULL), MNIST_FAST_OK);
        train(other, &deformed, epoch + 1, NULL, NULL);
        train(network, &images, epoch + 1, NULL, NULL);
        crc[epoch] = mnist_fast_weights_crc32(network);
        ck_assert_uint_eq(mnist_fast_weights_crc32(other), crc[epoch]);
        mnist_fast_free(other);
    }
    ck_assert_uint_ne(crc[0], crc[1]);
    free(pixels);
    mnist_fast_free(network);
}
END_TEST

static uint32_t trained_crc(const mnist_fast_config *config, const struct mf_kernels *isa, int threads, bool dense)
{
    mnist_fast *network = network_new(config, isa, threads, dense);
    train(network, &images, EPOCHS, NULL, NULL);
    const uint32_t crc = mnist_fast_weights_crc32(network);
    mnist_fast_free(network);
    return crc;
}

START_TEST(one_model)
{
    const mnist_fast_config config = all_strengths(), plain = config_of(BATCH, 0.1, 2, hidden);
    const uint32_t expected = trained_crc(&config, support_scalar, 1, true);
    ck_assert_uint_ne(trained_crc(&plain, support_scalar, 1, true), expected);
    for (int isa = 0; isa < support_isa_count; isa++)
        for (int threads = 1; threads <= 3; threads++) {
            support_case("%s, %d threads", support_isas[isa]->name, threads);
            ck_assert_uint_eq(trained_crc(&config, support_isas[isa], threads, threads == 2), expected);
        }
}
END_TEST

/* Stopped after every batch in turn, saved, read and gone on with. */
START_TEST(resumed)
{
    const mnist_fast_config config = all_strengths();
    const uint32_t expected = trained_crc(&config, support_isas[0], 1, false);
    const char *const path = in_folder("checkpoint");
    for (int at = 1; at < EPOCHS * BATCHES; at += 2) {
        support_case("stopped at call %d", at);
        mnist_fast *network = network_new(&config, support_isas[0], 2, false);
        struct stop stop = {.at = at};
        expect_status("train", mnist_fast_train(network, &images, EPOCHS, stop_at, &stop, NULL), MNIST_FAST_STOPPED);
        expect_status("save", mnist_fast_save_checkpoint(network, path, 0, NULL), MNIST_FAST_OK);
        mnist_fast_free(network);
        expect_status("load", mnist_fast_load_checkpoint(path, NULL, &network, NULL, NULL), MNIST_FAST_OK);
        mnist_fast_config found;
        mnist_fast_get_config(network, &found, sizeof found);
        ck_assert(found.rotation == config.rotation && found.shear == config.shear && found.scale == config.scale &&
                  found.shift == config.shift && found.elastic == config.elastic);
        train(network, &images, EPOCHS, NULL, NULL);
        ck_assert_uint_eq(mnist_fast_weights_crc32(network), expected);
        mnist_fast_free(network);
    }
}
END_TEST

/* Half an epoch of other images means nothing. */
START_TEST(another_strength_restarts_the_epoch)
{
    for (int i = 0; i < 5; i++) {
        mnist_fast_config config = all_strengths();
        mnist_fast *network = network_new(&config, support_isas[0], 1, false);
        struct stop stop = {.at = 2};
        mnist_fast_train(network, &images, EPOCHS, stop_at, &stop, NULL);
        expect_position(network, 0, 2, 2);
        double *const strength[] = {&config.rotation, &config.shear, &config.scale, &config.shift, &config.elastic};
        *strength[i] /= 2;
        ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
        expect_position(network, 0, 0, 2);
        mnist_fast_free(network);
    }
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *suite = suite_create("deformation");
    TCase *kernel = tcase_create("kernel");
    tcase_set_timeout(kernel, 60);
    tcase_add_loop_test(kernel, deform_exact, 0, support_isa_count);
    tcase_add_test(kernel, whole_pixels);
    tcase_add_test(kernel, against_double_precision);
    suite_add_tcase(suite, kernel);
    TCase *drawn = tcase_create("drawn");
    tcase_set_timeout(drawn, 60);
    tcase_add_test(drawn, what_each_strength_does);
    tcase_add_test(drawn, a_function_of_seed_epoch_and_image);
    tcase_add_test(drawn, any_strength_deforms);
    tcase_add_test(drawn, deform_arguments);
    tcase_add_test(drawn, sine);
    suite_add_tcase(suite, drawn);
    TCase *training = tcase_create("training");
    tcase_set_timeout(training, 60);
    tcase_add_checked_fixture(training, trainings_begin, trainings_end);
    tcase_add_test(training, training_sees_it);
    tcase_add_test(training, one_model);
    tcase_add_test(training, resumed);
    tcase_add_test(training, another_strength_restarts_the_epoch);
    suite_add_tcase(suite, training);
    return support_run(suite);
}
