/* The learning rate of each step. */
#ifndef MF_SCHEDULE_H
#define MF_SCHEDULE_H

#include "mnist_fast.h"

/* The rate of a step, which counts from 1 over the epochs, of `steps` in all; steps is read by a cosine alone, and is
 * then larger than config->warmup_steps and at least step. */
double mf_learning_rate(const mnist_fast_config *config, uint64_t step, uint64_t steps);

#endif
