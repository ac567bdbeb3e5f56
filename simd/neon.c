/* NEON of AArch64: 32 registers of 4 floats. Tile 6 x 16: 24 sums + 4 right + 1 left = 29 registers. */
#ifndef __aarch64__
#error "this file is for AArch64"
#endif
#include <arm_neon.h>
#include <stdbool.h>

#define ISA neon
#define NAME_TEXT "neon"
#define LANES 4
#define MR 6
#define NR_PANELS 1
#define WIDE_PANELS 4

typedef float32x4_t vf;
typedef uint32x4_t vm;

#define v_load vld1q_f32
#define v_store vst1q_f32
#define v_storeu vst1q_f32
#define v_set vdupq_n_f32
#define v_zero() vdupq_n_f32(0.0f)
#define v_sqrt vsqrtq_f32
#define v_fma(a, b, c) vfmaq_f32(c, a, b)
#define v_greater vcgtq_f32
#define v_equal vceqq_f32
#define v_select vbslq_f32
#define v_abs vabsq_f32
#define v_low vzip1q_f32
#define v_high vzip2q_f32

#include <stdint.h>
#include <string.h>

static inline vf v_pixels(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    const uint16x8_t wide = vmovl_u8(vcreate_u8(four));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
}

static inline int32x4_t v_gather(const uint16_t *p, int32x4_t i)
{
    int32_t four[4];
    for (int lane = 0; lane < 4; lane++)
        memcpy(&four[lane], p + i[lane], sizeof four[lane]);
    return vld1q_s32(four);
}

static inline void v_store_bytes(uint8_t *p, int32x4_t i)
{
    const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(i));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    memcpy(p, &four, sizeof four);
}

static bool mf_supported_neon(void)
{
    return true; /* part of AArch64 */
}

#include "kernels_impl.h"
