/* PBM, PGM and PPM, plain (P1, P2, P3) and raw (P4, P5, P6); the first picture of a file. */
#include "picture_formats.h"
#include "program.h"

#include <inttypes.h>
#include <stdbool.h>

enum { MAX_VALUE = 65535, PAST_MAX = 1 << 24 };

struct reader {
    const uint8_t *next, *end;
};

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static void skip_space_and_comments(struct reader *reader)
{
    while (reader->next < reader->end && (is_space(*reader->next) || *reader->next == '#'))
        if (*reader->next++ == '#')
            while (reader->next < reader->end && *reader->next != '\n' && *reader->next != '\r')
                reader->next++;
}

/* A decimal number, at most PAST_MAX; false where there is none. */
static bool read_number(struct reader *reader, uint32_t *number)
{
    skip_space_and_comments(reader);
    const uint8_t *const first = reader->next;
    for (*number = 0; reader->next < reader->end && *reader->next >= '0' && *reader->next <= '9'; reader->next++)
        if (*number < PAST_MAX)
            *number = *number * 10 + (*reader->next - '0');
    if (*number > PAST_MAX)
        *number = PAST_MAX;
    return reader->next > first;
}

/* One digit, which need not stand apart. */
static bool read_bit(struct reader *reader, uint32_t *bit)
{
    skip_space_and_comments(reader);
    if (reader->next == reader->end || (*reader->next != '0' && *reader->next != '1'))
        return false;
    *bit = *reader->next++ - '0';
    return true;
}

static bool read_plain(struct reader *reader, bool bits, uint32_t *value)
{
    return bits ? read_bit(reader, value) : read_number(reader, value);
}

static uint32_t read_raw(struct reader *reader, bool wide)
{
    const uint32_t value = wide ? (uint32_t)reader->next[0] << 8 | reader->next[1] : reader->next[0];
    reader->next += wide ? 2 : 1;
    return value;
}

static mnist_fast_status bad_value(struct reader *reader, uint64_t index, mnist_fast_error *error)
{
    const unsigned long long at = index;
    if (reader->next == reader->end)
        return cli_fail(error, MNIST_FAST_BAD_DATA, "is cut short (found %llu values); get it again", at);
    return cli_fail(error, MNIST_FAST_BAD_DATA, "is damaged (value %llu is none); get it again", at);
}

static mnist_fast_status read_header(struct reader *reader, bool bits, bool raw, uint32_t size[2], uint32_t *maximum,
                                     mnist_fast_error *error)
{
    const bool apart = reader->next < reader->end && (is_space(*reader->next) || *reader->next == '#');
    *maximum = 1;
    if (!apart || !read_number(reader, &size[0]) || !read_number(reader, &size[1]) ||
        (!bits && !read_number(reader, maximum)))
        return cli_fail(error, MNIST_FAST_BAD_DATA, "is damaged (expected width, height%s); get it again",
                        bits ? "" : " and maximum");
    if (*maximum < 1 || *maximum > MAX_VALUE)
        return cli_fail(error, MNIST_FAST_BAD_DATA, "has a maximum of %u (expected 1 to %d); get it again", *maximum,
                        MAX_VALUE);
    /* One white space ends the header of a raw picture. */
    if (raw && (reader->next == reader->end || !is_space(*reader->next++)))
        return cli_fail(error, MNIST_FAST_BAD_DATA, "is damaged (no white space after its header); get it again");
    return MNIST_FAST_OK;
}

mnist_fast_status cli_picture_decode_pnm(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error)
{
    const uint8_t kind = file.data[1];
    const bool raw = kind >= '4', bits = kind == '1' || kind == '4';
    const uint64_t channels = kind == '3' || kind == '6' ? 3 : 1;
    struct reader reader = {file.data + 2, file.data + file.size};
    uint32_t size[2], maximum;
    mnist_fast_status status = read_header(&reader, bits, raw, size, &maximum, error);
    if (status)
        return status;
    const bool wide = maximum > 255;
    /* A plain value takes a byte at least. Size and limits before memory: allocate() checks the latter again. */
    const uint64_t row_bytes = raw && bits ? ((uint64_t)size[0] + 7) / 8 : size[0] * channels * (raw && wide ? 2 : 1);
    const uint64_t left = (uint64_t)(reader.end - reader.next);
    if (size[0] <= CLI_PICTURE_MAX_SIDE && size[1] <= CLI_PICTURE_MAX_SIDE && row_bytes * size[1] > left)
        return cli_fail(error, MNIST_FAST_BAD_DATA,
                        "is cut short (expected at least %" PRIu64 " bytes for %u x %u pixels, found %" PRIu64
                        "); get it again",
                        row_bytes * size[1], size[0], size[1], left);
    status = cli_picture_allocate(size[0], size[1], picture, error);
    if (status)
        return status;

    const uint64_t count = (uint64_t)size[0] * size[1];
    for (uint64_t i = 0; i < count; i++) {
        uint32_t rgb[3] = {0};
        if (raw && bits) {
            const uint64_t x = i % size[0];
            rgb[0] = reader.next[i / size[0] * row_bytes + x / 8] >> (7 - x % 8) & 1;
        } else {
            for (uint64_t c = 0; c < channels; c++) {
                if (raw)
                    rgb[c] = read_raw(&reader, wide);
                else if (!read_plain(&reader, bits, &rgb[c]))
                    return bad_value(&reader, i * channels + c, error);
                if (rgb[c] > maximum)
                    return cli_fail(error, MNIST_FAST_BAD_DATA,
                                    "is damaged (value %" PRIu64 " is above its maximum of %u); get it again",
                                    i * channels + c, maximum);
            }
        }
        for (uint64_t c = 0; c < channels; c++)
            rgb[c] = (rgb[c] * 255 + maximum / 2) / maximum;
        /* In bits, 1 is black. */
        picture->grey[i] = channels == 3 ? cli_luma(rgb[0], rgb[1], rgb[2]) : (uint8_t)(bits ? 255 - rgb[0] : rgb[0]);
    }
    return MNIST_FAST_OK;
}
