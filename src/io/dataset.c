/* mnist_fast_load_images: the four files of MNIST, or of a dataset like it, in a folder. */
#include "base/error.h"
#include "idx.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define ADVICE "run data/fetch, or name another folder"

/* Writes into path the first spelling of the file that exists. what: "images-idx3" or "labels-idx1". */
static mnist_fast_status find(const char *folder, const char *part, const char *what, char path[PATH_MAX],
                              mnist_fast_error *error)
{
    static const char *const endings[] = {"", ".gz"};
    static const char separators[] = {'-', '.'};
    const int stem = (int)(strchr(what, '-') - what);
    for (int ending = 0; ending < 2; ending++) {
        for (int separator = 0; separator < 2; separator++) {
            const int length = snprintf(path, PATH_MAX, "%s/%s-%.*s%c%s-ubyte%s", folder, part, stem, what,
                                        separators[separator], what + stem + 1, endings[ending]);
            if (length >= PATH_MAX)
                return mf_fail(error, MNIST_FAST_BAD_FILE, "%.80s...: the path is too long; use a shorter one", folder);
            /* A file that is there but out of reach is for the reader to explain. */
            struct stat about;
            if (stat(path, &about) == 0 || errno != ENOENT)
                return MNIST_FAST_OK;
        }
    }
    return mf_fail(error, MNIST_FAST_BAD_FILE,
                   "%s: no %s-%s-ubyte in it (nor %s-%.*s.%s-ubyte, nor either as .gz); " ADVICE, folder, part, what,
                   part, stem, what, what + stem + 1);
}

mnist_fast_status mnist_fast_load_images(const char *folder, mnist_fast_part part, int with_labels,
                                         mnist_fast_images *images, mnist_fast_error *error)
{
    if (images)
        *images = (mnist_fast_images){0};
    if (!folder || !images || (part != MNIST_FAST_TRAIN && part != MNIST_FAST_TEST))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                       "load_images: the folder or images are NULL, or an unknown part");
    const char *name = part == MNIST_FAST_TRAIN ? "train" : "t10k";
    char image_path[PATH_MAX], label_path[PATH_MAX];
    uint8_t *pixels = NULL, *labels = NULL;
    size_t count = 0, label_count = 0;
    struct stat about;
    if (stat(folder, &about) != 0)
        return mf_fail(error, MNIST_FAST_BAD_FILE, "%s: %s (expected a folder with %s-images-idx3-ubyte); " ADVICE,
                       folder, strerror(errno), name);
    if (!S_ISDIR(about.st_mode))
        return mf_fail(error, MNIST_FAST_BAD_FILE,
                       "%s: is not a folder (expected one with %s-images-idx3-ubyte); " ADVICE, folder, name);

    mnist_fast_status status = find(folder, name, "images-idx3", image_path, error);
    if (!status && with_labels)
        status = find(folder, name, "labels-idx1", label_path, error);
    if (!status)
        status = mf_idx_read_images(image_path, &pixels, &count, error);
    if (!status && with_labels)
        status = mf_idx_read_labels(label_path, &labels, &label_count, error);
    if (!status && with_labels && label_count != count)
        status = mf_fail(error, MNIST_FAST_BAD_DATA, "%s: %zu images, but %zu labels in %s; take both from one dataset",
                         image_path, count, label_count, label_path);
    if (status) {
        free(pixels);
        free(labels);
        return status;
    }
    *images = (mnist_fast_images){.pixels = pixels, .labels = labels, .count = count};
    return MNIST_FAST_OK;
}

void mnist_fast_free_images(mnist_fast_images *images)
{
    if (!images)
        return;
    free((void *)images->pixels);
    free((void *)images->labels);
    *images = (mnist_fast_images){0};
}

uint32_t mnist_fast_images_crc32(const mnist_fast_images *images)
{
    uLong crc = crc32_z(0, NULL, 0);
    if (images && images->pixels)
        crc = crc32_z(crc, images->pixels, images->count * MNIST_FAST_PIXELS);
    if (images && images->labels)
        crc = crc32_z(crc, images->labels, images->count);
    return (uint32_t)crc;
}
