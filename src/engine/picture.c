/* mnist_fast_prepare_picture. */
#include "picture_steps.h"

#include "base/error.h"

#include <stdlib.h>

/* Two rounds of the same steps: the first finds where the ink is in the whole picture, the second works on that part
 * at a finer scale. A round shrinks its part, estimates the paper behind the ink, and keeps the connected regions that
 * differ from it. The parameters were chosen on digits of the training set; the results on test digits are printed by
 * tests/test_recognition.c. */
enum {
    ROUNDS = 2,
    MAX_SIDE = 65535,
    MIN_INK = 8, /* pixels of the picture: a smaller spot is dust */
};

/* The part of the picture that box covers, with a margin of a quarter around it. box: in pixels of work, which shows
 * `part` of the picture. */
static struct mf_area with_margin(const struct mf_picture_work *work, struct mf_area part, struct mf_area box)
{
    const int64_t width = part.right - part.left, height = part.bottom - part.top;
    const int w = work->width, h = work->height, margin = mf_longer_side(box) / 4 + 2;
    return (struct mf_area){
        part.left + (int)(mf_max(0, box.left - margin) * width / w),
        part.top + (int)(mf_max(0, box.top - margin) * height / h),
        part.left + (int)((mf_min(w, box.right + margin) * width + w - 1) / w),
        part.top + (int)((mf_min(h, box.bottom + margin) * height + h - 1) / h),
    };
}

/* The 28 x 28 pixels as they are. */
static mnist_fast_status copy_raw(const mnist_fast_picture *picture, bool invert, uint8_t pixels[MNIST_FAST_PIXELS],
                                  mnist_fast_error *error)
{
    bool blank = true;
    for (int i = 0; i < MNIST_FAST_PIXELS; i++)
        blank =
            blank && picture->grey[(size_t)(i / MF_SIDE) * picture->stride + (size_t)(i % MF_SIDE)] == picture->grey[0];
    if (blank)
        return mf_fail(error, MNIST_FAST_BAD_DATA, "the picture is blank (all pixels are %d); give one with a digit",
                       picture->grey[0]);
    for (int i = 0; i < MNIST_FAST_PIXELS; i++) {
        const uint8_t level = picture->grey[(size_t)(i / MF_SIDE) * picture->stride + (size_t)(i % MF_SIDE)];
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
    if (raw && (width != MF_SIDE || height != MF_SIDE))
        return mf_fail(
            error, MNIST_FAST_BAD_DATA,
            "the picture has %d x %d pixels (expected 28 x 28 to take it raw); scale it, or do not ask for raw", width,
            height);
    if (raw)
        return copy_raw(picture, invert == MNIST_FAST_INVERT_YES, pixels, error);

    struct mf_picture_work *const work = malloc(sizeof *work);
    if (!work)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "not enough memory for %zu bytes", sizeof *work);
    mnist_fast_status status = MNIST_FAST_OK;
    struct mf_area part = {0, 0, width, height}, box = {0};
    struct mf_ink_levels levels = {0};
    mf_shrink(work, picture, part, false);
    const bool light = invert == MNIST_FAST_INVERT_AUTO ? mf_border_is_light(work) : invert == MNIST_FAST_INVERT_YES;
    if (!light && width == MF_SIDE && height == MF_SIDE) {
        status = copy_raw(picture, false, pixels, error);
        goto done;
    }
    for (int round = 0; round < ROUNDS; round++) {
        if (round > 0)
            part = with_margin(work, part, box);
        mf_shrink(work, picture, part, !light);
        mf_separate_ink(work);
        const bool found = mf_measure_ink(work, &levels) && mf_find_ink(work, &levels, &box);
        const int64_t size = (int64_t)mf_longer_side(box) * mf_longer_side(part) / mf_max(work->width, work->height);
        if (!found || size < MIN_INK) {
            status = mf_fail(error, MNIST_FAST_BAD_DATA,
                             "the picture is blank (no ink found on its %s ground); give one with a digit, or set "
                             "invert (the program: --invert yes or no)",
                             light ? "light" : "dark");
            goto done;
        }
    }
    mf_draw_digit(work, &levels, box, pixels);
done:
    free(work);
    return status;
}
