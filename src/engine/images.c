#include "images.h"

#include "base/error.h"

mnist_fast_status mf_check_labels(const mnist_fast_images *images, mnist_fast_error *error)
{
    if (!images || !images->pixels || !images->labels || !images->count || images->count > MNIST_FAST_MAX_IMAGES)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "images: expected 1 to %d images with labels",
                       MNIST_FAST_MAX_IMAGES);
    for (size_t i = 0; i < images->count; i++)
        if (images->labels[i] >= MNIST_FAST_CLASSES)
            return mf_fail(error, MNIST_FAST_BAD_DATA, "label of image %zu: expected 0 to 9, found %d", i,
                           images->labels[i]);
    return MNIST_FAST_OK;
}
