/* bf16 by the matrix unit of Intel's AMX: TDPBF16PS computes one block of 32 terms of 16 x 16 sums, as scalar.c defines
 * them. Only the product of tiles is here; all that comes before and after it is in tiled.h, on AVX-512.
 *
 * Each kernel configures the tiles and releases them before it returns, so that no state of them outlives it: the
 * caller's own tiles are scratch in the calling convention. */
#ifdef MF_EMULATE_AMX /* by tests/tiled_emulated_amx.c, which defines the tile operations and a table of another name  \
                       */
#include "avx2.h"
#else
#include "avx512.h"

#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#if !defined(__AMX_BF16__) && !defined(__AMXBF16__) /* gcc, clang 14 */
#error "compile this file with -mavx512f -mamx-tile -mamx-bf16"
#endif
#define TILED_NAME(operation) mf_##operation##_bf16_amx
#define tile_load(tile, from) _tile_loadd(tile, from, 64)
#define tile_store(tile, to, bytes) _tile_stored(tile, to, bytes)
#define tile_zero _tile_zero
#define tile_multiply _tile_dpbf16ps
#define tiles_end _tile_release
#define tiles_begin() __asm__ volatile("ldtilecfg %0" : : "m"(tile_shape)) /* _tile_loadconfig: GCC PR 114098 */
static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} __attribute__((packed)) tile_shape = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

/* Linux gives the tiles to a process that asks for them; without permission the first use is SIGILL. */
static const char *problem(void)
{
    enum { OSXSAVE = 1 << 27, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, TILE_STATE = 3 << 17 };
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d, enabled, high;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE))
        return "this CPU does not have it";
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !__builtin_cpu_supports("avx512bw"))
        return "the operating system has not enabled AVX-512";
    __asm__("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
    if ((enabled & TILE_STATE) != TILE_STATE)
        return "the operating system has not enabled its state";
    if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0)
        return "the operating system refuses the permission (Linux 5.16 or newer gives it, unless a sandbox forbids "
               "arch_prctl or a signal stack is too small)";
    return NULL;
}
#endif

#define NAME_TEXT "amx"
#define TERM_AT(place) (place)
#define PLACE_OF(term) (term)
#include "tiled.h"

/* The sums stay in tiles 0 to 3 from the first block of terms to the last. */
static void multiply(const struct operand *a, const struct operand *b, int depth, int rows, struct unit *sums)
{
    (void)rows; /* the tiles are computed whole */
    const float *a0 = a->tile[0], *a1 = a->tile[1], *b0 = b->tile[0], *b1 = b->tile[1];
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
    for (int k = 0; k < depth; k += UNIT) {
        tile_load(4, a0);
        tile_load(6, b0);
        tile_multiply(0, 4, 6);
        tile_load(7, b1);
        tile_multiply(1, 4, 7);
        tile_load(5, a1);
        tile_multiply(2, 5, 6);
        tile_multiply(3, 5, 7);
        a0 += a->step, a1 += a->step, b0 += b->step, b1 += b->step;
    }
    tile_store(0, &sums->at[0][0], sizeof sums->at[0]);
    tile_store(1, &sums->at[0][TILE], sizeof sums->at[0]);
    tile_store(2, &sums->at[TILE][0], sizeof sums->at[0]);
    tile_store(3, &sums->at[TILE][TILE], sizeof sums->at[0]);
}
