#include "picture_steps.h"

#include <assert.h>
#include <string.h>

enum { LONGER_SIDE = 20 }; /* of the ink, in pixels of the result: MNIST's */

/* Copies the ink of box into the plane at (shift, shift), stretched so that the paper is 0 and most of the ink 255. A
 * pixel beside the ink keeps its part of a soft edge; all others are paper. */
static void stretch(struct mf_picture_work *work, const struct mf_ink_levels *levels, struct mf_area box, int shift)
{
    const int w = work->width, h = work->height, high = (levels->paper + 9 * levels->ink) / 10;
    memset(work->plane, 0, sizeof work->plane);
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            bool near = false;
            for (int v = mf_max(0, y - 1); v <= mf_min(h - 1, y + 1); v++)
                for (int u = mf_max(0, x - 1); u <= mf_min(w - 1, x + 1); u++)
                    near = near || work->mask[v * w + u] == MF_INK;
            const int ink = near ? work->ink[y * w + x] : 0;
            const int level = ink <= levels->low ? 0
                              : ink >= high      ? 255
                                                 : (ink - levels->low) * 255 / (high - levels->low);
            work->plane[(y - box.top + shift) * MF_PLANE_SIDE + x - box.left + shift] = (uint8_t)level;
        }
}

/* By how many pixels the strokes have to grow. MNIST's are 2.45 pixels wide on average where the longer side is 20, and
 * 4 of 100 digits have strokes below 1.5; what is thinner is drawn 2.5 wide. The width is twice the area over the
 * perimeter, and the perimeter is pi / 4 of the pixel edges along it. */
static int missing_width(const struct mf_picture_work *work, struct mf_area box)
{
    int64_t area = 0, edges = 0;
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            const uint8_t *const at = work->plane + y * MF_PLANE_SIDE + x;
            area += at[0] >= 128;
            edges += (at[0] >= 128) != (at[1] >= 128);
            edges += (at[0] >= 128) != (at[MF_PLANE_SIDE] >= 128);
            edges += x == box.left && at[0] >= 128;
            edges += y == box.top && at[0] >= 128;
        }
    const int64_t longer = mf_longer_side(box);
    /* width = 28 area / (11 edges), below 1.5 / 20 of longer; grown by g, (width + g) / (longer + g) = 2.5 / 20. */
    if (edges == 0 || 1120 * area >= 33 * longer * edges)
        return 0;
    return (int)((11 * edges * longer - 224 * area) / (77 * edges));
}

/* The area filter again, with the centre of mass in the middle of pixel (14, 14): that is where MNIST has it (measured:
 * 14.50 ± 0.29 from the edge, both ways). Lengths are in fortieths of a pixel of the plane. */
static void place(const struct mf_picture_work *work, struct mf_area box, uint8_t pixels[MNIST_FAST_PIXELS])
{
    enum { UNIT = 2 * LONGER_SIDE };
    int64_t mass = 0, across = 0, down = 0;
    struct mf_area core = {MF_PLANE_SIDE, MF_PLANE_SIDE, 0, 0}; /* the edge of the ink: a fifth of full strength */
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            const int ink = work->plane[y * MF_PLANE_SIDE + x];
            mass += ink;
            across += (int64_t)ink * (2 * x + 1);
            down += (int64_t)ink * (2 * y + 1);
            if (ink >= 51)
                core = mf_surround(core, x, y);
        }
    assert(mass > 0);                           /* the box was drawn around ink */
    const int pixel = 2 * mf_longer_side(core); /* of the result */
    const int left = (int)(across * (UNIT / 2) / mass) - pixel * MF_SIDE / 2 - pixel / 2;
    const int top = (int)(down * (UNIT / 2) / mass) - pixel * MF_SIDE / 2 - pixel / 2;
    for (int i = 0; i < MNIST_FAST_PIXELS; i++) {
        const int x0 = left + i % MF_SIDE * pixel, y0 = top + i / MF_SIDE * pixel, x1 = x0 + pixel, y1 = y0 + pixel;
        int64_t sum = 0;
        for (int y = mf_max(box.top, y0 / UNIT); y < box.bottom && y * UNIT < y1; y++)
            for (int x = mf_max(box.left, x0 / UNIT); x < box.right && x * UNIT < x1; x++) {
                const int wide = mf_min(x1, (x + 1) * UNIT) - mf_max(x0, x * UNIT);
                const int high = mf_min(y1, (y + 1) * UNIT) - mf_max(y0, y * UNIT);
                sum += (int64_t)mf_max(wide, 0) * mf_max(high, 0) * work->plane[y * MF_PLANE_SIDE + x];
            }
        const int64_t area = (int64_t)pixel * pixel;
        pixels[i] = (uint8_t)((sum + area / 2) / area);
    }
}

void mf_draw_digit(struct mf_picture_work *work, const struct mf_ink_levels *levels, struct mf_area box,
                   uint8_t pixels[MNIST_FAST_PIXELS])
{
    struct mf_area ink = {1, 1, 1 + box.right - box.left, 1 + box.bottom - box.top};
    stretch(work, levels, box, 1);
    const int grow = missing_width(work, ink);
    if (grow > 0) {
        stretch(work, levels, box, 1 + grow);
        ink.right += grow;
        ink.bottom += grow;
        mf_window_extremes(work->plane, ink.bottom + grow, ink.right + grow, 1 + grow, false);
    }
    place(work, ink, pixels);
}
