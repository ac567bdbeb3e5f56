/* Pictures in files that may be damaged or hostile: read here, in the program, and never in the library. */
#ifndef CLI_PICTURE_FILE_H
#define CLI_PICTURE_FILE_H

#include "mnist_fast.h"
#include "picture.h"

/* Reads PNG, JPEG, and PBM, PGM or PPM, told apart by their first bytes. path: a file, FIFO or device; "-" is standard
 * input. A FIFO that nobody has opened for writing is empty. A JPEG is turned as its EXIF orientation says. *picture is
 * zeroed on failure, else its grey levels are to be freed with free(). The error names the path. */
mnist_fast_status cli_picture_read(const char *path, struct cli_picture *picture, mnist_fast_error *error);

/* Grey pixels, rows without gaps, as a PNG of *size bytes; to be freed with free(). NULL: no memory. */
uint8_t *cli_png_encode(const uint8_t *pixels, size_t width, size_t height, size_t *size);

/* Writes what a network reads (28 x 28, 255 = ink) as a picture: a PNG where the path ends in .png, else a PGM. */
mnist_fast_status cli_picture_write(const char *path, const uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error);

#endif
