/* Reading regular files. */
#ifndef MF_READ_H
#define MF_READ_H

#include "mnist_fast.h"

/* Opens a regular file for reading, without waiting for the writer of a FIFO. what: what the file should be, for
 * messages ("a model file"). The caller closes *file; it is -1 on failure. */
mnist_fast_status mf_read_open(const char *path, const char *what, int *file, uint64_t *size, mnist_fast_error *error);

/* Reads size bytes, or as many as there are. */
mnist_fast_status mf_read(int file, const char *path, void *to, size_t size, size_t *got, mnist_fast_error *error);

#endif
