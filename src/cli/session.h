/* What the commands share: how to compute, the data, the model. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "options.h"

mnist_fast_runtime cli_runtime(const struct cli_options *options);

/* Loads one part; says so where it is not MNIST itself. Returns CLI_DONE, or tells the error. */
int cli_load_images(const struct cli_options *options, mnist_fast_part part, bool labels, mnist_fast_images *images);

/* "2 processors to run on, 2 cores, no CPU quota": why there are so many threads. */
void cli_describe_threads(char *text, size_t size);
/* "48 rows, 4 panels, 48 pixels on 2 threads (by the L2 of 512 KB a core)": how a training step is cut, and why. */
void cli_describe_blocking(const mnist_fast *network, char *text, size_t size);
/* "L1 32 KB, L2 512 KB, L3 32 MB for 2 cores" */
void cli_describe_caches(char *text, size_t size);
void cli_warn_of_threads(const mnist_fast *network); /* where they are more than the processors */

/* "784-500-10" */
void cli_describe_network(const mnist_fast_config *config, char *text, size_t size);

/* The three most probable digits, best first. */
void cli_top_three(const float probabilities[MNIST_FAST_CLASSES], int top[3]);

/* CLI_DONE, or CLI_BELOW with a message where the test accuracy is less than --min-accuracy. */
int cli_check_accuracy(const struct cli_options *options, const mnist_fast_metrics *metrics);

/* The names of the instruction sets, separated by spaces: all that are built in, or those that run here. */
void cli_list_isas(char *text, size_t size, bool runnable);

/* How the program was compiled. */
extern const char *const cli_compiler;

#endif
