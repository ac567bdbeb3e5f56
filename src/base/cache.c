#include "cache.h"

#include "sysfs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The caches of a small core of today; a block that is too small costs less than one that does not fit. */
enum { DEFAULT_L1 = 32 << 10, DEFAULT_L2 = 512 << 10 };

enum { LEVELS = 10 }; /* index0, index1, ... of a processor: more than any CPU has */

static bool read_property(const char *root, int processor, int index, const char *property, char *text, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/cache/index%d/%s", root, processor, index, property);
    if (!mf_sysfs_read(path, text, size))
        return false;
    text[strcspn(text, "\n")] = '\0';
    return true;
}

/* "512K"; 0 where it is no size. */
static size_t bytes_of(const char *text)
{
    char *unit;
    const long number = strtol(text, &unit, 10);
    const int shift = *unit == 'K' ? 10 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 0;
    return number > 0 && number <= LONG_MAX >> shift ? (size_t)number << shift : 0;
}

static int count_cores(const char *root, const bool *allowed, int processors, const char *list)
{
    int cores = 0;
    for (long first, last; (list = mf_sysfs_range(list, &first, &last));)
        for (long i = first < 0 ? 0 : first; i <= last && i < processors; i++)
            cores += mf_sysfs_first_of_core(root, allowed, (int)i);
    return cores > 0 ? cores : 1;
}

struct mf_caches mf_caches_read_below(const char *root, const bool *allowed, int processors)
{
    struct mf_caches caches = {.l2_cores = 1, .l3_cores = 1};
    int processor = 0;
    while (processor < processors && !allowed[processor])
        processor++;
    for (int index = 0; processor < processors && index < LEVELS; index++) {
        char level[16], type[32], size[32], shared[4096];
        if (!read_property(root, processor, index, "level", level, sizeof level) ||
            !read_property(root, processor, index, "type", type, sizeof type) ||
            !read_property(root, processor, index, "size", size, sizeof size) || strcmp(type, "Instruction") == 0)
            continue;
        const bool is_l2 = strcmp(level, "2") == 0, is_l3 = strcmp(level, "3") == 0;
        if (strcmp(level, "1") == 0)
            caches.l1 = bytes_of(size);
        if (is_l2)
            caches.l2 = bytes_of(size);
        if (is_l3)
            caches.l3 = bytes_of(size);
        if ((is_l2 || is_l3) && read_property(root, processor, index, "shared_cpu_list", shared, sizeof shared))
            *(is_l2 ? &caches.l2_cores : &caches.l3_cores) = count_cores(root, allowed, processors, shared);
    }
    return caches;
}

void mf_caches_complete(struct mf_caches *caches)
{
#ifdef _SC_LEVEL1_DCACHE_SIZE /* a hypervisor that hides /sys often reports the L3 of another machine: not asked for   \
                               */
    const long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (!caches->l1 && l1 > 0)
        caches->l1 = (size_t)l1;
    if (!caches->l2 && l2 > 0)
        caches->l2 = (size_t)l2;
#endif
    if (!caches->l1)
        caches->l1 = DEFAULT_L1;
    if (!caches->l2)
        caches->l2 = DEFAULT_L2;
    if (!caches->l2_cores)
        caches->l2_cores = 1;
    if (!caches->l3_cores)
        caches->l3_cores = 1;
}
