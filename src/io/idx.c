#include "idx.h"

#include "base/error.h"
#include "base/memory.h"
#include "read.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* What to do about a file that is not what it should be. */
#define REPLACE "; remove it and run data/fetch"

enum {
    PADDING = 16,         /* zero bytes after the last item: see idx.h */
    DEFLATE_RATIO = 1032, /* no deflate stream expands further */
    HEADER = 16           /* the longest header read */
};

struct kind {
    const char *name;
    uint32_t magic;  /* two zero bytes, the type (8: unsigned byte), the number of dimensions */
    uint32_t header; /* bytes before the first item */
    uint32_t item;   /* bytes of one item */
};

static const struct kind image_kind = {"images", 0x00000803, 16, MNIST_FAST_PIXELS};
static const struct kind label_kind = {"labels", 0x00000801, 8, 1};

/* A file as a stream of its contents, inflated where it is gzip. inflate() rather than gzread(), because gzread()
 * silently drops what follows the compressed data. */
struct source {
    const char *path;
    int file;
    uint64_t size; /* of the file */
    bool gzip;
    bool between; /* the last gzip member is complete and no byte of another has been seen */
    int members;  /* complete ones */
    z_stream stream;
    uint8_t input[1 << 15];
};

static mnist_fast_status read_gzip(struct source *source, uint8_t *to, size_t size, size_t *got,
                                   mnist_fast_error *error)
{
    z_stream *stream = &source->stream;
    *got = 0;
    while (*got < size) {
        if (stream->avail_in == 0) {
            size_t n;
            const mnist_fast_status status =
                mf_read(source->file, source->path, source->input, sizeof source->input, &n, error);
            if (status)
                return status;
            stream->next_in = source->input;
            stream->avail_in = (uInt)n;
            if (n == 0 && source->between)
                break;
            if (n == 0) {
                return mf_fail(error, MNIST_FAST_BAD_DATA, "%s: compressed data cut short after %llu bytes" REPLACE,
                               source->path, (unsigned long long)source->size);
            }
        }
        if (source->between) {
            inflateReset(stream);
            source->between = false;
        }
        const size_t left = size - *got;
        const uInt room = left < 1u << 30 ? (uInt)left : 1u << 30;
        stream->next_out = to + *got;
        stream->avail_out = room;
        const int result = inflate(stream, Z_NO_FLUSH);
        *got += room - stream->avail_out;
        if (result == Z_STREAM_END) {
            source->between = true;
            source->members++;
        } else if (result == Z_MEM_ERROR) {
            return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: not enough memory to decompress it", source->path);
        } else if (result != Z_OK && source->members > 0 && stream->total_out == 0) {
            return mf_fail(error, MNIST_FAST_BAD_DATA, "%s: bytes left over after the compressed data" REPLACE,
                           source->path);
        } else if (result != Z_OK) {
            return mf_fail(error, MNIST_FAST_BAD_DATA, "%s: compressed data damaged (%s)" REPLACE, source->path,
                           stream->msg ? stream->msg : zError(result));
        }
    }
    return MNIST_FAST_OK;
}

/* Reads size bytes, or as many as there are. */
static mnist_fast_status source_read(struct source *source, uint8_t *to, size_t size, size_t *got,
                                     mnist_fast_error *error)
{
    return source->gzip ? read_gzip(source, to, size, got, error)
                        : mf_read(source->file, source->path, to, size, got, error);
}

static mnist_fast_status source_open(struct source *source, const char *path, const struct kind *kind,
                                     mnist_fast_error *error)
{
    memset(source, 0, sizeof *source);
    source->path = path;
    char what[32];
    snprintf(what, sizeof what, "a file of %s", kind->name);
    uint8_t start[2];
    size_t got;
    mnist_fast_status status = mf_read_open(path, what, &source->file, &source->size, error);
    if (!status)
        status = mf_read(source->file, path, start, sizeof start, &got, error);
    if (status)
        return status;
    if (lseek(source->file, 0, SEEK_SET) != 0)
        return mf_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read: %s; check the disk", path, strerror(errno));
    if (got == 2 && start[0] == 0x1f && start[1] == 0x8b) {
        if (inflateInit2(&source->stream, 16 + MAX_WBITS) != Z_OK)
            return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: not enough memory to decompress it", path);
        source->gzip = true;
    }
    return MNIST_FAST_OK;
}

