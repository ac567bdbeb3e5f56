#include "picture_steps.h"

/* Adds weight times a row: width pixels become `out` sums, each `out` times the area under it. */
static void shrink_row(const uint8_t *row, int width, int out, uint64_t weight, uint64_t *sums)
{
    for (int x = 0; x < out; x++) {
        const int64_t left = (int64_t)x * width, right = left + width;
        const int first = (int)(left / out), last = (int)((right - 1) / out);
        int64_t whole = 0;
        for (int i = first; i <= last; i++)
            whole += row[i];
        const int64_t before = left - (int64_t)first * out, after = (int64_t)(last + 1) * out - right;
        sums[x] += weight * (uint64_t)(whole * out - before * row[first] - after * row[last]);
    }
}

void mf_shrink(struct mf_picture_work *work, const mnist_fast_picture *picture, struct mf_area part, bool invert)
{
    const int width = part.right - part.left, height = part.bottom - part.top, longer = mf_longer_side(part);
    const int64_t side = mf_min(longer, MF_WORK_SIDE);
    work->width = mf_max(1, (int)((width * side + longer / 2) / longer));
    work->height = mf_max(1, (int)((height * side + longer / 2) / longer));
    const uint64_t area = (uint64_t)width * (uint64_t)height;
    for (int y = 0; y < work->height; y++) {
        uint64_t sums[MF_WORK_SIDE] = {0};
        const int64_t top = (int64_t)y * height, bottom = top + height;
        for (int64_t i = top / work->height; i * work->height < bottom; i++) {
            const int64_t begin = i * work->height, end = begin + work->height;
            const int64_t covered = (end < bottom ? end : bottom) - (begin > top ? begin : top);
            shrink_row(picture->grey + (size_t)(part.top + i) * picture->stride + part.left, width, work->width,
                       (uint64_t)covered, sums);
        }
        for (int x = 0; x < work->width; x++) {
            const uint8_t level = (uint8_t)((sums[x] + area / 2) / area);
            work->grey[y * work->width + x] = invert ? (uint8_t)(255 - level) : level;
        }
    }
}

/* Within the rows, then across them. Windows of 1, 2, 4, … values are joined in place. */
void mf_window_extremes(uint8_t *plane, int rows, int columns, int window, bool smallest)
{
    for (int reach = 1, step; reach < window; reach += step) {
        step = mf_min(reach, window - reach);
        for (int y = 0; y < rows; y++) {
            uint8_t *const row = plane + y * MF_PLANE_SIDE;
            if (smallest)
                for (int x = columns - 1; x >= step; x--)
                    row[x] = row[x - step] < row[x] ? row[x - step] : row[x];
            else
                for (int x = 0; x < columns - step; x++)
                    row[x] = row[x + step] > row[x] ? row[x + step] : row[x];
        }
    }
    for (int reach = 1, step; reach < window; reach += step) {
        step = mf_min(reach, window - reach);
        for (int i = 0; i < rows - step; i++) {
            uint8_t *const row = plane + (smallest ? rows - 1 - i : i) * MF_PLANE_SIDE;
            const uint8_t *const other = smallest ? row - step * MF_PLANE_SIDE : row + step * MF_PLANE_SIDE;
            for (int x = 0; x < columns; x++)
                row[x] = (smallest ? other[x] < row[x] : other[x] > row[x]) ? other[x] : row[x];
        }
    }
}
