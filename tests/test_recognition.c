/* Test digits as pictures of all kinds, through files, readers and preparation to a trained network: recognised within
 * one point of the accuracy on their original 28 x 28 pixels. Then what has no original to compare with, with a lower
 * bound: photos of pen and pencil, and digits of fonts. The rates are printed.
 *
 * MF_LONG=1 takes 500 digits of each kind instead of 100, and some minutes (make check-pictures).
 *
 * The parameters of the preparation were chosen on digits of the training set alone. */
#include "cli/picture_file.h"

#include "drawing.h"
#include "folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_FREETYPE
#include <ft2build.h>
#include FT_FREETYPE_H
#endif

enum { SIDE = 28, DIGITS = 500 };

static const char *data; /* the folder of MNIST: MNIST_FAST_DATA, else data/ below the working directory */
static mnist_fast_images digits;
static int count;     /* of digits a kind */
static int originals; /* of them recognised as they are */
static mnist_fast *network;
static uint8_t pixels[DIGITS][MNIST_FAST_PIXELS]; /* what the network is given */

static int label_of(int i)
{
    return digits.labels[(size_t)i * 7919 % digits.count];
}

static const uint8_t *pixels_of(int i)
{
    return digits.pixels + (size_t)i * 7919 % digits.count * MNIST_FAST_PIXELS;
}

/* The digits of n images of 28 x 28 pixels. */
static void recognise(const uint8_t *images, int n, uint8_t *found)
{
    const mnist_fast_images views = {.pixels = images, .count = (size_t)n};
    mnist_fast_error error = {""};
    if (mnist_fast_predict(network, &views, found, NULL, &error))
        support_fail("%s", error.text);
}

/* How many of n images are recognised as the first n digits. */
static int count_recognised(const uint8_t *images, int n)
{
    uint8_t found[DIGITS];
    int right = 0;
    recognise(images, n, found);
    for (int i = 0; i < n; i++)
        right += found[i] == label_of(i);
    return right;
}

static void setup(void)
{
    mnist_fast_error error = {""};
    if (mnist_fast_load_images(data, MNIST_FAST_TEST, 1, &digits, &error))
        support_fail("%s", error.text);
    const char *const model = getenv("MF_MODEL") ? getenv("MF_MODEL") : "build/digits.safetensors";
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    runtime.threads = 1;
    if (mnist_fast_load(model, &runtime, &network, &error))
        support_fail("%s (make build/digits.safetensors trains it)", error.text);
    count = support_short ? 16 : getenv("MF_LONG") ? DIGITS : 100;
    for (int i = 0; i < count; i++)
        memcpy(pixels[i], pixels_of(i), sizeof pixels[i]);
    originals = count_recognised(pixels[0], count);
}

static void teardown(void)
{
    mnist_fast_free(network);
    mnist_fast_free_images(&digits);
}

/* ---- kinds of pictures ---- */

static struct bytes encode(const uint8_t *rgb, int width, int height, const char *form, struct png png,
                           struct jpeg jpeg)
{
    if (form[0] == 'P')
        return pnm_file(rgb, width, height, form[1], form[2] == 'w' ? 65535 : 255);
    return strcmp(form, "png") == 0 ? png_file(rgb, width, height, png) : jpeg_file(rgb, width, height, jpeg);
}

struct kind {
    const char *name;
    int width, height;
    double least, most; /* size of the square around the digit */
    double pen;         /* 0: the digit enlarged; else its middle lines traced with a pen as wide */
    struct scene scene;
    const char *form; /* png, jpeg, or P1 to P6, with a w for wide values */
    struct png png;
    struct jpeg jpeg; /* orientation -1: all of them in turn */
};

