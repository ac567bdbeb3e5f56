/* What to train: the public configuration, checked, in the library's own size. */
#ifndef MF_CONFIG_H
#define MF_CONFIG_H

#include "mnist_fast.h"

/* Copies the caller's configuration, whatever its size (see "Stability" in mnist_fast.h), and checks every value. */
mnist_fast_status mf_config_read(const mnist_fast_config *from, mnist_fast_config *config, mnist_fast_error *error);

#endif
