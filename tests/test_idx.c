/* IDX files: what is right is read byte for byte, raw and gzip; what is wrong is refused with a line that names the
 * file and says what is wrong. */
#include "io/idx.h"

#include "folder.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum kind { IMAGES, LABELS };

static const char *path; /* of the file that is read */

static void setup(void)
{
    folder_make();
    path = in_folder("file");
}

static void teardown(void)
{
    remove(path);
    ck_assert_int_eq(names_in(folder), 0); /* nothing else was left in it */
    folder_remove();
}

static void write_raw(const void *bytes, size_t size)
{
    remove(path); /* truncating it instead would make some file systems flush it at every fclose() */
    file_write(path, bytes, size);
}

/* Compresses bytes as gzip; the caller frees. */
static uint8_t *gzip(const void *bytes, size_t size, size_t *packed)
{
    z_stream stream = {0};
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    const size_t room = size + size / 1000 + 100;
    uint8_t *out = malloc(room);
    ck_assert_ptr_nonnull(out);
    uint8_t *in = malloc(size + 1);
    ck_assert_ptr_nonnull(in);
    memcpy(in, bytes, size);
    stream.next_in = in;
    stream.avail_in = (uInt)size;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *packed = stream.total_out;
    deflateEnd(&stream);
    free(in);
    return out;
}

static void write_gzip(const void *bytes, size_t size)
{
    size_t packed;
    uint8_t *out = gzip(bytes, size, &packed);
    write_raw(out, packed);
    free(out);
}

static mnist_fast_status read_back(enum kind kind, uint8_t **items, size_t *count, mnist_fast_error *error)
{
    return kind == IMAGES ? mf_idx_read_images(path, items, count, error)
                          : mf_idx_read_labels(path, items, count, error);
}

/* The file must be refused with this status, in one line that begins with its name and holds `says`. */
static void expect_refused(const char *name, enum kind kind, mnist_fast_status status, const char *says)
{
    mnist_fast_error error = {""};
    uint8_t *items = (uint8_t *)1;
    size_t count = 77;
    const mnist_fast_status got = read_back(kind, &items, &count, &error);
    ck_assert_msg(got == status, "%s: expected status %d, found %d: %s", name, status, got, error.text);
    ck_assert_msg(items == NULL, "%s: items returned", name);
    ck_assert_msg(strncmp(error.text, path, strlen(path)) == 0 && error.text[strlen(path)] == ':',
                  "%s: the message doesn't begin with the file: %s", name, error.text);
    ck_assert_msg(strstr(error.text, says) != NULL, "%s: expected \"%s\" in: %s", name, says, error.text);
    ck_assert_msg(strchr(error.text, '\n') == NULL, "%s: more than one line: %s", name, error.text);
    items = (uint8_t *)1;
    ck_assert_msg(read_back(kind, &items, &count, NULL) == status && !items, "%s: without an error object", name);
}

/* A right file: an image's bytes differ from their neighbours; a label counts through the digits. */
static size_t make_file(enum kind kind, uint32_t count, uint8_t **out)
{
    const size_t header = kind == IMAGES ? 16 : 8, size = header + (size_t)count * (kind == IMAGES ? 784 : 1);
    static const uint8_t images[16] = {0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28}, labels[8] = {0, 0, 8, 1};
    uint8_t *bytes = malloc(size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, kind == IMAGES ? images : labels, header);
    for (int i = 0; i < 4; i++)
        bytes[4 + i] = (uint8_t)(count >> (24 - 8 * i));
    for (size_t i = header; i < size; i++)
        bytes[i] = kind == IMAGES ? (uint8_t)(i * 31 + i / 251) : (uint8_t)((i - header) % 10);
    *out = bytes;
    return size;
}

