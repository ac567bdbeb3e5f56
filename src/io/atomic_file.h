/* Replacing a file as a whole: what is written goes to a unique temporary beside it, which is synced and then renamed,
 * so that at any instant the old file or the new one is there. */
#ifndef MF_ATOMIC_FILE_H
#define MF_ATOMIC_FILE_H

#include "mnist_fast.h"

struct mf_atomic_file {
    const char *path;   /* as the caller gave it; it must live until commit or discard */
    char *target;       /* the same, links followed, so that a link stays a link; NULL: not open */
    const char *name;   /* of the target, within its folder */
    char temporary[48]; /* within the folder; empty: there is none */
    int folder, file;   /* descriptors; -1: not open */
};

/* A new file gets the permissions of the umask, an existing one keeps its own. After a failure here or below, call
 * mf_atomic_discard. */
mnist_fast_status mf_atomic_open(struct mf_atomic_file *file, const char *path, mnist_fast_error *error);
mnist_fast_status mf_atomic_write(struct mf_atomic_file *file, const void *bytes, size_t size, mnist_fast_error *error);
/* Over bytes that were written before; the place where mf_atomic_write goes on doesn't change. */
mnist_fast_status mf_atomic_overwrite(struct mf_atomic_file *file, size_t offset, const void *bytes, size_t size,
                                      mnist_fast_error *error);
mnist_fast_status mf_atomic_commit(struct mf_atomic_file *file, mnist_fast_error *error);

/* Releases everything and removes the temporary, if there still is one. Accepts zeroed objects; leaves it zeroed. */
void mf_atomic_discard(struct mf_atomic_file *file);

#endif
