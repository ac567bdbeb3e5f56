#include "profile.h"

#include "base/clock.h"

const char *mf_phase_name(enum mf_phase phase)
{
    static const char *const name[MF_PHASES] = {
        "gather",
        "nonzeros",
        "forward, layer 1",
        "forward, other layers",
        "softmax",
        "input gradient",
        "weight update, layer 1",
        "weight update, others",
        "evaluate",
        "wait",
        "other",
    };
    return name[phase];
}

void mf_clock_start(struct mf_clock *clock, struct mf_profile *profile)
{
    *clock = (struct mf_clock){.profile = profile, .last = profile ? mf_now() : 0};
}

void mf_clock_lap_(struct mf_clock *clock, enum mf_phase phase, double flop)
{
    const double now = mf_now();
    clock->profile->seconds[phase] += now - clock->last;
    clock->profile->flop[phase] += flop;
    clock->last = now;
}

void mf_profile_add(struct mf_profile *sum, const struct mf_profile *part)
{
    for (int p = 0; p < MF_PHASES; p++) {
        sum->seconds[p] += part->seconds[p];
        sum->flop[p] += part->flop[p];
    }
}
