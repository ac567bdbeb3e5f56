/* One way to fail: a status, and one line that explains it. */
#ifndef MF_ERROR_H
#define MF_ERROR_H

#include "mnist_fast.h"

/* Writes the line into error (unless it is NULL) and returns status: `return mf_fail(error, MNIST_FAST_..., "...")`. */
mnist_fast_status mf_fail(mnist_fast_error *error, mnist_fast_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
