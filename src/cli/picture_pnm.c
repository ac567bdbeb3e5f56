/* PBM, PGM and PPM, as text (P1, P2, P3) or raw (P4, P5, P6): netpbm's formats. Of several pictures in a file the first
 * is read. */
#include "picture_file.h"
#include "program.h"

#include <stdbool.h>

struct reader {
    const uint8_t *next, *end;
    bool bad; /* something was missing or too large */
};

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Skips white space, and comments from '#' to the end of the line. */
static void skip_space(struct reader *reader)
{
    while (reader->next < reader->end && (is_space(*reader->next) || *reader->next == '#')) {
        if (*reader->next == '#')
            while (reader->next < reader->end && *reader->next != '\n' && *reader->next != '\r')
                reader->next++;
        else
            reader->next++;
    }
}

static unsigned read_text(struct reader *reader, unsigned largest)
{
    unsigned number = 0;
    skip_space(reader);
    if (reader->next == reader->end || *reader->next < '0' || *reader->next > '9')
        reader->bad = true;
    while (reader->next < reader->end && *reader->next >= '0' && *reader->next <= '9' && !reader->bad) {
        number = number * 10 + (unsigned)(*reader->next++ - '0');
        reader->bad = number > largest;
    }
    return number;
}

/* One number of 1 or 2 bytes. */
static unsigned read_raw(struct reader *reader, unsigned largest)
{
    const int bytes = largest > 255 ? 2 : 1;
    if (reader->end - reader->next < bytes) {
        reader->bad = true;
        return 0;
    }
    unsigned number = *reader->next++;
    if (bytes == 2)
        number = number << 8 | *reader->next++;
    reader->bad = number > largest;
    return number;
}

/* A digit of a text bitmap, which needs no white space before the next one. */
static unsigned read_bit(struct reader *reader)
{
    skip_space(reader);
    if (reader->next == reader->end || (*reader->next != '0' && *reader->next != '1')) {
        reader->bad = true;
        return 0;
    }
    return (unsigned)(*reader->next++ - '0');
}

static void read_pixels(struct reader *reader, int format, unsigned largest, struct cli_picture *picture)
{
    const bool text = format <= 3;
    for (size_t y = 0; y < picture->height; y++)
        for (size_t x = 0; x < picture->width && !reader->bad; x++) {
            uint8_t *pixel = &picture->grey[y * picture->width + x];
            if (format == 1) {
                *pixel = read_bit(reader) ? 0 : 255; /* 1 is black */
            } else if (format == 4) {                /* 8 pixels a byte, rows padded to bytes */
                if (reader->next == reader->end) {
                    reader->bad = true;
                    break;
                }
                *pixel = *reader->next >> (7 - x % 8) & 1 ? 0 : 255;
                reader->next += x % 8 == 7 || x + 1 == picture->width;
            } else {
                static const unsigned weights[] = {299, 587, 114}; /* of red, green and blue in the luma of BT.601 */
                const int channels = format % 3 == 0 ? 3 : 1;
                unsigned long long sum = 0;
                for (int c = 0; c < channels; c++) {
                    const unsigned value = text ? read_text(reader, largest) : read_raw(reader, largest);
                    sum += (unsigned long long)value * (channels == 3 ? weights[c] : 1000);
                    if (reader->bad)
                        return;
                }
                *pixel = (uint8_t)((sum * 255 + 500ull * largest) / (1000ull * largest));
            }
        }
}

mnist_fast_status cli_picture_pnm(const char *path, struct cli_bytes file, struct cli_picture *picture,
                                  mnist_fast_error *error)
{
    struct reader reader = {.next = file.data + 2, .end = file.data + file.size};
    const int format = file.data[1] - '0';
    const unsigned width = read_text(&reader, 1u << 30), height = read_text(&reader, 1u << 30);
    const unsigned largest = format == 1 || format == 4 ? 1 : read_text(&reader, 65535);
    if (reader.bad || largest == 0)
        return cli_picture_damaged(path, "PBM, PGM or PPM file", "a bad number in its header", error);
    if (format > 3 && (reader.next == reader.end || !is_space(*reader.next++)))
        return cli_picture_damaged(path, "PBM, PGM or PPM file", "no white space after its header", error);
    const mnist_fast_status status = cli_picture_allocate(path, width, height, picture, error);
    if (status)
        return status;
    read_pixels(&reader, format, largest, picture);
    return reader.bad
               ? cli_picture_damaged(path, "PBM, PGM or PPM file", "cut short, or a pixel beyond its range", error)
               : MNIST_FAST_OK;
}