START_TEST(right_files_are_read_whole)
{
    static const uint32_t counts[] = {1, 2, 3, 300, 5000}; /* 300: the third byte of the count; 5000: a huge page */
    for (int i = 0; i < 5; i++) {
        for (int kind = IMAGES; kind <= LABELS; kind++) {
            for (int packed = 0; packed < 2; packed++) {
                uint8_t *bytes, *items;
                size_t count;
                mnist_fast_error error = {""};
                const size_t size = make_file((enum kind)kind, counts[i], &bytes);
                (packed ? write_gzip : write_raw)(bytes, size);
                const mnist_fast_status status = read_back((enum kind)kind, &items, &count, &error);
                const size_t header = kind == IMAGES ? 16 : 8;
                support_case("%u %s, %s", counts[i], kind == IMAGES ? "images" : "labels", packed ? "gzip" : "raw");
                if (status != MNIST_FAST_OK)
                    support_fail("%s", error.text);
                if (count != counts[i] || memcmp(items, bytes + header, size - header) != 0)
                    support_fail("%zu items, or other bytes", count);
                static const uint8_t zeros[16];
                if (kind == IMAGES && memcmp(items + size - header, zeros, sizeof zeros) != 0)
                    support_fail("the padding is not zero");
                free(items);
                free(bytes);
            }
        }
    }
}
END_TEST

/* RFC 1952: a gzip file is one member after another. */
START_TEST(gzip_members_are_joined)
{
    uint8_t *bytes, *items, joined[4096];
    size_t count, first, second;
    const size_t size = make_file(LABELS, 500, &bytes);
    for (size_t cut = 0; cut <= size; cut += 127) {
        uint8_t *a = gzip(bytes, cut, &first), *b = gzip(bytes + cut, size - cut, &second);
        memcpy(joined, a, first);
        memcpy(joined + first, b, second);
        write_raw(joined, first + second);
        ck_assert_msg(mf_idx_read_labels(path, &items, &count, NULL) == MNIST_FAST_OK, "cut at %zu", cut);
        ck_assert_uint_eq(count, 500);
        ck_assert_mem_eq(items, bytes + 8, 500);
        free(items);
        free(a);
        free(b);
    }
    free(bytes);
}
END_TEST

#define SIZES(rows, columns) "\0\0\0" rows "\0\0\0" columns
#define IMAGE_HEAD(count) "\0\0\010\003" count SIZES("\034", "\034")

