#include "density.h"

#include "workspace.h"

/* Packing costs a pass over the pixels, and the packed kernels have shorter loops. They pay below this density. */
#define PACKED_DENSITY_MAX 0.8

double mf_density(const mnist_fast *n, const int *count, int depth, int rows)
{
    const int tiles = mf_ceil_div(rows, n->kernels->mr);
    double sum = 0;
    for (int t = 0; t < tiles; t++)
        sum += count[t];
    return sum / tiles / depth;
}

bool mf_skipping_pays(mnist_fast *n, const mnist_fast_images *images)
{
    const int probes = images->count < MF_BLOCK_ROWS ? (int)images->count : MF_BLOCK_ROWS;
    struct mf_packed_nonzeros *packed = &n->workspace->packed[0];
    for (int i = 0; i < probes; i++) {
        const size_t image = images->count * i / probes;
        mf_gather(n->workspace, images, NULL, image, image + 1, i);
    }
    packed->depth = MF_INPUTS;
    n->kernels->pack_samples(n->workspace->pixels, 0, probes, packed);
    return mf_density(n, packed->count, packed->depth, probes) < PACKED_DENSITY_MAX;
}

void mf_measure_density(mnist_fast *n, int samples, double density[MF_PIXEL_BLOCKS])
{
    struct mf_packed_nonzeros *packed = &n->workspace->packed[0];
    packed->depth = samples;
    for (int b = 0; b < MF_PIXEL_BLOCKS; b++) {
        const int begin = b * MF_BLOCK_ROWS;
        const int end = begin + MF_BLOCK_ROWS < MF_INPUTS ? begin + MF_BLOCK_ROWS : MF_INPUTS;
        n->kernels->pack_pixels(n->workspace->pixels, samples, begin, end, packed);
        density[b] = mf_density(n, packed->count, packed->depth, end - begin);
    }
}
