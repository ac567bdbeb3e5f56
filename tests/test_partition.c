/* The division of the work over threads. */
#include "engine/partition.h"
#include "networks.h"

#include <stdlib.h>

enum { THREADS_MAX = 64, TASKS_MAX = 3000 };

static double cost_of(const struct mf_partition *partition, size_t begin, size_t end)
{
    double cost = 0;
    for (size_t i = begin; i < end; i++)
        cost += partition->tasks[i].cost;
    return cost;
}

/* Every task belongs to exactly one thread. Returns the cost of the busiest. */
static double busiest(const struct mf_partition *partition, int parts)
{
    double most = 0;
    size_t begin = mf_partition_begin(partition, 0, parts);
    if (begin != 0)
        support_fail("%zu tasks, %d threads: the first begins at %zu", partition->count, parts, begin);
    for (int part = 0; part < parts; part++) {
        const size_t end = mf_partition_begin(partition, part + 1, parts);
        if (end < begin || end > partition->count)
            support_fail("%zu tasks, thread %d of %d: [%zu, %zu)", partition->count, part, parts, begin, end);
        const double cost = cost_of(partition, begin, end);
        most = cost > most ? cost : most;
        begin = end;
    }
    if (begin != partition->count)
        support_fail("%zu tasks, %d threads: the last ends at %zu", partition->count, parts, begin);
    return most;
}

/* No thread has more than the mean and one task. */
START_TEST(any_tasks)
{
    static const int counts[] = {0, 1, 2, 3, 7, 63, 64, 65, 100, 500, TASKS_MAX};
    static const char *const kind_name[] = {"equal", "random", "one large", "falling"};
    static struct mf_task tasks[TASKS_MAX];
    struct random random = random_from(400, (uint64_t)_i, 0, 0);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        support_case("%d %s tasks", counts[c], kind_name[_i]);
        double largest = 0;
        for (int i = 0; i < counts[c]; i++) {
            const double costs[] = {1000, 1 + random_below(&random, 100000), i == counts[c] / 2 ? 1e6 : 10,
                                    1e6 / (1 + i)};
            tasks[i] = (struct mf_task){.cost = costs[_i]};
            largest = costs[_i] > largest ? costs[_i] : largest;
        }
        const struct mf_partition partition = {.tasks = tasks, .count = (size_t)counts[c]};
        const double total = cost_of(&partition, 0, partition.count);
        for (int parts = 1; parts <= THREADS_MAX; parts++) {
            const double most = busiest(&partition, parts);
            if (most > (total / parts + largest) * (1 + 1e-9))
                support_fail("%d threads: the busiest has %g, the mean is %g, a task at most %g", parts, most,
                             total / parts, largest);
        }
    }
}
END_TEST

START_TEST(nearly_equal_parts)
{
    static const int counts[] = {0, 1, 2, 15, 16, 17, 97, 1000, 54000, 2147483647};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (int parts = 1; parts <= 1024; parts++) {
            const int count = counts[c];
            support_case("%d in %d parts", count, parts);
            ck_assert_int_eq(mf_part_begin(count, 0, parts), 0);
            ck_assert_int_eq(mf_part_begin(count, parts, parts), count);
            for (int part = 0; part < parts; part++) {
                const int size = mf_part_begin(count, part + 1, parts) - mf_part_begin(count, part, parts);
                if (size < count / parts || size - 1 > count / parts)
                    support_fail("part %d has %d", part, size);
            }
        }
}
END_TEST

/* The networks to partition for; 0 ends one. */
static const int hidden[][4] = {{500, 500, 500, 0}, {1, 0}, {37, 501, 3, 0}, {16, 0}, {128, 64, 0}, {2000, 0}};
enum { NETWORKS = sizeof hidden / sizeof *hidden };

/* For one thread blocks of 48 pixels and 4 panels. */
static const struct mf_cpu cpu = {
    .affinity = 1, .cores = 1, .advised = 1, .caches = {32 << 10, 512 << 10, 32 << 20, 1, 1}};

/* A partition asks the kernels for their tile shape alone, so that those this CPU cannot run are partitioned for too.
 */
static mnist_fast *new_network(const int *units, const struct mf_kernels *isa)
{
    int layers = 0;
    while (units[layers])
        layers++;
    const mnist_fast_config config = config_of(1000, 0.1, layers, units);
    const struct mf_runtime runtime = {.kernels = isa, .threads = 1, .cpu = cpu};
    mnist_fast *network;
    mnist_fast_error error;
    if (mf_network_create(&config, &runtime, &network, &error) != MNIST_FAST_OK)
        support_fail("%s", error.text);
    return network;
}

/* Shares of the samples that the tiles of each block of 48 pixels keep, measured on 1000 MNIST images, 6 pixels a tile.
 */
static const double mnist_density[] = {0.001, 0.012, 0.123, 0.394, 0.446, 0.473, 0.575, 0.550, 0.456,
                                       0.505, 0.574, 0.479, 0.393, 0.373, 0.140, 0.023, 0.004};

