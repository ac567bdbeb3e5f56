/* mnist_fast_prepare_picture. */
#include "base/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Two rounds of the same steps: the first finds where the ink is in the whole picture, the second works on that part
 * at a finer scale. A round shrinks its part to at most WORK pixels a side, estimates the paper behind the ink, and
 * keeps the connected regions that differ from it. The parameters were chosen on digits of the training set; the
 * results on test digits are printed by tests/test_recognition.c. */
enum {
    SIDE = 28,
    LONGER_SIDE = 20, /* of the ink, in pixels of the result: MNIST's */
    WORK = 256,
    PLANE = 2 * WORK, /* room for half a window around the working picture */
    ROUNDS = 2,
    MAX_SIDE = 65535,
    /* A region touching the border (a shadow, the edge of the table) is dropped if one inside is at least this part of
     * the longer side. */
    INNER_PART = 12,
    MIN_CONTRAST = 20,     /* of 255: less is paper */
    NOISE_CONTRAST = 6,    /* in standard deviations of the paper: less is noise */
    MIN_INK = 8,           /* pixels of the picture: a smaller spot is dust */
    EXTREME_PART = 4096,   /* this part of the pixels may lie beyond "darkest" and "lightest" */
    STRONGEST_PART = 2048, /* and beyond the strongest ink: less than the smallest digit worth finding */
};

struct area {
    int left, top, right, bottom; /* right and bottom are past the last pixel */
};

/* What the mask says of a pixel. Regions go from CANDIDATE to MEASURED to INK or PAPER. */
enum { PAPER, CANDIDATE, MEASURED, INK };

struct region {
    struct area box;
    int64_t mass; /* how much darker than the threshold, summed */
    bool sharp;   /* has an edge where the ink is at least half as strong as most of it */
};

struct levels {
    int paper, noise, ink; /* median of the paper, its standard deviation, mean of the ink */
    int low;               /* weaker is paper */
};

struct work {
    int width, height;
    uint8_t grey[WORK * WORK]; /* dark ink on light paper */
    uint8_t ink[WORK * WORK];  /* how much darker than the paper, 255: reflects nothing */
    uint8_t mask[WORK * WORK];
    uint8_t plane[PLANE * PLANE];
    uint16_t queue[WORK * WORK];
    uint32_t columns[WORK];
};

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static int longer_side(struct area area)
{
    return most(area.right - area.left, area.bottom - area.top);
}

static struct area surround(struct area area, int x, int y)
{
    return (struct area){least(area.left, x), least(area.top, y), most(area.right, x + 1), most(area.bottom, y + 1)};
}

/* ---- scaling ---- */

/* width pixels become `out` sums, each out times the area under it. */
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

