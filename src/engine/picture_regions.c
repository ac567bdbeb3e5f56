#include "picture_steps.h"

/* A region touching the border (a shadow, the edge of the table) is dropped if one inside is at least this part of the
 * longer side. */
enum { INNER_PART = 12 };

/* A region is dropped if its mass is less than this part of the largest. */
enum { MASS_PART = 20 };

struct region {
    struct mf_area box;
    int64_t mass; /* how much darker than the threshold, summed */
    bool sharp;   /* has an edge where the ink is at least half as strong as most of it */
};

/* Marks the connected pixels that are marked like the one at `start`, and measures them. */
static struct region fill(struct mf_picture_work *work, const struct mf_ink_levels *levels, int start, uint8_t mark)
{
    const int w = work->width, h = work->height;
    const uint8_t from = work->mask[start];
    struct region region = {{w, h, 0, 0}, 0, false};
    int waiting = 0;
    work->mask[start] = mark;
    work->queue[waiting++] = (uint16_t)start;
    while (waiting > 0) {
        const int i = work->queue[--waiting], x = i % w, y = i / w;
        region.box = mf_surround(region.box, x, y);
        region.mass += work->ink[i] - levels->low;
        region.sharp =
            region.sharp || (2 * work->ink[i] > levels->paper + levels->ink && mf_is_sharp(work, levels, x, y));
        for (int v = mf_max(0, y - 1); v <= mf_min(h - 1, y + 1); v++)
            for (int u = mf_max(0, x - 1); u <= mf_min(w - 1, x + 1); u++)
                if (work->mask[v * w + u] == from) {
                    work->mask[v * w + u] = mark;
                    work->queue[waiting++] = (uint16_t)(v * w + u);
                }
    }
    return region;
}

static bool touches_border(const struct mf_picture_work *work, struct mf_area box)
{
    return box.left == 0 || box.top == 0 || box.right == work->width || box.bottom == work->height;
}

/* The digit is the regions with a sharp edge (shade has none) that are not much smaller than the largest. */
bool mf_find_ink(struct mf_picture_work *work, const struct mf_ink_levels *levels, struct mf_area *box)
{
    const int w = work->width, h = work->height;
    *box = (struct mf_area){w, h, 0, 0};
    for (int i = 0; i < w * h; i++)
        work->mask[i] = work->ink[i] > levels->low ? MF_CANDIDATE : MF_PAPER;
    int64_t largest = 0, largest_inside = 0;
    for (int i = 0; i < w * h; i++) {
        if (work->mask[i] != MF_CANDIDATE)
            continue;
        const struct region region = fill(work, levels, i, MF_MEASURED);
        if (!region.sharp)
            continue;
        if (region.mass > largest)
            largest = region.mass;
        if (region.mass > largest_inside && !touches_border(work, region.box) &&
            mf_longer_side(region.box) * INNER_PART >= mf_max(w, h))
            largest_inside = region.mass;
    }
    const int64_t reference = largest_inside > 0 ? largest_inside : largest;
    for (int i = 0; i < w * h; i++) {
        if (work->mask[i] != MF_MEASURED)
            continue;
        const struct region region = fill(work, levels, i, MF_INK);
        if (region.sharp && region.mass * MASS_PART >= reference &&
            !(largest_inside > 0 && touches_border(work, region.box))) {
            *box = mf_surround(*box, region.box.left, region.box.top);
            *box = mf_surround(*box, region.box.right - 1, region.box.bottom - 1);
        } else {
            fill(work, levels, i, MF_PAPER);
        }
    }
    return reference > 0;
}
