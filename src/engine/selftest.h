/* mnist_fast_selftest, for kernels of the caller's choice. */
#ifndef MF_SELFTEST_H
#define MF_SELFTEST_H

#include "kernels.h"
#include "mnist_fast.h"

/* isas: NULL last. Those that this CPU does not support are left out. */
mnist_fast_status mf_selftest(const struct mf_kernels *const *isas, mnist_fast_selftest_callback *callback, void *user,
                              mnist_fast_error *error);

#endif
