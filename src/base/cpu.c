#define _GNU_SOURCE /* CPU_ALLOC */
#include "cpu.h"

#include "mnist_fast.h"
#include "sysfs.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A core counts once, for the first of its hardware threads that is allowed. */
static int count_cores(const char *root, const bool *allowed, int processors)
{
    int cores = 0;
    for (int i = 0; i < processors; i++)
        cores += mf_sysfs_first_of_core(root, allowed, i);
    return cores;
}

/* The processors that one cgroup folder allows; 0: no quota, or no such folder. */
static double folder_quota(const char *folder, bool unified)
{
    char path[2 * PATH_MAX], text[64];
    double quota, period;
    if (unified) {
        snprintf(path, sizeof path, "%s/cpu.max", folder); /* "max 100000" without a quota */
        if (!mf_sysfs_read(path, text, sizeof text) || sscanf(text, "%lf %lf", &quota, &period) != 2)
            return 0;
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder); /* -1 without a quota */
        if (!mf_sysfs_read(path, text, sizeof text) || sscanf(text, "%lf", &quota) != 1)
            return 0;
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (!mf_sysfs_read(path, text, sizeof text) || sscanf(text, "%lf", &period) != 1)
            return 0;
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The tightest quota of a cgroup and its parents. In a container the path may be the host's: what isn't there is
 * skipped, and the search ends at the container's own root. */
static double group_quota(const char *root, const char *mount, const char *group, bool unified)
{
    char folder[PATH_MAX];
    const int base = snprintf(folder, sizeof folder, "%s%s", root, mount);
    if (base < 0 || (size_t)base >= sizeof folder ||
        (size_t)snprintf(folder + base, sizeof folder - (size_t)base, "%s", group) >= sizeof folder - (size_t)base)
        return 0;
    double tightest = 0;
    for (;;) {
        const double quota = folder_quota(folder, unified);
        if (quota > 0 && (tightest == 0 || quota < tightest))
            tightest = quota;
        char *slash = strrchr(folder + base, '/');
        if (!slash)
            return tightest;
        *slash = '\0';
    }
}

static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
        if (strncmp(list, word, length) == 0 && (list[length] == ',' || list[length] == '\0'))
            return true;
    return false;
}

static int read_quota(const char *root)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    double tightest = 0;
    char line[PATH_MAX];
    while (fgets(line, sizeof line, file)) { /* "0::/group" (version 2), "4:cpu,cpuacct:/group" (version 1) */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        controllers++;
        *group++ = '\0';
        const bool unified = *controllers == '\0';
        if (!unified && !has_word(controllers, "cpu"))
            continue;
        static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
        for (size_t i = unified ? 0 : 1; i < (unified ? 1 : 3); i++) {
            const double quota = group_quota(root, mounts[i], group, unified);
            if (quota > 0 && (tightest == 0 || quota < tightest))
                tightest = quota;
        }
    }
    fclose(file);
    return tightest == 0 ? 0 : tightest < 1 ? 1 : tightest < INT_MAX ? (int)tightest : INT_MAX;
}

struct mf_cpu mf_cpu_read_below(const char *root, const bool *allowed, int processors)
{
    struct mf_cpu cpu = {0};
    for (int i = 0; i < processors; i++)
        cpu.affinity += allowed[i];
    cpu.cores = count_cores(root, allowed, processors);
    cpu.quota = read_quota(root);
    cpu.caches = mf_caches_read_below(root, allowed, processors);
    cpu.advised = cpu.cores < cpu.affinity ? cpu.cores : cpu.affinity;
    if (cpu.quota > 0 && cpu.quota < cpu.advised)
        cpu.advised = cpu.quota;
    if (cpu.advised < 1)
        cpu.advised = 1;
    if (cpu.advised > MNIST_FAST_MAX_THREADS)
        cpu.advised = MNIST_FAST_MAX_THREADS;
    return cpu;
}

bool *mf_cpu_allowed(int *processors)
{
    /* The kernel refuses a set smaller than its own, whose size it does not report. */
    for (*processors = 1024; *processors <= 1 << 18; *processors *= 2) {
        cpu_set_t *set = CPU_ALLOC(*processors);
        bool *allowed = calloc((size_t)*processors, sizeof *allowed);
        const size_t size = CPU_ALLOC_SIZE(*processors);
        bool known = false, larger = false;
        if (set && allowed) {
            CPU_ZERO_S(size, set);
            known = sched_getaffinity(0, size, set) == 0;
            larger = !known && errno == EINVAL;
            for (int i = 0; known && i < *processors; i++)
                allowed[i] = CPU_ISSET_S(i, size, set);
        }
        CPU_FREE(set);
        if (known)
            return allowed;
        free(allowed);
        if (!larger)
            break;
    }
    return NULL;
}

struct mf_cpu mf_cpu_read(void)
{
    int processors;
    struct mf_cpu cpu = {0};
    bool *allowed = mf_cpu_allowed(&processors);
    if (allowed)
        cpu = mf_cpu_read_below("", allowed, processors);
    free(allowed);
    if (cpu.affinity > 0) {
        mf_caches_complete(&cpu.caches);
        return cpu;
    }
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const int count = online < 1 ? 1 : online < MNIST_FAST_MAX_THREADS ? (int)online : MNIST_FAST_MAX_THREADS;
    cpu = (struct mf_cpu){.affinity = count, .cores = count, .advised = count};
    mf_caches_complete(&cpu.caches);
    return cpu;
}

int mf_cpu_default_threads(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    if (text && *text) {
        char *end;
        errno = 0;
        const long threads = strtol(text, &end, 10);
        if (end != text && (*end == '\0' || *end == ',') && errno == 0 && threads >= 1 &&
            threads <= MNIST_FAST_MAX_THREADS)
            return (int)threads; /* of a list, "4,2", the first number is that of the outermost level */
    }
    return mf_cpu_read().advised;
}
