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

/* Rows of the workspace that each thread of the team needs to evaluate `count` images. */
int mf_evaluate_rows(const mnist_fast *network, size_t count);

/* Gives each thread its share of so many images: for a single thread, or before a barrier. */
void mf_evaluate_divide(const mnist_fast *network, struct mf_shares *shares, int thread, size_t count);

/* Evaluates images order[0..count) (order NULL: images 0..count), those that the thread takes from `shares` until none
 * is left. Results are in that order. Returns whether all probabilities are finite. */
bool mf_evaluate_share(mnist_fast *network, const mnist_fast_images *images, const uint32_t *order, size_t count,
                       bool sparse, const struct mf_outcome *outcome, struct mf_shares *shares, int thread,
                       struct mf_clock *clock);

/* Sums in ascending order of the images. */
mnist_fast_metrics mf_metrics_of(const mnist_fast_images *images, const uint32_t *order, size_t count,
                                 const struct mf_outcome *outcome);

#endif
