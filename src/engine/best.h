/* With patience: a copy of the weights of the best epoch, by validation loss. The copy takes as much memory as the
 * weights do (3.7 MB for the default network), and is taken before the first step. */
#ifndef MF_BEST_H
#define MF_BEST_H

#include "network.h"

mnist_fast_status mf_best_reserve(mnist_fast *network, mnist_fast_error *error); /* the memory; may be called again */
void mf_best_keep(mnist_fast *network, double loss); /* the weights are those of the best epoch so far */
void mf_best_forget(mnist_fast *network);            /* there is no best epoch */

/* Whether the kernels are to compute with the weights of the best epoch, if there is one, or with those that training
 * goes on from. wt is always that of the latter: nothing but training reads it. */
void mf_best_use(mnist_fast *network, bool use);

#endif
