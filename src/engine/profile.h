/* Where the time goes. */
#ifndef MF_PROFILE_H
#define MF_PROFILE_H

#include "base/probes.h"

#include <stddef.h>

enum mf_phase {
    MF_PHASE_GATHER,         /* copying the batch together */
    MF_PHASE_NONZEROS,       /* packing and indexing the nonzeros, or scaling where the images are dense */
    MF_PHASE_FORWARD1,       /* the first layer */
    MF_PHASE_FORWARD,        /* the others */
    MF_PHASE_SOFTMAX,        /* with cross-entropy and its gradient */
    MF_PHASE_INPUT_GRADIENT, /* with the gradient of the ReLU */
    MF_PHASE_WEIGHT_UPDATE1, /* the first layer, with packing its nonzeros and Adam */
    MF_PHASE_WEIGHT_UPDATE,  /* the others, with Adam and the refresh of the transposed weights */
    MF_PHASE_EVALUATE,       /* validation and test, all of it */
    MF_PHASE_WAIT,           /* at barriers */
    MF_PHASE_OTHER,          /* metrics, the order of an epoch, reports */
    MF_PHASES
};

struct mf_profile {
    double seconds[MF_PHASES]; /* summed over threads */
    double flop[MF_PHASES];    /* dense-equivalent: of the products, as if no zero were skipped; biases count nothing */
};

const char *mf_phase_name(enum mf_phase phase);

/* One thread's stopwatch: each lap goes to a phase. Switched off, a lap is one test. */
struct mf_clock {
    struct mf_profile *profile; /* of this thread; NULL: off */
    double last;
};

void mf_clock_start(struct mf_clock *clock, struct mf_profile *profile);
void mf_clock_lap_(struct mf_clock *clock, enum mf_phase phase, double flop);
void mf_profile_add(struct mf_profile *sum, const struct mf_profile *part);

static inline void mf_clock_lap(struct mf_clock *clock, enum mf_phase phase, double flop)
{
    MF_PROBE1(phase_end, phase);
    if (clock->profile)
        mf_clock_lap_(clock, phase, flop);
}

#endif
