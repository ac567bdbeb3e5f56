/* Counter-based random numbers: a value is a function of (seed, stream, index) and of nothing else, so that it is the
 * same on every machine and for every division of the work.
 *
 * Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). */
#ifndef MF_RNG_H
#define MF_RNG_H

#include <stdint.h>

/* One block of Philox4x32-10. */
void mf_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* What a stream is for, so that no two uses share a number. The index of a stream counts from 0. */
enum mf_stream {
    MF_STREAM_SPLIT = 1,
    MF_STREAM_WEIGHTS = 0x100, /* + layer */
    MF_STREAM_ORDER = 0x10000  /* + epoch */
};

uint32_t mf_random(uint64_t seed, uint32_t stream, uint64_t index);

/* Numbers 4 * block to 4 * block + 3 of a stream, for the price of one. */
void mf_random_block(uint64_t seed, uint32_t stream, uint64_t block, uint32_t out[4]);

/* A block for an image in an epoch. No stream shares a number with it. */
void mf_random_of_image(uint64_t seed, uint32_t epoch, uint32_t image, uint32_t block, uint32_t out[4]);

/* An integer in [0, n), n >= 1, from a random 32-bit number: the high half of the product. */
static inline uint32_t mf_random_below(uint32_t random, uint32_t n)
{
    return (uint32_t)(((uint64_t)random * n) >> 32);
}

#endif
