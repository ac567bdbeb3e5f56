#define _GNU_SOURCE /* memfd_create */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct fuzz_target *const fuzz_targets[] = {
    &fuzz_idx, &fuzz_kernels, &fuzz_model, &fuzz_options, &fuzz_picture, NULL,
};

void fuzz_fail(const char *file, int line, const char *what, const char *detail)
{
    fprintf(stderr, "%s:%d: %s%s%s\n", file, line, what, detail ? ": " : "", detail ? detail : "");
    abort();
}

void fuzz_require_error(const char *path, const char *text)
{
    if (strncmp(text, path, strlen(path)) != 0 || strncmp(text + strlen(path), ": ", 2) != 0 || strchr(text, '\n'))
        fuzz_fail(__FILE__, __LINE__, "not a line that begins with the file", text);
}

const char *fuzz_file(const void *data, size_t size)
{
    static int file = -1;
    static char path[64];
    if (file < 0) {
        file = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        fuzz_fail(__FILE__, __LINE__, "no memory file", NULL);
    return path;
}
