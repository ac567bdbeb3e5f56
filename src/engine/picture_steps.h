/* The steps of mnist_fast_prepare_picture, in their order. They work on a copy of at most MF_WORK_SIDE pixels a side.
 */
#ifndef MF_PICTURE_STEPS_H
#define MF_PICTURE_STEPS_H

#include "base/minmax.h"
#include "mnist_fast.h"

#include <stdbool.h>

enum {
    MF_SIDE = 28,
    MF_WORK_SIDE = 160,
    MF_PLANE_SIDE = 2 * MF_WORK_SIDE, /* room for half a window around the working picture */
};

struct mf_area {
    int left, top, right, bottom; /* right and bottom are past the last pixel */
};

static inline int mf_longer_side(struct mf_area area)
{
    return mf_max(area.right - area.left, area.bottom - area.top);
}

/* The smallest area with `area` and the pixel (x, y) in it. */
static inline struct mf_area mf_surround(struct mf_area area, int x, int y)
{
    return (struct mf_area){mf_min(area.left, x), mf_min(area.top, y), mf_max(area.right, x + 1),
                            mf_max(area.bottom, y + 1)};
}

/* What the mask says of a pixel. Regions go from CANDIDATE to MEASURED to INK or PAPER. */
enum { MF_PAPER, MF_CANDIDATE, MF_MEASURED, MF_INK };

struct mf_picture_work {
    int width, height;
    /* Rows of `width` bytes. */
    uint8_t grey[MF_WORK_SIDE * MF_WORK_SIDE]; /* dark ink on light paper */
    uint8_t ink[MF_WORK_SIDE * MF_WORK_SIDE];  /* how much darker than the paper; 255 reflects nothing */
    uint8_t mask[MF_WORK_SIDE * MF_WORK_SIDE];
    /* Rows of MF_PLANE_SIDE bytes: scratch of mf_separate_ink and mf_draw_digit. */
    uint8_t plane[MF_PLANE_SIDE * MF_PLANE_SIDE];
    uint16_t queue[MF_WORK_SIDE * MF_WORK_SIDE]; /* scratch of mf_border_is_light and mf_find_ink */
    uint32_t columns[MF_WORK_SIDE];              /* of mf_border_is_light */
};

/* Levels of mf_picture_work.ink. */
struct mf_ink_levels {
    int paper, noise, ink; /* median of the paper, its standard deviation, mean of the ink */
    int low;               /* weaker is paper */
};

/* ---- picture_scale.c ---- */

/* Copies `part` of the picture to work->grey, made smaller where it is larger than that. Area filter: every pixel of
 * the result is the exact mean of what lies under it, rounded once. */
void mf_shrink(struct mf_picture_work *work, const mnist_fast_picture *picture, struct mf_area part, bool invert);

/* Replaces every value of a plane by the largest of the square window that begins there (or, with `smallest`, by the
 * smallest of the one that ends there). */
void mf_window_extremes(uint8_t *plane, int rows, int columns, int window, bool smallest);

/* ---- picture_ink.c ---- */

/* Whether the border of work->grey is paper if ink is dark: whether most of it is nearer to the lightest than to the
 * darkest of the picture. */
bool mf_border_is_light(struct mf_picture_work *work);

/* work->ink from work->grey. */
void mf_separate_ink(struct mf_picture_work *work);

/* False when there is no ink. */
bool mf_measure_ink(const struct mf_picture_work *work, struct mf_ink_levels *levels);

/* Whether the ink at (x, y) has an edge within a thirty-second of the longer side: something less than half as strong,
 * by more than noise. Shade has none. */
bool mf_is_sharp(const struct mf_picture_work *work, const struct mf_ink_levels *levels, int x, int y);

/* ---- picture_regions.c ---- */

/* Marks what belongs to the digit as INK in work->mask; *box is the area around it. False when there is none. */
bool mf_find_ink(struct mf_picture_work *work, const struct mf_ink_levels *levels, struct mf_area *box);

/* ---- picture_draw.c ---- */

/* The ink of box, with strokes as wide as MNIST's at least, scaled and centred as MNIST's digits are. */
void mf_draw_digit(struct mf_picture_work *work, const struct mf_ink_levels *levels, struct mf_area box,
                   uint8_t pixels[MNIST_FAST_PIXELS]);

#endif
