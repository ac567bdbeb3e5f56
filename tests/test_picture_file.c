/* Picture files: every kind that is read gives the same pixels; what is damaged, too large or something else is refused
 * with one line that names the file; nothing is read out of bounds (under the sanitizers). */
#include "cli/picture_file.h"

#include "drawing.h"
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

enum { WIDTH = 37, HEIGHT = 23 };

static const char *path; /* of the file that is read */
static uint8_t *picture; /* WIDTH * HEIGHT, in grey, as three channels */

static void setup(void)
{
    folder_make();
    path = in_folder("picture");
    picture = malloc(WIDTH * HEIGHT * 3);
    ck_assert_ptr_nonnull(picture);
    for (int i = 0; i < WIDTH * HEIGHT; i++) /* smooth, for JPEG, and nowhere the same turned or mirrored */
        memset(picture + 3 * i, 20 + i % WIDTH * 4 + i / WIDTH * 3 - (i % WIDTH > 20 && i / WIDTH < 6 ? 15 : 0), 3);
}

static void teardown(void)
{
    free(picture);
    folder_remove();
}

static void write_file(const void *data, size_t size)
{
    remove(path);
    file_write(path, data, size);
}

static mnist_fast_status read_bytes(const void *data, size_t size, struct cli_picture *read, mnist_fast_error *error)
{
    write_file(data, size);
    return cli_picture_read(path, read, error);
}

static void expect_one_line(const mnist_fast_error *error)
{
    if (strncmp(error->text, path, strlen(path)) != 0 || error->text[strlen(path)] != ':')
        support_fail("the message does not begin with the file: %s", error->text);
    if (strchr(error->text, '\n') || !strchr(error->text, ';'))
        support_fail("not one line that says what to do: %s", error->text);
}

static void expect_refused(const void *data, size_t size, mnist_fast_status status, const char *says)
{
    struct cli_picture read = {(uint8_t *)1, 1, 1};
    mnist_fast_error error = {""};
    const mnist_fast_status got = read_bytes(data, size, &read, &error);
    if (got != status || read.grey || read.width || read.height)
        support_fail("expected status %d and no picture, found %d: %s", status, got, error.text);
    expect_one_line(&error);
    if (!strstr(error.text, says))
        support_fail("expected \"%s\" in: %s", says, error.text);
}

/* The file must hold the picture, each level no further off than tolerance. */
static void expect_picture(struct bytes file, int tolerance)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    if (read_bytes(file.data, file.size, &read, &error))
        support_fail("refused: %s", error.text);
    if (read.width != WIDTH || read.height != HEIGHT)
        support_fail("%d x %d pixels", read.width, read.height);
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        if (abs(read.grey[i] - picture[3 * i]) > tolerance)
            support_fail("pixel %d, %d is %d (expected %d)", i % WIDTH, i / WIDTH, read.grey[i], picture[3 * i]);
    free(read.grey);
    free(file.data);
}

/* ---- what is read ---- */

START_TEST(every_png)
{
    static const int depths[][6] = {[GREY] = {1, 2, 4, 8, 16},
                                    [PALETTE] = {1, 2, 4, 8},
                                    [RGB] = {8, 16},
                                    [GREY_ALPHA] = {8, 16},
                                    [RGB_ALPHA] = {8, 16}};
    for (enum layout layout = GREY; layout <= RGB_ALPHA; layout++)
        for (int i = 0; depths[layout][i]; i++)
            for (int interlaced = 0; interlaced < 2; interlaced++) {
                const int depth = depths[layout][i], levels = depth < 8 ? (1 << depth) - 1 : 255;
                support_case("layout %d, %d bits%s", layout, depth, interlaced ? ", interlaced" : "");
                expect_picture(png_file(picture, WIDTH, HEIGHT, (struct png){layout, depth, interlaced}),
                               (255 / levels + 1) / 2);
            }
}
END_TEST

