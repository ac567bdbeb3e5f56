#include "sysfs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

bool mf_sysfs_read(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const size_t length = fread(text, 1, size - 1, file);
    fclose(file);
    text[length] = '\0';
    return length > 0;
}

const char *mf_sysfs_range(const char *list, long *first, long *last)
{
    char *end;
    *first = *last = strtol(list, &end, 10);
    if (end == list)
        return NULL;
    if (*end == '-') {
        list = end + 1;
        *last = strtol(list, &end, 10);
        if (end == list)
            return NULL;
    }
    return *end == ',' ? end + 1 : end;
}

bool mf_sysfs_first_of_core(const char *root, const bool *allowed, int processor)
{
    char path[PATH_MAX], text[4096];
    if (!allowed[processor])
        return false;
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, processor);
    if (!mf_sysfs_read(path, text, sizeof text))
        return true;
    long first, last;
    for (const char *list = text; (list = mf_sysfs_range(list, &first, &last));)
        for (long i = first < 0 ? 0 : first; i <= last && i < processor; i++)
            if (allowed[i])
                return false;
    return true;
}
