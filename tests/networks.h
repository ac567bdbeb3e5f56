/* Networks and images to try. */
#ifndef NETWORKS_H
#define NETWORKS_H

#include "engine/network.h"
#include "support.h"

mnist_fast_runtime runtime_of(const char *isa, int threads);

/* The default configuration but for these. */
mnist_fast_config config_of(int batch, double validation, int layers, const int *hidden);

/* In the precision of the kernels. Fails the test where there is none. It uses all its threads, however little work
 * there is. dense: never skips zeros. */
mnist_fast *network_new(const mnist_fast_config *config, const struct mf_kernels *kernels, int threads, bool dense);

/* Random images, a fifth of their pixels with ink. */
mnist_fast_images images_new(struct random *random, int count);

/* Fails the test where training fails. */
void train(mnist_fast *network, const mnist_fast_images *images, int epochs, mnist_fast_progress_callback *callback,
           void *user);

/* A callback that stops the training at the at-th call. */
struct stop {
    int calls, at;
};
int stop_at(const mnist_fast_progress *progress, void *stop);

/* Fails unless the status is BAD_ARGUMENT, with one line of message where error is not NULL. */
void expect_bad_argument(const char *what, mnist_fast_status status, const mnist_fast_error *error);

float *tensor_new(const mnist_fast *network, int tensor, enum mf_tensor_kind kind); /* its values, to be freed */

#endif
