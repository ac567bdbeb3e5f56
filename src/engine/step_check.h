/* Kernels in tiles against their definition, by one step of training: the two forms of their operands are known to
 * them alone, so what is compared is what comes out as floats. For mnist_fast_selftest and fuzzing. */
#ifndef MF_STEP_CHECK_H
#define MF_STEP_CHECK_H

#include "kernels.h"
#include "mnist_fast.h"

/* units: of the two hidden layers. images: one batch, with labels. MNIST_FAST_BAD_MACHINE where a result differs by a
 * bit; the message names the kernels that it comes from. */
mnist_fast_status mf_step_check(const struct mf_kernels *kernels, const struct mf_kernels *definition,
                                const int units[2], const mnist_fast_images *images, mnist_fast_error *error);

#endif
