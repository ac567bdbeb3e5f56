/* Where the data is. */
#ifndef CLI_DATA_FOLDER_H
#define CLI_DATA_FOLDER_H

#include "options.h"

/* --data, MNIST_FAST_DATA, or the first of these that has images: data/ beside the program, data/ in the current
 * folder, and where the installed fetch puts them, $XDG_DATA_HOME/mnist_fast or ~/.local/share/mnist_fast. NULL: none
 * has. The text stays until the next call. */
const char *cli_data_folder(const struct cli_options *options);

/* The error that cli_data_folder's NULL is: what was looked at, and what to do. */
mnist_fast_status cli_no_data(mnist_fast_error *error);

#endif
