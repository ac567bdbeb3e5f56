/* The kernels of AMX on emulated tiles: on x86-64 with AVX2. */
#ifndef AMX_EMULATED_H
#define AMX_EMULATED_H

#include "kernels.h"

#ifdef __x86_64__
extern const struct mf_kernels mf_kernels_emulated_amx;
bool amx_tiles_in_use(void); /* by this thread */
#endif

#endif
