/* The kernels of bf16 in tiles on emulated instructions: on x86-64 with AVX2. */
#ifndef TILED_EMULATED_H
#define TILED_EMULATED_H

#include "kernels.h"

#ifdef __x86_64__
extern const struct mf_kernels mf_kernels_emulated_amx, mf_kernels_emulated_avx512bf16;
bool amx_tiles_in_use(void);       /* by this thread */
extern bool dots_are_rounded_once; /* as the definition is not: a test sets it */
#endif

#endif
