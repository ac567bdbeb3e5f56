/* The AVX-512 intrinsics that simd/avx512.c uses, on GNU vectors, so that its logic can be checked bit for bit on a CPU
 * without AVX-512. For tests alone: compile with clang -mavx2 -mfma -DMF_EMULATE_AVX512 (gcc 12 needs many minutes). */
#ifndef MF_AVX512_EMULATED_H
#define MF_AVX512_EMULATED_H

#include <immintrin.h>
#include <string.h>

#define EMULATED static inline __attribute__((always_inline))

typedef float emulated_floats __attribute__((vector_size(64)));
typedef int emulated_ints __attribute__((vector_size(64)));
typedef unsigned char emulated_bytes __attribute__((vector_size(16)));
#define __m512 emulated_floats
#define __mmask16 emulated_ints

EMULATED __m512 emulated_set1(float x)
{
    return (__m512){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}

EMULATED __m512 emulated_fma(__m512 a, __m512 b, __m512 c)
{
    __m256 x[2], y[2], z[2];
    memcpy(x, &a, sizeof a);
    memcpy(y, &b, sizeof b);
    memcpy(z, &c, sizeof c);
    for (int half = 0; half < 2; half++)
        z[half] = _mm256_fmadd_ps(x[half], y[half], z[half]);
    memcpy(&c, z, sizeof c);
    return c;
}

EMULATED __m512 emulated_sqrt(__m512 a)
{
    __m256 x[2];
    memcpy(x, &a, sizeof a);
    for (int half = 0; half < 2; half++)
        x[half] = _mm256_sqrt_ps(x[half]);
    memcpy(&a, x, sizeof a);
    return a;
}

EMULATED __m512 emulated_select(emulated_ints mask, __m512 a, __m512 b)
{
    return (__m512)(((emulated_ints)a & ~mask) | ((emulated_ints)b & mask));
}

EMULATED __m512 emulated_bytes_to_floats(__m128i bytes)
{
    return __builtin_convertvector((emulated_bytes)bytes, emulated_floats);
}

EMULATED void emulated_storeu(void *p, __m512 a)
{
    memcpy(p, &a, sizeof a);
}

EMULATED emulated_ints emulated_gather(emulated_ints index, const void *base)
{
    emulated_ints gathered;
    for (int lane = 0; lane < 16; lane++) {
        int one;
        memcpy(&one, (const char *)base + 2 * index[lane], sizeof one);
        gathered[lane] = one;
    }
    return gathered;
}

EMULATED __m128i emulated_low_bytes(emulated_ints x)
{
    return (__m128i) __builtin_convertvector(x & 0xff, emulated_bytes);
}

#define __m512i emulated_ints
#undef _mm512_i32gather_epi32
#define _mm512_i32gather_epi32(index, base, scale) emulated_gather(index, base) /* avx512.c has scale 2 alone */
#define _mm512_cvtepi32_epi8 emulated_low_bytes
#define _mm512_load_ps(p) (*(const __m512 *)(p))
#define _mm512_store_ps(p, x) (*(__m512 *)(p) = (x))
#define _mm512_storeu_ps emulated_storeu
#define _mm512_set1_ps emulated_set1
#define _mm512_setzero_ps() emulated_set1(0.0f)
#define _mm512_sqrt_ps emulated_sqrt
#define _mm512_fmadd_ps emulated_fma
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask(a, b, how) ((how) == _CMP_GT_OQ ? (a) > (b) : (a) == (b))
#define _mm512_mask_blend_ps emulated_select
#define _mm512_abs_ps(x) ((__m512)((emulated_ints)(x)&0x7fffffff))
#define _mm512_cvtepu8_epi32(bytes) (bytes)
#define _mm512_cvtepi32_ps emulated_bytes_to_floats /* avx512.c converts bytes alone */
#define _mm512_set_epi32(p, o, n, m, l, k, j, i, h, g, f, e, d, c, b, a) a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p
#define _mm512_permutex2var_ps(a, indices, b) __builtin_shufflevector(a, b, indices)

#endif
