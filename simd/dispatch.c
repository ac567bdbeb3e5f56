/* Which kernels there are, and which to use. */
#include "kernels.h"

#include <string.h>

#if defined(__x86_64__)
extern const struct mf_kernels mf_kernels_avx512, mf_kernels_avx2;
#elif defined(__aarch64__)
extern const struct mf_kernels mf_kernels_neon;
#endif
extern const struct mf_kernels mf_kernels_scalar;

const struct mf_kernels *const mf_isas[] = {
#if defined(__x86_64__)
    &mf_kernels_avx512,
    &mf_kernels_avx2,
#elif defined(__aarch64__)
    &mf_kernels_neon,
#endif
    &mf_kernels_scalar,
    NULL,
};

const struct mf_kernels *mf_kernels_choose(const char *name)
{
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++)
        if ((!name || !strcmp(name, (*isa)->name)) && (*isa)->supported())
            return *isa;
    return NULL;
}
