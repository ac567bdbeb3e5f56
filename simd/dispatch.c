/* Which kernels there are, and which to use. */
#include "kernels.h"

#include <string.h>

#if defined(__x86_64__)
#define KERNELS(of) of(avx512), of(avx2), of(scalar)
#elif defined(__aarch64__)
#define KERNELS(of) of(neon), of(scalar)
#else
#define KERNELS(of) of(scalar)
#endif
#define DECLARED(isa) mf_kernels_##isa, mf_kernels_bf16_##isa
#define IN_FP32(isa) &mf_kernels_##isa
#define IN_BF16(isa) &mf_kernels_bf16_##isa

extern const struct mf_kernels KERNELS(DECLARED), mf_kernels_bf16_amx, mf_kernels_bf16_avx512bf16;
const struct mf_kernels *const mf_isas[] = {KERNELS(IN_FP32), NULL};
const struct mf_kernels *const mf_isas_bf16[] = {
#if defined(__x86_64__)
    &mf_kernels_bf16_amx, &mf_kernels_bf16_avx512bf16,
#endif
    KERNELS(IN_BF16), NULL};

const struct mf_kernels *mf_kernels_choose(const char *name, enum mf_precision precision)
{
    for (const struct mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++)
        if ((!name || !strcmp(name, (*isa)->name)) && (*isa)->supported())
            return *isa;
    return NULL;
}
