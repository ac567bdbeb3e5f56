/* bf16 by vdpbf16ps of AVX-512: a word of 32 bits holds two numbers, and the instruction adds first the product of the
 * high halves, then that of the low ones, each rounded as by a fused multiply-add. Where the high half has the earlier
 * of two neighbours of one parity, that is a step of the chain of scalar.c.
 *
 * Intel documents it so. AMD does not say whether it rounds between the two. Zen 5 does, and problem() compares it with
 * the definition before these kernels are used. Neither flushing of denormals nor exceptions matter: the floor of bf16
 * leaves none.
 *
 * The tiles are those of tiled.h, whose words hold an even and an odd number, the even one low. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef float floats16 __attribute__((vector_size(64), aligned(64)));
typedef uint32_t words16 __attribute__((vector_size(64), aligned(64), may_alias));
typedef uint32_t pair_of_terms __attribute__((may_alias)); /* two numbers of 16 bits */

#ifdef MF_EMULATE_DOT /* by tests/tiled_emulated_avx512bf16.c, which defines dot(), is_not_zero() and another table */
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

static inline bool is_not_zero(words16 x)
{
    return _mm512_test_epi32_mask((__m512i)x, (__m512i)x) != 0;
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
/* Of terms 0 to 3 the first word has 2 (low) and 0 (high), the second one 3 and 1. */
#define TERM_AT(place) (((place) & ~3) + 2 * (~(place) & 1) + ((place) >> 1 & 1))
#define PLACE_OF(term) (((term) & ~3) + 2 * ((term) & 1) + (~(term) >> 1 & 1))
#include "tiled.h"

/* Words of a line: pairs of the even chain and of the odd one in turn. Rows whose sums are under way: of both chains
 * and both halves of the columns, 16 sums, so that a word of the left operand is loaded for two vdpbf16ps. Blocks of
 * terms that these rows pass before the next ones do. */
enum { WORDS = TILE, ROWS = 4, BLOCKS = 4 };

static const words16 *lines(const float *tile)
{
    return (const void *)tile;
}

static bool has_ink(const float *left)
{
    words16 any = lines(left)[0];
    UNROLL for (int r = 1; r < ROWS; r++) any |= lines(left)[r];
    return is_not_zero(any);
}

/* Adds the products of a block's first words. With their number constant no loop remains, and no branch to foresee. */
INLINE void add_block(const float *left, const float *const right[2], int words, floats16 sum[ROWS][2])
{
    const pair_of_terms *const pairs = (const void *)left;
    floats16 chain[2][ROWS][2];
    UNROLL for (int parity = 0; parity < 2; parity++)
        UNROLL for (int r = 0; r < ROWS; r++)
            chain[parity][r][0] = chain[parity][r][1] = (floats16){0};
    UNROLL for (int word = 0; word < words; word += 2)
        UNROLL for (int parity = 0; parity < 2; parity++)
        {
            const words16 right0 = lines(right[0])[word + parity], right1 = lines(right[1])[word + parity];
            UNROLL for (int r = 0; r < ROWS; r++)
            {
                const words16 pair = (words16){0} + pairs[r * WORDS + word + parity];
                chain[parity][r][0] = dot(chain[parity][r][0], pair, right0);
                chain[parity][r][1] = dot(chain[parity][r][1], pair, right1);
            }
        }
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int h = 0; h < 2; h++)
            sum[r][h] += chain[0][r][h] + chain[1][r][h];
}

static void multiply(const struct operand *a, const struct operand *b, int depth, int rows, struct unit *sums)
{
    for (int begin = 0; begin < depth; begin += BLOCKS * UNIT)
        for (int row = 0; row < rows; row += ROWS) {
            const size_t block = (size_t)begin / UNIT;
            const float *left = a->tile[row / TILE] + block * a->step + row % TILE * WORDS;
            const float *right[] = {b->tile[0] + block * b->step, b->tile[1] + block * b->step};
            floats16 sum[ROWS][2] = {{{0}}};
            UNROLL for (int r = 0; begin && r < ROWS; r++)
                UNROLL for (int h = 0; h < 2; h++)
                    memcpy(&sum[r][h], &sums->at[row + r][h * TILE], sizeof sum[r][h]);
            const int end = least(begin + BLOCKS * UNIT, depth);
            for (int k = begin; k < end; k += UNIT, left += a->step, right[0] += b->step, right[1] += b->step) {
                /* what these blocks are followed by: an operand is more than L1 holds, and lies in pieces of 1 KB */
                UNROLL for (int r = 0; r < ROWS; r++)
                    __builtin_prefetch(right[r % 2] + BLOCKS * b->step + (row / 2 + r / 2) * TILE);
                if (a->pixels && !has_ink(left))
                    continue;
                if (depth - k >= UNIT)
                    add_block(left, right, WORDS, sum);
                else
                    add_block(left, right, mf_ceil_div(depth - k, 4) * 2, sum);
            }
            UNROLL for (int r = 0; r < ROWS; r++)
                UNROLL for (int h = 0; h < 2; h++)
                    memcpy(&sums->at[row + r][h * TILE], &sum[r][h], sizeof sum[r][h]);
        }
    for (int row = mf_ceil_div(rows, ROWS) * ROWS; row < UNIT; row++)
        memset(sums->at[row], 0, sizeof sums->at[row]);
}