static const struct kind kinds[] = {
    {"large, PNG of 8 bits", 280, 280, 280, 280, .form = "png", .png = {GREY, 8, false}},
    {"large, inverted, PNG of 1 bit", 280, 280, 280, 280, .scene = {.light_on_dark = true}, .form = "png",
     .png = {GREY, 1, false}},
    {"off centre, PNG of 2 bits", 400, 300, 120, 280, .form = "png", .png = {GREY, 2, false}},
    {"padded, PNG of 4 bits", 600, 600, 70, 110, .form = "png", .png = {GREY, 4, false}},
    {"padded, inverted, PNG of 16 bits", 600, 600, 70, 110, .scene = {.light_on_dark = true}, .form = "png",
     .png = {GREY, 16, false}},
    {"off centre, palette", 400, 300, 120, 280, .form = "png", .png = {PALETTE, 8, false}},
    {"large, ink on transparent", 280, 280, 280, 280, .form = "png", .png = {RGB_ALPHA, 8, false}},
    {"off centre, grey and alpha", 400, 300, 120, 280, .form = "png", .png = {GREY_ALPHA, 16, true}},
    {"uneven, interlaced PNG", 400, 300, 150, 280, .form = "png", .png = {RGB, 8, true},
     .scene = {.dim = 0.1, .slope = {0.35, -0.3}, .ink = {0.1, 0.1, 0.1}}},
    {"uneven, grey JPEG", 400, 300, 150, 280, .form = "jpeg", .jpeg = {.quality = 75, .grey = true},
     .scene = {.dim = 0.1, .slope = {-0.3, 0.35}, .vignette = 0.3, .ink = {0.1, 0.1, 0.1}}},
    {"uneven, inverted, colour JPEG", 400, 300, 150, 280, .form = "jpeg", .jpeg = {.quality = 75},
     .scene = {.dim = 0.1, .slope = {0.35, -0.3}, .ink = {0.1, 0.1, 0.1}, .light_on_dark = true}},
    {"uneven, blue ink, progressive JPEG", 400, 300, 150, 280, .form = "jpeg",
     .jpeg = {.quality = 60, .progressive = true},
     .scene = {.dim = 0.1, .slope = {0.2, 0.2}, .vignette = 0.4, .ink = {0.1, 0.15, 0.5}}},
    {"rotated by EXIF", 400, 300, 150, 280, .form = "jpeg", .jpeg = {.quality = 80, .orientation = -1},
     .scene = {.dim = 0.1, .slope = {0.2, 0.2}, .ink = {0.1, 0.1, 0.1}}},
    {"50 pixels, PPM", 50, 50, 50, 50, .form = "P6"},
    {"28 pixels on paper, PGM of 16 bits", 28, 28, 28, 28, .form = "P5w"},
    {"with noise, JPEG of quality 50", 250, 200, 150, 200, .form = "jpeg", .jpeg = {.quality = 50},
     .scene = {.dim = 0.15, .noise = 12, .ink = {0.1, 0.1, 0.1}}},
};

/* In landscape, lit from a side, in a colour JPEG as a phone writes it. */
#define PHOTO(title, size_least, size_most, width_of_pen, ...)                                                         \
    {                                                                                                                  \
        .name = title, .width = 640, .height = 480, .least = size_least, .most = size_most, .pen = width_of_pen,       \
        .form = "jpeg", .jpeg = {.quality = 85, .orientation = -1},                                                    \
        .scene = {.slope = {0.2, 0.15}, .vignette = 0.35, .grain = 4, .noise = 6, __VA_ARGS__},                        \
    }
#define BLUE .ink = {0.12, 0.15, 0.45}

static const struct kind photos[] = {
    PHOTO("photo, pen of 1/40 of the height", 270, 450, 12, .dim = 0.15, BLUE),
    PHOTO("photo, the same, digit half as large", 135, 220, 12, .dim = 0.15, BLUE),
    PHOTO("photo, pen of 1/80", 220, 430, 6, .dim = 0.15, BLUE),
    PHOTO("photo, pen of 1/150", 220, 430, 3.2, .dim = 0.15, BLUE),
    PHOTO("photo, marker of 1/13", 270, 450, 37, .dim = 0.15, BLUE),
    PHOTO("photo across a shadow", 220, 430, 10, .dim = 0.15, .shadow = 0.4, BLUE),
    PHOTO("photo of pencil", 220, 430, 7, .dim = 0.25, .ink = {0.55, 0.55, 0.55}),
    PHOTO("photo in dim light", 220, 430, 10, .dim = 0.6, BLUE),
};

