/* From pictures to 28 x 28 pixels: where the digit ends up, what is taken as it is, what is blank, and that nothing
 * but the picture is read. Whether digits are recognised is for test_recognition. */
#include "mnist_fast.h"

#include "drawing.h"
#include "guarded.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { SIDE = 28 };

/* A 2 of straight strokes, as a digit of MNIST: its ink is 12 wide and 20 high. */
static uint8_t digit[MNIST_FAST_PIXELS];

static void stroke(int left, int top, int right, int bottom)
{
    for (int y = top; y < bottom; y++)
        memset(digit + y * SIDE + left, 255, (size_t)(right - left));
}

static void setup(void)
{
    memset(digit, 0, sizeof digit);
    stroke(8, 4, 20, 7);
    stroke(17, 4, 20, 14);
    stroke(8, 12, 20, 15);
    stroke(8, 12, 11, 24);
    stroke(8, 21, 20, 24);
}

/* The grey picture of a scene, to be freed. */
static uint8_t *grey_of_scene(const struct scene *scene, const struct ink *ink, uint64_t seed)
{
    struct random random = random_from(seed, 0, 0, 0);
    uint8_t *const rgb = scene_photograph(scene, ink, &random);
    for (int i = 0; i < ink->width * ink->height; i++)
        rgb[i] = rgb[3 * i + 1];
    return rgb;
}

static mnist_fast_status prepare(const uint8_t *grey, int width, int height, mnist_fast_invert invert,
                                 uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error)
{
    const mnist_fast_picture picture = {grey, width, height, (size_t)width};
    return mnist_fast_prepare_picture(&picture, invert, 0, pixels, error);
}

static void expect_refused(mnist_fast_status expected, mnist_fast_status status, const mnist_fast_error *error,
                           const char *says)
{
    if (status != expected || !strstr(error->text, says) || strchr(error->text, '\n'))
        support_fail("expected status %d, \"%s\", found %d: %s", expected, says, status, error->text);
}

/* The longer side of the ink is 20, and its centre of mass in the middle of pixel (14, 14). */
static void expect_normalized(const uint8_t *pixels)
{
    double mass = 0, across = 0, down = 0;
    int left = SIDE, top = SIDE, right = 0, bottom = 0;
    for (int i = 0; i < MNIST_FAST_PIXELS; i++) {
        const int x = i % SIDE, y = i / SIDE;
        mass += pixels[i];
        across += pixels[i] * (x + 0.5);
        down += pixels[i] * (y + 0.5);
        if (pixels[i] < 128)
            continue;
        left = x < left ? x : left;
        right = x > right ? x : right;
        top = y < top ? y : top;
        bottom = y > bottom ? y : bottom;
    }
    const int longer = (right - left > bottom - top ? right - left : bottom - top) + 1;
    if (longer < 19 || longer > 21)
        support_fail("the ink has a longer side of %d", longer);
    if (across / mass < 14.4 || across / mass > 14.6 || down / mass < 14.4 || down / mass > 14.6)
        support_fail("its centre of mass is at %.2f, %.2f", across / mass, down / mass);
}

/* The middle of the digit's strokes is inked, and the middle of what they enclose is not. */
static void expect_digit(const uint8_t *pixels)
{
    static const struct {
        int x, y, ink;
    } places[] = {{14, 5, 1},  {18, 9, 1}, {14, 13, 1}, {9, 17, 1}, {14, 22, 1}, {13, 9, 0},
                  {15, 18, 0}, {3, 14, 0}, {25, 14, 0}, {14, 1, 0}, {14, 26, 0}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const int level = pixels[places[i].y * SIDE + places[i].x];
        if (places[i].ink ? level < 200 : level > 0)
            support_fail("pixel %d, %d is %d", places[i].x, places[i].y, level);
    }
}

/* ---- where the digit ends up ---- */

static const struct {
    const char *name;
    int width, height;
    double left, top, size;
    struct scene scene;
} views[] = {
    {"filling the picture", 300, 300, 0, 0, 300, {.dim = 0}},
    {"of 60 pixels", 60, 60, 0, 0, 60, {.dim = 0}},
    {"of 28 pixels on paper", 28, 28, 0, 0, 28, {.dim = 0}},
    {"in a corner", 500, 300, 330, 140, 160, {.dim = 0}},
    {"small in a large picture", 1500, 1000, 900, 100, 150, {.dim = 0}},
    {"cropped", 130, 210, -80, -40, 280, {.dim = 0}},
    {"light on dark", 300, 200, 40, 10, 180, {.light_on_dark = true}},
    {"light on dark, small", 1000, 1000, 700, 800, 120, {.light_on_dark = true}},
    {"in grey ink on a dim page", 300, 200, 40, 10, 180, {.ink = {0.6, 0.6, 0.6}, .dim = 0.55}},
    {"under a lamp", 400, 300, 60, 30, 220, {.slope = {0.4, -0.3}, .ink = {0.2, 0.2, 0.2}}},
    {"with dark corners", 400, 300, 60, 30, 220, {.vignette = 0.5, .ink = {0.2, 0.2, 0.2}}},
    {"across a shadow", 400, 300, 90, 30, 220, {.shadow = 0.5, .ink = {0.2, 0.2, 0.2}}},
    {"with noise", 300, 200, 40, 10, 180, {.noise = 15, .grain = 5}},
};

