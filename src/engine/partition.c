#include "partition.h"

#include "base/error.h"
#include "base/minmax.h"

#include <stdlib.h>

/* Appends a task, or only counts it while there is no memory for it yet. */
static void add(struct mf_partition *partition, struct mf_task task, double terms)
{
    task.cost = (terms + MF_ADAM_COST) * (task.end - task.begin) * (task.last - task.first) * MF_PANEL;
    if (partition->tasks)
        partition->tasks[partition->count] = task;
    partition->count++;
}

/* Panels in the outer loop, rows in the inner one: a group of panels of the gradient stays in the cache for all rows.
 * The sparse layer the other way round, because packing a block of pixels costs time. */
static void add_layer(struct mf_partition *partition, const mnist_fast *network, int l, const double *density)
{
    const struct mf_layer *layer = &network->layer[l];
    const int samples = network->config.batch_size, tile = network->kernels->nr_panels;
    const int group = network->blocking.panels, pixels = network->blocking.pixels;
    const int unit = mf_unit(network->kernels);
    const bool sparse = l == 0 && density;
    if (sparse)
        for (int begin = 0; begin < layer->in; begin += pixels)
            for (int first = 0; first < layer->panels; first += tile)
                add(partition,
                    (struct mf_task){l, begin, mf_min(begin + pixels, layer->in), first,
                                     mf_min(first + tile, layer->panels), 0},
                    density[begin / pixels] * samples);
    for (int first = 0; first < layer->panels; first += group) {
        const int last = mf_min(first + group, layer->panels);
        if (!sparse)
            for (int begin = 0; begin < layer->in; begin += unit)
                add(partition, (struct mf_task){l, begin, mf_min(begin + unit, layer->in), first, last, 0}, samples);
        /* one row cannot fill the arithmetic units: it takes about three times its multiply-adds */
        add(partition, (struct mf_task){l, layer->bias_row, layer->bias_row + 1, first, last, 0}, 3.0 * samples);
    }
}

mnist_fast_status mf_partition_make(const mnist_fast *network, const double density[MF_INPUTS],
                                    struct mf_partition *partition, mnist_fast_error *error)
{
    *partition = (struct mf_partition){.sparse = density};
    for (int round = 0; round < 2; round++) {
        if (round) {
            partition->tasks = malloc(partition->count * sizeof *partition->tasks);
            if (!partition->tasks)
                return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a partition of %zu tasks", partition->count);
        }
        partition->count = 0;
        for (int l = network->layers - 1; l >= 0; l--)
            add_layer(partition, network, l, density);
    }
    return MNIST_FAST_OK;
}

void mf_partition_free(struct mf_partition *partition)
{
    free(partition->tasks);
    *partition = (struct mf_partition){0};
}

size_t mf_partition_begin(const struct mf_partition *partition, int part, int parts)
{
    double total = 0, before = 0;
    for (size_t u = 0; u < partition->count; u++)
        total += partition->tasks[u].cost;
    size_t u = 0;
    while (u < partition->count && before + partition->tasks[u].cost / 2 < total * part / parts)
        before += partition->tasks[u++].cost;
    return part < parts ? u : partition->count;
}
