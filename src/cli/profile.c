#include "profile.h"

#include <stdlib.h>

bool cli_profile_read(const mnist_fast *network, struct cli_profile *profile)
{
    const int threads = mnist_fast_threads(network);
    const size_t count = mnist_fast_get_profile(network, NULL, 0);
    mnist_fast_phase *phases = calloc(count + 1, sizeof *phases);
    *profile = (struct cli_profile){.rows = calloc(count + 1, sizeof *profile->rows), .count = count + 1};
    const bool good = phases && profile->rows;
    if (!good)
        goto done;
    mnist_fast_get_profile(network, phases, count);
    mnist_fast_phase *const all = &phases[count];
    all->name = "all";
    for (size_t i = 0; i < count; i++) {
        all->seconds += phases[i].seconds;
        all->flop += phases[i].flop;
    }
    for (size_t i = 0; i <= count; i++)
        profile->rows[i] = (struct cli_profile_row){
            .name = phases[i].name,
            .seconds = phases[i].seconds / threads,
            .share = all->seconds > 0 ? phases[i].seconds / all->seconds : 0,
            .gflops = phases[i].seconds > 0 ? phases[i].flop / phases[i].seconds * threads * 1e-9 : 0,
        };
done:
    free(phases);
    if (!good)
        cli_profile_free(profile);
    return good;
}

void cli_profile_free(struct cli_profile *profile)
{
    free(profile->rows);
    *profile = (struct cli_profile){0};
}
