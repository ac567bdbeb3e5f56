/* IDX files of images and labels, raw or gzip, checked to the last byte. */
#ifndef MF_IDX_H
#define MF_IDX_H

#include "mnist_fast.h"

/* *pixels: count * 784 bytes, then 16 zero bytes, because a kernel may read up to 16 bytes past the last pixel; to be
 * freed with free(). 1 <= count < 2^31. On failure *pixels is NULL. */
mnist_fast_status mf_idx_read_images(const char *path, uint8_t **pixels, size_t *count, mnist_fast_error *error);

/* *labels: count bytes, each 0 to 9, to be freed with free(). 1 <= count < 2^31. On failure *labels is NULL. */
mnist_fast_status mf_idx_read_labels(const char *path, uint8_t **labels, size_t *count, mnist_fast_error *error);

#endif
