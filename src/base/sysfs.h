/* The small text files of /proc and /sys. */
#ifndef MF_SYSFS_H
#define MF_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

/* Reads the first bytes of a file as a string. False where there is none, or it is empty. */
bool mf_sysfs_read(const char *path, char *text, size_t size);

/* Whether a core counts for this processor: it is allowed, and no allowed processor before it is of the same core. */
bool mf_sysfs_first_of_core(const char *root, const bool *allowed, int processor);

/* The first range of a list of processors such as "0,64" or "4-7": returns what follows it, NULL where the list ends or
 * is not one. */
const char *mf_sysfs_range(const char *list, long *first, long *last);

#endif
