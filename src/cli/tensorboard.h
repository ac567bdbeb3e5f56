/* Event files for TensorBoard: DIR/train and DIR/validation, as Keras's callback writes them, so that both curves are
 * in one chart. The tags are epoch_loss and epoch_accuracy, and for training epoch_learning_rate and
 * epoch_images_per_second; the step is the number of the epoch, from 1. */
#ifndef CLI_TENSORBOARD_H
#define CLI_TENSORBOARD_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stdio.h>

struct cli_tensorboard {
    FILE *train, *validation; /* validation is NULL where nothing is held out */
};

/* Creates the folder and the two within it, where they are missing, and a new file in each. On failure *board is
 * zeroed. */
mnist_fast_status cli_tensorboard_open(const char *folder, bool validation, struct cli_tensorboard *board,
                                       mnist_fast_error *error);
/* The events of an epoch. Like closing, it returns whether all was written. */
bool cli_tensorboard_epoch(const struct cli_tensorboard *board, const mnist_fast_progress *progress);
bool cli_tensorboard_close(struct cli_tensorboard *board); /* accepts zeroed ones; leaves them zeroed */

/* CRC-32C (Castagnoli's polynomial), which the files are checked with. */
uint32_t cli_crc32c(const void *bytes, size_t size);

#endif