static struct mf_partition new_partition(const mnist_fast *network, bool sparse)
{
    double density[MF_INPUTS] = {0};
    for (int b = 0; b * network->blocking.pixels < MF_INPUTS; b++)
        density[b] = mnist_density[b * network->blocking.pixels / 48];
    struct mf_partition partition;
    mnist_fast_error error;
    if (mf_partition_make(network, sparse ? density : NULL, &partition, &error) != MNIST_FAST_OK)
        support_fail("%s", error.text);
    ck_assert_int_eq(partition.sparse, sparse);
    return partition;
}

/* Every row of every panel of every layer, the bias row too, belongs to exactly one task. */
START_TEST(all_weights)
{
    const int *const units = hidden[_i / 2];
    const bool sparse = _i % 2;
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++) {
        support_case("network %d for %s, %s", _i / 2, (*isa)->name, sparse ? "sparse" : "dense");
        mnist_fast *const network = new_network(units, *isa);
        struct mf_partition partition = new_partition(network, sparse);
        for (int l = 0; l < network->layers; l++) {
            const struct mf_layer *const layer = &network->layer[l];
            const int rows = layer->bias_row + 1;
            unsigned char *const seen = calloc((size_t)rows * (size_t)layer->panels, 1);
            ck_assert_ptr_nonnull(seen);
            for (size_t u = 0; u < partition.count; u++) {
                const struct mf_task *const task = &partition.tasks[u];
                if (task->layer != l)
                    continue;
                const bool packed = sparse && l == 0 && task->begin < layer->in;
                if (task->begin < 0 || task->begin >= task->end || task->end > rows || task->first < 0 ||
                    task->first >= task->last || task->last > layer->panels || !(task->cost > 0))
                    support_fail("task %zu is not part of layer %d", u, l);
                if (packed ? task->end - task->begin > network->blocking.pixels
                           : task->begin / MF_PANEL != (task->end - 1) / MF_PANEL)
                    support_fail("task %zu of layer %d: rows [%d, %d) are more than a kernel takes", u, l, task->begin,
                                 task->end);
                for (int row = task->begin; row < task->end; row++)
                    for (int panel = task->first; panel < task->last; panel++)
                        seen[row * layer->panels + panel]++;
            }
            for (int row = 0; row < rows; row++)
                for (int panel = 0; panel < layer->panels; panel++) {
                    const bool there = row < layer->in || row == layer->bias_row;
                    if (seen[row * layer->panels + panel] != there)
                        support_fail("layer %d, row %d, panel %d is in %d tasks", l, row, panel,
                                     seen[row * layer->panels + panel]);
                }
            free(seen);
        }
        for (int parts = 1; parts <= THREADS_MAX; parts++)
            busiest(&partition, parts);
        mf_partition_free(&partition);
        mnist_fast_free(network);
    }
}
END_TEST

/* What the busiest of so many threads may have over the mean. */
static double allowance(int threads)
{
    return threads <= 16 ? 1.05 : 1.12;
}

START_TEST(balance_of_weight_updates)
{
    const bool sparse = _i;
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++) {
        mnist_fast *const network = new_network(hidden[0], *isa);
        network->all_threads = true;
        for (int threads = 1; threads <= THREADS_MAX; threads++) {
            support_case("weight updates by %s, %s, %d threads", (*isa)->name, sparse ? "sparse" : "dense", threads);
            network->threads = network->cpu.affinity = threads;
            network->blocking = mf_network_blocking(network, 1000, true);
            struct mf_partition partition = new_partition(network, sparse);
            const double mean = cost_of(&partition, 0, partition.count) / threads, most = busiest(&partition, threads);
            if (most > allowance(threads) * mean)
                support_fail("the busiest has %.1f%% over the mean", 100 * (most / mean - 1));
            mf_partition_free(&partition);
        }
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
            const int size = mf_part_begin(batch, thread + 1, threads) - mf_part_begin(batch, thread, threads);
            most = size > most ? size : most;
        }
        if (most > allowance(threads) * batch / threads)
            support_fail("the busiest has %d", most);
    }
}
END_TEST

START_TEST(free_zeroed)
{
    struct mf_partition partition = {0};
    mf_partition_free(&partition);
    mf_partition_free(&partition);
    ck_assert_ptr_null(partition.tasks);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("partition");
    TCase *const partition = tcase_create("partition");
    tcase_set_timeout(partition, 60);
    tcase_add_loop_test(partition, any_tasks, 0, 4);
    tcase_add_test(partition, nearly_equal_parts);
    tcase_add_loop_test(partition, all_weights, 0, 2 * NETWORKS);
    tcase_add_loop_test(partition, balance_of_weight_updates, 0, 2);
    tcase_add_test(partition, balance_of_samples);
    tcase_add_test(partition, free_zeroed);
    suite_add_tcase(suite, partition);
    return support_run(suite);
}
