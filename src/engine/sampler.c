#include "sampler.h"

#include "base/error.h"
#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 28 }; /* of an image */

static size_t held_out(size_t count, double share)
{
    const size_t held = (size_t)((double)count * share + 0.5);
    return held < count ? held : count - 1;
}

void mnist_fast_split_counts(size_t images, double fraction, size_t *train, size_t *validation)
{
    const size_t held = images && fraction >= 0 && fraction < 1 ? held_out(images, fraction) : 0;
    if (train)
        *train = images - held;
    if (validation)
        *validation = held;
}

mnist_fast_status mf_split_make(uint64_t seed, size_t count, double share, struct mf_split *split,
                                mnist_fast_error *error)
{
    memset(split, 0, sizeof *split);
    if (count < 1 || count > MNIST_FAST_MAX_IMAGES) {
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "%zu images to split (expected 1 to %d)", count,
                       MNIST_FAST_MAX_IMAGES);
    }
    if (!(share >= 0 && share < 1)) {
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "a validation fraction of %g (expected 0 <= fraction < 1)",
                       share);
    }
    const size_t held = held_out(count, share);
    mnist_fast_status status = MNIST_FAST_OK;
    uint8_t *is_held = calloc(count, 1);
    split->train = malloc(count * sizeof *split->train); /* holds the permutation first */
    split->validation = malloc((held > 0 ? held : 1) * sizeof *split->validation);
    if (!is_held || !split->train || !split->validation) {
        status = mf_fail(error, MNIST_FAST_NO_MEMORY, "not enough memory to split %zu images", count);
        goto done;
    }
    /* Partial Fisher-Yates shuffle: only the first `held` places are needed. */
    uint32_t *permutation = split->train;
    for (size_t i = 0; i < count; i++)
        permutation[i] = (uint32_t)i;
    for (size_t i = 0; i < held; i++) {
        const size_t j = i + mf_random_below(mf_random(seed, MF_STREAM_SPLIT, i), (uint32_t)(count - i));
        const uint32_t drawn = permutation[j];
        permutation[j] = permutation[i];
        is_held[drawn] = 1;
    }
    for (size_t i = 0; i < count; i++)
        if (is_held[i])
            split->validation[split->validation_count++] = (uint32_t)i;
        else
            split->train[split->train_count++] = (uint32_t)i;
done:
    free(is_held);
    if (status)
        mf_split_free(split);
    return status;
}

void mf_split_free(struct mf_split *split)
{
    free(split->train);
    free(split->validation);
    memset(split, 0, sizeof *split);
}

void mf_epoch_order(const uint32_t *indices, size_t count, size_t size, uint64_t seed, uint32_t epoch, uint32_t *buffer,
                    uint32_t *order)
{
    size_t filled = size < count ? size : count;
    assert(size >= 1);
    memcpy(buffer, indices, filled * sizeof *buffer);
    size_t next = filled;
    uint32_t random[4];
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            mf_random_block(seed, MF_STREAM_ORDER + epoch, i / 4, random);
        const uint32_t j = mf_random_below(random[i % 4], (uint32_t)filled);
        order[i] = buffer[j];
        if (next < count)
            buffer[j] = indices[next++];
        else
            buffer[j] = buffer[--filled];
    }
}

/* The skew from the image's moments, as deslanting takes it away: the covariance of x and y over the variance of y. */
static int skew_of(const uint8_t *pixels)
{
    int64_t ink = 0, x = 0, y = 0, xy = 0, yy = 0; /* integers, so that no rounding decides */
    for (int row = 0; row < SIDE; row++) {
        int sum = 0, moment = 0;
        for (int column = 0; column < SIDE; column++) {
            const int pixel = pixels[row * SIDE + column];
            sum += pixel;
            moment += pixel * column;
        }
        ink += sum;
        x += moment;
        y += (int64_t)sum * row;
        xy += (int64_t)moment * row;
        yy += (int64_t)sum * row * row;
    }
    const int64_t variance = ink * yy - y * y, covariance = ink * xy - x * y;
    const int64_t upright = MF_SKEWS / 2, step = 10; /* the step is a tenth of a column a row */
    if (variance == 0)
        return upright;
    const int64_t skew = (step * covariance + upright * variance) / variance;
    return skew < 0 ? 0 : skew < MF_SKEWS ? (int)skew : MF_SKEWS - 1;
}

uint8_t mf_sort_key(const uint8_t *pixels, uint8_t label)
{
    return (uint8_t)(label * MF_SKEWS + skew_of(pixels));
}

void mf_sort_batches(const uint8_t *sort_keys, size_t batch, uint32_t *buffer, uint32_t *order, size_t count)
{
    for (size_t begin = 0; begin < count; begin += batch) {
        const size_t size = count - begin < batch ? count - begin : batch;
        uint32_t *const part = order + begin;
        size_t place[MF_SORT_KEYS + 1] = {0}; /* where the next image of each kind goes */
        for (size_t i = 0; i < size; i++)
            place[sort_keys[part[i]] + 1]++;
        for (int key = 0; key < MF_SORT_KEYS; key++)
            place[key + 1] += place[key];
        for (size_t i = 0; i < size; i++)
            buffer[place[sort_keys[part[i]]]++] = part[i];
        memcpy(part, buffer, size * sizeof *part);
    }
}
