#include "picture_steps.h"

#include <stdlib.h>
#include <string.h>

enum {
    MIN_CONTRAST = 20,     /* of 255: less is paper */
    NOISE_CONTRAST = 6,    /* in standard deviations of the paper: less is noise */
    EXTREME_PART = 4096,   /* this part of the pixels may lie beyond "darkest" and "lightest" */
    STRONGEST_PART = 2048, /* and beyond the strongest ink: less than the smallest digit worth finding */
};

/* The level below which `skip` of the values lie. */
static int quantile(const int *histogram, int levels, int skip)
{
    int i = 0;
    while (i < levels - 1 && skip >= histogram[i])
        skip -= histogram[i++];
    return i;
}

enum { FRACTION = 16 }; /* of a mean */

/* The mean of each pixel's row from `reach` pixels before it to as many after it, times FRACTION. */
static void average_rows(const struct mf_picture_work *work, int reach, uint16_t *means)
{
    const int w = work->width, h = work->height;
    for (int y = 0; y < h; y++) {
        uint32_t sum = 0;
        for (int x = -reach; x < w; x++) {
            sum += x + reach < w ? work->grey[y * w + x + reach] : 0;
            sum -= x - reach > 0 ? work->grey[y * w + x - reach - 1] : 0;
            if (x >= 0)
                means[y * w + x] =
                    (uint16_t)(sum * FRACTION / (uint32_t)(mf_min(w - 1, x + reach) - mf_max(0, x - reach) + 1));
        }
    }
}

/* Every pixel is compared with the mean around it (over half the longer side), because a dim photo is all dark, and a
 * lens darkens the corners. */
bool mf_border_is_light(struct mf_picture_work *work)
{
    enum { LEVELS = 512 };
    const int w = work->width, h = work->height, reach = mf_max(1, mf_max(w, h) / 4);
    int all[LEVELS] = {0}, border[LEVELS] = {0}, border_count = 0;
    uint16_t *const means = work->queue;
    average_rows(work, reach, means);
    memset(work->columns, 0, sizeof work->columns);
    for (int y = -reach; y < h; y++)
        for (int x = 0; x < w; x++) {
            work->columns[x] += y + reach < h ? means[(y + reach) * w + x] : 0;
            work->columns[x] -= y - reach > 0 ? means[(y - reach - 1) * w + x] : 0;
            if (y < 0)
                continue;
            const int rows = mf_min(h - 1, y + reach) - mf_max(0, y - reach) + 1;
            const int level = work->grey[y * w + x] - (int)(work->columns[x] / (uint32_t)rows / FRACTION) + LEVELS / 2;
            all[level]++;
            if (y == 0 || x == 0 || y == h - 1 || x == w - 1) {
                border[level]++;
                border_count++;
            }
        }
    const int middle = quantile(border, LEVELS, border_count / 2), extreme = w * h / EXTREME_PART;
    const int darkest = quantile(all, LEVELS, extreme), lightest = quantile(all, LEVELS, w * h - 1 - extreme);
    return middle - darkest >= lightest - middle;
}

/* The paper is the grey picture closed by a square window: what is dark and narrower than the window is ink, what is
 * wider is shade. The window is three eighths of the longer side, wider than the strokes of a bold digit that fills the
 * picture; at the border half a window will do. Ink is measured as a share of the paper's light, so that it weighs the
 * same in the shade. */
void mf_separate_ink(struct mf_picture_work *work)
{
    const int w = work->width, h = work->height, window = mf_max(3, mf_max(w, h) * 3 / 8), half = window / 2;
    const int columns = w + 2 * half, rows = h + 2 * half;
    uint8_t *const plane = work->plane;
    for (int y = 0; y < rows; y++) {
        memset(plane + y * MF_PLANE_SIDE, 0, (size_t)columns);
        if (y >= half && y < half + h)
            memcpy(plane + y * MF_PLANE_SIDE + half, work->grey + (y - half) * w, (size_t)w);
    }
    mf_window_extremes(plane, rows, columns, window, false);
    /* Windows that would end outside do not count. */
    for (int y = 0; y < rows; y++) {
        const int from = y > rows - window ? 0 : columns - window + 1;
        memset(plane + y * MF_PLANE_SIDE + from, 255, (size_t)(columns - from));
    }
    mf_window_extremes(plane, rows, columns, window, true);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const int paper = plane[(y + half) * MF_PLANE_SIDE + x + half], grey = work->grey[y * w + x];
            /* Where the paper itself is nearly black, noise must not become ink. */
            work->ink[y * w + x] = (uint8_t)(paper > grey ? (paper - grey) * 255 / mf_max(paper, 32) : 0);
        }
}

bool mf_is_sharp(const struct mf_picture_work *work, const struct mf_ink_levels *levels, int x, int y)
{
    const int w = work->width, h = work->height, step = mf_max(2, mf_max(w, h) / 32);
    const uint8_t *const at = work->ink + y * w + x;
    int weakest = at[0];
    weakest = x >= step ? mf_min(weakest, at[-step]) : weakest;
    weakest = x + step < w ? mf_min(weakest, at[step]) : weakest;
    weakest = y >= step ? mf_min(weakest, at[-step * w]) : weakest;
    weakest = y + step < h ? mf_min(weakest, at[step * w]) : weakest;
    return 2 * (weakest - levels->paper) < at[0] - levels->paper &&
           at[0] - weakest >= MIN_CONTRAST + NOISE_CONTRAST * levels->noise;
}

/* Half way between paper and ink lies the threshold, and the ink is the mean beyond it: from the strongest ink
 * downwards, until both agree. Unlike Otsu's threshold it does not depend on how little of the picture is ink. */
bool mf_measure_ink(const struct mf_picture_work *work, struct mf_ink_levels *levels)
{
    const int w = work->width, count = w * work->height;
    int all[256] = {0}, changes[256] = {0}, sharp[256] = {0}, sharp_count = 0;
    for (int i = 0; i < count; i++) {
        all[work->ink[i]]++;
        changes[abs(work->ink[i] - work->ink[mf_max(0, i - 2)])]++;
    }
    levels->paper = quantile(all, 256, count / 2);
    levels->noise = quantile(changes, 256, count / 2);
    for (int i = 0; i < count; i++)
        if (mf_is_sharp(work, levels, i % w, i / w)) {
            sharp[work->ink[i]]++;
            sharp_count++;
        }
    if (sharp_count == 0)
        return false;
    levels->ink = quantile(sharp, 256, sharp_count - 1 - sharp_count / STRONGEST_PART);
    for (;;) {
        int64_t sum = 0, pixels = 0;
        for (int i = (levels->paper + levels->ink) / 2 + 1; i < 256; i++) {
            sum += (int64_t)i * sharp[i];
            pixels += sharp[i];
        }
        if (pixels == 0 || sum / pixels >= levels->ink)
            break;
        levels->ink = (int)(sum / pixels);
    }
    levels->low = levels->paper + mf_max((levels->ink - levels->paper) / 4, 3 * levels->noise);
    return true;
}