/* Each pass of the interlacing has no pixels at some of these sizes. */
START_TEST(small_pngs)
{
    for (int width = 1; width <= 9; width++)
        for (int height = 1; height <= 9; height++) {
            support_case("%d x %d", width, height);
            const struct bytes file = png_file(picture, width, height, (struct png){GREY, 8, true});
            struct cli_picture read;
            mnist_fast_error error;
            ck_assert_int_eq(read_bytes(file.data, file.size, &read, &error), MNIST_FAST_OK);
            for (int i = 0; i < width * height; i++)
                if (read.grey[i] != picture[3 * i])
                    support_fail("pixel %d is %d (expected %d)", i, read.grey[i], picture[3 * i]);
            free(read.grey);
            free(file.data);
        }
}
END_TEST

START_TEST(every_jpeg)
{
    for (int progressive = 0; progressive < 2; progressive++)
        for (int grey = 0; grey < 2; grey++)
            for (int orientation = 0; orientation <= 8; orientation++) {
                support_case("%s, %s, orientation %d", progressive ? "progressive" : "baseline",
                             grey ? "grey" : "colour", orientation);
                const struct jpeg how = {95, grey, progressive, false, orientation, orientation % 2};
                expect_picture(jpeg_file(picture, WIDTH, HEIGHT, how), 12);
            }
}
END_TEST

START_TEST(every_pnm)
{
    static const int maxima[] = {255, 15, 1, 256, 65535, 1000};
    for (char kind = '1'; kind <= '6'; kind++)
        for (size_t i = 0; i < sizeof maxima / sizeof *maxima; i++) {
            const bool bits = kind == '1' || kind == '4';
            support_case("P%c, maximum %d", kind, maxima[i]);
            expect_picture(pnm_file(picture, WIDTH, HEIGHT, kind, maxima[i]), bits || maxima[i] == 1 ? 128
                                                                              : maxima[i] == 15      ? 9
                                                                                                     : 1);
        }
}
END_TEST

/* Pure colours, and a black half of a transparent pixel. */
START_TEST(colours_and_transparency)
{
    static const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
    static const uint8_t luma[] = {76, 150, 29, 255};
    struct bytes files[] = {png_file(rgb, 4, 1, (struct png){RGB, 8, false}), pnm_file(rgb, 4, 1, '6', 255),
                            pnm_file(rgb, 4, 1, '3', 65535)};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct cli_picture read;
        mnist_fast_error error;
        ck_assert_int_eq(read_bytes(files[i].data, files[i].size, &read, &error), MNIST_FAST_OK);
        ck_assert_mem_eq(read.grey, luma, sizeof luma);
        free(read.grey);
        free(files[i].data);
    }
}
END_TEST