START_TEST(digits_are_found)
{
    support_case("%s", views[_i].name);
    struct ink ink = ink_new(views[_i].width, views[_i].height);
    ink_enlarge(&ink, digit, views[_i].left, views[_i].top, views[_i].size);
    uint8_t *const grey = grey_of_scene(&views[_i].scene, &ink, (uint64_t)_i);
    uint8_t pixels[MNIST_FAST_PIXELS];
    mnist_fast_error error = {""};
    if (prepare(grey, ink.width, ink.height, MNIST_FAST_INVERT_AUTO, pixels, &error))
        support_fail("refused: %s", error.text);
    expect_normalized(pixels);
    expect_digit(pixels);
    free(grey);
    ink_free(&ink);
}
END_TEST

/* Dust, the dark edge of a table and other things at the border are left out. */
START_TEST(what_is_no_digit_is_left_out)
{
    struct ink ink = ink_new(400, 300);
    ink_enlarge(&ink, digit, 90, 40, 220);
    for (int y = 0; y < 300; y++)
        for (int x = 0; x < 400; x++)
            if (x + y / 8 < 50 || (x > 330 && x < 334 && y > 30 && y < 34))
                ink.cover[y * 400 + x] = 1;
    uint8_t *const grey = grey_of_scene(&(struct scene){.dim = 0}, &ink, 1);
    uint8_t pixels[MNIST_FAST_PIXELS];
    mnist_fast_error error = {""};
    ck_assert_msg(prepare(grey, 400, 300, MNIST_FAST_INVERT_YES, pixels, &error) == MNIST_FAST_OK, "%s", error.text);
    expect_normalized(pixels);
    expect_digit(pixels);
    free(grey);
    ink_free(&ink);
}
END_TEST

/* How wide the digit's lowest stroke is, of 20. */
static double width_of_stroke(double pen)
{
    uint8_t pixels[MNIST_FAST_PIXELS];
    mnist_fast_error error = {""};
    struct ink ink = ink_new(600, 600);
    ink_trace(&ink, digit, 50, 50, 500, pen);
    uint8_t *const grey = grey_of_scene(&(struct scene){.dim = 0}, &ink, 1);
    ck_assert_msg(prepare(grey, 600, 600, MNIST_FAST_INVERT_AUTO, pixels, &error) == MNIST_FAST_OK, "%s", error.text);
    expect_normalized(pixels);
    double sum = 0;
    for (int y = 18; y < SIDE; y++)
        sum += pixels[y * SIDE + 14];
    free(grey);
    ink_free(&ink);
    return sum / 255;
}

START_TEST(thin_pens_are_thickened)
{
    static const double pens[] = {3, 5, 8, 14};
    for (size_t i = 0; i < sizeof pens / sizeof *pens; i++) {
        support_case("pen of %g pixels", pens[i]);
        const double width = width_of_stroke(pens[i]);
        if (width < 2 || width > 3.2)
            support_fail("a stroke of %.2f pixels", width);
    }
    support_case("thick pen");
    const double width = width_of_stroke(90);
    if (width < 3.5)
        support_fail("a stroke of %.2f pixels", width);
}
END_TEST

/* ---- as it is ---- */

static void random_pixels(uint8_t *pixels, uint64_t seed)
{
    struct random random = random_from(seed, 1, 1, 1);
    for (int i = 0; i < MNIST_FAST_PIXELS; i++)
        pixels[i] = (uint8_t)random_bits(&random);
}

