/* The report: one page of HTML on a training or an evaluation, with all that is needed to repeat it. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "options.h"
#include "score.h"

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

/* To be asked before a long training: whether path can be written, and is no file of another kind. */
mnist_fast_status cli_report_check(const char *path, mnist_fast_error *error);

/* Writes options->report as a whole. Phases are those of the first network's profile. */
mnist_fast_status cli_report_write(const struct cli_report *report, mnist_fast_error *error);

#endif
