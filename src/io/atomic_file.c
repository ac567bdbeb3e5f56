#include "atomic_file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *advice(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT: return "free some space";
    case EFBIG: return "raise the limit of file sizes (ulimit -f)";
    case EACCES:
    case EPERM:
    case EROFS: return "choose a file and folder that may be written";
    case ENOENT:
    case ENOTDIR: return "create the folder, or choose another";
    default: return "choose another place";
    }
}

static mnist_fast_status fail(const struct mf_atomic_file *file, const char *what, mnist_fast_error *error)
{
    const int code = errno;
    return mf_fail(error, code == ENOMEM ? MNIST_FAST_NO_MEMORY : MNIST_FAST_BAD_FILE, "%s: %s (%s); %s", file->path,
                   what, strerror(code), advice(code));
}

/* realpath would do, but for a link that points to a file which isn't there yet. */
static char *follow_links(const char *path)
{
    char *target = strdup(path);
    for (int hops = 0; target && hops < 40; hops++) {
        char link[PATH_MAX];
        const ssize_t length = readlink(target, link, sizeof link);
        if (length < 0)
            return target; /* not a link */
        const char *slash = link[0] == '/' ? NULL : strrchr(target, '/');
        const size_t folder = slash ? (size_t)(slash - target) + 1 : 0;
        char *next = malloc(folder + (size_t)length + 1);
        if (next) {
            memcpy(next, target, folder);
            memcpy(next + folder, link, (size_t)length);
            next[folder + (size_t)length] = '\0';
        }
        free(target);
        target = next;
    }
    errno = target ? ELOOP : ENOMEM;
    free(target);
    return NULL;
}

static int open_folder(struct mf_atomic_file *file)
{
    char *slash = strrchr(file->target, '/');
    file->name = slash ? slash + 1 : file->target;
    if (!slash)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash == file->target)
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *slash = '\0';
    const int folder = open(file->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *slash = '/';
    return folder;
}

mnist_fast_status mf_atomic_open(struct mf_atomic_file *file, const char *path, mnist_fast_error *error)
{
    *file = (struct mf_atomic_file){.path = path, .folder = -1, .file = -1};
    file->target = follow_links(path);
    if (!file->target)
        return fail(file, "cannot be written", error);
    struct stat old;
    const bool exists = stat(file->target, &old) == 0;
    if (!exists && errno != ENOENT)
        return fail(file, "cannot be written", error);
    if (exists && S_ISDIR(old.st_mode)) {
        return mf_fail(error, MNIST_FAST_BAD_FILE,
                       "%s: cannot be written (expected a file, found a folder); "
                       "add a file name",
                       path);
    }
    if (exists && !S_ISREG(old.st_mode)) { /* the rename would replace a device or a pipe */
        return mf_fail(error, MNIST_FAST_BAD_FILE,
                       "%s: cannot be written (expected a regular file, found a device, "
                       "pipe or socket); choose another name",
                       path);
    }
    if (exists && faccessat(AT_FDCWD, file->target, W_OK, AT_EACCESS) != 0)
        return fail(file, "cannot be written", error);
    file->folder = open_folder(file);
    if (file->folder < 0)
        return fail(file, "its folder cannot be opened", error);
    if (file->name[0] == '\0') {
        return mf_fail(error, MNIST_FAST_BAD_FILE,
                       "%s: cannot be written (expected a file name, found none); "
                       "add a file name",
                       path);
    }
    /* Not mkstemp: its mode of 0600 could only be turned into that of the umask by changing the umask for a moment,
     * which every thread of the host program would see. */
    const mode_t mode = exists ? old.st_mode & 0777 : 0666;
    for (int attempt = 0; file->file < 0; attempt++) {
        snprintf(file->temporary, sizeof file->temporary, ".mnist_fast.%ld.%d.tmp", (long)getpid(), attempt);
        file->file = openat(file->folder, file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (file->file < 0 && (errno != EEXIST || attempt == 9999)) {
            file->temporary[0] = '\0';
            return fail(file, "its folder cannot be written", error);
        }
    }
    /* Root may write the file of another user, whose it stays. Who may not give files away gets a new one, as `cp` does
     * after `rm`. */
    if (exists && fchown(file->file, old.st_uid, old.st_gid) != 0 && errno != EPERM)
        return fail(file, "its owner cannot be kept", error);
    if (exists && fchmod(file->file, mode) != 0)
        return fail(file, "its permissions cannot be kept", error);
    return MNIST_FAST_OK;
}

mnist_fast_status mf_atomic_write(struct mf_atomic_file *file, const void *bytes, size_t size, mnist_fast_error *error)
{
    const char *next = bytes;
    while (size > 0) {
        const ssize_t written = write(file->file, next, size);
        if (written < 0 && errno != EINTR)
            return fail(file, "cannot be written", error);
        if (written > 0) {
            next += written;
            size -= (size_t)written;
        }
    }
    return MNIST_FAST_OK;
}

mnist_fast_status mf_atomic_overwrite(struct mf_atomic_file *file, size_t offset, const void *bytes, size_t size,
                                      mnist_fast_error *error)
{
    const off_t end = lseek(file->file, 0, SEEK_CUR);
    if (end < 0 || lseek(file->file, (off_t)offset, SEEK_SET) < 0)
        return fail(file, "cannot be written", error);
    const mnist_fast_status status = mf_atomic_write(file, bytes, size, error);
    if (status == MNIST_FAST_OK && lseek(file->file, end, SEEK_SET) < 0)
        return fail(file, "cannot be written", error);
    return status;
}

static int sync_descriptor(int descriptor)
{
    int result;
    do {
        result = fsync(descriptor);
    } while (result != 0 && errno == EINTR);
    return result;
}

mnist_fast_status mf_atomic_commit(struct mf_atomic_file *file, mnist_fast_error *error)
{
    if (sync_descriptor(file->file) != 0)
        return fail(file, "cannot be written to the disk", error);
    const int closed = close(file->file);
    file->file = -1;
    if (closed != 0)
        return fail(file, "cannot be written", error);
    if (renameat(file->folder, file->temporary, file->folder, file->name) != 0)
        return fail(file, "cannot be replaced", error);
    file->temporary[0] = '\0';
    /* EINVAL: a file system that has nothing to sync in a folder. */
    if (sync_descriptor(file->folder) != 0 && errno != EINVAL)
        return fail(file, "is written, but its folder cannot be synced, so that it may be lost with the power", error);
    mf_atomic_discard(file);
    return MNIST_FAST_OK;
}

void mf_atomic_discard(struct mf_atomic_file *file)
{
    if (file->path && file->file >= 0)
        close(file->file);
    if (file->temporary[0] != '\0')
        unlinkat(file->folder, file->temporary, 0);
    if (file->path && file->folder >= 0)
        close(file->folder);
    free(file->target);
    *file = (struct mf_atomic_file){0};
}