START_TEST(light_ink_of_28_pixels_stays)
{
    uint8_t pixels[MNIST_FAST_PIXELS], noisy[MNIST_FAST_PIXELS];
    random_pixels(noisy, 1);
    ck_assert_int_eq(prepare(digit, SIDE, SIDE, MNIST_FAST_INVERT_AUTO, pixels, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(pixels, digit, sizeof digit);
    ck_assert_int_eq(prepare(noisy, SIDE, SIDE, MNIST_FAST_INVERT_NO, pixels, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(pixels, noisy, sizeof noisy);
    /* Off centre, and not moved. */
    memmove(digit, digit + 5, sizeof digit - 5);
    ck_assert_int_eq(prepare(digit, SIDE, SIDE, MNIST_FAST_INVERT_AUTO, pixels, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(pixels, digit, sizeof digit);
}
END_TEST

START_TEST(raw)
{
    uint8_t grey[SIDE * 40], pixels[MNIST_FAST_PIXELS];
    memset(grey, 7, sizeof grey);
    uint8_t noisy[MNIST_FAST_PIXELS];
    random_pixels(noisy, 2);
    for (int y = 0; y < SIDE; y++)
        memcpy(grey + y * 40, noisy + y * SIDE, SIDE);
    mnist_fast_picture picture = {grey, SIDE, SIDE, 40};
    for (mnist_fast_invert invert = MNIST_FAST_INVERT_AUTO; invert <= MNIST_FAST_INVERT_NO; invert++) {
        ck_assert_int_eq(mnist_fast_prepare_picture(&picture, invert, 1, pixels, NULL), MNIST_FAST_OK);
        for (int i = 0; i < MNIST_FAST_PIXELS; i++)
            ck_assert_int_eq(pixels[i], invert == MNIST_FAST_INVERT_YES ? 255 - noisy[i] : noisy[i]);
    }
    mnist_fast_error error = {""};
    picture.width = 29;
    expect_refused(MNIST_FAST_BAD_DATA, mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_AUTO, 1, pixels, &error),
                   &error, "has 29 x 28 pixels (expected 28 x 28");
    memset(grey, 7, sizeof grey);
    picture.width = 28;
    expect_refused(MNIST_FAST_BAD_DATA, mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_AUTO, 1, pixels, &error),
                   &error, "blank");
}
END_TEST

/* ---- blank ---- */

static const struct {
    const char *name;
    int width, height;
    struct scene scene;
} blanks[] = {
    {"1 x 1", 1, 1, {.dim = 0}},
    {"28 x 28", 28, 28, {.dim = 0}},
    {"black", 28, 28, {.light_on_dark = true}},
    {"black, large", 300, 200, {.light_on_dark = true}},
    {"one row", 16384, 1, {.dim = 0.2}},
    {"one column", 1, 16384, {.dim = 0.2}},
    {"grey", 300, 200, {.dim = 0.5}},
    {"noise", 300, 200, {.dim = 0.2, .noise = 12}},
    {"noise, black", 300, 200, {.dim = 0.1, .noise = 12, .light_on_dark = true}},
    {"noise, small", 50, 40, {.dim = 0.2, .noise = 12}},
    {"photo of paper", 800, 600, {.dim = 0.2, .slope = {0.3, -0.2}, .vignette = 0.4, .grain = 4, .noise = 6}},
    {"photo of paper, dim", 800, 600, {.dim = 0.7, .slope = {0.3, 0.2}, .vignette = 0.4, .grain = 4, .noise = 6}},
    {"photo of paper in a shadow", 800, 600, {.dim = 0.2, .slope = {0.1, -0.2}, .shadow = 0.4, .grain = 4, .noise = 6}},
};

START_TEST(blank_pictures_are_refused)
{
    support_case("%s", blanks[_i].name);
    struct ink ink = ink_new(blanks[_i].width, blanks[_i].height);
    uint8_t *const grey = grey_of_scene(&blanks[_i].scene, &ink, (uint64_t)_i);
    for (mnist_fast_invert invert = MNIST_FAST_INVERT_AUTO; invert <= MNIST_FAST_INVERT_NO; invert++) {
        uint8_t pixels[MNIST_FAST_PIXELS];
        memset(pixels, 0x5a, sizeof pixels);
        mnist_fast_error error = {""};
        expect_refused(MNIST_FAST_BAD_DATA, prepare(grey, ink.width, ink.height, invert, pixels, &error), &error,
                       "is blank");
        for (int i = 0; i < MNIST_FAST_PIXELS; i++)
            ck_assert_int_eq(pixels[i], 0x5a);
    }
    free(grey);
    ink_free(&ink);
}
END_TEST

/* ---- any picture ---- */

/* Random shapes of all sizes, in memory that ends with the picture and may not be written; twice, with other bytes
 * between the rows. */
START_TEST(any_picture)
{
    struct random random = random_from((uint64_t)_i, 5, 5, 5);
    const int width = 1 + random_below(&random, _i % 2 ? 90 : 700),
              height = 1 + random_below(&random, _i % 3 ? 90 : 700);
    const size_t gap = (size_t)random_below(&random, 9),
                 size = (size_t)(height - 1) * ((size_t)width + gap) + (size_t)width;
    support_case("%d x %d, gap %zu", width, height, gap);
    uint8_t results[2][MNIST_FAST_PIXELS] = {{0}};
    mnist_fast_status status[2];
    for (int turn = 0; turn < 2; turn++) {
        uint8_t *const grey = guarded_new(size);
        memset(grey, turn * 255, size);
        struct random same = random_from((uint64_t)_i, 6, 6, 6);
        const int shapes = random_below(&same, 12), noise = 1 + random_below(&same, 40);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                grey[(size_t)y * ((size_t)width + gap) + (size_t)x] = (uint8_t)(100 + random_below(&same, noise));
        for (int n = 0; n < shapes; n++) {
            const int left = random_below(&same, width), top = random_below(&same, height);
            const int right = left + 1 + random_below(&same, width - left), level = random_below(&same, 256);
            const int bottom = top + 1 + random_below(&same, height - top);
            for (int y = top; y < bottom; y++)
                memset(grey + (size_t)y * ((size_t)width + gap) + left, level, (size_t)(right - left));
        }
        guarded_seal(grey);
        const mnist_fast_picture picture = {grey, width, height, (size_t)width + gap};
        status[turn] = mnist_fast_prepare_picture(&picture, (mnist_fast_invert)(_i % 3), 0, results[turn], NULL);
        guarded_release();
    }
    ck_assert_int_eq(status[0], status[1]);
    ck_assert_mem_eq(results[0], results[1], sizeof results[0]);
    ck_assert(status[0] == MNIST_FAST_OK || status[0] == MNIST_FAST_BAD_DATA);
}
END_TEST

/* The same bytes on every machine. */
START_TEST(golden_bytes)
{
    static const uint32_t golden[] = {0x589598ac, 0x0d72fbcf, 0xa8780767};
    uint8_t pixels[MNIST_FAST_PIXELS];
    struct random random = random_from(9 - support_seed, 9, 9, 9);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        static uint8_t grey[240 * 320]; /* integers alone, so that it is the same picture everywhere */
        random.state = i + 1;
        for (int y = 0; y < 240; y++)
            for (int x = 0; x < 320; x++) {
                const int u = (x - 60 - 20 * (int)i) / (5 + (int)i), v = (y - 30) / (5 + (int)i);
                const bool ink = u >= 0 && u < SIDE && v >= 0 && v < SIDE && digit[v * SIDE + u] > 0;
                grey[y * 320 + x] = (uint8_t)((ink ? 40 : 200 - x / 8 - y / 8) + random_below(&random, 20));
            }
        mnist_fast_error error = {""};
        ck_assert_msg(prepare(grey, 320, 240, MNIST_FAST_INVERT_AUTO, pixels, &error) == MNIST_FAST_OK, "%s",
                      error.text);
        const uint32_t crc = (uint32_t)crc32(0, pixels, sizeof pixels);
        if (crc != golden[i])
            support_fail("picture %zu: crc32 %08x (expected %08x)", i, crc, golden[i]);
    }
}
END_TEST

START_TEST(bad_arguments)
{
    uint8_t grey[4] = {0}, pixels[MNIST_FAST_PIXELS];
    mnist_fast_error error;
    const struct {
        mnist_fast_picture picture;
        int invert;
        const char *says;
    } cases[] = {
        {{NULL, 2, 2, 2}, 0, "NULL"},      {{grey, 0, 2, 2}, 0, "0 x 2"},   {{grey, 2, 0, 2}, 0, "2 x 0"},
        {{grey, -1, 2, 2}, 0, "-1 x 2"},   {{grey, 2, 2, 1}, 0, "1 bytes"}, {{grey, 65536, 1, 65536}, 0, "65536"},
        {{grey, 1, 65536, 1}, 0, "65536"}, {{grey, 2, 2, 2}, 3, "invert"},  {{grey, 2, 2, 2}, -1, "invert"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_case("case %zu", i);
        expect_refused(
            MNIST_FAST_BAD_ARGUMENT,
            mnist_fast_prepare_picture(&cases[i].picture, (mnist_fast_invert)cases[i].invert, 0, pixels, &error),
            &error, cases[i].says);
    }
    const mnist_fast_picture picture = {grey, 2, 2, 2};
    ck_assert_int_eq(mnist_fast_prepare_picture(NULL, MNIST_FAST_INVERT_AUTO, 0, pixels, NULL),
                     MNIST_FAST_BAD_ARGUMENT);
    ck_assert_int_eq(mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_AUTO, 0, NULL, NULL),
                     MNIST_FAST_BAD_ARGUMENT);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("picture");
    TCase *const tests = tcase_create("picture");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, digits_are_found, 0, (int)(sizeof views / sizeof *views));
    tcase_add_test(tests, what_is_no_digit_is_left_out);
    tcase_add_test(tests, thin_pens_are_thickened);
    tcase_add_test(tests, light_ink_of_28_pixels_stays);
    tcase_add_test(tests, raw);
    tcase_add_loop_test(tests, blank_pictures_are_refused, 0, (int)(sizeof blanks / sizeof *blanks));
    tcase_add_loop_test(tests, any_picture, 0, support_short ? 20 : 200);
    tcase_add_test(tests, golden_bytes);
    tcase_add_test(tests, bad_arguments);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
