/* The processors that this process may use: how many threads make sense, and what caches they have. */
#ifndef MF_CPU_H
#define MF_CPU_H

#include "cache.h"

#include <stdbool.h>
#include <stddef.h>

struct mf_cpu {
    int affinity; /* processors that this process may run on */
    int cores;    /* physical cores among them */
    int quota;    /* floor of the cgroup's CPU quota, at least 1; 0: no quota */
    int advised;  /* min of the three */
    struct mf_caches caches;
};

struct mf_cpu mf_cpu_read(void);

/* allowed[i]: whether this process may run on processor i, below *processors. To be freed; NULL: not known here. */
bool *mf_cpu_allowed(int *processors);

/* The same for a machine whose /proc and /sys are below root, where this process may run on processor i when
 * allowed[i] is true: mf_cpu_read calls it, and tests give it a simulated machine. */
struct mf_cpu mf_cpu_read_below(const char *root, const bool *allowed, int processors);

/* The threads to use when none were asked for: OMP_NUM_THREADS when it is a number from 1 to 1024, else advised. */
int mf_cpu_default_threads(void);

#endif
