/* The profile of a training as a table: a row for each phase, and one for all. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "mnist_fast.h"

#include <stdbool.h>

struct cli_profile_row {
    const char *name;
    double seconds; /* the mean of the threads */
    double share;   /* of all, 0 to 1 */
    double gflops;  /* of all threads; 0: the phase has no products */
};

struct cli_profile {
    struct cli_profile_row *rows; /* the last one is all */
    size_t count;
};

bool cli_profile_read(const mnist_fast *network, struct cli_profile *profile); /* false: no memory */
void cli_profile_free(struct cli_profile *profile);

#endif
