/* The data caches of a core, and who shares them. */
#ifndef MF_CACHE_H
#define MF_CACHE_H

#include <stdbool.h>
#include <stddef.h>

struct mf_caches {
    size_t l1, l2, l3;      /* bytes; 0: not there, or unknown */
    int l2_cores, l3_cores; /* cores that share one and that this process may run on, at least 1 */
};

/* Of the first processor that is allowed, as /sys below root describes them. */
struct mf_caches mf_caches_read_below(const char *root, const bool *allowed, int processors);

/* Asks the C library for the L1 and L2 that are unknown; where it does not know them they become those of a small core.
 */
void mf_caches_complete(struct mf_caches *caches);

#endif
