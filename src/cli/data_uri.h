/* Pictures within a page: data URIs of PNG files. */
#ifndef CLI_DATA_URI_H
#define CLI_DATA_URI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cli_rgba {
    uint8_t red, green, blue, alpha;
};

/* Writes "data:image/png;base64,...". pixels: (height, width), indices of the palette. False: no memory. */
bool cli_write_png_uri(FILE *out, int width, int height, const uint8_t *pixels, const struct cli_rgba palette[256]);

#endif
