/* The vector operations of AVX2 with FMA, as vector.h wants them. */
#ifndef MF_AVX2_H
#define MF_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma"
#endif
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define LANES 8

typedef __m256 vf;
typedef __m256 vm;

#define v_load _mm256_load_ps
#define v_store _mm256_store_ps
#define v_storeu _mm256_storeu_ps
#define v_set _mm256_set1_ps
#define v_zero _mm256_setzero_ps
#define v_sqrt _mm256_sqrt_ps
#define v_fma _mm256_fmadd_ps
#define v_greater(a, b) _mm256_cmp_ps(a, b, _CMP_GT_OQ)
#define v_equal(a, b) _mm256_cmp_ps(a, b, _CMP_EQ_OQ)
#define v_select(m, a, b) _mm256_blendv_ps(b, a, m)
#define v_abs(x) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x)
#define v_pixels(p) _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p))))
#define v_low(a, b) _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20)
#define v_high(a, b) _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31)
#define v_gather(p, i) ((vi)_mm256_i32gather_epi32((const int *)(p), (__m256i)(i), 2))
#define v_store_bytes(p, i) store_bytes(p, (__m256i)(i))

static inline void store_bytes(uint8_t *p, __m256i x)
{
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}

#endif
