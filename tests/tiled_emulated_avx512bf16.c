/* simd/avx512bf16.c with vdpbf16ps in C, to check its logic on a CPU without it. For tests alone. */
#include "tiled_emulated.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef float floats16 __attribute__((vector_size(64), aligned(64)));
typedef uint32_t words16 __attribute__((vector_size(64), aligned(64), may_alias));
typedef uint32_t pair_of_terms __attribute__((may_alias));

bool dots_are_rounded_once;

/* Without the flushing of denormals: the floor of bf16 leaves none. */
static inline floats16 dot(floats16 sum, words16 a, words16 b)
{
    const floats16 high_a = (floats16)(a & 0xffff0000u), high_b = (floats16)(b & 0xffff0000u);
    const floats16 low_a = (floats16)(a << 16), low_b = (floats16)(b << 16);
    for (int i = 0; i < 16; i++)
        if (dots_are_rounded_once) /* the product is exact in a double */
            sum[i] =
                (float)((double)high_a[i] * (double)high_b[i] + (double)low_a[i] * (double)low_b[i] + (double)sum[i]);
        else
            sum[i] = fmaf(low_a[i], low_b[i], fmaf(high_a[i], high_b[i], sum[i]));
    return sum;
}

static inline bool is_not_zero(words16 x)
{
    uint32_t bits = 0;
    for (int i = 0; i < 16; i++)
        bits |= x[i];
    return bits != 0;
}

static const char *unavailable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? NULL : "this CPU does not have AVX2";
}

#define MF_EMULATE_DOT
#define TILED_NAME(operation) mf_##operation##_emulated_avx512bf16
#include "../simd/avx512bf16.c"
#endif
