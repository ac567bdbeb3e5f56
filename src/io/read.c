#include "read.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

mnist_fast_status mf_read_open(const char *path, const char *what, int *file, uint64_t *size, mnist_fast_error *error)
{
    struct stat about;
    *file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*file < 0)
        return mf_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be opened (%s); name %s that may be read", path,
                       strerror(errno), what);
    mnist_fast_status status = MNIST_FAST_OK;
    if (fstat(*file, &about) != 0)
        status = mf_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read (%s); name %s that may be read", path,
                         strerror(errno), what);
    else if (!S_ISREG(about.st_mode))
        status = mf_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read (expected a regular file, found %s); name %s",
                         path, S_ISDIR(about.st_mode) ? "a folder" : "a device or pipe", what);
    if (status) {
        close(*file);
        *file = -1;
        return status;
    }
    *size = (uint64_t)about.st_size;
    return MNIST_FAST_OK;
}

mnist_fast_status mf_read(int file, const char *path, void *to, size_t size, size_t *got, mnist_fast_error *error)
{
    *got = 0;
    while (*got < size) {
        const ssize_t n = read(file, (char *)to + *got, size - *got);
        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return mf_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read (%s); check the disk", path,
                           strerror(errno));
    }
    return MNIST_FAST_OK;
}
