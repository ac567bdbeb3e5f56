/* How the work is cut so that it fits the machine: its caches and its threads. No bit of any result depends on it. */
#ifndef MF_BLOCKING_H
#define MF_BLOCKING_H

#include "base/cpu.h"
#include "kernels.h"
#include "mnist_fast.h"

/* Besides its multiply-adds a weight costs an Adam step: a division, a root and three streams from memory. As many
 * multiply-adds take as long, about. */
enum { MF_ADAM_COST = 32 };

struct mf_blocking {
    int threads; /* that the work keeps busy, of those that the network may use */
    int rows;    /* of a block of samples that passes through all layers */
    int panels;  /* of the gradient, in a task of a weight update */
    int pixels;  /* in a task of the first layer's weight update, where it skips zeros */
};

/* What decides. */
struct mf_blocking_request {
    const struct mf_kernels *kernels;
    const struct mf_cpu *cpu;
    const mnist_fast_config *config; /* the layers */
    int threads;                     /* at most */
    bool all_threads;                /* however little work there is */
    bool training;                   /* else: evaluation */
    size_t samples;                  /* of a step, or of the evaluation */
    struct mf_blocking forced;       /* where not 0, instead of the rule's rows, panels and pixels */
};

/* The rule. L2 stands for a core's part of the L2 cache: its size, divided by the cores that share it.
 *   rows    three matrices of the block's activations (dz, h and dx of an input gradient) fill L2 in the widest layer,
 *           but for 368 KB, which is fitted to sweeps: with 512 KB of L2 (Zen 3) 12 to 24 rows were the best, with 2 MB
 *           (Granite Rapids) 256
 *   panels  of all samples' gradients take half of L2; the rows of the weights stream past them
 *   pixels  of all samples, packed, take 3/8 of L2 where none is zero; 48 at least, and 24 where threads are many
 * All are whole tiles, and small enough that every thread has work. */
struct mf_blocking mf_blocking_choose(const struct mf_blocking_request *request);

/* Reads the environment's MNIST_FAST_BLOCK, "rows,panels" or "rows,panels,pixels", into *forced; zeros are up to the
 * rule. */
mnist_fast_status mf_blocking_forced(struct mf_blocking *forced, mnist_fast_error *error);

#endif
