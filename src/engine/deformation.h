/* Random deformations of the training images (Simard, Steinkraus and Platt 2003): rotation, shear, scale, shift and an
 * elastic field, other ones for each image in each epoch. */
#ifndef MF_DEFORMATION_H
#define MF_DEFORMATION_H

#include "mnist_fast.h"

#include <stdbool.h>

/* Whether the configuration asks for any. */
bool mf_deforms(const mnist_fast_config *config);

/* The image with this index as it is in this epoch: a function of these, of the configuration's seed and strengths, and
 * of nothing else. */
void mf_deform_image(const mnist_fast *network, uint32_t epoch, uint32_t image, const uint8_t *pixels,
                     uint8_t *deformed);

#endif
