/* The caller's images. */
#ifndef MF_IMAGES_H
#define MF_IMAGES_H

#include "mnist_fast.h"

/* Images that can be trained or measured on: there are some, and every label is a digit. */
mnist_fast_status mf_check_labels(const mnist_fast_images *images, mnist_fast_error *error);

#endif
