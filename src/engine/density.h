/* How much of the data is not zero: whether skipping zeros pays, and what a step will cost. */
#ifndef MF_DENSITY_H
#define MF_DENSITY_H

#include "partition.h"

/* Packing costs a pass over the pixels, and the packed kernels have shorter loops. They pay below this density. */
#define MF_PACKED_DENSITY_MAX 0.8

/* The share of the terms that the tiles of a block of `rows` rows keep, given the count of each tile. */
double mf_density(const mnist_fast *network, const int *count, int depth, int rows);

/* Whether skipping the pixels without ink pays for images like these. Looks at a few images all over the set; uses the
 * first rows of the workspace. */
bool mf_skipping_pays(mnist_fast *network, const mnist_fast_images *images);

/* For each block of blocking.pixels pixels, the density of its samples over rows [0, samples) of the workspace. */
void mf_measure_density(mnist_fast *network, int samples, double density[MF_INPUTS]);

#endif
