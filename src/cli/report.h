/* The report: one page of HTML on a training or an evaluation, with all that is needed to repeat it. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "report_metadata.h"

/* To be asked before a long training: whether path can be written, and is no file of another kind. */
mnist_fast_status cli_report_check(const char *path, mnist_fast_error *error);

/* Writes options->report as a whole. Phases are those of the first network's profile. */
mnist_fast_status cli_report_write(const struct cli_report *report, mnist_fast_error *error);

#endif
