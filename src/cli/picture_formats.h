/* The decoders behind cli_picture_read. Each is given a whole file whose first bytes are its format's, and says what is
 * wrong with it without naming it. *picture is zeroed before, and freed by the caller whatever happens. */
#ifndef CLI_PICTURE_FORMATS_H
#define CLI_PICTURE_FORMATS_H

#include "mnist_fast.h"
#include "picture.h"

#include <stddef.h>

struct cli_bytes {
    const uint8_t *data;
    size_t size;
};

mnist_fast_status cli_picture_decode_png(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error);
mnist_fast_status cli_picture_decode_jpeg(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error);
mnist_fast_status cli_picture_decode_pnm(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error);

/* Holds the size against the limits, and takes the memory. */
mnist_fast_status cli_picture_allocate(uint64_t width, uint64_t height, struct cli_picture *picture,
                                       mnist_fast_error *error);

/* ITU-R BT.601's luma, as JFIF has it, so that a picture is as grey in every format. */
static inline uint8_t cli_luma(unsigned red, unsigned green, unsigned blue)
{
    return (uint8_t)((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
}

#endif
