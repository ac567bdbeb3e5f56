/* The readers of IDX files: the input is the file, once as it is and once compressed. */
#include "io/idx.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef mnist_fast_status reader(const char *path, uint8_t **items, size_t *count, mnist_fast_error *error);
static reader *const readers[] = {mf_idx_read_images, mf_idx_read_labels};

struct outcome {
    mnist_fast_status status;
    uint8_t *items;
    size_t count;
};

static struct outcome read_file(reader *read, size_t item, const void *data, size_t size)
{
    struct outcome outcome;
    mnist_fast_error error;
    const char *path = fuzz_file(data, size);
    outcome.status = read(path, &outcome.items, &outcome.count, &error);
    if (outcome.status) {
        fuzz_require_error(path, error.text);
        fuzz_require(!outcome.items && !outcome.count);
        return outcome;
    }
    uint8_t all = 0;
    for (size_t i = 0; i < outcome.count * item; i++)
        all |= outcome.items[i];
    fuzz_require(outcome.count > 0 && (item > 1 || all < 16));
    return outcome;
}

/* A gzip member of the bytes; returns its size. */
static size_t compress_member(const uint8_t *data, size_t size, uint8_t *to, size_t room)
{
    z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)size, .next_out = to, .avail_out = (uInt)room};
    fuzz_require(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    fuzz_require(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

/* In one member or two. What is read must be the same. */
static void run(const uint8_t *data, size_t size)
{
    static uint8_t compressed[2 * FUZZ_LARGEST];
    const size_t first = size ? data[size - 1] % (size + 1) : 0;
    size_t length = compress_member(data, first, compressed, sizeof compressed);
    if (first < size)
        length += compress_member(data + first, size - first, compressed + length, sizeof compressed - length);
    const bool gzip = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
    for (int i = 0; i < 2; i++) {
        const size_t item = i == 0 ? MNIST_FAST_PIXELS : 1;
        const struct outcome raw = read_file(readers[i], item, data, size);
        const struct outcome inflated = read_file(readers[i], item, compressed, length);
        fuzz_require(gzip ? inflated.status == MNIST_FAST_BAD_DATA : !raw.status == !inflated.status);
        if (!inflated.status)
            fuzz_require(raw.count == inflated.count && memcmp(raw.items, inflated.items, raw.count * item) == 0);
        free(raw.items);
        free(inflated.items);
    }
}

/* ---- seeds ---- */

static size_t copy(uint8_t *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return size;
}

/* A file of `count` items; images have ink in some pixels. */
static size_t idx(uint8_t *to, bool images, int count)
{
    static const uint8_t image_header[] = {0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28};
    static const uint8_t label_header[] = {0, 0, 8, 1, 0, 0, 0, 0};
    const size_t header =
        images ? copy(to, image_header, sizeof image_header) : copy(to, label_header, sizeof label_header);
    const size_t items = (size_t)count * (images ? MNIST_FAST_PIXELS : 1);
    to[7] = (uint8_t)count;
    for (size_t i = 0; i < items; i++)
        to[header + i] = images ? (uint8_t)(i % 5 ? 0 : i) : (uint8_t)(i % 10);
    return header + items;
}

static size_t seed(int number, uint8_t to[FUZZ_LARGEST])
{
    static const char *const others[] = {
        "PK\003\004 a zip archive",
        "PAR1 parquet",
        "version https://git-lfs.github.com/spec/v1\n",
        "<!DOCTYPE html><html></html>",
        "\n\n<?xml version=\"1.0\"?>",
        "",
    };
    enum { OTHERS = sizeof others / sizeof *others };
    uint8_t plain[FUZZ_LARGEST];
    switch (number) {
    case 0: return idx(to, true, 1);
    case 1: return idx(to, true, 3);
    case 2: return idx(to, false, 1);
    case 3: return idx(to, false, 60);
    case 4: return compress_member(plain, idx(plain, true, 2), to, FUZZ_LARGEST);
    case 5: return compress_member(plain, idx(plain, false, 20), to, FUZZ_LARGEST);
    default: return number - 6 < OTHERS - 1 ? copy(to, others[number - 6], strlen(others[number - 6])) : 0;
    }
}

const struct fuzz_target fuzz_idx = {"idx", run, seed, NULL, 300};
