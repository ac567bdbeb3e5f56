/* Pictures of digits as people make them: drawn large, with a pen, on paper under uneven light; written as PNG or JPEG.
 * For tests. Every random number comes from the caller's generator. */
#ifndef DRAWING_H
#define DRAWING_H

#include "folder.h"
#include "support.h"

#include <stddef.h>
#include <stdint.h>

/* How much of each pixel is inked: 0 to 1, rows from the top. */
struct ink {
    int width, height;
    float *cover;
};

struct ink ink_new(int width, int height); /* all paper */
void ink_free(struct ink *ink);

/* Draws the 28 × 28 pixels over the square of this size at (left, top), enlarged by a bicubic filter. */
void ink_enlarge(struct ink *ink, const uint8_t *pixels, double left, double top, double size);

/* The same digit traced with a round pen of this width, in pixels of the picture. */
void ink_trace(struct ink *ink, const uint8_t *pixels, double left, double top, double size, double pen);

/* What is between the ink and the file. Zeroed means: black ink on white paper, evenly lit. */
struct scene {
    double ink[3];      /* reflectance of the ink in red, green and blue */
    double dim;         /* paper: this much darker than white, 0 to 1 */
    double slope[2];    /* light lost from edge to edge, across and down */
    double vignette;    /* light lost in the corners, the middle keeping all of it */
    double shadow;      /* light lost right of a slanted line, with an edge a tenth of the width wide */
    double grain;       /* standard deviation of the paper's texture, of 255 */
    double noise;       /* the same of the sensor, independent in each channel */
    bool light_on_dark; /* everything inverted */
};

/* width * height * 3 bytes; the caller frees. */
uint8_t *scene_photograph(const struct scene *scene, const struct ink *ink, struct random *random);

/* How a PNG stores a picture. */
enum layout { GREY, PALETTE, RGB, GREY_ALPHA, RGB_ALPHA };
struct png {
    enum layout layout;
    int depth; /* 1, 2, 4, 8 or 16 bits, as far as the layout allows */
    bool interlaced;
};

/* How a JPEG does. */
struct jpeg {
    int quality; /* 1 to 100 */
    bool grey, progressive, cmyk;
    int orientation; /* the picture is stored turned, and EXIF says how; 0: no EXIF */
    bool big_endian; /* EXIF */
    bool ycck;       /* how CMYK is stored */
};

/* rgb: width * height * 3 bytes. With alpha, black ink is painted on a transparent ground. data is to be freed. */
struct bytes png_file(const uint8_t *rgb, int width, int height, struct png how);
struct bytes jpeg_file(const uint8_t *rgb, int width, int height, struct jpeg how);
struct bytes pnm_file(const uint8_t *rgb, int width, int height, char kind, int maximum); /* kind: '1' to '6' */

#endif
