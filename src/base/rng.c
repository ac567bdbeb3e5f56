#include "rng.h"

void mf_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    uint32_t key0 = key[0], key1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t product0 = (uint64_t)0xD2511F53u * x0;
        const uint64_t product1 = (uint64_t)0xCD9E8D57u * x2;
        x0 = (uint32_t)(product1 >> 32) ^ x1 ^ key0;
        x1 = (uint32_t)product1;
        x2 = (uint32_t)(product0 >> 32) ^ x3 ^ key1;
        x3 = (uint32_t)product0;
        /* The Weyl sequences of the paper: the golden ratio and sqrt(3) - 1. */
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

void mf_random_block(uint64_t seed, uint32_t stream, uint64_t block, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), stream, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    mf_philox4x32(counter, key, out);
}

void mf_random_of_image(uint64_t seed, uint32_t epoch, uint32_t image, uint32_t block, uint32_t out[4])
{
    const uint32_t counter[4] = {block, image, epoch, 1}; /* the last word of a stream's is 0 */
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    mf_philox4x32(counter, key, out);
}

uint32_t mf_random(uint64_t seed, uint32_t stream, uint64_t index)
{
    uint32_t out[4];
    mf_random_block(seed, stream, index / 4, out);
    return out[index % 4];
}