/* Digit i as such a picture, prepared; all zero where it is refused. */
static void view(const struct kind *kind, int i, struct random *random)
{
    struct ink ink = ink_new(kind->width, kind->height);
    const double size = kind->least + (kind->most - kind->least) * fabsf(random_real(random));
    const double left = (kind->width - size) * fabsf(random_real(random));
    const double top = (kind->height - size) * fabsf(random_real(random));
    if (kind->pen > 0)
        ink_trace(&ink, pixels_of(i), left, top, size, kind->pen);
    else
        ink_enlarge(&ink, pixels_of(i), left, top, size);
    uint8_t *const rgb = scene_photograph(&kind->scene, &ink, random);
    struct jpeg jpeg = kind->jpeg;
    if (jpeg.orientation < 0)
        jpeg.orientation = 1 + i % 8;
    const struct bytes file = encode(rgb, kind->width, kind->height, kind->form, kind->png, jpeg);
    const char *const path = in_folder("picture");
    remove(path);
    file_write(path, file.data, file.size);
    free(file.data);
    free(rgb);
    ink_free(&ink);

    struct cli_picture picture;
    mnist_fast_error error = {""};
    if (cli_picture_read(path, &picture, &error))
        support_fail("%s", error.text);
    const mnist_fast_picture grey = {picture.grey, picture.width, picture.height, (size_t)picture.width};
    if (mnist_fast_prepare_picture(&grey, MNIST_FAST_INVERT_AUTO, 0, pixels[i], &error)) {
        printf("%s, digit %d: %s\n", kind->name, i, error.text);
        memset(pixels[i], 0, sizeof pixels[i]);
    }
    free(picture.grey);
}

static int count_right(const struct kind *kind, uint64_t seed, int digits_tried)
{
    struct random random = random_from(seed, 2, 3, 4);
    for (int i = 0; i < digits_tried; i++) {
        support_case("%s, digit %d", kind->name, i);
        view(kind, i, &random);
    }
    const int right = count_recognised(pixels[0], digits_tried);
    printf("%-38s %5.1f%% of %d, originals %5.1f%%\n", kind->name, 100.0 * right / digits_tried, digits_tried,
           100.0 * originals / count);
    return right;
}

START_TEST(as_well_as_the_originals)
{
    const int right = count_right(&kinds[_i], (uint64_t)_i, count), point = count / 100 > 1 ? count / 100 : 1;
    if (right < originals - point)
        support_fail("%d recognised (expected at least %d)", right, originals - point);
}
END_TEST

/* Drawing a photo takes half a second in an emulator: short runs try two of the kinds. */
enum { PHOTOS = sizeof photos / sizeof *photos };
#define PHOTO_STEP (support_short ? PHOTOS / 2 : 1)

/* Tracing the middle lines makes another digit of some, such as a filled loop; so the bound is lower. */
START_TEST(photos_of_pens)
{
    const struct kind *const photo = &photos[_i * PHOTO_STEP];
    const int tried = getenv("MF_LONG") ? 100 : 25, right = count_right(photo, (uint64_t)(photo - photos) + 100, tried);
    if (right < tried * 9 / 10)
        support_fail("%d of %d recognised (expected at least 90%%)", right, tried);
}
END_TEST

/* ---- digits that are as they are ---- */

/* The preparation changes nothing of the test images themselves: all of them have light ink. */
START_TEST(originals_stay)
{
    for (size_t i = 0; i < digits.count; i += support_short ? 100 : 1) {
        const uint8_t *const original = digits.pixels + i * MNIST_FAST_PIXELS;
        const mnist_fast_picture picture = {original, SIDE, SIDE, SIDE};
        support_case("test image %zu", i);
        mnist_fast_error error = {""};
        if (mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_AUTO, 0, pixels[0], &error))
            support_fail("%s", error.text);
        if (memcmp(pixels[0], original, sizeof pixels[0]) != 0)
            support_fail("changed");
    }
}
END_TEST

/* ---- fonts ---- */

