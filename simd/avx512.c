/* AVX-512: 32 registers of 16 floats. Tile 8 x 48: 24 sums + 3 right + 1 left = 28 registers. */
#include "avx512.h"

#define ISA avx512
#define NAME_TEXT "avx512"
#define MR 8
#define NR_PANELS 3
#define WIDE_PANELS 8

static bool mf_supported_avx512(void)
{
#ifdef MF_EMULATE_AVX512
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return __builtin_cpu_supports("avx512f");
#endif
}

#include "kernels_impl.h"
