/* The default number of threads: on simulated machines, and on this one. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/cpu.h"

#include "folder.h"
#include "machine.h"
#include "support.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_siblings(int processor, const char *list)
{
    char name[128];
    snprintf(name, sizeof name, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", processor);
    machine_put(name, list);
}

/* allowed: a '1' or '0' for each processor. */
static struct mf_cpu machine(const char *allowed)
{
    bool list[64];
    const int count = (int)strlen(allowed);
    for (int i = 0; i < count; i++)
        list[i] = allowed[i] == '1';
    return mf_cpu_read_below(folder, list, count);
}

static void expect(const char *what, const char *allowed, int affinity, int cores, int quota, int advised)
{
    support_case("%s, processors %s", what, allowed);
    const struct mf_cpu cpu = machine(allowed);
    if (cpu.affinity != affinity || cpu.cores != cores || cpu.quota != quota || cpu.advised != advised)
        support_fail("affinity %d, cores %d, quota %d, advised %d; expected %d, %d, %d, %d", cpu.affinity, cpu.cores,
                     cpu.quota, cpu.advised, affinity, cores, quota, advised);
}

START_TEST(nothing_known)
{
    machine_new();
    expect("empty machine", "1111", 4, 4, 0, 4);
    expect("empty machine", "0010", 1, 1, 0, 1);
    expect("empty machine", "0000", 0, 0, 0, 1);
}
END_TEST

START_TEST(cores)
{
    machine_new();
    static const char *const far[] = {"0,4\n", "1,5\n", "2,6\n", "3,7\n", "0,4\n", "1,5\n", "2,6\n", "3,7\n"};
    for (int i = 0; i < 8; i++)
        put_siblings(i, far[i]);
    expect("siblings far apart", "11111111", 8, 4, 0, 4);
    expect("siblings far apart", "00001111", 4, 4, 0, 4);
    expect("siblings far apart", "10001000", 2, 1, 0, 1);
    expect("siblings far apart", "01101010", 4, 3, 0, 3);
    for (int i = 0; i < 8; i++)
        put_siblings(i, i < 4 ? "0-3\n" : "4-7\n");
    expect("four threads a core", "11111111", 8, 2, 0, 2);
    expect("four threads a core", "00110001", 3, 2, 0, 2);
    put_siblings(1, "");
    put_siblings(2, "nonsense\n");
    put_siblings(3, "-5-1,,\n");
    expect("lists that lie", "11110000", 4, 3, 0, 3);
    put_siblings(1, "99999999999999999999\n");
    expect("lists that lie", "01000000", 1, 1, 0, 1);
}
END_TEST

START_TEST(quota_version_2)
{
    machine_new();
    machine_put("/proc/self/cgroup", "0::/one/two\n");
    expect("no folder", "11111111", 8, 8, 0, 8);
    machine_put("/sys/fs/cgroup/one/two/cpu.max", "max 100000\n");
    expect("max", "11111111", 8, 8, 0, 8);
    machine_put("/sys/fs/cgroup/one/cpu.max", "350000 100000\n");
    expect("the parent's", "11111111", 8, 8, 3, 3);
    machine_put("/sys/fs/cgroup/cpu.max", "100000 50000\n");
    expect("the root's is tighter", "11111111", 8, 8, 2, 2);
    machine_put("/sys/fs/cgroup/one/two/cpu.max", "1000 100000\n");
    expect("less than one", "11111111", 8, 8, 1, 1);
    machine_put("/sys/fs/cgroup/one/two/cpu.max", "600000 100000\n");
    machine_put("/sys/fs/cgroup/one/cpu.max", "700000 100000\n");
    machine_put("/sys/fs/cgroup/cpu.max", "garbage\n");
    expect("the group's own", "11111111", 8, 8, 6, 6);
    expect("more than the affinity", "00011", 2, 2, 6, 2);
    machine_put("/proc/self/cgroup", "0::/\n");
    machine_put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    expect("in a container", "11111111", 8, 8, 2, 2);
    machine_put("/sys/fs/cgroup/cpu.max", "200000 0\n");
    expect("no period", "11111111", 8, 8, 0, 8);
}
END_TEST

START_TEST(quota_version_1)
{
    machine_new();
    machine_put("/proc/self/cgroup", "12:cpuset:/\n5:memory:/box\n4:cpu,cpuacct:/box/abc\n0::/box\n");
    machine_put("/sys/fs/cgroup/cpu,cpuacct/box/abc/cpu.cfs_quota_us", "-1\n");
    machine_put("/sys/fs/cgroup/cpu,cpuacct/box/abc/cpu.cfs_period_us", "100000\n");
    expect("-1", "1111", 4, 4, 0, 4);
    machine_put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
    expect("a quota without a period", "1111", 4, 4, 0, 4);
    machine_put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    expect("the container's root", "1111", 4, 4, 2, 2);
    machine_put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "100000\n");
    machine_put("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
    expect("the other name of the mount", "1111", 4, 4, 1, 1);

    machine_new();
    machine_put("/proc/self/cgroup", "3:cpuset:/\n2:cpuacct:/\nnonsense\n1:\n");
    machine_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    machine_put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    expect("other controllers", "1111", 4, 4, 0, 4);
}
END_TEST

START_TEST(this_machine)
{
    cpu_set_t before;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    const struct mf_cpu cpu = mf_cpu_read();
    ck_assert_int_eq(cpu.affinity, CPU_COUNT(&before));
    ck_assert_int_ge(cpu.cores, 1);
    ck_assert_int_le(cpu.cores, cpu.affinity);
    ck_assert_int_ge(cpu.quota, 0);
    ck_assert_int_le(cpu.advised, cpu.cores);
    if (cpu.quota > 0)
        ck_assert_int_le(cpu.advised, cpu.quota);
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &before))
        last--;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    const struct mf_cpu single = mf_cpu_read();
    ck_assert_int_eq(single.affinity, 1);
    ck_assert_int_eq(single.cores, 1);
    ck_assert_int_eq(single.advised, 1);
}
END_TEST

START_TEST(default_threads)
{
    unsetenv("OMP_NUM_THREADS");
    const int advised = mf_cpu_default_threads();
    ck_assert_int_eq(advised, mf_cpu_read().advised);
    const struct {
        const char *text;
        int threads; /* 0: ignored */
    } cases[] = {{"7", 7},
                 {"1", 1},
                 {"1024", 1024},
                 {"4,2", 4},
                 {"0", 0},
                 {"-3", 0},
                 {"", 0},
                 {"abc", 0},
                 {"7x", 0},
                 {"1025", 0},
                 {"99999999999999999999", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_case("OMP_NUM_THREADS='%s'", cases[i].text);
        setenv("OMP_NUM_THREADS", cases[i].text, 1);
        const int expected = cases[i].threads ? cases[i].threads : advised;
        if (mf_cpu_default_threads() != expected)
            support_fail("%d threads, expected %d", mf_cpu_default_threads(), expected);
    }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("cpu");
    TCase *tcase = tcase_create("cpu");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, nothing_known);
    tcase_add_test(tcase, cores);
    tcase_add_test(tcase, quota_version_2);
    tcase_add_test(tcase, quota_version_1);
    tcase_add_test(tcase, this_machine);
    tcase_add_test(tcase, default_threads);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
