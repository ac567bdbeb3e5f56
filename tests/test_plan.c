/* The division of the work over threads. */
#include "network.h"
#include "plan.h"
#include "support.h"

#include <stdlib.h>

enum { THREADS_MAX = 64, UNITS_MAX = 3000 };

static double cost_of(const struct mf_plan *plan, size_t begin, size_t end)
{
    double cost = 0;
    for (size_t i = begin; i < end; i++)
        cost += plan->units[i].cost;
    return cost;
}

/* Every unit belongs to exactly one thread. Returns the cost of the busiest. */
static double busiest(const struct mf_plan *plan, int parts)
{
    double most = 0;
    size_t begin = mf_plan_begin(plan, 0, parts);
    if (begin != 0)
        support_fail("%zu units, %d threads: the first begins at %zu", plan->count, parts, begin);
    for (int part = 0; part < parts; part++) {
        const size_t end = mf_plan_begin(plan, part + 1, parts);
        if (end < begin || end > plan->count)
            support_fail("%zu units, thread %d of %d: [%zu, %zu)", plan->count, part, parts, begin, end);
        const double cost = cost_of(plan, begin, end);
        most = cost > most ? cost : most;
        begin = end;
    }
    if (begin != plan->count)
        support_fail("%zu units, %d threads: the last ends at %zu", plan->count, parts, begin);
    return most;
}

/* No thread has more than the mean and one unit. */
START_TEST(any_units)
{
    static const int counts[] = {0, 1, 2, 3, 7, 63, 64, 65, 100, 500, UNITS_MAX};
    static const char *const kind_name[] = {"equal", "random", "one large", "falling"};
    static struct mf_unit units[UNITS_MAX];
    struct random random = random_from(400, (uint64_t)_i, 0, 0);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        support_case("%d %s units", counts[c], kind_name[_i]);
        double largest = 0;
        for (int i = 0; i < counts[c]; i++) {
            const double costs[] = {1000, 1 + random_below(&random, 100000), i == counts[c] / 2 ? 1e6 : 10,
                                    1e6 / (1 + i)};
            units[i] = (struct mf_unit){.cost = costs[_i]};
            largest = costs[_i] > largest ? costs[_i] : largest;
        }
        const struct mf_plan plan = {.units = units, .count = (size_t)counts[c]};
        const double total = cost_of(&plan, 0, plan.count);
        for (int parts = 1; parts <= THREADS_MAX; parts++) {
            const double most = busiest(&plan, parts);
            if (most > (total / parts + largest) * (1 + 1e-9))
                support_fail("%d threads: the busiest has %g, the mean is %g, a unit at most %g", parts, most,
                             total / parts, largest);
        }
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
                if (size < count / parts || size - 1 > count / parts)
                    support_fail("part %d has %d", part, size);
            }
        }
}
END_TEST

/* The networks to plan for; 0 ends one. */
static const int hidden[][4] = {{500, 500, 500, 0}, {1, 0}, {37, 501, 3, 0}, {16, 0}, {128, 64, 0}, {2000, 0}};
enum { NETWORKS = sizeof hidden / sizeof *hidden };

/* A plan asks the kernels for their tile shape alone, so that those this CPU can't run are planned for too. */
static mnist_fast *new_network(const int *units, const struct mf_kernels *isa)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config);
    for (config.hidden_count = 0; units[config.hidden_count]; config.hidden_count++)
        config.hidden[config.hidden_count] = units[config.hidden_count];
    const mnist_fast_machine machine = {.isa = "scalar", .threads = 1};
    mnist_fast *network;
    mnist_fast_error error;
    if (mf_network_create(&config, &machine, &network, &error) != MNIST_FAST_OK)
        support_fail("%s", error.text);
    network->kernels = isa;
    return network;
}

/* Shares of the samples on the lists of each block of pixels, measured on 1000 MNIST images in tiles of 6 pixels. */
static const double mnist_density[MF_BLOCKS] = {0.001, 0.012, 0.123, 0.394, 0.446, 0.473, 0.575, 0.550, 0.456,
                                                0.505, 0.574, 0.479, 0.393, 0.373, 0.140, 0.023, 0.004};

static struct mf_plan new_plan(const mnist_fast *network, bool sparse)
{
    struct mf_plan plan;
    mnist_fast_error error;
    if (mf_plan_make(network, sparse ? mnist_density : NULL, &plan, &error) != MNIST_FAST_OK)
        support_fail("%s", error.text);
    ck_assert_int_eq(plan.sparse, sparse);
    return plan;
}

