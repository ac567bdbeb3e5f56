/* How to compute: which kernels, on how many threads. */
#ifndef MF_RUNTIME_H
#define MF_RUNTIME_H

#include "base/cpu.h"
#include "blocking.h"
#include "kernels.h"
#include "mnist_fast.h"

struct mf_runtime {
    const struct mf_kernels *kernels;
    bool named; /* asked for by name */
    int threads;
    struct mf_cpu cpu;
    struct mf_blocking forced; /* by the environment; 0: by the rule */
};

/* Resolves the caller's runtime (NULL: the defaults) on this machine. */
mnist_fast_status mf_runtime_read(const mnist_fast_runtime *from, struct mf_runtime *runtime, mnist_fast_error *error);

/* Takes the kernels of that precision, which mf_runtime_read did not know. */
mnist_fast_status mf_runtime_compute_in(struct mf_runtime *runtime, mnist_fast_precision precision,
                                        mnist_fast_error *error);

#endif
