/* Which images a step trains on: the split into training and validation, the order of an epoch, the order in a batch.
 */
#ifndef MF_SAMPLER_H
#define MF_SAMPLER_H

#include "mnist_fast.h"

/* Two disjoint sets of indices, each ascending, fixed by the seed for the whole run. */
struct mf_split {
    uint32_t *train, *validation;
    size_t train_count, validation_count;
};

/* Holds out floor(count * share + 0.5) of count images, but leaves at least one to train on. 0 <= share < 1. */
mnist_fast_status mf_split_make(uint64_t seed, size_t count, double share, struct mf_split *split,
                                mnist_fast_error *error);
void mf_split_free(struct mf_split *split);

/* The order in which an epoch sees its images: a shuffle buffer is filled from indices, then one element is drawn at
 * random and replaced by the next, until all are drawn. order: count; buffer: min(size, count) elements of scratch. */
void mf_epoch_order(const uint32_t *indices, size_t count, size_t size, uint64_t seed, uint32_t epoch, uint32_t *buffer,
                    uint32_t *order);

/* What makes images look alike, for the order within a batch: 16 * label + skew in 16 steps. */
enum { MF_SKEWS = 16, MF_SORT_KEYS = 10 * MF_SKEWS };
uint8_t mf_sort_key(const uint8_t *pixels, uint8_t label);

/* Sorts each batch by the sort_keys of its images (sort_keys[order[i]]), equal ones in their old order: what is zero in
 * one image, or in what a layer makes of it, is then more often zero in all rows of a tile, which skips it. A batch is
 * a sum over its images, so it stays the same batch; but sums are rounded, so this order is part of what a seed means.
 * buffer: min(batch, count) elements of scratch. */
void mf_sort_batches(const uint8_t *sort_keys, size_t batch, uint32_t *buffer, uint32_t *order, size_t count);

#endif
