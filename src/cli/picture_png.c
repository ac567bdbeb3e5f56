/* PNG through libpng's row interface: not the simplified one (png_image_*), which has had six of its recent
 * vulnerabilities. */
#include "picture_file.h"
#include "picture_formats.h"
#include "program.h"
#include "text_stream.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANNELS = 4,
    MAX_CHUNK = 8000000, /* bytes of one chunk beside the pixels */
    MAX_CHUNKS = 1000    /* of them; those that are kept at all */
};

/* What must outlive a longjmp. */
struct reader {
    struct cli_bytes left;
    struct cli_picture *picture;
    uint8_t *row;
    mnist_fast_status status;
    mnist_fast_error *error;
};

static void on_error(png_structp png, png_const_charp message)
{
    struct reader *const reader = png_get_error_ptr(png);
    if (!reader->status) /* none of our own */
        reader->status =
            cli_fail(reader->error, MNIST_FAST_BAD_DATA, "is damaged (libpng: %.100s); get it again", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void read_bytes(png_structp png, png_bytep to, size_t size)
{
    struct reader *const reader = png_get_io_ptr(png);
    if (size > reader->left.size) {
        reader->status = cli_fail(reader->error, MNIST_FAST_BAD_DATA, "is cut short; get it again");
        png_error(png, "");
    }
    memcpy(to, reader->left.data, size);
    reader->left.data += size;
    reader->left.size -= size;
}

/* A row of a pass, over white paper. */
static void keep_row(const struct reader *reader, uint32_t y, uint32_t columns, uint32_t first, uint32_t step)
{
    uint8_t *to = reader->picture->grey + (size_t)y * (size_t)reader->picture->width + first;
    const uint8_t *pixel = reader->row;
    for (uint32_t x = 0; x < columns; x++, pixel += CHANNELS, to += step) {
        const unsigned grey = cli_luma(pixel[0], pixel[1], pixel[2]), alpha = pixel[3];
        *to = (uint8_t)((grey * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* All that may end in on_error. */
static void decode(png_structp png, png_infop info, struct reader *reader)
{
    png_set_read_fn(png, reader, read_bytes);
    png_set_user_limits(png, CLI_PICTURE_MAX_SIDE, CLI_PICTURE_MAX_SIDE);
    png_set_chunk_malloc_max(png, MAX_CHUNK);
    png_set_chunk_cache_max(png, MAX_CHUNKS);
    /* Of the chunks only IHDR, PLTE, tRNS, IDAT and IEND: no profile, gamma or text is parsed. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, info);

    const uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    reader->status = cli_picture_allocate(width, height, reader->picture, reader->error);
    if (reader->status)
        png_error(png, "");
    /* Whatever it was, it becomes red, green, blue and alpha of 8 bits; making it grey is left to cli_luma, because
     * libpng's weights depend on the file. */
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 255, PNG_FILLER_AFTER);
    png_read_update_info(png, info);
    if (png_get_channels(png, info) != CHANNELS || png_get_bit_depth(png, info) != 8 ||
        png_get_rowbytes(png, info) != (size_t)width * CHANNELS)
        png_error(png, "unexpected layout of its rows");
    reader->row = malloc((size_t)width * CHANNELS);
    if (!reader->row) {
        reader->status =
            cli_fail(reader->error, MNIST_FAST_NO_MEMORY, "not enough memory for a row of %u pixels", width);
        png_error(png, "");
    }
    if (png_get_interlace_type(png, info) == PNG_INTERLACE_NONE) {
        for (uint32_t y = 0; y < height; y++) {
            png_read_row(png, reader->row, NULL);
            keep_row(reader, y, width, 0, 1);
        }
    } else {
        for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
            const uint32_t columns = PNG_PASS_COLS(width, pass), rows = columns ? PNG_PASS_ROWS(height, pass) : 0;
            for (uint32_t y = 0; y < rows; y++) {
                png_read_row(png, reader->row, NULL);
                keep_row(reader, PNG_ROW_FROM_PASS_ROW(y, pass), columns, PNG_PASS_START_COL(pass),
                         PNG_PASS_COL_OFFSET(pass));
            }
        }
    }
    png_read_end(png, NULL);
}

mnist_fast_status cli_picture_decode_png(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error)
{
    struct reader reader = {.left = file, .picture = picture, .error = error};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        reader.status = cli_fail(error, MNIST_FAST_NO_MEMORY, "not enough memory for libpng");
        goto done;
    }
    if (setjmp(png_jmpbuf(png)) == 0)
        decode(png, info, &reader);
done:
    png_destroy_read_struct(&png, &info, NULL);
    free(reader.row);
    return reader.status;
}

/* ---- writing ---- */

static void on_write_error(png_structp png, png_const_charp message)
{
    (void)message; /* memory is the only reason */
    png_longjmp(png, 1);
}

static void write_bytes(png_structp png, png_bytep from, size_t size)
{
    if (!cli_text_append(png_get_io_ptr(png), from, size))
        png_error(png, "");
}

/* All that may end in on_write_error. */
static void encode(png_structp png, png_infop info, struct cli_text *file, const uint8_t *pixels, size_t width,
                   size_t height)
{
    png_set_write_fn(png, file, write_bytes, NULL);
    png_set_IHDR(png, info, (uint32_t)width, (uint32_t)height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < height; y++)
        png_write_row(png, pixels + y * width);
    png_write_end(png, NULL);
}

uint8_t *cli_png_encode(const uint8_t *pixels, size_t width, size_t height, size_t *size)
{
    struct cli_text file = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_write_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (info && setjmp(png_jmpbuf(png)) == 0) {
        encode(png, info, &file, pixels, width, height);
    } else {
        free(file.bytes);
        file.bytes = NULL;
    }
    png_destroy_write_struct(&png, &info);
    *size = file.size;
    return (uint8_t *)file.bytes;
}
