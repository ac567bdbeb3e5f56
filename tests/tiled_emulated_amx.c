/* simd/amx.c on tiles that are arrays, to check its logic on a CPU without AMX. For tests alone. */
#include "tiled_emulated.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of each thread. Outside tiles_begin and tiles_end they are not there: the CPU would raise SIGILL. */
static _Thread_local union {
    float sum[16][16];
    uint16_t half[16][32];
} tile_of[8];
static _Thread_local bool configured;

static void tiles_begin(void)
{
    memset(tile_of, 0xff, sizeof tile_of);
    configured = true;
}

static void tiles_end(void)
{
    configured = false;
}

static void tile_zero(int tile)
{
    if (!configured)
        abort();
    memset(&tile_of[tile], 0, sizeof tile_of[tile]);
}

static void tile_load(int tile, const void *from)
{
    if (!configured)
        abort();
    memcpy(&tile_of[tile], from, sizeof tile_of[tile]);
}

static void tile_store(int tile, void *to, size_t bytes)
{
    if (!configured)
        abort();
    for (int i = 0; i < 16; i++)
        memcpy((char *)to + i * bytes, tile_of[tile].sum[i], sizeof tile_of[tile].sum[i]);
}

static float widened(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Without the flushing of denormals: the floor of bf16 leaves none. */
static void tile_multiply(int c, int a, int b)
{
    if (!configured)
        abort();
    for (int i = 0; i < 16; i++) {
        float even[16] = {0}, odd[16] = {0};
        for (int q = 0; q < 16; q++) {
            const float left = widened(tile_of[a].half[i][2 * q]), next = widened(tile_of[a].half[i][2 * q + 1]);
            for (int j = 0; j < 16; j++)
                even[j] = fmaf(left, widened(tile_of[b].half[q][2 * j]), even[j]);
            for (int j = 0; j < 16; j++)
                odd[j] = fmaf(next, widened(tile_of[b].half[q][2 * j + 1]), odd[j]);
        }
        for (int j = 0; j < 16; j++)
            tile_of[c].sum[i][j] += even[j] + odd[j];
    }
}

static const char *problem(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? NULL : "this CPU does not have AVX2";
}

#define MF_EMULATE_AMX
#define TILED_NAME(operation) mf_##operation##_emulated_amx
#include "../simd/amx.c"

bool amx_tiles_in_use(void)
{
    return configured;
}
#endif
