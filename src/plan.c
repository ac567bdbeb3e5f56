#include "plan.h"

#include "error.h"

#include <stdlib.h>

/* Panels of a unit, about: as many panels of the gradient stay in the L2 cache while the rows of the weights pass
 * them, so that the activations are fetched from farther away only once for all of them. */
enum { UNIT_PANELS = 4 };

/* Beside its multiply-adds an element pays for Adam: a division, a root and three streams from memory. */
enum { ADAM_COST = 32 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Appends a unit, or only counts it while there is no memory for it yet. */
static void add(struct mf_plan *plan, struct mf_unit unit, double terms)
{
    unit.cost = (terms + ADAM_COST) * (unit.end - unit.begin) * (unit.last - unit.first) * MF_PANEL;
    if (plan->units)
        plan->units[plan->count] = unit;
    plan->count++;
}

/* Panels outside, rows inside: a group of panels of the gradient stays in the cache while the rows pass it. Lists the
 * other way round, because a list costs time to make. */
static void add_layer(struct mf_plan *plan, const mnist_fast *network, int l, const double *density)
{
    const struct mf_layer *layer = &network->layer[l];
    const int samples = network->config.batch, tile = network->kernels->tile_panels;
    const int group = tile < UNIT_PANELS ? UNIT_PANELS / tile * tile : tile;
    const bool sparse = l == 0 && density;
    if (sparse)
        for (int begin = 0; begin < layer->in; begin += MF_LIST_BLOCK)
            for (int first = 0; first < layer->panels; first += tile)
                add(plan,
                    (struct mf_unit){l, begin, least(begin + MF_LIST_BLOCK, layer->in), first,
                                     least(first + tile, layer->panels), 0},
                    density[begin / MF_LIST_BLOCK] * samples);
    for (int first = 0; first < layer->panels; first += group) {
        const int last = least(first + group, layer->panels);
        if (!sparse)
            for (int begin = 0; begin < layer->in; begin += MF_PANEL)
                add(plan, (struct mf_unit){l, begin, least(begin + MF_PANEL, layer->in), first, last, 0}, samples);
        /* one row cannot fill the arithmetic units: it takes about three times its multiply-adds */
        add(plan, (struct mf_unit){l, layer->bias_row, layer->bias_row + 1, first, last, 0}, 3.0 * samples);
    }
}

mnist_fast_status mf_plan_make(const mnist_fast *network, const double density[MF_BLOCKS], struct mf_plan *plan,
                               mnist_fast_error *error)
{
    *plan = (struct mf_plan){.sparse = density};
    for (int round = 0; round < 2; round++) {
        if (round) {
            plan->units = malloc(plan->count * sizeof *plan->units);
            if (!plan->units)
                return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a plan of %zu units", plan->count);
        }
        plan->count = 0;
        for (int l = network->layers - 1; l >= 0; l--)
            add_layer(plan, network, l, density);
    }
    return MNIST_FAST_OK;
}

void mf_plan_free(struct mf_plan *plan)
{
    free(plan->units);
    *plan = (struct mf_plan){0};
}

size_t mf_plan_begin(const struct mf_plan *plan, int part, int parts)
{
    double total = 0, before = 0;
    for (size_t u = 0; u < plan->count; u++)
        total += plan->units[u].cost;
    size_t u = 0;
    while (u < plan->count && before + plan->units[u].cost / 2 < total * part / parts)
        before += plan->units[u++].cost;
    return part < parts ? u : plan->count;
}