/* Area filter: every pixel of the result is the exact mean of what lies under it, rounded once. Never enlarges. */
static void shrink(struct work *work, const mnist_fast_picture *picture, struct area part, bool invert)
{
    const int width = part.right - part.left, height = part.bottom - part.top, longer = longer_side(part);
    const int64_t side = least(longer, WORK);
    work->width = most(1, (int)((width * side + longer / 2) / longer));
    work->height = most(1, (int)((height * side + longer / 2) / longer));
    const uint64_t area = (uint64_t)width * (uint64_t)height;
    for (int y = 0; y < work->height; y++) {
        uint64_t sums[WORK] = {0};
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

/* ---- paper and ink ---- */

static int quantile(const int *histogram, int levels, int skip)
{
    int i = 0;
    while (i < levels - 1 && skip >= histogram[i])
        skip -= histogram[i++];
    return i;
}

/* Whether most of the border is nearer to the lightest than to the darkest of the picture, each compared with the mean
 * around it (over half the longer side), because a dim photo is all dark, and a lens darkens the corners. */
static bool border_is_light(struct work *work)
{
    const int w = work->width, h = work->height, reach = most(1, most(w, h) / 4);
    enum { LEVELS = 512, FRACTION = 16 };
    int all[LEVELS] = {0}, border[LEVELS] = {0}, border_count = 0;
    uint16_t *const means = work->queue; /* along the row, in sixteenths */
    for (int y = 0; y < h; y++) {
        uint32_t sum = 0;
        for (int x = -reach; x < w; x++) {
            sum += x + reach < w ? work->grey[y * w + x + reach] : 0;
            sum -= x - reach > 0 ? work->grey[y * w + x - reach - 1] : 0;
            if (x >= 0)
                means[y * w + x] =
                    (uint16_t)(sum * FRACTION / (uint32_t)(least(w - 1, x + reach) - most(0, x - reach) + 1));
        }
    }
    memset(work->columns, 0, sizeof work->columns);
    for (int y = -reach; y < h; y++)
        for (int x = 0; x < w; x++) {
            work->columns[x] += y + reach < h ? means[(y + reach) * w + x] : 0;
            work->columns[x] -= y - reach > 0 ? means[(y - reach - 1) * w + x] : 0;
            if (y < 0)
                continue;
            const int rows = least(h - 1, y + reach) - most(0, y - reach) + 1;
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

/* Replaces every value by the largest of the window that begins there (or, with `smallest`, by the smallest of the one
 * that ends there), over `columns` of each of `rows`, then over the rows: windows of 1, 2, 4 … joined in place. */
static void window_extremes(uint8_t *plane, int rows, int columns, int window, bool smallest)
{
    for (int reach = 1, step; reach < window; reach += step) {
        step = least(reach, window - reach);
        for (int y = 0; y < rows; y++) {
            uint8_t *const row = plane + y * PLANE;
            if (smallest)
                for (int x = columns - 1; x >= step; x--)
                    row[x] = row[x - step] < row[x] ? row[x - step] : row[x];
            else
                for (int x = 0; x < columns - step; x++)
                    row[x] = row[x + step] > row[x] ? row[x + step] : row[x];
        }
    }
    for (int reach = 1, step; reach < window; reach += step) {
        step = least(reach, window - reach);
        for (int i = 0; i < rows - step; i++) {
            uint8_t *const row = plane + (smallest ? rows - 1 - i : i) * PLANE;
            const uint8_t *const other = smallest ? row - step * PLANE : row + step * PLANE;
            for (int x = 0; x < columns; x++)
                row[x] = (smallest ? other[x] < row[x] : other[x] > row[x]) ? other[x] : row[x];
        }
    }
}

/* The paper is the grey picture closed by a square window: what is dark and narrower than the window is ink, what is
 * wider is shade. The window is three eighths of the longer side, wider than the strokes of a bold digit that fills the
 * picture; at the border half a window will do. Ink is measured as a share of the paper's light, so that it weighs the
 * same in the shade. */
static void separate(struct work *work)
{
    const int w = work->width, h = work->height, window = most(3, most(w, h) * 3 / 8), half = window / 2;
    const int columns = w + 2 * half, rows = h + 2 * half;
    uint8_t *const plane = work->plane;
    for (int y = 0; y < rows; y++) {
        memset(plane + y * PLANE, 0, (size_t)columns);
        if (y >= half && y < half + h)
            memcpy(plane + y * PLANE + half, work->grey + (y - half) * w, (size_t)w);
    }
    window_extremes(plane, rows, columns, window, false);
    /* Windows that would end outside do not count. */
    for (int y = 0; y < rows; y++) {
        const int from = y > rows - window ? 0 : columns - window + 1;
        memset(plane + y * PLANE + from, 255, (size_t)(columns - from));
    }
    window_extremes(plane, rows, columns, window, true);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const int paper = plane[(y + half) * PLANE + x + half], grey = work->grey[y * w + x];
            /* Where the paper itself is nearly black, noise must not become ink. */
            work->ink[y * w + x] = (uint8_t)(paper > grey ? (paper - grey) * 255 / most(paper, 32) : 0);
        }
}

/* Whether the ink at (x, y) has an edge within a thirty-second of the longer side: something less than half as strong,
 * by more than noise. Shade has none. */
static bool is_sharp(const struct work *work, const struct levels *levels, int x, int y)
{
    const int w = work->width, h = work->height, step = most(2, most(w, h) / 32);
    const uint8_t *const at = work->ink + y * w + x;
    int weakest = at[0];
    weakest = x >= step ? least(weakest, at[-step]) : weakest;
    weakest = x + step < w ? least(weakest, at[step]) : weakest;
    weakest = y >= step ? least(weakest, at[-step * w]) : weakest;
    weakest = y + step < h ? least(weakest, at[step * w]) : weakest;
    return 2 * (weakest - levels->paper) < at[0] - levels->paper &&
           at[0] - weakest >= MIN_CONTRAST + NOISE_CONTRAST * levels->noise;
}

/* Half way between paper and ink lies the threshold, and the ink is the mean beyond it: from the strongest ink
 * downwards, until both agree. Unlike Otsu's threshold it does not depend on how little of the picture is ink. False
 * when there is none. */
static bool measure_levels(const struct work *work, struct levels *levels)
{
    const int w = work->width, count = w * work->height;
    int all[256] = {0}, changes[256] = {0}, sharp[256] = {0}, sharp_count = 0;
    for (int i = 0; i < count; i++) {
        all[work->ink[i]]++;
        changes[abs(work->ink[i] - work->ink[most(0, i - 2)])]++;
    }
    levels->paper = quantile(all, 256, count / 2);
    levels->noise = quantile(changes, 256, count / 2);
    for (int i = 0; i < count; i++)
        if (is_sharp(work, levels, i % w, i / w)) {
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
    levels->low = levels->paper + most((levels->ink - levels->paper) / 4, 3 * levels->noise);
    return true;
}

/* ---- regions ---- */

/* Marks the connected pixels that are marked like the one at `start`, and measures them. */
static struct region fill(struct work *work, const struct levels *levels, int start, uint8_t mark)
{
    const int w = work->width, h = work->height;
    const uint8_t from = work->mask[start];
    struct region region = {{w, h, 0, 0}, 0, false};
    int waiting = 0;
    work->mask[start] = mark;
    work->queue[waiting++] = (uint16_t)start;
    while (waiting > 0) {
        const int i = work->queue[--waiting], x = i % w, y = i / w;
        region.box = surround(region.box, x, y);
        region.mass += work->ink[i] - levels->low;
        region.sharp = region.sharp || (2 * work->ink[i] > levels->paper + levels->ink && is_sharp(work, levels, x, y));
        for (int v = most(0, y - 1); v <= least(h - 1, y + 1); v++)
            for (int u = most(0, x - 1); u <= least(w - 1, x + 1); u++)
                if (work->mask[v * w + u] == from) {
                    work->mask[v * w + u] = mark;
                    work->queue[waiting++] = (uint16_t)(v * w + u);
                }
    }
    return region;
}

static bool touches_border(const struct work *work, struct area box)
{
    return box.left == 0 || box.top == 0 || box.right == work->width || box.bottom == work->height;
}

/* Marks what belongs to the digit as INK: regions with a sharp edge (shade has none), that are not much smaller than
 * the largest. False when there are none. */
static bool find_ink(struct work *work, const struct levels *levels, struct area *box)
{
    const int w = work->width, h = work->height;
    *box = (struct area){w, h, 0, 0};
    for (int i = 0; i < w * h; i++)
        work->mask[i] = work->ink[i] > levels->low ? CANDIDATE : PAPER;
    int64_t largest = 0, largest_inside = 0;
    for (int i = 0; i < w * h; i++) {
        if (work->mask[i] != CANDIDATE)
            continue;
        const struct region region = fill(work, levels, i, MEASURED);
        if (!region.sharp)
            continue;
        if (region.mass > largest)
            largest = region.mass;
        if (region.mass > largest_inside && !touches_border(work, region.box) &&
            longer_side(region.box) * INNER_PART >= most(w, h))
            largest_inside = region.mass;
    }
    const int64_t main = largest_inside > 0 ? largest_inside : largest;
    for (int i = 0; i < w * h; i++) {
        if (work->mask[i] != MEASURED)
            continue;
        const struct region region = fill(work, levels, i, INK);
        if (region.sharp && region.mass * 20 >= main && !(largest_inside > 0 && touches_border(work, region.box))) {
            *box = surround(*box, region.box.left, region.box.top);
            *box = surround(*box, region.box.right - 1, region.box.bottom - 1);
        } else {
            fill(work, levels, i, PAPER);
        }
    }
    return main > 0;
}

/* ---- the result ---- */

/* Copies the ink of box into the plane at (shift, shift), stretched so that the paper is 0 and most of the ink 255. A
 * pixel beside the ink keeps its part of a soft edge; all others are paper. */
static void stretch(struct work *work, const struct levels *levels, struct area box, int shift)
{
    const int w = work->width, h = work->height, high = (levels->paper + 9 * levels->ink) / 10;
    memset(work->plane, 0, sizeof work->plane);
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            bool near = false;
            for (int v = most(0, y - 1); v <= least(h - 1, y + 1); v++)
                for (int u = most(0, x - 1); u <= least(w - 1, x + 1); u++)
                    near = near || work->mask[v * w + u] == INK;
            const int ink = near ? work->ink[y * w + x] : 0;
            const int level = ink <= levels->low ? 0
                              : ink >= high      ? 255
                                                 : (ink - levels->low) * 255 / (high - levels->low);
            work->plane[(y - box.top + shift) * PLANE + x - box.left + shift] = (uint8_t)level;
        }
}

/* By how many pixels the strokes have to grow. MNIST's are 2.45 pixels wide on average where the longer side is 20, and
 * 4 of 100 digits have strokes below 1.5; what is thinner is drawn 2.5 wide. The width is twice the area over the
 * perimeter, and the perimeter is pi / 4 of the pixel edges along it. */
static int missing_width(const struct work *work, struct area box)
{
    int64_t area = 0, edges = 0;
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            const uint8_t *const at = work->plane + y * PLANE + x;
            area += at[0] >= 128;
            edges += (at[0] >= 128) != (at[1] >= 128);
            edges += (at[0] >= 128) != (at[PLANE] >= 128);
            edges += x == box.left && at[0] >= 128;
            edges += y == box.top && at[0] >= 128;
        }
    const int64_t longer = longer_side(box);
    /* width = 28 area / (11 edges), below 1.5 / 20 of longer; grown by g, (width + g) / (longer + g) = 2.5 / 20. */
    if (edges == 0 || 1120 * area >= 33 * longer * edges)
        return 0;
    return (int)((11 * edges * longer - 224 * area) / (77 * edges));
}

/* The area filter again, with the centre of mass in the middle of pixel (14, 14): that is where MNIST has it (measured:
 * 14.50 ± 0.29 from the edge, both ways). Lengths are in fortieths of a pixel of the plane. */
static void place(const struct work *work, struct area box, uint8_t pixels[MNIST_FAST_PIXELS])
{
    enum { UNIT = 2 * LONGER_SIDE };
    int64_t mass = 0, across = 0, down = 0;
    struct area core = {PLANE, PLANE, 0, 0}; /* the edge of the ink: a fifth of full strength */
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            const int ink = work->plane[y * PLANE + x];
            mass += ink;
            across += (int64_t)ink * (2 * x + 1);
            down += (int64_t)ink * (2 * y + 1);
            if (ink >= 51)
                core = surround(core, x, y);
        }
    const int pixel = 2 * longer_side(core); /* of the result */
    const int left = (int)(across * (UNIT / 2) / mass) - pixel * SIDE / 2 - pixel / 2;
    const int top = (int)(down * (UNIT / 2) / mass) - pixel * SIDE / 2 - pixel / 2;
    for (int i = 0; i < MNIST_FAST_PIXELS; i++) {
        const int x0 = left + i % SIDE * pixel, y0 = top + i / SIDE * pixel, x1 = x0 + pixel, y1 = y0 + pixel;
        int64_t sum = 0;
        for (int y = most(box.top, y0 / UNIT); y < box.bottom && y * UNIT < y1; y++)
            for (int x = most(box.left, x0 / UNIT); x < box.right && x * UNIT < x1; x++) {
                const int wide = least(x1, (x + 1) * UNIT) - most(x0, x * UNIT);
                const int high = least(y1, (y + 1) * UNIT) - most(y0, y * UNIT);
                sum += (int64_t)most(wide, 0) * most(high, 0) * work->plane[y * PLANE + x];
            }
        const int64_t area = (int64_t)pixel * pixel;
        pixels[i] = (uint8_t)((sum + area / 2) / area);
    }
}

static void draw(struct work *work, const struct levels *levels, struct area box, uint8_t pixels[MNIST_FAST_PIXELS])
{
    struct area ink = {1, 1, 1 + box.right - box.left, 1 + box.bottom - box.top};
    stretch(work, levels, box, 1);
    const int grow = missing_width(work, ink);
    if (grow > 0) {
        stretch(work, levels, box, 1 + grow);
        ink.right += grow;
        ink.bottom += grow;
        window_extremes(work->plane, ink.bottom + grow, ink.right + grow, 1 + grow, false);
    }
    place(work, ink, pixels);
}

/* ---- all of it ---- */

/* The part of the picture below box and a margin of a quarter around it. */
static struct area enlarge(const struct work *work, struct area part, struct area box)
{
    const int64_t width = part.right - part.left, height = part.bottom - part.top;
    const int w = work->width, h = work->height, margin = longer_side(box) / 4 + 2;
    return (struct area){
        part.left + (int)(most(0, box.left - margin) * width / w),
        part.top + (int)(most(0, box.top - margin) * height / h),
        part.left + (int)((least(w, box.right + margin) * width + w - 1) / w),
        part.top + (int)((least(h, box.bottom + margin) * height + h - 1) / h),
    };
}

static mnist_fast_status take_as_it_is(const mnist_fast_picture *picture, bool invert,
                                       uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error)
{
    bool blank = true;
    for (int i = 0; i < MNIST_FAST_PIXELS; i++)
        blank = blank && picture->grey[(size_t)(i / SIDE) * picture->stride + (size_t)(i % SIDE)] == picture->grey[0];
    if (blank)
        return mf_fail(error, MNIST_FAST_BAD_DATA, "the picture is blank (all pixels are %d); give one with a digit",
                       picture->grey[0]);
    for (int i = 0; i < MNIST_FAST_PIXELS; i++) {
        const uint8_t level = picture->grey[(size_t)(i / SIDE) * picture->stride + (size_t)(i % SIDE)];
        pixels[i] = invert ? (uint8_t)(255 - level) : level;
    }
    return MNIST_FAST_OK;
}

mnist_fast_status mnist_fast_prepare_picture(const mnist_fast_picture *picture, mnist_fast_invert invert, int raw,
                                             uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error)
{
    if (!picture || !picture->grey || !pixels)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "picture, its grey levels or pixels is NULL; give all of them");
    const int width = picture->width, height = picture->height;
    if (width < 1 || width > MAX_SIDE || height < 1 || height > MAX_SIDE || picture->stride < (size_t)width)
        return mf_fail(
            error, MNIST_FAST_BAD_ARGUMENT,
            "the picture has %d x %d pixels, %zu bytes a row (expected 1 to %d a side, and a row at least as "
            "long as it is wide)",
            width, height, picture->stride, MAX_SIDE);
    if (invert != MNIST_FAST_INVERT_AUTO && invert != MNIST_FAST_INVERT_YES && invert != MNIST_FAST_INVERT_NO)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "invert is %d (expected auto, yes or no)", (int)invert);
    if (raw && (width != SIDE || height != SIDE))
        return mf_fail(
            error, MNIST_FAST_BAD_DATA,
            "the picture has %d x %d pixels (expected 28 x 28 to take it raw); scale it, or do not ask for raw", width,
            height);
    if (raw)
        return take_as_it_is(picture, invert == MNIST_FAST_INVERT_YES, pixels, error);

    struct work *const work = malloc(sizeof *work);
    if (!work)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "not enough memory for %zu bytes", sizeof *work);
    mnist_fast_status status = MNIST_FAST_OK;
    struct area part = {0, 0, width, height}, box = {0};
    struct levels levels = {0};
    shrink(work, picture, part, false);
    const bool light = invert == MNIST_FAST_INVERT_AUTO ? border_is_light(work) : invert == MNIST_FAST_INVERT_YES;
    if (!light && width == SIDE && height == SIDE) {
        status = take_as_it_is(picture, false, pixels, error);
        goto done;
    }
    for (int round = 0; round < ROUNDS; round++) {
        if (round > 0)
            part = enlarge(work, part, box);
        shrink(work, picture, part, !light);
        separate(work);
        const bool found = measure_levels(work, &levels) && find_ink(work, &levels, &box);
        const int64_t size = (int64_t)longer_side(box) * longer_side(part) / most(work->width, work->height);
        if (!found || size < MIN_INK) {
            status = mf_fail(error, MNIST_FAST_BAD_DATA,
                             "the picture is blank (no ink found on its %s ground); give one with a digit, or say "
                             "whether to invert it",
                             light ? "light" : "dark");
            goto done;
        }
    }
    draw(work, &levels, box, pixels);
done:
    free(work);
    return status;
}
