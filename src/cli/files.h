/* The files that the command line names for writing. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include "options.h"

/* Whatever the names: links, hard links, ./ and ../ are seen through. */
bool cli_same_file(const char *a, const char *b);

/* Fails where two of --save, --checkpoint, --resume, --log and --report are one file: one would destroy the other. Only
 * --checkpoint may replace what --resume reads. */
mnist_fast_status cli_check_distinct_files(const struct cli_options *options, mnist_fast_error *error);

/* Fails where path is a regular file that is not empty and whose first line isn't `line`: it must not be overwritten.
 * what names such a file: "a log of training". */
mnist_fast_status cli_check_first_line(const char *path, const char *line, const char *what, mnist_fast_error *error);

#endif
