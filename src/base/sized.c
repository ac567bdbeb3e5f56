#include "sized.h"

#include "error.h"

#include <string.h>

mnist_fast_status mf_sized_read(const char *what, void *to, size_t to_size, const void *from, mnist_fast_error *error)
{
    if (!from)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "%s: is NULL", what);
    size_t size;
    memcpy(&size, from, sizeof size);
    enum { LARGEST = 4096 };
    if (size < sizeof size || size > LARGEST)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                       "%s: its size is %zu (expected that of the structure); initialise it as mnist_fast.h says", what,
                       size);
    for (size_t i = to_size; i < size; i++)
        if (((const unsigned char *)from)[i])
            return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                           "%s: has a member that version " MNIST_FAST_VERSION " does not know; use a newer library",
                           what);
    memset(to, 0, to_size);
    memcpy(to, from, size < to_size ? size : to_size);
    memcpy(to, &to_size, sizeof to_size);
    return MNIST_FAST_OK;
}

void mf_sized_write(void *to, size_t to_size, const void *from, size_t from_size)
{
    if (to_size < sizeof to_size)
        return;
    memset(to, 0, to_size);
    memcpy(to, from, to_size < from_size ? to_size : from_size);
    memcpy(to, &to_size, sizeof to_size);
}
