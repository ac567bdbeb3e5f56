/* The network at work on images: prediction, and the metrics of validation and test. */
#ifndef MF_EVALUATE_H
#define MF_EVALUATE_H

#include "step.h"

/* What is wanted of each image; a NULL is not wanted. */
struct mf_outcome {
    uint8_t *digits;
    float *loss;          /* asks for labels */
    float *probabilities; /* ten an image */
};

/* Rows that the workspace must have for a team of this many threads to evaluate. */
int mf_evaluate_rows(int threads);

/* One thread's share of images order[0..count) (order NULL: images 0..count). Results are in that order. Returns
 * whether all probabilities are finite. */
bool mf_evaluate_share(mnist_fast *network, const mnist_fast_images *images, const uint32_t *order, size_t count,
                       bool sparse, const struct mf_outcome *outcome, int thread, int threads, struct mf_clock *clock);

/* Sums in ascending order of the images. */
mnist_fast_metrics mf_metrics_of(const mnist_fast_images *images, const uint32_t *order, size_t count,
                                 const struct mf_outcome *outcome);

#endif
