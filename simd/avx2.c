/* AVX2 with FMA: 16 registers of 8 floats. Tile 6 x 16: 12 sums + 2 right + 1 left = 15 registers. */
#include "avx2.h"

#define ISA avx2
#define NAME_TEXT "avx2"
#define MR 6
#define NR_PANELS 1
#define WIDE_PANELS 6

static bool mf_supported_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#include "kernels_impl.h"
