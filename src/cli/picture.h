/* Grey pictures, and how large they may be. */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include <stdint.h>

/* A photo of 64 megapixels is read. What is larger is refused before memory is taken for it. */
enum {
    CLI_PICTURE_MAX_SIDE = 16384,
    CLI_PICTURE_MAX_PIXELS = 1 << 26,
    CLI_PICTURE_MAX_FILE = 64 << 20 /* bytes */
};

/* Grey levels, rows from the top without gaps: 0 = black, 255 = white. What is transparent shows white paper. */
struct cli_picture {
    uint8_t *grey;
    int width, height;
};

#endif
