/* The vector operations of AVX2 with FMA, as vector.h wants them. */
#ifndef MF_AVX2_H
#define MF_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma"
#endif
#include <immintrin.h>
#include <stdbool.h>

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

#endif