static void source_close(struct source *source)
{
    if (source->gzip)
        inflateEnd(&source->stream);
    if (source->file >= 0)
        close(source->file);
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* What people save under the name of a data file, by its first bytes; NULL when none of these. */
static const char *looks_like(const uint8_t *head, size_t length)
{
    static const struct {
        const char *start, *name;
    } known[] = {
        {"PK\003\004", "a zip archive"},
        {"PAR1", "a parquet file"},
        {"version https://", "a Git LFS pointer"},
        {"\037\213", "a gzip file inside a gzip file"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t n = strlen(known[i].start);
        if (length >= n && memcmp(head, known[i].start, n) == 0)
            return known[i].name;
    }
    size_t i = 0;
    while (i < length && strchr(" \t\r\n", head[i]) && head[i] != '\0')
        i++;
    return i < length && head[i] == '<' ? "an HTML or XML page" : NULL;
}

/* The name of an IDX type byte; NULL when it is none. */
static const char *type_name(uint32_t type)
{
    switch (type) {
    case 0x09: return "signed bytes";
    case 0x0b: return "16-bit integers";
    case 0x0c: return "32-bit integers";
    case 0x0d: return "32-bit floats";
    case 0x0e: return "64-bit floats";
    default: return NULL;
    }
}

/* Explains why a file whose first four bytes are not kind's magic number is not what it should be. */
static mnist_fast_status wrong_magic(struct source *source, const struct kind *kind, uint8_t head[HEADER],
                                     size_t length, mnist_fast_error *error)
{
    const mnist_fast_status bad = MNIST_FAST_BAD_DATA;
    if (length == 4) {
        size_t more;
        const mnist_fast_status status = source_read(source, head + 4, HEADER - 4, &more, error);
        if (status)
            return status;
        length += more;
    }
    if (length == 0)
        return mf_fail(error, bad, "%s: is empty (expected %s)" REPLACE, source->path, kind->name);
    const char *other = looks_like(head, length);
    if (other) {
        return mf_fail(error, bad, "%s: looks like %s (expected an IDX file of %s)" REPLACE, source->path, other,
                       kind->name);
    }
    if (length < 4) {
        return mf_fail(error, bad, "%s: header cut short (expected %u bytes, found %zu)" REPLACE, source->path,
                       kind->header, length);
    }
    const uint32_t magic = big_endian(head);
    const struct kind *opposite = kind == &image_kind ? &label_kind : &image_kind;
    if (magic == opposite->magic) {
        return mf_fail(error, bad, "%s: holds %s (expected %s); are the files swapped?", source->path, opposite->name,
                       kind->name);
    }
    if (__builtin_bswap32(magic) == kind->magic || __builtin_bswap32(magic) == opposite->magic) {
        return mf_fail(error, bad, "%s: is byte-swapped (expected magic number 0x%08x, found 0x%08x)" REPLACE,
                       source->path, kind->magic, magic);
    }
    if (magic >> 16 == 0 && type_name(magic >> 8)) {
        return mf_fail(error, bad, "%s: holds %s (expected unsigned bytes)" REPLACE, source->path,
                       type_name(magic >> 8));
    }
    if (magic >> 8 == 8) {
        return mf_fail(error, bad, "%s: has %u dimensions (expected %u for %s)" REPLACE, source->path, magic & 0xff,
                       kind->magic & 0xff, kind->name);
    }
    return mf_fail(error, bad, "%s: is not an IDX file (expected magic number 0x%08x, found 0x%08x)" REPLACE,
                   source->path, kind->magic, magic);
}

/* Reads and checks the header. What it promises is held against the size of the file, before memory is taken. */
static mnist_fast_status read_header(struct source *source, const struct kind *kind, size_t *count,
                                     mnist_fast_error *error)
{
    const mnist_fast_status bad = MNIST_FAST_BAD_DATA;
    uint8_t head[HEADER];
    size_t got;
    mnist_fast_status status = source_read(source, head, 4, &got, error);
    if (status)
        return status;
    if (got < 4 || big_endian(head) != kind->magic)
        return wrong_magic(source, kind, head, got, error);
    status = source_read(source, head + 4, kind->header - 4, &got, error);
    if (status)
        return status;
    if (got < kind->header - 4) {
        return mf_fail(error, bad, "%s: header cut short (expected %u bytes, found %zu)" REPLACE, source->path,
                       kind->header, got + 4);
    }
    if (kind == &image_kind && (big_endian(head + 8) != 28 || big_endian(head + 12) != 28)) {
        return mf_fail(error, bad, "%s: holds images of %u x %u pixels (expected 28 x 28); give it another dataset",
                       source->path, big_endian(head + 8), big_endian(head + 12));
    }
    const uint32_t n = big_endian(head + 4);
    if (n == 0)
        return mf_fail(error, bad, "%s: holds no %s (expected at least one)" REPLACE, source->path, kind->name);
    const uint64_t whole = kind->header + (uint64_t)n * kind->item;
    if (n > INT32_MAX || (source->gzip && whole > source->size * DEFLATE_RATIO)) {
        return mf_fail(error, bad, "%s: claims %u %s, more than its %llu bytes can hold" REPLACE, source->path, n,
                       kind->name, (unsigned long long)source->size);
    }
    if (!source->gzip && whole != source->size) {
        return mf_fail(error, bad, "%s: %s (expected %llu bytes for %u %s, found %llu)" REPLACE, source->path,
                       source->size < whole ? "is cut short" : "has bytes left over", (unsigned long long)whole, n,
                       kind->name, (unsigned long long)source->size);
    }
    *count = n;
    return MNIST_FAST_OK;
}

static mnist_fast_status read_items(const char *path, const struct kind *kind, uint8_t **items, size_t *count,
                                    mnist_fast_error *error)
{
    *items = NULL;
    *count = 0;
    uint8_t *data = NULL;
    size_t n = 0, got = 0;
    struct source source;
    mnist_fast_status status = source_open(&source, path, kind, error);
    if (status)
        goto done;
    status = read_header(&source, kind, &n, error);
    if (status)
        goto done;
    const size_t size = n * kind->item;
    data = mf_allocate(size + PADDING);
    if (!data) {
        status = mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: not enough memory for %zu bytes", path, size + PADDING);
        goto done;
    }
    status = source_read(&source, data, size, &got, error);
    if (status)
        goto done;
    if (got < size) {
        status = mf_fail(error, MNIST_FAST_BAD_DATA, "%s: is cut short (expected %zu bytes of %s, found %zu)" REPLACE,
                         path, size, kind->name, got);
        goto done;
    }
    /* One byte more must not be there; asking for it also makes inflate() check the CRC. */
    status = source_read(&source, data + size, 1, &got, error);
    if (status)
        goto done;
    if (got > 0) {
        status = mf_fail(error, MNIST_FAST_BAD_DATA, "%s: has bytes left over (expected %zu bytes of %s)" REPLACE, path,
                         size, kind->name);
        goto done;
    }
    memset(data + size, 0, PADDING);
    *items = data;
    *count = n;
    data = NULL;
done:
    free(data);
    source_close(&source);
    return status;
}

mnist_fast_status mf_idx_read_images(const char *path, uint8_t **pixels, size_t *count, mnist_fast_error *error)
{
    return read_items(path, &image_kind, pixels, count, error);
}

mnist_fast_status mf_idx_read_labels(const char *path, uint8_t **labels, size_t *count, mnist_fast_error *error)
{
    const mnist_fast_status status = read_items(path, &label_kind, labels, count, error);
    if (status)
        return status;
    for (size_t i = 0; i < *count; i++) {
        const unsigned label = (*labels)[i];
        if (label >= MNIST_FAST_CLASSES) {
            free(*labels);
            *labels = NULL;
            *count = 0;
            return mf_fail(error, MNIST_FAST_BAD_DATA, "%s: label %zu is %u (expected 0 to 9)" REPLACE, path, i, label);
        }
    }
    return MNIST_FAST_OK;
}
