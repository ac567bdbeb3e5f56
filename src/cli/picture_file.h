/* Pictures that users give: PNG, JPEG, PBM, PGM and PPM files, read as grey over white.
 *
 * The files are untrusted. What they may cost is limited before memory is taken: 64 MB of file, 16384 pixels a side,
 * 2^24 pixels, 8 MB for a chunk of PNG, 100 scans of JPEG. */
#ifndef CLI_PICTURE_FILE_H
#define CLI_PICTURE_FILE_H

#include "mnist_fast.h"

struct cli_picture {
    uint8_t *grey;        /* width * height, rows from the top, 0 = black, 255 = white; to be freed with free() */
    size_t width, height; /* each at least 1 */
};

/* Reads a picture; "-" is standard input. Turned upright as its EXIF orientation says. On failure it is zeroed. */
mnist_fast_status cli_picture_read(const char *path, struct cli_picture *picture, mnist_fast_error *error);

/* Writes the 28 x 28 pixels that a network sees: as PNG where path ends with .png, else as PGM. */
mnist_fast_status cli_picture_write(const char *path, const uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error);

/* ---- Of the readers of one format each; path is for messages ---- */

struct cli_bytes {
    const uint8_t *data;
    size_t size;
};

mnist_fast_status cli_picture_png(const char *path, struct cli_bytes file, struct cli_picture *picture,
                                  mnist_fast_error *error);
mnist_fast_status cli_picture_jpeg(const char *path, struct cli_bytes file, struct cli_picture *picture,
                                   mnist_fast_error *error);
mnist_fast_status cli_picture_pnm(const char *path, struct cli_bytes file, struct cli_picture *picture,
                                  mnist_fast_error *error);

/* Checks the size against the limits, and takes the memory for the grey pixels. */
enum { CLI_PICTURE_SIDE = 16384, CLI_PICTURE_PIXELS = 1 << 24 };
mnist_fast_status cli_picture_allocate(const char *path, size_t width, size_t height, struct cli_picture *picture,
                                       mnist_fast_error *error);

/* For a file that a format's library refuses: what it said, which may hold parts of the file. */
mnist_fast_status cli_picture_damaged(const char *path, const char *format, const char *reason,
                                      mnist_fast_error *error);

/* Grey pixels as a PNG file, to be freed with free(); NULL: no memory. */
uint8_t *cli_png_encode(const uint8_t *pixels, size_t width, size_t height, size_t *size);

#endif
