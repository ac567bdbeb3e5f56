/* The vector operations of AVX-512, as vector.h wants them. */
#ifndef MF_AVX512_H
#define MF_AVX512_H

#include <stdbool.h>
#ifdef MF_EMULATE_AVX512 /* this same source on halves of AVX2, to check its logic on a CPU without AVX-512 */
#include "../tests/avx512_emulated.h"
#else
#ifndef __AVX512F__
#error "compile this file with -mavx512f"
#endif
#include <immintrin.h>
#endif

#define LANES 16

typedef __m512 vf;
typedef __mmask16 vm;

#define v_load(p) _mm512_load_ps(p)
#define v_store(p, x) _mm512_store_ps(p, x)
#define v_storeu(p, x) _mm512_storeu_ps(p, x)
#define v_set _mm512_set1_ps
#define v_zero _mm512_setzero_ps
#define v_sqrt _mm512_sqrt_ps
#define v_fma _mm512_fmadd_ps
#define v_greater(a, b) _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define v_equal(a, b) _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)
#define v_select(m, a, b) _mm512_mask_blend_ps(m, b, a)
#define v_abs(x) _mm512_abs_ps(x)
#define v_pixels(p) _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p))))
#define v_gather(p, i) ((vi)_mm512_i32gather_epi32((__m512i)(i), p, 2))
#define v_store_bytes(p, i) _mm_storeu_si128((__m128i *)(p), _mm512_cvtepi32_epi8((__m512i)(i)))

static inline vf v_low(vf a, vf b)
{
    return _mm512_permutex2var_ps(a, _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0), b);
}

static inline vf v_high(vf a, vf b)
{
    return _mm512_permutex2var_ps(a, _mm512_set_epi32(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8), b);
}

#endif
