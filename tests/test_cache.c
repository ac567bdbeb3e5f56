/* The caches of simulated machines, and of this one. */
#include "base/cpu.h"
#include "mnist_fast.h"

#include "folder.h"
#include "machine.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_cache(int processor, int index, const char *level, const char *type, const char *size, const char *list)
{
    static const char *const property[] = {"level", "type", "size", "shared_cpu_list"};
    const char *const value[] = {level, type, size, list};
    for (int i = 0; i < 4; i++) {
        char name[128], text[128];
        snprintf(name, sizeof name, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", processor, index, property[i]);
        snprintf(text, sizeof text, "%s\n", value[i] ? value[i] : "");
        if (value[i])
            machine_put(name, text);
    }
}

static void put_siblings(int processor, const char *list)
{
    char name[128];
    snprintf(name, sizeof name, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", processor);
    machine_put(name, list);
}

/* allowed: a '1' or '0' for each processor. */
static void expect(const char *what, const char *allowed, struct mf_caches expected)
{
    bool list[64];
    const int count = (int)strlen(allowed);
    for (int i = 0; i < count; i++)
        list[i] = allowed[i] == '1';
    support_case("%s, processors %s", what, allowed);
    const struct mf_caches found = mf_cpu_read_below(folder, list, count).caches;
    if (found.l1 != expected.l1 || found.l2 != expected.l2 || found.l3 != expected.l3 ||
        found.l2_cores != expected.l2_cores || found.l3_cores != expected.l3_cores)
        support_fail("L1 %zu, L2 %zu for %d, L3 %zu for %d; expected %zu, %zu for %d, %zu for %d", found.l1, found.l2,
                     found.l2_cores, found.l3, found.l3_cores, expected.l1, expected.l2, expected.l2_cores, expected.l3,
                     expected.l3_cores);
}

enum { KB = 1 << 10, MB = 1 << 20 };

/* Two hardware threads a core, 4 and 4 + core; L3 for all. */
START_TEST(two_threads_a_core)
{
    static const char *const pair[] = {"0,4\n", "1,5\n", "2,6\n", "3,7\n"};
    machine_new();
    for (int i = 0; i < 8; i++) {
        put_siblings(i, pair[i % 4]);
        put_cache(i, 0, "1", "Data", "32K", pair[i % 4]);
        put_cache(i, 1, "1", "Instruction", "64K", pair[i % 4]);
        put_cache(i, 2, "2", "Unified", "512K", pair[i % 4]);
        put_cache(i, 3, "3", "Unified", "32768K", "0-7");
    }
    expect("two threads a core", "11111111", (struct mf_caches){32 * KB, 512 * KB, 32 * MB, 1, 4});
    expect("two threads a core", "01100010", (struct mf_caches){32 * KB, 512 * KB, 32 * MB, 1, 2});
    expect("two threads a core", "00000001", (struct mf_caches){32 * KB, 512 * KB, 32 * MB, 1, 1});
}
END_TEST

/* Small cores that share an L2 and have no L3, beside a large one: that of the first allowed counts. */
START_TEST(clusters)
{
    machine_new();
    for (int i = 0; i < 5; i++) {
        put_cache(i, 0, "1", "Data", i < 4 ? "32K" : "64K", "");
        put_cache(i, 1, "2", "Unified", i < 4 ? "1M" : "2048K", i < 4 ? "0-3" : "4");
    }
    expect("clusters", "11111", (struct mf_caches){32 * KB, MB, 0, 4, 1});
    expect("clusters", "01101", (struct mf_caches){32 * KB, MB, 0, 2, 1});
    expect("clusters", "00001", (struct mf_caches){64 * KB, 2 * MB, 0, 1, 1});
}
END_TEST

START_TEST(nothing_or_nonsense)
{
    static const struct mf_caches nothing = {0, 0, 0, 1, 1};
    machine_new();
    expect("empty machine", "11", nothing);
    expect("no processor", "00", nothing);
    put_cache(0, 0, "1", "Data", "-32K", "0");
    put_cache(0, 1, "2", "Unified", "many", "0");
    put_cache(0, 2, "3", "Unified", "99999999999999999999G", "0");
    expect("sizes that are none", "11", nothing);
    put_cache(0, 0, "1", "Data", "48K", NULL);
    put_cache(0, 1, "2", "Unified", "2M", "0-,x");
    put_cache(0, 2, "3", "Unified", "1G", "7-3,-4,0-99999999");
    put_cache(0, 3, "4", "Unified", "1024K", "0");
    put_cache(0, 5, "2", "Instruction", "1K", "0");
    expect("lists that are none", "11", (struct mf_caches){48 * KB, 2 * MB, 1024 * MB, 1, 2});
}
END_TEST

START_TEST(completion)
{
    struct mf_caches caches = {0};
    mf_caches_complete(&caches);
    ck_assert(caches.l1 >= 8 * KB && caches.l2 >= 64 * KB && caches.l2_cores == 1 && caches.l3_cores == 1);
    const struct mf_caches known = {1, 2, 3, 4, 5};
    caches = known;
    mf_caches_complete(&caches);
    ck_assert_mem_eq(&caches, &known, sizeof known);
}
END_TEST

START_TEST(this_machine)
{
    mnist_fast_cpu cpu;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    const struct mf_cpu read = mf_cpu_read();
    ck_assert(cpu.l1 == read.caches.l1 && cpu.l2 == read.caches.l2 && cpu.l3 == read.caches.l3);
    ck_assert(cpu.l2_cores == read.caches.l2_cores && cpu.l3_cores == read.caches.l3_cores);
    ck_assert(cpu.l1 >= 8 * KB && cpu.l2 >= 64 * KB);
    ck_assert(cpu.l2_cores >= 1 && cpu.l2_cores <= cpu.cores && cpu.l3_cores >= 1 && cpu.l3_cores <= cpu.cores);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("cache");
    TCase *tcase = tcase_create("cache");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_test(tcase, two_threads_a_core);
    tcase_add_test(tcase, clusters);
    tcase_add_test(tcase, nothing_or_nonsense);
    tcase_add_test(tcase, completion);
    tcase_add_test(tcase, this_machine);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