#ifdef HAVE_FREETYPE
static const char *const fonts[] = {
    "truetype/dejavu/DejaVuSans.ttf",
    "truetype/dejavu/DejaVuSerif.ttf",
    "truetype/dejavu/DejaVuSansMono.ttf",
    "truetype/dejavu/DejaVuSans-Bold.ttf",
    "truetype/liberation/LiberationSans-Regular.ttf",
    "truetype/liberation/LiberationSerif-Regular.ttf",
    "truetype/liberation/LiberationMono-Regular.ttf",
    "truetype/freefont/FreeSans.ttf",
    "truetype/freefont/FreeSerif.ttf",
    "truetype/freefont/FreeMono.ttf",
    "truetype/fifthhorseman/dkg.ttf",
    "opentype/comic-neue/ComicNeue-Regular.otf",
};

/* Renders the digit 200 pixels high in the middle of 300 x 300. */
static void render(FT_Face face, int digit, uint8_t *grey)
{
    enum { PAGE = 300 };
    memset(grey, 255, PAGE * PAGE);
    ck_assert_int_eq(FT_Set_Pixel_Sizes(face, 0, 240), 0);
    ck_assert_int_eq(FT_Load_Char(face, (FT_ULong)('0' + digit), FT_LOAD_RENDER), 0);
    const FT_Bitmap *const bitmap = &face->glyph->bitmap;
    ck_assert_uint_le(bitmap->width, PAGE);
    ck_assert_uint_le(bitmap->rows, PAGE);
    const unsigned left = (PAGE - bitmap->width) / 2, top = (PAGE - bitmap->rows) / 2;
    for (unsigned y = 0; y < bitmap->rows; y++)
        for (unsigned x = 0; x < bitmap->width; x++)
            grey[(top + y) * PAGE + left + x] = (uint8_t)(255 - bitmap->buffer[y * (unsigned)bitmap->pitch + x]);
}

START_TEST(digits_of_fonts)
{
    FT_Library library;
    ck_assert_int_eq(FT_Init_FreeType(&library), 0);
    int right = 0, tried = 0, faces = 0;
    for (size_t i = 0; i < sizeof fonts / sizeof *fonts; i++) {
        char path[256];
        snprintf(path, sizeof path, "/usr/share/fonts/%s", fonts[i]);
        FT_Face face;
        if (FT_New_Face(library, path, 0, &face))
            continue;
        char wrong[64] = "";
        int here = 0;
        for (int digit = 0; digit < 10; digit++) {
            static uint8_t grey[300 * 300];
            render(face, digit, grey);
            mnist_fast_error error = {""};
            const mnist_fast_picture picture = {grey, 300, 300, 300};
            if (mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_AUTO, 0, pixels[digit], &error))
                support_fail("%s, %d: %s", fonts[i], digit, error.text);
        }
        uint8_t found[10];
        recognise(pixels[0], 10, found);
        for (int digit = 0; digit < 10; digit++) {
            here += found[digit] == digit;
            if (found[digit] != digit)
                sprintf(wrong + strlen(wrong), " %d>%d", digit, found[digit]);
        }
        printf("%-48s %2d of 10%s\n", fonts[i], here, wrong);
        right += here;
        tried += 10;
        faces++;
        FT_Done_Face(face);
    }
    FT_Done_FreeType(library);
    printf("digits of %d fonts: %.1f%% of %d\n", faces, tried ? 100.0 * right / tried : 0.0, tried);
    if (faces < 10)
        support_fail("%d fonts (expected at least 10)", faces);
    if (right < tried * 6 / 10)
        support_fail("%d of %d digits recognised (expected at least 60%%)", right, tried);
}
END_TEST
#endif

int main(void)
{
    support_begin();
    const char *const named = getenv("MNIST_FAST_DATA");
    data = named ? named : "data";
#ifndef HAVE_FREETYPE
    printf("SKIP: digits of fonts, which need FreeType\n");
#endif
    Suite *const suite = suite_create("recognition");
    TCase *const tests = tcase_create("recognition");
    tcase_add_unchecked_fixture(tests, folder_make, folder_remove);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, originals_stay);
    tcase_add_loop_test(tests, as_well_as_the_originals, 0, (int)(sizeof kinds / sizeof *kinds));
    tcase_add_loop_test(tests, photos_of_pens, 0, PHOTOS / PHOTO_STEP);
#ifdef HAVE_FREETYPE
    if (!support_short)
        tcase_add_test(tests, digits_of_fonts);
#endif
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
