/* Pictures: the input is the file, which is read and prepared in each way that predict knows. */
#include "cli/picture_file.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <jpeglib.h>
#include <png.h>

static void prepare(const struct cli_picture *picture)
{
    const mnist_fast_picture grey = {picture->grey, (int)picture->width, (int)picture->height, picture->width};
    for (int invert = MNIST_FAST_INVERT_AUTO; invert <= MNIST_FAST_INVERT_NO; invert++)
        for (int raw = 0; raw < 2; raw++) {
            uint8_t pixels[MNIST_FAST_PIXELS];
            mnist_fast_error error = {""};
            const mnist_fast_status status =
                mnist_fast_prepare_picture(&grey, (mnist_fast_invert)invert, raw, pixels, &error);
            fuzz_require(!status || (status == MNIST_FAST_BAD_DATA && *error.text));
            int ink = 0;
            for (int i = 0; !status && i < MNIST_FAST_PIXELS; i++)
                ink |= pixels[i];
            fuzz_require(status || raw || ink);
        }
}

static void run(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    struct cli_picture picture;
    mnist_fast_error error = {""};
    const mnist_fast_status status = cli_picture_read(path, &picture, &error);
    if (status) {
        fuzz_require(!picture.grey);
        fuzz_require_error(path, error.text);
        return;
    }
    fuzz_require(picture.width >= 1 && picture.width <= CLI_PICTURE_MAX_SIDE);
    fuzz_require(picture.height >= 1 && picture.height <= CLI_PICTURE_MAX_SIDE);
    prepare(&picture);
    free(picture.grey);
}

/* The crc32 of each chunk of a PNG. */
static void mend(uint8_t *data, size_t size)
{
    enum { SIGNATURE = 8, FRAME = 12 }; /* length, type and crc32 of a chunk */
    for (size_t at = SIGNATURE; data[0] == 0x89 && at + FRAME <= size;) {
        const size_t length = (size_t)data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3];
        if (length > size - at - FRAME)
            return;
        const uLong crc = crc32(crc32(0, NULL, 0), data + at + 4, (uInt)length + 4);
        at += FRAME + length;
        for (int i = 0; i < 4; i++)
            data[at - 4 + i] = (uint8_t)(crc >> (24 - 8 * i));
    }
}

/* ---- seeds: a dark ring on a light ground ---- */

enum { SIDE = 40 };

static void draw(int channels, uint8_t *pixels)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const int square = (x - SIDE / 2) * (x - SIDE / 2) + (y - SIDE / 2) * (y - SIDE / 2);
            const uint8_t value = square > 50 && square < 120 ? 30 : 220;
            for (int c = 0; c < channels; c++)
                *pixels++ = (uint8_t)(value + c);
        }
}

static size_t png_seed(unsigned format, uint8_t to[FUZZ_LARGEST])
{
    uint8_t pixels[4 * SIDE * SIDE], colormap[4 * 256];
    png_image image = {.version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = format};
    image.colormap_entries = format & PNG_FORMAT_FLAG_COLORMAP ? 256 : 0;
    for (size_t i = 0; i < sizeof colormap; i++)
        colormap[i] = (uint8_t)(i / 4);
    draw((int)PNG_IMAGE_PIXEL_CHANNELS(format), pixels);
    png_alloc_size_t size = FUZZ_LARGEST;
    fuzz_require(png_image_write_to_memory(&image, to, &size, 0, pixels, 0, colormap));
    return size;
}

static size_t jpeg_seed(int channels, bool progressive, uint8_t to[FUZZ_LARGEST])
{
    static const uint8_t exif[] = "Exif\0\0II*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0";
    uint8_t pixels[3 * SIDE * SIDE];
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    struct jpeg_error_mgr manager;
    struct jpeg_compress_struct encoder = {.err = jpeg_std_error(&manager)};
    draw(channels, pixels);
    jpeg_create_compress(&encoder);
    jpeg_mem_dest(&encoder, &bytes, &size);
    encoder.image_width = encoder.image_height = SIDE;
    encoder.input_components = channels;
    encoder.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&encoder);
    if (progressive)
        jpeg_simple_progression(&encoder);
    jpeg_start_compress(&encoder, TRUE);
    jpeg_write_marker(&encoder, JPEG_APP0 + 1, exif, sizeof exif - 1);
    while (encoder.next_scanline < SIDE) {
        JSAMPROW row = pixels + (size_t)encoder.next_scanline * SIDE * (size_t)channels;
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
    fuzz_require(size <= FUZZ_LARGEST);
    memcpy(to, bytes, size);
    free(bytes);
    return size;
}

/* P1 to P6, with a comment. */
static size_t pnm_seed(int format, uint8_t to[FUZZ_LARGEST])
{
    uint8_t pixels[3 * SIDE * SIDE];
    const int channels = format % 3 == 0 ? 3 : 1;
    draw(channels, pixels);
    size_t size =
        (size_t)sprintf((char *)to, "P%d # made up\n%d %d\n%s", format, SIDE, SIDE, format % 3 == 1 ? "" : "255\n");
    for (int i = 0; i < channels * SIDE * SIDE; i++)
        if (format == 1)
            size += (size_t)sprintf((char *)to + size, "%d", pixels[i] < 128);
        else if (format < 4)
            size += (size_t)sprintf((char *)to + size, "%d ", pixels[i]);
        else if (format > 4)
            to[size++] = pixels[i];
        else if (i % 8 == 0)
            to[size++] = pixels[i] < 128 ? 0xff : 0;
    return size;
}

static size_t seed(int number, uint8_t to[FUZZ_LARGEST])
{
    static const unsigned formats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA,
                                       PNG_FORMAT_RGBA_COLORMAP};
    enum { FORMATS = sizeof formats / sizeof *formats, JPEGS = 4, PNMS = 6 };
    if (number < FORMATS)
        return png_seed(formats[number], to);
    number -= FORMATS;
    if (number < JPEGS)
        return jpeg_seed(number % 2 ? 3 : 1, number / 2, to);
    number -= JPEGS;
    return number < PNMS ? pnm_seed(number + 1, to) : 0;
}

const struct fuzz_target fuzz_picture = {"picture", run, seed, mend, 500};