/* Every row of every panel of every layer, the bias row too, belongs to exactly one unit. */
START_TEST(all_weights)
{
    const int *const units = hidden[_i / 2];
    const bool sparse = _i % 2;
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++) {
        support_case("plan %d for %s, %s", _i / 2, (*isa)->name, sparse ? "lists" : "dense");
        mnist_fast *const network = new_network(units, *isa);
        struct mf_plan plan = new_plan(network, sparse);
        for (int l = 0; l < network->layers; l++) {
            const struct mf_layer *const layer = &network->layer[l];
            const int rows = layer->bias_row + 1;
            unsigned char *const seen = calloc((size_t)rows * (size_t)layer->panels, 1);
            ck_assert_ptr_nonnull(seen);
            for (size_t u = 0; u < plan.count; u++) {
                const struct mf_unit *const unit = &plan.units[u];
                if (unit->layer != l)
                    continue;
                const bool listed = sparse && l == 0 && unit->begin < layer->in;
                if (unit->begin < 0 || unit->begin >= unit->end || unit->end > rows || unit->first < 0 ||
                    unit->first >= unit->last || unit->last > layer->panels || !(unit->cost > 0))
                    support_fail("unit %zu is not part of layer %d", u, l);
                if (listed ? unit->end - unit->begin > MF_LIST_BLOCK
                           : unit->begin / MF_PANEL != (unit->end - 1) / MF_PANEL)
                    support_fail("unit %zu of layer %d: rows [%d, %d) are more than a kernel takes", u, l, unit->begin,
                                 unit->end);
                for (int row = unit->begin; row < unit->end; row++)
                    for (int panel = unit->first; panel < unit->last; panel++)
                        seen[row * layer->panels + panel]++;
            }
            for (int row = 0; row < rows; row++)
                for (int panel = 0; panel < layer->panels; panel++) {
                    const bool there = row < layer->in || row == layer->bias_row;
                    if (seen[row * layer->panels + panel] != there)
                        support_fail("layer %d, row %d, panel %d is in %d units", l, row, panel,
                                     seen[row * layer->panels + panel]);
                }
            free(seen);
        }
        for (int parts = 1; parts <= THREADS_MAX; parts++)
            busiest(&plan, parts);
        mf_plan_free(&plan);
        mnist_fast_free(network);
    }
}
END_TEST

/* What the busiest of so many threads may have over the mean. */
static double allowance(int threads)
{
    return threads <= 16 ? 1.05 : 1.12;
}

START_TEST(balance_of_weight_gradients)
{
    const bool sparse = _i;
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++) {
        mnist_fast *const network = new_network(hidden[0], *isa);
        struct mf_plan plan = new_plan(network, sparse);
        for (int threads = 1; threads <= THREADS_MAX; threads++) {
            support_case("weight gradients by %s, %s, %d threads", (*isa)->name, sparse ? "lists" : "dense", threads);
            const double mean = cost_of(&plan, 0, plan.count) / threads, most = busiest(&plan, threads);
            if (most > allowance(threads) * mean)
                support_fail("the busiest has %.1f%% over the mean", 100 * (most / mean - 1));
        }
        mf_plan_free(&plan);
        mnist_fast_free(network);
    }
}
END_TEST

/* The passes forward and back take samples. */
START_TEST(balance_of_samples)
{
    const int batch = 1000;
    for (int threads = 1; threads <= THREADS_MAX; threads++) {
        support_case("%d samples, %d threads", batch, threads);
        int most = 0;
        for (int thread = 0; thread < threads; thread++) {
            const int size = mf_share(batch, thread + 1, threads) - mf_share(batch, thread, threads);
            most = size > most ? size : most;
        }
        if (most > allowance(threads) * batch / threads)
            support_fail("the busiest has %d", most);
    }
}
END_TEST

START_TEST(free_zeroed)
{
    struct mf_plan plan = {0};
    mf_plan_free(&plan);
    mf_plan_free(&plan);
    ck_assert_ptr_null(plan.units);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("plan");
    TCase *const plan = tcase_create("plan");
    tcase_set_timeout(plan, 60);
    tcase_add_loop_test(plan, any_units, 0, 4);
    tcase_add_test(plan, shares);
    tcase_add_loop_test(plan, all_weights, 0, 2 * NETWORKS);
    tcase_add_loop_test(plan, balance_of_weight_gradients, 0, 2);
    tcase_add_test(plan, balance_of_samples);
    tcase_add_test(plan, free_zeroed);
    suite_add_tcase(suite, plan);
    return support_run(suite);
}
