#include "density.h"

#include "workspace.h"

#include <limits.h>

enum { PROBES = 48 };

double mf_density(const mnist_fast *n, const int *count, int depth, int rows)
{
    const int tiles = mf_ceil_div(rows, n->kernels->mr), counts = tiles * mf_chains(n->kernels->precision, depth);
    double sum = 0;
    for (int i = 0; i < counts; i++)
        sum += count[i];
    return sum / tiles / depth;
}

bool mf_skipping_pays(mnist_fast *n, const mnist_fast_images *images)
{
    struct mf_packed_nonzeros *packed = mf_packed(n->workspace, 0, MF_INPUTS);
    const int limits[] = {PROBES, packed->rows, n->workspace->samples};
    int probes = images->count < INT_MAX ? (int)images->count : INT_MAX;
    for (int i = 0; i < 3; i++)
        probes = probes < limits[i] ? probes : limits[i];
    for (int i = 0; i < probes; i++) {
        const size_t image = images->count * i / probes;
        mf_gather(n->workspace, images, NULL, image, image + 1, i);
    }
    n->kernels->pack_samples(n->workspace->pixels, 0, probes, packed);
    return mf_density(n, packed->count, packed->depth, probes) < MF_PACKED_DENSITY_MAX;
}

void mf_measure_density(mnist_fast *n, int samples, double density[MF_INPUTS])
{
    const int pixels = n->blocking.pixels;
    const size_t room = n->workspace->packed_terms / (size_t)mf_ceil_div(pixels, n->kernels->mr);
    samples = (size_t)samples < room ? samples : (int)room; /* a workspace for evaluation holds more than a batch */
    struct mf_packed_nonzeros *packed = mf_packed(n->workspace, 0, samples);
    for (int b = 0; b * pixels < MF_INPUTS; b++) {
        const int begin = b * pixels, end = begin + pixels < MF_INPUTS ? begin + pixels : MF_INPUTS;
        n->kernels->pack_pixels(n->workspace->pixels, samples, begin, end, packed);
        density[b] = mf_density(n, packed->count, packed->depth, end - begin);
    }
}
