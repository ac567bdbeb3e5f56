/* Every kernel of an instruction set against its definition, on generated operands: for mnist_fast_selftest and
 * fuzzing.
 */
#ifndef MF_KERNEL_CHECK_H
#define MF_KERNEL_CHECK_H

#include "kernels.h"
#include "mnist_fast.h"

struct mf_kernel_case {
    int begin, samples; /* rows [begin, samples) are computed: 0 <= begin < samples */
    int in, out;        /* of a layer, each at least 1 */
    int zeros;          /* percent of the left operands that are 0 */
    int exponent;       /* operands are below 2^exponent: at most 127, so that they are finite */
    uint64_t seed;
};

/* definition: of the same precision. Kernels in tiles are for step_check.h: their operands are no matrices of floats.
 * MNIST_FAST_BAD_MACHINE where a result differs by a bit, other than in the payload of a NaN. */
mnist_fast_status mf_kernels_check(const struct mf_kernels *kernels, const struct mf_kernels *definition,
                                   const struct mf_kernel_case *shape, mnist_fast_error *error);

/* MNIST_FAST_BAD_MACHINE where two lists of `count` numbers differ; the message names isa, check and the first one. */
mnist_fast_status mf_compare_results(const char *isa, const char *check, const float *expected, const float *found,
                                     size_t count, mnist_fast_error *error);

#endif
