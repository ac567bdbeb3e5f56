/* Picture files that are damaged, too large or something else: refused with one line that names the file, and nothing
 * is read out of bounds (under the sanitizers). */
#include "picture_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

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
    {"blanks", " \n\t\r ", 0, "is no picture"},
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
    {"PBM cut short", "P1 2 2\n011", 0, "is cut short"},
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
    picture_expect_refused(wrong[_i].file, wrong[_i].size ? wrong[_i].size : strlen(wrong[_i].file),
                           MNIST_FAST_BAD_DATA, wrong[_i].says);
}
END_TEST

START_TEST(an_empty_file)
{
    picture_expect_refused("", 0, MNIST_FAST_BAD_DATA, "is empty");
}
END_TEST

START_TEST(every_cut_is_refused)
{
    const struct bytes file = picture_small_file(_i);
    /* The last number of a plain file (three digits and two white spaces) may be shorter. */
    const size_t whole = _i == SMALL_PLAIN ? file.size - 4 : file.size;
    for (size_t size = 0; size < whole; size++) {
        support_case("kind %d, %zu of %zu bytes", _i, size, file.size);
        uint8_t *const cut = malloc(size + 1); /* so that the sanitizer sees what is read beyond */
        memcpy(cut, file.data, size);
        picture_expect_refused(cut, size, MNIST_FAST_BAD_DATA,
                               size < 3          ? ""
                               : size < 8        ? "i"
                               : _i < SMALL_PNGS ? "cut short"
                                                 : "is ");
        free(cut);
    }
    free(file.data);
}
END_TEST

/* One bit wrong: a PNG is refused, because every chunk that is used has a CRC; the others give a picture or one line.
 */
START_TEST(flipped_bits)
{
    const struct bytes file = picture_small_file(_i);
    const size_t step = support_short ? 37 : 3; /* each bit of a byte comes in turn */
    for (size_t bit = 0; bit < 8 * file.size; bit += step) {
        support_case("kind %d, bit %zu", _i, bit);
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct cli_picture read;
        mnist_fast_error error = {""};
        const mnist_fast_status status = picture_read_bytes(file.data, file.size, &read, &error);
        if (status)
            picture_expect_one_line(&error);
        else if (_i < SMALL_PNGS)
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
        const struct bytes file = picture_small_file(_i);
        const size_t from = (size_t)random_below(&random, (int)file.size), count = (size_t)random_below(&random, 64);
        for (size_t i = from; i < file.size && i < from + count; i++)
            file.data[i] = (uint8_t)random_bits(&random);
        support_case("kind %d, round %d", _i, round);
        struct cli_picture read;
        mnist_fast_error error = {""};
        if (picture_read_bytes(file.data, file.size, &read, &error))
            picture_expect_one_line(&error);
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
        const struct bytes file = picture_small_file(0);
        support_case("%u x %u", sizes[i].width, sizes[i].height);
        set_number(file.data + 16, sizes[i].width);
        set_number(file.data + 20, sizes[i].height);
        set_crc(file.data + 8, 13);
        picture_expect_refused(file.data, file.size, MNIST_FAST_BAD_DATA, sizes[i].says);
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
            const struct bytes file = picture_small_file(kind);
            support_case("%u x %u, kind %d", sizes[i].width, sizes[i].height, kind);
            size_t frame = 2;
            while (file.data[frame + 1] != 0xc0 && file.data[frame + 1] != 0xc2)
                frame += 2 + (size_t)(file.data[frame + 2] << 8 | file.data[frame + 3]);
            file.data[frame + 5] = (uint8_t)(sizes[i].height >> 8), file.data[frame + 6] = (uint8_t)sizes[i].height;
            file.data[frame + 7] = (uint8_t)(sizes[i].width >> 8), file.data[frame + 8] = (uint8_t)sizes[i].width;
            picture_expect_refused(file.data, file.size, MNIST_FAST_BAD_DATA, sizes[i].says);
            free(file.data);
        }
}
END_TEST

START_TEST(cmyk_is_refused)
{
    for (int ycck = 0; ycck < 2; ycck++) {
        const struct jpeg how = {.quality = 90, .cmyk = true, .ycck = ycck};
        const struct bytes file = jpeg_file(picture_rgb, WIDTH, HEIGHT, how);
        picture_expect_refused(file.data, file.size, MNIST_FAST_BAD_DATA, "is a CMYK JPEG");
        free(file.data);
    }
}
END_TEST

/* The last scan many times: each costs a pass over all pixels, and few bytes. */
START_TEST(too_many_scans)
{
    const struct bytes file =
        jpeg_file(picture_rgb, WIDTH, HEIGHT, (struct jpeg){.quality = 90, .grey = true, .progressive = true});
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
    picture_expect_refused(bomb, size + 2, MNIST_FAST_BAD_DATA, "");
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
            jpeg_file(picture_rgb, WIDTH, HEIGHT,
                      (struct jpeg){.quality = 95, .grey = true, .orientation = 1, .big_endian = round % 2});
        ck_assert_int_eq(file.data[EXIF_AT + 1], 0xe1);
        const int length = file.data[EXIF_AT + 2] << 8 | file.data[EXIF_AT + 3];
        for (int n = random_below(&random, 6) + 1; n > 0; n--)
            file.data[EXIF_AT + 10 + random_below(&random, length - 8)] = (uint8_t)random_bits(&random);
        support_case("round %d", round);
        struct cli_picture read;
        mnist_fast_error error = {""};
        if (picture_read_bytes(file.data, file.size, &read, &error))
            support_fail("refused: %s", error.text);
        ck_assert_int_eq(read.width * read.height, WIDTH * HEIGHT);
        free(read.grey);
        free(file.data);
    }
    static const int none[] = {0, 9, 255};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        const struct bytes file =
            jpeg_file(picture_rgb, WIDTH, HEIGHT, (struct jpeg){.quality = 95, .grey = true, .orientation = 1});
        file.data[EXIF_AT + 4 + 36] = (uint8_t)none[i];
        support_case("orientation %d", none[i]);
        picture_expect(file, 12);
    }
    /* Others use the same marker, or less of it (the longer one goes on with x, which Exif does not). What they write
     * does not hide EXIF. */
    static const uint8_t others[2][8] = {{0xff, 0xe1, 0, 6, 'X', 'M', 'P', ':'},
                                         {0xff, 0xe1, 0, 10, 'E', 'x', 'i', 'f'}};
    for (int i = 0; i < 2; i++) {
        const struct bytes file =
            jpeg_file(picture_rgb, WIDTH, HEIGHT, (struct jpeg){.quality = 95, .grey = true, .orientation = 6});
        const size_t size = (size_t)others[i][3] + 2;
        struct bytes both = {calloc(file.size + size, 1), file.size + size};
        ck_assert_ptr_nonnull(both.data);
        memcpy(both.data, file.data, EXIF_AT);
        memcpy(both.data + EXIF_AT, others[i], sizeof others[i]);
        memset(both.data + EXIF_AT + sizeof others[i], 'x', size - sizeof others[i]);
        memcpy(both.data + EXIF_AT + size, file.data + EXIF_AT, file.size - EXIF_AT);
        free(file.data);
        support_case("a marker of another kind, %d", i);
        picture_expect(both, 12);
    }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("picture_damage");
    TCase *const tests = tcase_create("picture_damage");
    tcase_add_checked_fixture(tests, picture_begin, picture_end);
    tcase_set_timeout(tests, 30);
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
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
