/* Adam: the constants of one step. The step itself is fused into the weight-update kernels. */
#ifndef MF_ADAM_H
#define MF_ADAM_H

#include "kernels.h"
#include "mnist_fast.h"

/* step counts from 1; its learning rate is that of schedule.h. */
struct mf_adam mf_adam_constants(const mnist_fast_config *config, double learning_rate, uint64_t step);

#endif