/* Each file is its head and then zeros up to size; each is tried raw and as gzip. */
static const struct {
    const char *name;
    enum kind kind;
    const char *head;
    size_t head_size, size;
    const char *says;
} wrong[] = {
#define HEAD(text) text, sizeof(text) - 1
    {"empty images", IMAGES, HEAD(""), 0, "is empty (expected images)"},
    {"empty labels", LABELS, HEAD(""), 0, "is empty (expected labels)"},
    {"one byte", IMAGES, HEAD("\0"), 1, "header cut short (expected 16 bytes, found 1)"},
    {"three bytes", LABELS, HEAD("\0\0\010"), 3, "header cut short (expected 8 bytes, found 3)"},
    {"magic alone", IMAGES, HEAD("\0\0\010\003"), 4, "header cut short (expected 16 bytes, found 4)"},
    {"image header cut", IMAGES, HEAD(IMAGE_HEAD("\0\0\0\001")), 15, "header cut short (expected 16 bytes, found 15)"},
    {"label header cut", LABELS, HEAD("\0\0\010\001\0\0\0"), 7, "header cut short (expected 8 bytes, found 7)"},
    {"image body missing", IMAGES, HEAD(IMAGE_HEAD("\0\0\0\001")), 16, "is cut short (expected "},
    {"image body cut", IMAGES, HEAD(IMAGE_HEAD("\0\0\0\002")), 16 + 2 * 784 - 1, "is cut short (expected "},
    {"label body cut", LABELS, HEAD("\0\0\010\001\0\0\0\005"), 12, "is cut short (expected "},
    {"image left over", IMAGES, HEAD(IMAGE_HEAD("\0\0\0\002")), 16 + 2 * 784 + 1, "has bytes left over (expected "},
    {"label left over", LABELS, HEAD("\0\0\010\001\0\0\0\005"), 14, "has bytes left over (expected "},
    {"labels as images", IMAGES, HEAD("\0\0\010\001\0\0\0\005"), 13, "holds labels (expected images)"},
    {"images as labels", LABELS, HEAD(IMAGE_HEAD("\0\0\0\001")), 800, "holds images (expected labels)"},
    {"swapped images", IMAGES, HEAD("\003\010\0\0\001\0\0\0\034\0\0\0\034\0\0\0"), 800,
     "is byte-swapped (expected magic number 0x00000803, found 0x03080000)"},
    {"swapped labels", LABELS, HEAD("\001\010\0\0\005\0\0\0"), 13,
     "is byte-swapped (expected magic number 0x00000801, found 0x01080000)"},
    {"float images", IMAGES, HEAD("\0\0\015\003\0\0\0\001" SIZES("\034", "\034")), 16 + 4 * 784,
     "holds 32-bit floats (expected unsigned bytes)"},
    {"double images", IMAGES, HEAD("\0\0\016\003\0\0\0\001" SIZES("\034", "\034")), 16 + 8 * 784,
     "holds 64-bit floats (expected unsigned bytes)"},
    {"integer labels", LABELS, HEAD("\0\0\014\001\0\0\0\001"), 12, "holds 32-bit integers (expected unsigned bytes)"},
    {"four dimensions", IMAGES, HEAD("\0\0\010\004\0\0\0\001" SIZES("\034", "\034") "\0\0\0\001"), 804,
     "has 4 dimensions (expected 3 for images)"},
    {"two dimensions", LABELS, HEAD("\0\0\010\002\0\0\0\001\0\0\0\012"), 22,
     "has 2 dimensions (expected 1 for labels)"},
    {"another format", IMAGES, HEAD("\377\330\377\340JFIF"), 1000,
     "is not an IDX file (expected magic number 0x00000803, found 0xffd8ffe0)"},
    {"zeros", LABELS, HEAD(""), 1000, "is not an IDX file (expected magic number 0x00000801, found 0x00000000)"},
    {"HTML page", IMAGES, HEAD("<!DOCTYPE html><html><head><title>404"), 37, "looks like an HTML or XML page"},
    {"HTML page after blank lines", LABELS, HEAD("\r\n\t <html></html>"), 17, "looks like an HTML or XML page"},
    {"shortest HTML", LABELS, HEAD("<"), 1, "looks like an HTML or XML page"},
    {"nothing but blanks", LABELS, HEAD("\r\n\t \r\n\t  "), 9, "is not an IDX file"},
    {"zip archive", IMAGES, HEAD("PK\003\004\024\0\0\0"), 2000, "looks like a zip archive"},
    {"parquet", IMAGES, HEAD("PAR1\025\004"), 2000, "looks like a parquet file"},
    {"LFS pointer", IMAGES, HEAD("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 47040016\n"), 72,
     "looks like a Git LFS pointer"},
    {"20 x 28 images", IMAGES, HEAD("\0\0\010\003\0\0\0\001" SIZES("\024", "\034")), 16 + 560,
     "holds images of 20 x 28 pixels (expected 28 x 28)"},
    {"14 x 56 images", IMAGES, HEAD("\0\0\010\003\0\0\0\001" SIZES("\016", "\070")), 800,
     "holds images of 14 x 56 pixels (expected 28 x 28)"},
    {"no rows", IMAGES, HEAD("\0\0\010\003\0\0\0\001" SIZES("\0", "\034")), 16, "holds images of 0 x 28 pixels"},
    {"no images", IMAGES, HEAD(IMAGE_HEAD("\0\0\0\0")), 16, "holds no images"},
    {"no labels", LABELS, HEAD("\0\0\010\001\0\0\0\0"), 8, "holds no labels"},
    {"every dimension 0xFFFFFFFF", IMAGES, HEAD("\0\0\010\003\377\377\377\377\377\377\377\377\377\377\377\377"), 1000,
     "holds images of 4294967295 x 4294967295 pixels"},
    {"0xFFFFFFFF images", IMAGES, HEAD(IMAGE_HEAD("\377\377\377\377")), 1000, "claims 4294967295 images"},
    {"0xFFFFFFFF labels", LABELS, HEAD("\0\0\010\001\377\377\377\377"), 1000, "claims 4294967295 labels"},
    /* 2^30 * 784 + 784 bytes: taken modulo 2^32 it would be the size of the file. */
    {"a size that overflows 32 bits", IMAGES, HEAD(IMAGE_HEAD("\100\0\0\001")), 16 + 784, "(expected "},
    {"label 10", LABELS, HEAD("\0\0\010\001\0\0\0\004\0\011\012\001"), 12, "label 2 is 10 (expected 0 to 9)"},
    {"last label 255", LABELS, HEAD("\0\0\010\001\0\0\0\003\0\011\377"), 11, "label 2 is 255 (expected 0 to 9)"},
#undef HEAD
};

