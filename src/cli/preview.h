/* A picture of what --augment does. */
#ifndef CLI_PREVIEW_H
#define CLI_PREVIEW_H

#include "mnist_fast.h"

/* Writes a PNG: a row for each of the first images, of the original and of what the first epochs make of it. */
mnist_fast_status cli_write_preview(const mnist_fast *network, const mnist_fast_images *images, const char *path,
                                    mnist_fast_error *error);

#endif
