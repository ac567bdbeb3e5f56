#include "data_uri.h"

#include <png.h>
#include <stdlib.h>

static void write_base64(FILE *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                               (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        for (int j = 0; j < 4; j++)
            putc(j <= (int)left ? digits[group >> (18 - 6 * j) & 63] : '=', out);
    }
}

bool cli_write_png_uri(FILE *out, int width, int height, const uint8_t *pixels, const struct cli_rgba palette[256])
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)width,
        .height = (png_uint_32)height,
        .format = PNG_FORMAT_RGBA_COLORMAP,
        .colormap_entries = 256,
    };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *bytes = malloc(size);
    const bool written = bytes && png_image_write_to_memory(&image, bytes, &size, 0, pixels, width, palette);
    if (written) {
        fputs("data:image/png;base64,", out);
        write_base64(out, bytes, size);
    }
    free(bytes);
    return written;
}
