/* What `mnist_fast train` prints: a table for people, or JSON. */
#ifndef CLI_TRAIN_OUTPUT_H
#define CLI_TRAIN_OUTPUT_H

#include "options.h"

struct cli_training {
    const struct cli_options *options;
    mnist_fast *network;
    mnist_fast_config config; /* the network's: a checkpoint may bring its own */
    int epochs;               /* to train in all; the schedule of a checkpoint may say how many */
    mnist_fast_images train, test;
    size_t train_count, validation_count;
    double seconds; /* of the epochs that this run trained, validation included */
    double flop;    /* of the same: see cli_add_flop */
    mnist_fast_metrics tested;
};

/* Counts the multiplications and additions of an epoch, as if no zero were skipped: forward, weight gradient and input
 * gradient (which the first layer doesn't need) of the images trained, forward of those validated. */
void cli_add_flop(struct cli_training *training, double trained, double validated);

/* They fail where memory runs out; cli_close_output tells what could not be written. */
mnist_fast_status cli_print_start(const struct cli_training *training, mnist_fast_error *error);
mnist_fast_status cli_print_epoch(const struct cli_training *training, const mnist_fast_progress *progress,
                                  mnist_fast_error *error);
mnist_fast_status cli_print_summary(const struct cli_training *training, mnist_fast_error *error);
mnist_fast_status cli_print_profile(const struct cli_training *training, mnist_fast_error *error);

#endif
