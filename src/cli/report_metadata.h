/* What a report is about, and the part of it that one needs to repeat the run. */
#ifndef CLI_REPORT_METADATA_H
#define CLI_REPORT_METADATA_H

#include "options.h"
#include "score.h"

#include <stdio.h>

struct cli_report {
    const struct cli_options *options; /* with the configuration in force: a checkpoint may bring its own */
    mnist_fast *const *networks;
    int network_count;
    const struct cli_score *score; /* of the test images */
    const mnist_fast_images *test;

    /* Of a training; else zero. */
    const mnist_fast_images *train;
    size_t train_count, validation_count;
    const mnist_fast_progress *epochs; /* that this run trained */
    size_t epoch_count;
    double seconds; /* of these epochs */
};

void cli_report_metadata(FILE *out, const struct cli_report *report);

#endif