START_TEST(pnm_by_hand)
{
    static const struct {
        const char *file;
        uint8_t grey[4];
    } cases[] = {
        {"P2\n2 2\n3\n0 1\n2 3\n", {0, 85, 170, 255}},
        {"P2#c\n#d\r2 #e\n 2 3 0 1 2 #f\n3", {0, 85, 170, 255}},
        {"P1 2 2 0110", {255, 0, 0, 255}},
        {"P1\n2 2\n0 1\n1 0\n", {255, 0, 0, 255}},
        {"P4 2 2\n\x40\x80", {255, 0, 0, 255}},
        {"P5 2 2 255\nabcd and more", {'a', 'b', 'c', 'd'}},
        {"P5 2 2 255 # bc", {'#', ' ', 'b', 'c'}},
        {"P5 2 2 65535\naabbccdd", {'a', 'b', 'c', 'd'}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_case("%s", cases[i].file);
        struct cli_picture read;
        mnist_fast_error error = {""};
        if (read_bytes(cases[i].file, strlen(cases[i].file), &read, &error))
            support_fail("refused: %s", error.text);
        ck_assert_int_eq(read.width, 2);
        ck_assert_int_eq(read.height, 2);
        ck_assert_mem_eq(read.grey, cases[i].grey, 4);
        free(read.grey);
    }
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *name, *file;
    size_t size; /* 0: up to its end */
    const char *says;
} wrong[] = {
    {"one byte", "x", 0, "begins with 0x78)"},
    {"text", "Subject: hello", 0, "is no picture"},
    {"P5 as a word", "P5K", 0, "is damaged"},
    {"GIF", "GIF89a", 0, "is a GIF picture"},
    {"BMP", "BM\1\2\3", 0, "is a BMP picture"},
    {"WebP", "RIFF\1\2\3\4WEBPVP8 ", 0, "is a WebP picture"},
    {"HEIC",
     "\0\0\0\x18"
     "ftypheic",
     12, "is a HEIC picture"},
    {"AVIF",
     "\0\0\0\x18"
     "ftypavif",
     12, "is an AVIF picture"},
    {"video",
     "\0\0\0\x18"
     "ftypisom",
     12, "is a video"},
    {"TIFF", "II*\0\1\2\3", 7, "is a TIFF picture"},
    {"TIFF, big-endian", "MM\0*\1\2\3", 7, "is a TIFF picture"},
    {"PDF", "%PDF-1.4", 0, "is a PDF document"},
    {"PAM", "P7\nWIDTH 1", 0, "is a PAM picture"},
    {"HTML", "\n <!DOCTYPE html>", 0, "is an HTML, XML or SVG page"},
    {"SVG", "\xef\xbb\xbf<svg/>", 0, "is an HTML, XML or SVG page"},
    {"IDX", "\0\0\x08\x03", 4, "is an IDX file of images"},
    {"gzip", "\x1f\x8b\x08", 0, "is a gzip file"},
    {"LFS", "version https://git-lfs", 0, "is a Git LFS pointer"},
    {"PGM without a size", "P5", 0, "is damaged"},
    {"PGM of letters", "P5 a b", 0, "is damaged"},
    {"PGM of negative width", "P5 -1 2 255\nab", 0, "is damaged"},
    {"PGM without a maximum", "P5 1 1", 0, "is damaged"},
    {"PGM that ends in its header", "P5 1 1 255", 0, "is damaged"},
    {"PGM of no width", "P5 0 2 255\n", 0, "has 0 x 2 pixels"},
    {"PGM of no height", "P2 2 0 255\n", 0, "has 2 x 0 pixels"},
    {"PGM of maximum 0", "P5 1 1 0\na", 0, "has a maximum of 0"},
    {"PGM of maximum 65536", "P5 1 1 65536\naa", 0, "has a maximum of 65536"},
    {"PGM without pixels", "P5 2 2 255\nabc", 0, "is cut short"},
    {"PGM with too large a value", "P5 1 1 9\na", 0, "is damaged (value 0 is above its maximum of 9)"},
    {"plain PGM with too large a value", "P2 2 1 9\n1 10", 0, "is damaged (value 1 is above its maximum of 9)"},
    {"plain PGM with a letter", "P2 2 1 9\n1 x ", 0, "is damaged (value 1 is none)"},
    {"plain PGM cut short", "P2 2 2 9\n1 2 3 ", 0, "is cut short"},
    {"PBM with a 2", "P1 2 2\n0120", 0, "is damaged (value 2 is none)"},
    {"PGM too wide", "P5 16385 1 255\n", 0, "has 16385 x 1 pixels"},
    {"PGM too high", "P5 1 16385 255\n", 0, "has 1 x 16385 pixels"},
    {"PGM of 2^32 by 2^32", "P5 4294967296 4294967296 255\n", 0, "pixels (expected at most 16384 a side"},
    {"PPM of 2^14 by 2^14", "P6 16384 16384 255\n", 0, "is cut short"},
    {"JPEG of its first bytes", "\xff\xd8\xff", 0, "is cut short"},
    {"JPEG of nothing", "\xff\xd8\xff\xd9", 0, "is damaged"},
    {"PNG of its first bytes", "\x89PNG\r\n\x1a\n", 0, "is cut short"},
};

START_TEST(wrong_files_are_refused)
{
    support_case("%s", wrong[_i].name);
    expect_refused(wrong[_i].file, wrong[_i].size ? wrong[_i].size : strlen(wrong[_i].file), MNIST_FAST_BAD_DATA,
                   wrong[_i].says);
}
END_TEST

START_TEST(an_empty_file)
{
    expect_refused("", 0, MNIST_FAST_BAD_DATA, "is empty");
}
END_TEST

static struct bytes small_file(int kind)
{
    switch (kind) {
    case 0: return png_file(picture, WIDTH, HEIGHT, (struct png){GREY, 8, false});
    case 1: return png_file(picture, WIDTH, HEIGHT, (struct png){RGB_ALPHA, 16, true});
    case 2: return png_file(picture, WIDTH, HEIGHT, (struct png){PALETTE, 4, false});
    case 3: return jpeg_file(picture, WIDTH, HEIGHT, (struct jpeg){90, true, false, false, 6, false});
    case 4: return jpeg_file(picture, WIDTH, HEIGHT, (struct jpeg){90, false, true, false, 8, true});
    case 5: return pnm_file(picture, WIDTH, HEIGHT, '5', 255);
    case 6: return pnm_file(picture, WIDTH, HEIGHT, '4', 1);
    default: return pnm_file(picture, WIDTH, HEIGHT, '3', 255);
    }
}
enum { SMALL_FILES = 8, PLAIN = 7 };

START_TEST(every_cut_is_refused)
{
    const struct bytes file = small_file(_i);
    /* The last number of a plain file (three digits and two white spaces) may be shorter. */
    const size_t whole = _i == PLAIN ? file.size - 4 : file.size;
    for (size_t size = 0; size < whole; size++) {
        support_case("kind %d, %zu of %zu bytes", _i, size, file.size);
        uint8_t *const cut = malloc(size + 1); /* so that the sanitizer sees what is read beyond */
        memcpy(cut, file.data, size);
        expect_refused(cut, size, MNIST_FAST_BAD_DATA, size < 3 ? "" : size < 8 ? "i" : _i < 3 ? "cut short" : "is ");
        free(cut);
    }
    free(file.data);
}
END_TEST

/* One bit wrong: a PNG is refused, because every chunk that is used has a CRC; the others give a picture or one line.
 */
START_TEST(flipped_bits)
{
    const struct bytes file = small_file(_i);
    const size_t step = support_short ? 37 : 3; /* each bit of a byte comes in turn */
    for (size_t bit = 0; bit < 8 * file.size; bit += step) {
        support_case("kind %d, bit %zu", _i, bit);
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct cli_picture read;
        mnist_fast_error error = {""};
        const mnist_fast_status status = read_bytes(file.data, file.size, &read, &error);
        if (status)
            expect_one_line(&error);
        else if (_i < 3)
            support_fail("not refused");
        free(read.grey);
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(file.data);
}
END_TEST

/* Random bytes behind a right beginning. */
START_TEST(garbage)
{
    struct random random = random_from((uint64_t)_i, 1, 2, 3);
    for (int round = 0; round < (support_short ? 20 : 300); round++) {
        const struct bytes file = small_file(_i);
        const size_t from = (size_t)random_below(&random, (int)file.size), count = (size_t)random_below(&random, 64);
        for (size_t i = from; i < file.size && i < from + count; i++)
            file.data[i] = (uint8_t)random_bits(&random);
        support_case("kind %d, round %d", _i, round);
        struct cli_picture read;
        mnist_fast_error error = {""};
        if (read_bytes(file.data, file.size, &read, &error))
            expect_one_line(&error);
        free(read.grey);
        free(file.data);
    }
}
END_TEST

static void set_crc(uint8_t *chunk, size_t length)
{
    const uint32_t crc = (uint32_t)crc32(0, chunk + 4, (uInt)length + 4);
    for (int i = 0; i < 4; i++)
        chunk[8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void set_number(uint8_t *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* Headers of larger pictures than the file holds, with a right CRC. No memory is taken for them. */
START_TEST(large_pngs_are_refused)
{
    static const struct {
        uint32_t width, height;
        const char *says;
    } sizes[] = {{0, 5, "is damaged"},
                 {5, 0, "is damaged"},
                 {16385, 1, "is damaged"},
                 {1, 16385, "is damaged"},
                 {0x7fffffff, 0x7fffffff, "is damaged"},
                 {0xffffffff, 0xffffffff, "is damaged"},
                 {8193, 8193, "has 8193 x 8193 pixels"},
                 {16384, 4096, ""}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct bytes file = small_file(0);
        support_case("%u x %u", sizes[i].width, sizes[i].height);
        set_number(file.data + 16, sizes[i].width);
        set_number(file.data + 20, sizes[i].height);
        set_crc(file.data + 8, 13);
        expect_refused(file.data, file.size, MNIST_FAST_BAD_DATA, sizes[i].says);
        free(file.data);
    }
}
END_TEST

START_TEST(large_jpegs_are_refused)
{
    static const struct {
        uint16_t width, height;
        const char *says;
    } sizes[] = {{0, 5, "is damaged"},
                 {5, 0, "is "},
                 {16385, 1, "has 16385 x 1 pixels"},
                 {1, 16385, "has 1 x 16385 pixels"},
                 {65500, 65500, "has 65500 x 65500 pixels"},
                 {8193, 8193, "has 8193 x 8193 pixels"},
                 {16384, 4096, "is "}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kind = 3; kind <= 4; kind++) {
            const struct bytes file = small_file(kind);
            support_case("%u x %u, kind %d", sizes[i].width, sizes[i].height, kind);
            size_t frame = 2;
            while (file.data[frame + 1] != 0xc0 && file.data[frame + 1] != 0xc2)
                frame += 2 + (size_t)(file.data[frame + 2] << 8 | file.data[frame + 3]);
            file.data[frame + 5] = (uint8_t)(sizes[i].height >> 8), file.data[frame + 6] = (uint8_t)sizes[i].height;
            file.data[frame + 7] = (uint8_t)(sizes[i].width >> 8), file.data[frame + 8] = (uint8_t)sizes[i].width;
            expect_refused(file.data, file.size, MNIST_FAST_BAD_DATA, sizes[i].says);
            free(file.data);
        }
}
END_TEST

START_TEST(cmyk_is_refused)
{
    const struct bytes file = jpeg_file(picture, WIDTH, HEIGHT, (struct jpeg){.quality = 90, .cmyk = true});
    expect_refused(file.data, file.size, MNIST_FAST_BAD_DATA, "is a CMYK JPEG");
    free(file.data);
}
END_TEST

/* The last scan many times: each costs a pass over all pixels, and few bytes. */
START_TEST(too_many_scans)
{
    const struct bytes file = jpeg_file(picture, WIDTH, HEIGHT, (struct jpeg){90, true, true, false, 0, false});
    size_t scan = file.size - 2;
    while (file.data[scan] != 0xff || file.data[scan + 1] != 0xda)
        scan--;
    const size_t length = file.size - 2 - scan, copies = 200;
    uint8_t *const bomb = malloc(scan + copies * length + 2);
    memcpy(bomb, file.data, scan);
    /* The first copy refines the last bit; the others do so again, which libjpeg only warns of, and so refuses too:
     * a first scan of the DC coefficients may be repeated any number of times. */
    size_t first = 2;
    while (file.data[first] != 0xff || file.data[first + 1] != 0xda)
        first++;
    size_t end = first + 2;
    while (file.data[end] != 0xff || file.data[end + 1] == 0 || file.data[end + 1] == 0xda)
        end++;
    size_t size = first;
    for (size_t i = 0; i < copies && size + (end - first) < scan + copies * length; i++) {
        memcpy(bomb + size, file.data + first, end - first);
        size += end - first;
    }
    memcpy(bomb + size, "\xff\xd9", 2);
    expect_refused(bomb, size + 2, MNIST_FAST_BAD_DATA, "");
    free(bomb);
    free(file.data);
}
END_TEST

/* EXIF of any kind leaves the picture whole; what makes no sense does not turn it. */
START_TEST(exif_garbage)
{
    struct random random = random_from(7, 7, 7, 7);
    enum { EXIF_AT = 20 }; /* behind SOI and JFIF's APP0 of 18 bytes */
    for (int round = 0; round < (support_short ? 50 : 1000); round++) {
        const struct bytes file =
            jpeg_file(picture, WIDTH, HEIGHT, (struct jpeg){95, true, false, false, 1, round % 2});
        ck_assert_int_eq(file.data[EXIF_AT + 1], 0xe1);
        const int length = file.data[EXIF_AT + 2] << 8 | file.data[EXIF_AT + 3];
        for (int n = random_below(&random, 6) + 1; n > 0; n--)
            file.data[EXIF_AT + 10 + random_below(&random, length - 8)] = (uint8_t)random_bits(&random);
        support_case("round %d", round);
        struct cli_picture read;
        mnist_fast_error error = {""};
        if (read_bytes(file.data, file.size, &read, &error))
            support_fail("refused: %s", error.text);
        ck_assert_int_eq(read.width * read.height, WIDTH * HEIGHT);
        free(read.grey);
        free(file.data);
    }
    static const int none[] = {9, 255};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        const struct bytes file = jpeg_file(picture, WIDTH, HEIGHT, (struct jpeg){95, true, false, false, 1, false});
        file.data[EXIF_AT + 4 + 36] = (uint8_t)none[i];
        support_case("orientation %d", none[i]);
        expect_picture(file, 12);
    }
}
END_TEST

/* ---- files of other kinds ---- */

START_TEST(names_that_cannot_be_read)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read(path, &read, &error), MNIST_FAST_BAD_FILE);
    expect_one_line(&error);
    ck_assert_ptr_nonnull(strstr(error.text, strerror(ENOENT)));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(cli_picture_read(path, &read, &error), MNIST_FAST_BAD_FILE);
    expect_one_line(&error);
    ck_assert_ptr_nonnull(strstr(error.text, "is a folder"));
    ck_assert_int_eq(rmdir(path), 0);
    /* The reason is there however long the path is. */
    char longest[4000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(cli_picture_read(longest, &read, &error), MNIST_FAST_BAD_FILE);
    ck_assert_ptr_nonnull(strstr(error.text, strerror(ENAMETOOLONG)));
}
END_TEST

START_TEST(files_without_end)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read("/dev/zero", &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is too large"));
    ck_assert_int_eq(cli_picture_read("/dev/null", &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is empty"));
}
END_TEST

START_TEST(a_file_that_is_too_large)
{
    write_file("P5 1 1 255\na", 12);
    ck_assert_int_eq(truncate(path, CLI_PICTURE_MAX_FILE), 0);
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read(path, &read, &error), MNIST_FAST_OK); /* with bytes left over */
    free(read.grey);
    ck_assert_int_eq(truncate(path, CLI_PICTURE_MAX_FILE + 1), 0);
    ck_assert_int_eq(cli_picture_read(path, &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is too large"));
}
END_TEST

START_TEST(a_fifo_without_writer)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(cli_picture_read(path, &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is empty"));
}
END_TEST

/* A slow writer, a byte at a time; through a FIFO and through standard input. */
START_TEST(slow_writers)
{
    const struct bytes file = small_file(_i ? 3 : 0);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    if (_i == 0)
        ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (size_t i = 0; i < file.size; i++) {
            if (i % 97 == 0)
                usleep(1000);
            if (write(ends[1], file.data + i, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    char name[32] = "-";
    const int input = dup(STDIN_FILENO);
    if (_i == 0)
        ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    else
        snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    struct cli_picture read;
    mnist_fast_error error = {""};
    const mnist_fast_status status = cli_picture_read(name, &read, &error);
    if (input >= 0)
        dup2(input, STDIN_FILENO);
    ck_assert_msg(status == MNIST_FAST_OK, "%s", error.text);
    ck_assert_int_eq(read.width * read.height, WIDTH * HEIGHT);
    free(read.grey);
    int ended;
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert_int_eq(ended, 0);
    free(file.data);
}
END_TEST

START_TEST(standard_input_has_a_name)
{
    const int null = open("/dev/null", O_RDONLY), input = dup(STDIN_FILENO);
    dup2(null, STDIN_FILENO);
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read("-", &read, &error), MNIST_FAST_BAD_DATA);
    dup2(input, STDIN_FILENO);
    ck_assert_ptr_eq(strstr(error.text, "standard input: is empty"), error.text);
}
END_TEST

/* ---- writing ---- */

START_TEST(what_is_written_is_read)
{
    static const char *const names[] = {"digit.png", "digit.PNG", "digit.pgm", "png", "digit"};
    uint8_t pixels[MNIST_FAST_PIXELS];
    struct random random = random_from(1, 2, 3, 4);
    for (int i = 0; i < MNIST_FAST_PIXELS; i++)
        pixels[i] = (uint8_t)random_bits(&random);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        support_case("%s", names[i]);
        struct cli_picture read;
        mnist_fast_error error = {""};
        ck_assert_int_eq(cli_picture_write(in_folder(names[i]), pixels, &error), MNIST_FAST_OK);
        ck_assert_int_eq(cli_picture_read(in_folder(names[i]), &read, &error), MNIST_FAST_OK);
        ck_assert_int_eq(read.width, 28);
        ck_assert_int_eq(read.height, 28);
        ck_assert_mem_eq(read.grey, pixels, sizeof pixels);
        free(read.grey);
        const struct bytes file = file_read(in_folder(names[i]));
        ck_assert_int_eq(file.data[0], i < 2 ? 0x89 : 'P');
        free(file.data);
    }
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_write(in_folder("missing/digit.png"), pixels, &error), MNIST_FAST_BAD_FILE);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("picture_file");
    TCase *const tests = tcase_create("picture_file");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, every_png);
    tcase_add_test(tests, small_pngs);
    tcase_add_test(tests, every_jpeg);
    tcase_add_test(tests, every_pnm);
    tcase_add_test(tests, colours_and_transparency);
    tcase_add_test(tests, pnm_by_hand);
    tcase_add_loop_test(tests, wrong_files_are_refused, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tests, an_empty_file);
    tcase_add_loop_test(tests, every_cut_is_refused, 0, SMALL_FILES);
    tcase_add_loop_test(tests, flipped_bits, 0, SMALL_FILES);
    tcase_add_loop_test(tests, garbage, 0, SMALL_FILES);
    tcase_add_test(tests, large_pngs_are_refused);
    tcase_add_test(tests, large_jpegs_are_refused);
    tcase_add_test(tests, cmyk_is_refused);
    tcase_add_test(tests, too_many_scans);
    tcase_add_test(tests, exif_garbage);
    tcase_add_test(tests, names_that_cannot_be_read);
    tcase_add_test(tests, files_without_end);
    tcase_add_test(tests, a_file_that_is_too_large);
    tcase_add_test(tests, a_fifo_without_writer);
    tcase_add_loop_test(tests, slow_writers, 0, 2);
    tcase_add_test(tests, standard_input_has_a_name);
    tcase_add_test(tests, what_is_written_is_read);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