START_TEST(wrong_files_are_refused)
{
    uint8_t bytes[8192] = {0};
    memcpy(bytes, wrong[_i].head, wrong[_i].head_size < wrong[_i].size ? wrong[_i].head_size : wrong[_i].size);
    char name[128];
    snprintf(name, sizeof name, "%s, raw", wrong[_i].name);
    write_raw(bytes, wrong[_i].size);
    expect_refused(name, wrong[_i].kind, MNIST_FAST_BAD_DATA, wrong[_i].says);
    snprintf(name, sizeof name, "%s, gzip", wrong[_i].name);
    write_gzip(bytes, wrong[_i].size);
    /* The size of a raw file shows this at once, a compressed file only at its end or by its ratio. */
    const bool overflow = strcmp(wrong[_i].says, "(expected ") == 0;
    expect_refused(name, wrong[_i].kind, MNIST_FAST_BAD_DATA, overflow ? "claims 1073741825 images" : wrong[_i].says);
}
END_TEST

START_TEST(missing_file)
{
    expect_refused("missing", IMAGES, MNIST_FAST_BAD_FILE, "No such file or directory");
    expect_refused("missing", LABELS, MNIST_FAST_BAD_FILE, "No such file or directory");
}
END_TEST

START_TEST(unreadable_file)
{
    uint8_t *bytes;
    const size_t size = make_file(IMAGES, 1, &bytes);
    write_raw(bytes, size);
    free(bytes);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(chmod(path, 0), 0);
    /* root may read everything: so be another user meanwhile. */
    const bool root = geteuid() == 0;
    ck_assert(!root || seteuid(65534) == 0);
    expect_refused("unreadable", IMAGES, MNIST_FAST_BAD_FILE, "Permission denied");
    ck_assert(!root || seteuid(0) == 0);
}
END_TEST

START_TEST(directory)
{
    ck_assert_int_eq(mkdir(path, 0755), 0);
    expect_refused("directory", IMAGES, MNIST_FAST_BAD_FILE,
                   "(expected a regular file, found a folder); name a file of images");
    expect_refused("directory", LABELS, MNIST_FAST_BAD_FILE,
                   "(expected a regular file, found a folder); name a file of labels");
}
END_TEST

/* Without a writer an ordinary open() of a FIFO waits for ever: Check's timeout would report that. */
START_TEST(fifo)
{
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    expect_refused("FIFO", IMAGES, MNIST_FAST_BAD_FILE, "(expected a regular file, found a device or pipe)");
}
END_TEST

START_TEST(device)
{
    ck_assert_int_eq(symlink("/dev/zero", path), 0);
    expect_refused("device", LABELS, MNIST_FAST_BAD_FILE, "(expected a regular file, found a device or pipe)");
}
END_TEST

/* A right file, cut at every length, raw and gzip. */
START_TEST(every_cut_is_refused)
{
    for (int kind = IMAGES; kind <= LABELS; kind++) {
        uint8_t *bytes;
        const size_t size = make_file((enum kind)kind, kind == IMAGES ? 1 : 40, &bytes);
        size_t packed;
        uint8_t *zipped = gzip(bytes, size, &packed);
        char name[64];
        for (size_t length = 0; length < size; length++) {
            snprintf(name, sizeof name, "raw, %zu of %zu bytes", length, size);
            write_raw(bytes, length);
            expect_refused(name, (enum kind)kind, MNIST_FAST_BAD_DATA, length == 0 ? "is empty" : "cut short");
        }
        for (size_t length = 2; length < packed; length++) {
            snprintf(name, sizeof name, "gzip, %zu of %zu bytes", length, packed);
            write_raw(zipped, length);
            expect_refused(name, (enum kind)kind, MNIST_FAST_BAD_DATA, "compressed data cut short after");
        }
        free(zipped);
        free(bytes);
    }
}
END_TEST

START_TEST(gzip_checksum_and_length_are_checked)
{
    uint8_t *bytes;
    size_t packed;
    const size_t size = make_file(IMAGES, 3, &bytes);
    uint8_t *zipped = gzip(bytes, size, &packed);
    for (size_t back = 1; back <= 8; back++) {
        zipped[packed - back] ^= 0x20;
        write_raw(zipped, packed);
        expect_refused("trailer", IMAGES, MNIST_FAST_BAD_DATA,
                       back > 4 ? "damaged (incorrect data check)" : "damaged (incorrect length check)");
        zipped[packed - back] ^= 0x20;
    }
    zipped[2] = 7;
    write_raw(zipped, packed);
    expect_refused("method", IMAGES, MNIST_FAST_BAD_DATA, "damaged (unknown compression method)");
    free(zipped);
    free(bytes);
}
END_TEST

