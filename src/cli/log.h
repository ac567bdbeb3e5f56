/* The log of training: a CSV line an epoch.
 *
 * The first columns have the names of Keras's CSVLogger (epoch, accuracy, loss, val_accuracy, val_loss); then come
 * learning_rate (of the last step), seconds and images_per_second. Epochs count from 1, as everywhere in this program;
 * Keras counts from 0. Without validation images the two fields stay empty. */
#ifndef CLI_LOG_H
#define CLI_LOG_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stdio.h>

/* Begins the file anew, or with append goes on after what it holds. A file that is no such log is refused, and so is a
 * FIFO that nobody reads. */
mnist_fast_status cli_log_open(const char *path, bool append, FILE **log, mnist_fast_error *error);

bool cli_log_epoch(FILE *log, const mnist_fast_progress *progress); /* whether it was written */

#endif
