/* What a person at a terminal sees: a progress bar, and images drawn with characters. */
#ifndef MF_PROGRESS_H
#define MF_PROGRESS_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether what is written to file is read on a terminal that shows UTF-8. */
bool mf_terminal_utf8(FILE *file);

/* A bar on standard error, drawn over itself; nothing at all where standard error is no terminal. */
struct mf_progress_bar {
    bool visible, utf8;
    bool drawn;            /* the line holds a bar now */
    double started, shown; /* when, by mf_now; 0: not yet */
    double first;          /* epochs behind the network when it started */
};

void mf_progress_open(struct mf_progress_bar *bar, bool wanted);
void mf_progress_show(struct mf_progress_bar *bar, const mnist_fast_progress *progress);
void mf_progress_clear(struct mf_progress_bar *bar); /* before anything else is written to the terminal */

enum { MF_DRAWING_LINES = 14 };

/* Draws 28 x 28 pixels in 14 lines of 28 characters: half blocks with utf8, else a ramp from ' ' to '@'.
 * beside: a text for the right of each line, or NULL; the array itself may be NULL. */
void mf_draw_image(FILE *file, const uint8_t *pixels, bool utf8, const char *const beside[MF_DRAWING_LINES]);

#endif
