/* AVX-512: 32 registers of 16 floats. Tile 6 x 64: 24 sums + 4 right + 1 left = 29 registers. */
#include "avx512.h"

#define ISA avx512
#define NAME_TEXT "avx512"
#define MR 6
#define NR_PANELS 4
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
