/* The division of the work over threads. */
#include "plan.h"
#include "support.h"

#include <stdlib.h>

enum { THREADS_MAX = 64, UNITS_MAX = 3000 };

static double cost_of(const struct mf_unit *units, size_t begin, size_t end)
{
    double cost = 0;
    for (size_t i = begin; i < end; i++)
        cost += units[i].cost;
    return cost;
}

/* Every unit belongs to exactly one thread, and no thread has more than the mean and one unit. */
static void check_plan(const struct mf_unit *units, size_t count, double largest)
{
    const double total = cost_of(units, 0, count);
    for (int parts = 1; parts <= THREADS_MAX; parts++) {
        size_t begin = mf_plan_begin(units, count, 0, parts);
        if (begin != 0)
            support_fail("%zu units, %d threads: the first begins at %zu", count, parts, begin);
        for (int part = 0; part < parts; part++) {
            const size_t end = mf_plan_begin(units, count, part + 1, parts);
            if (end < begin || end > count)
                support_fail("%zu units, thread %d of %d: [%zu, %zu)", count, part, parts, begin, end);
            const double cost = cost_of(units, begin, end);
            if (cost > (total / parts + largest) * (1 + 1e-9))
                support_fail("%zu units, thread %d of %d has %g, the mean is %g and a unit at most %g", count, part,
                             parts, cost, total / parts, largest);
            begin = end;
        }
        if (begin != count)
            support_fail("%zu units, %d threads: the last ends at %zu", count, parts, begin);
    }
}

START_TEST(units)
{
    static const int counts[] = {0, 1, 2, 3, 7, 63, 64, 65, 100, 500, UNITS_MAX};
    static const char *const kind_name[] = {"equal", "random", "one large", "falling"};
    static struct mf_unit unit[UNITS_MAX];
    struct random random = random_from(400, (uint64_t)_i, 0, 0);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        support_case("%d %s units", counts[c], kind_name[_i]);
        double largest = 0;
        for (int i = 0; i < counts[c]; i++) {
            const double costs[] = {1000, 1 + random_below(&random, 100000), i == counts[c] / 2 ? 1e6 : 10,
                                    1e6 / (1 + i)};
            unit[i] = (struct mf_unit){.cost = costs[_i]};
            largest = costs[_i] > largest ? costs[_i] : largest;
        }
        check_plan(unit, (size_t)counts[c], largest);
    }
}
END_TEST

START_TEST(shares)
{
    static const int counts[] = {0, 1, 2, 15, 16, 17, 97, 1000, 54000, 2147483647};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (int parts = 1; parts <= 1024; parts++) {
            const int count = counts[c];
            support_case("%d in %d parts", count, parts);
            ck_assert_int_eq(mf_share(count, 0, parts), 0);
            ck_assert_int_eq(mf_share(count, parts, parts), count);
            for (int part = 0; part < parts; part++) {
                const int size = mf_share(count, part + 1, parts) - mf_share(count, part, parts);
                if (size < count / parts || size > count / parts + 1)
                    support_fail("part %d has %d", part, size);
            }
        }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("plan");
    TCase *const plan = tcase_create("plan");
    tcase_set_timeout(plan, 60);
    tcase_add_loop_test(plan, units, 0, 4);
    tcase_add_test(plan, shares);
    suite_add_tcase(suite, plan);
    return support_run(suite);
}
