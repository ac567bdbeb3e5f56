/* bf16 by vdpbf16ps of AVX-512: a word of 32 bits holds two numbers, and the instruction adds first the product of the
 * high halves, then that of the low ones, each rounded as by a fused multiply-add. Where the high half has the earlier
 * of two neighbours of one parity, that is a step of the chain of scalar.c.
 *
 * Intel documents it so. AMD does not say whether it rounds between the two: problem() compares it with the definition
 * before these kernels are used. Neither flushing of denormals nor exceptions matter: the floor of bf16 leaves none.
 *
 * The tiles are those of tiled.h, whose words hold an even and an odd number, the even one low. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef float floats16 __attribute__((vector_size(64), aligned(64)));
typedef uint32_t words16 __attribute__((vector_size(64), aligned(64)));

#ifdef MF_EMULATE_DOT /* by tests/tiled_emulated_avx512bf16.c, which defines dot() and a table of another name */
#include "avx2.h"
#else
#include "avx512.h"
#ifndef __AVX512BF16__
#error "compile this file with -mavx512f -mavx512bw -mavx512bf16"
#endif
#include <cpuid.h>
#define TILED_NAME(operation) mf_##operation##_bf16_avx512bf16

/* In each lane: sum + high · high, rounded; + low · low, rounded. */
static inline floats16 dot(floats16 sum, words16 a, words16 b)
{
    return (floats16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

static const char *unavailable(void)
{
    enum { AVX512_BF16 = 1 << 5 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & AVX512_BF16))
        return "this CPU does not have it";
    if (!__builtin_cpu_supports("avx512bw"))
        return "the operating system has not enabled AVX-512";
    return NULL;
}
#endif

#include <math.h>
#include <string.h>

static float low_half(uint32_t word)
{
    float x;
    word <<= 16;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* 4096 steps of chains, of factors with 8 random bits, 16 exponents and both signs: sums that cancel, and ties. */
static bool rounds_as_defined(void)
{
    enum { STEPS = 256 };
    uint32_t random = 1;
    words16 word[2];
    floats16 sum = {0};
    float expected[16] = {0};
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < 32; i++) {
            uint32_t halves = 0;
            for (int half = 0; half < 2; half++) {
                random = random * 1664525 + 1013904223;
                halves = halves << 16 | (random >> 31) << 15 | (120 + (random >> 24) % 16) << 7 | (random >> 16 & 0x7f);
            }
            word[i / 16][i % 16] = halves;
        }
        sum = dot(sum, word[0], word[1]);
        for (int i = 0; i < 16; i++) {
            const uint32_t a = word[0][i], b = word[1][i];
            expected[i] = fmaf(low_half(a >> 16), low_half(b >> 16), expected[i]);
            expected[i] = fmaf(low_half(a), low_half(b), expected[i]);
        }
        if (memcmp(&sum, expected, sizeof sum) != 0)
            return false;
    }
    return true;
}

static const char *problem(void)
{
    const char *const why = unavailable();
    if (why)
        return why;
    return rounds_as_defined() ? NULL : "its vdpbf16ps rounds in another way than the definition";
}

#define NAME_TEXT "avx512bf16"
#define tiles_begin() ((void)0)
#define tiles_end() ((void)0)
#include "tiled.h"

enum {
    PAIRS = TILE / 2,
    ROWS = TILE / 2
}; /* of a block in a chain; of a tile at once, so that the sums fit the registers */

/* A right operand: for each pair of neighbours of one parity a vector over the columns. */
struct right {
    words16 even[PAIRS], odd[PAIRS];
};

static void pair_right(const float *tile, struct right *right)
{
    for (int p = 0; p < PAIRS; p++) {
        words16 first, second;
        memcpy(&first, tile + 2 * p * TILE, sizeof first);
        memcpy(&second, tile + (2 * p + 1) * TILE, sizeof second);
        right->even[p] = first << 16 | (second & 0xffff);
        right->odd[p] = (first & 0xffff0000u) | second >> 16;
    }
}

/* A left operand: a row has its pairs in turn, even and odd. Of four numbers the order becomes 2, 0, 3, 1. */
static void pair_left(const float *tile, uint32_t left[TILE][TILE])
{
#define PAIR(i) 4 * (i) + 2, 4 * (i), 4 * (i) + 3, 4 * (i) + 1
    for (int row = 0; row < TILE; row++) {
        uint16_t numbers __attribute__((vector_size(64)));
        memcpy(&numbers, tile + row * TILE, sizeof numbers);
        numbers = __builtin_shufflevector(numbers, numbers, PAIR(0), PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5),
                                          PAIR(6), PAIR(7));
        memcpy(left[row], &numbers, sizeof numbers);
    }
#undef PAIR
}

static void multiply(const struct operand *a, const struct operand *b, int depth, struct unit *sums)
{
    memset(sums, 0, sizeof *sums);
    for (int k = 0; k < depth; k += UNIT) {
        struct right right[2];
        for (int h = 0; h < 2; h++)
            pair_right(b->tile[h] + (size_t)(k / UNIT) * b->step, &right[h]);
        for (int g = 0; g < 2; g++) {
            _Alignas(64) uint32_t left[TILE][TILE];
            pair_left(a->tile[g] + (size_t)(k / UNIT) * a->step, left);
            for (int part = 0; part < TILE; part += ROWS)
                for (int h = 0; h < 2; h++) {
                    floats16 even[ROWS], odd[ROWS];
                    UNROLL for (int r = 0; r < ROWS; r++) even[r] = odd[r] = (floats16){0};
                    for (int p = 0; p < PAIRS; p++)
                        UNROLL for (int r = 0; r < ROWS; r++)
                        {
                            const uint32_t *const pairs = &left[part + r][2 * p];
                            even[r] = dot(even[r], (words16){0} + pairs[0], right[h].even[p]);
                            odd[r] = dot(odd[r], (words16){0} + pairs[1], right[h].odd[p]);
                        }
                    UNROLL for (int r = 0; r < ROWS; r++)
                    {
                        floats16 *const sum = (floats16 *)(void *)&sums->at[g * TILE + part + r][h * TILE];
                        *sum += even[r] + odd[r];
                    }
                }
        }
    }
}