START_TEST(bytes_after_gzip_are_refused)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *says;
    } tails[] = {
        {"text", "garbage", 7, "bytes left over after the compressed data"},
        {"zeros", "\0\0\0\0", 4, "bytes left over after the compressed data"},
        {"another method", "\037\213\007\0", 4, "bytes left over after the compressed data"},
        {"half of a gzip header", "\037\213\010\0", 4, "compressed data cut short"},
        {"one byte", "\012", 1, "compressed data cut short"},
        /* a header, a stored block of one byte, a block of the kind that there is not */
        {"a damaged second file",
         "\037\213\010\0\0\0\0\0\0\003"
         "\0\001\0\376\377x"
         "\007",
         17, "compressed data damaged"},
    };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        uint8_t *bytes;
        size_t packed;
        const size_t size = make_file(LABELS, 100, &bytes);
        uint8_t *zipped = gzip(bytes, size, &packed);
        uint8_t both[1024];
        memcpy(both, zipped, packed);
        memcpy(both + packed, tails[i].bytes, tails[i].size);
        write_raw(both, packed + tails[i].size);
        expect_refused(tails[i].name, LABELS, MNIST_FAST_BAD_DATA, tails[i].says);
        free(zipped);
        free(bytes);
    }
}
END_TEST

START_TEST(gzip_inside_gzip)
{
    uint8_t *bytes;
    size_t packed;
    const size_t size = make_file(LABELS, 100, &bytes);
    uint8_t *zipped = gzip(bytes, size, &packed);
    write_gzip(zipped, packed);
    expect_refused("twice", LABELS, MNIST_FAST_BAD_DATA, "looks like a gzip file inside a gzip file");
    free(zipped);
    free(bytes);
}
END_TEST

/* Any bit flipped in a .gz: refused, or (the time stamp and the like) read as if nothing had happened. */
START_TEST(every_bit_of_a_gzip)
{
    uint8_t *bytes;
    size_t packed, accepted = 0;
    const size_t size = make_file(LABELS, 200, &bytes);
    uint8_t *zipped = gzip(bytes, size, &packed);
    for (size_t bit = 0; bit < 8 * packed; bit++) {
        zipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        write_raw(zipped, packed);
        uint8_t *labels;
        size_t count;
        mnist_fast_error error = {""};
        if (mf_idx_read_labels(path, &labels, &count, &error) == MNIST_FAST_OK) {
            ck_assert_msg(count == 200 && memcmp(labels, bytes + 8, 200) == 0, "bit %zu: other labels", bit);
            free(labels);
            accepted++;
        } else {
            ck_assert_msg(labels == NULL && strncmp(error.text, path, strlen(path)) == 0, "bit %zu: %s", bit,
                          error.text);
        }
        zipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* The time stamp, the extra flags, the system, the flag that calls the data text, and up to 7 bits of padding. */
    ck_assert_uint_le(accepted, 49 + 7);
    free(zipped);
    free(bytes);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("idx");
    TCase *tests = tcase_create("idx");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, right_files_are_read_whole);
    tcase_add_test(tests, gzip_members_are_joined);
    tcase_add_loop_test(tests, wrong_files_are_refused, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tests, missing_file);
    tcase_add_test(tests, unreadable_file);
    tcase_add_test(tests, directory);
    tcase_add_test(tests, device);
    tcase_add_test(tests, every_cut_is_refused);
    tcase_add_test(tests, gzip_checksum_and_length_are_checked);
    tcase_add_test(tests, bytes_after_gzip_are_refused);
    tcase_add_test(tests, gzip_inside_gzip);
    tcase_add_test(tests, every_bit_of_a_gzip);
    suite_add_tcase(suite, tests);
    TCase *waiting = tcase_create("waiting");
    tcase_add_checked_fixture(waiting, setup, teardown);
    tcase_add_test(waiting, fifo);
    suite_add_tcase(suite, waiting);
    return support_run(suite);
}
