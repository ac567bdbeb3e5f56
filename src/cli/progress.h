/* A progress bar on standard error, drawn over itself; nothing at all where standard error is no terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "mnist_fast.h"

#include <stdbool.h>

struct cli_progress_bar {
    bool visible, utf8;
    bool drawn;            /* the line holds a bar now */
    double started, shown; /* when, in seconds; 0: not yet */
    double first;          /* epochs behind the network when it started */
};

void cli_progress_open(struct cli_progress_bar *bar, bool wanted);
/* now: in seconds, of any clock that does not go back. */
void cli_progress_show(struct cli_progress_bar *bar, const mnist_fast_progress *progress, double now);
void cli_progress_clear(struct cli_progress_bar *bar); /* before anything else is written to the terminal */

#endif
