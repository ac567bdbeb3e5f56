/* The deformation of an image, for every file of kernels, after vector.h: a lane is a pixel of a row. */
#include "spline.h"

enum { SUBPIXEL_BITS = 6 };
_Static_assert(MF_SUBPIXELS == 1 << SUBPIXEL_BITS, "shifts divide by it");

/* The places of a coordinate along each row of control points: the inner sums. */
INLINE void spline_columns(const float points[MF_NODES][MF_NODES], float along[MF_NODES][MF_SPLINE_COLUMNS])
{
    for (int g = 0; g < MF_NODES; g++)
        for (int c = 0; c < MF_SIDE; c += LANES) {
            vf sum = v_zero();
            UNROLL for (int h = 0; h < MF_NODES; h++)
                sum = v_fma(v_load(mf_spline[h] + c), v_set(points[g][h]), sum);
            v_store(along[g] + c, sum);
        }
}

/* The outer sum, without the terms that are 0, in subpixels from the pixel before the first. */
INLINE vi spline_row(const float along[MF_NODES][MF_SPLINE_COLUMNS], int row, int c)
{
    const int span = row / MF_SPAN;
    vf place = v_zero();
    UNROLL for (int g = 0; g < 4; g++)
        place = v_fma(v_set(mf_spline[span + g][row]), v_load(along[span + g] + c), place);
    const vf low = v_set(-1.0f), high = v_set(MF_SIDE);
    place = v_select(v_greater(place, low), place, low);
    place = v_select(v_greater(high, place), place, high);
    const vf rounded = v_fma(place, v_set(MF_SUBPIXELS), v_set(MF_PLACE_ROUND)) + v_set(MF_SUBPIXELS);
    return (vi)rounded & 0xffff;
}

INLINE void deform(const uint8_t *pixels, const struct mf_deformation *deformation, uint8_t *deformed)
{
    enum { PLACES = MF_SIDE + 2, WIDTH = 32 };
    _Alignas(64) float x_along[MF_NODES][MF_SPLINE_COLUMNS], y_along[MF_NODES][MF_SPLINE_COLUMNS];
    uint8_t framed[PLACES + 1][WIDTH] = {0}; /* the image with a pixel of 0 before it, and two after it */
    uint16_t pair[PLACES][WIDTH];            /* a pixel and the one below it: 32 bits hold all four around a place */
    for (int row = 0; row < MF_SIDE; row++)
        memcpy(framed[row + 1] + 1, pixels + row * MF_SIDE, MF_SIDE);
    for (int row = 0; row < PLACES; row++)
        for (int column = 0; column < WIDTH; column++)
            pair[row][column] = (uint16_t)(framed[row][column] | framed[row + 1][column] << 8);
    spline_columns(deformation->x, x_along);
    spline_columns(deformation->y, y_along);

    for (int row = 0; row < MF_SIDE; row++) {
        uint8_t line[MF_SPLINE_COLUMNS];
        for (int c = 0; c < MF_SIDE; c += LANES) {
            const vi x = spline_row(x_along, row, c), y = spline_row(y_along, row, c);
            const vi right = x & (MF_SUBPIXELS - 1), below = y & (MF_SUBPIXELS - 1);
            const vi four = v_gather(pair[0], (y >> SUBPIXEL_BITS) * WIDTH + (x >> SUBPIXEL_BITS));
            /* The left and the right pixels side by side in 16 bits each, which is room for 255 * MF_SUBPIXELS. */
            const vi top = four & 0x00ff00ff, bottom = four >> 8 & 0x00ff00ff;
            const vi sides = (top << SUBPIXEL_BITS) + (bottom - top) * below;
            const vi left = sides & 0xffff, difference = (sides >> 16 & 0xffff) - left;
            const vi sum = (left << SUBPIXEL_BITS) + difference * right;
            v_store_bytes(line + c, (sum + MF_SUBPIXELS * MF_SUBPIXELS / 2) >> 2 * SUBPIXEL_BITS);
        }
        memcpy(deformed + row * MF_SIDE, line, MF_SIDE);
    }
}
