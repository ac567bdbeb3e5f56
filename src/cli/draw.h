/* Images drawn with characters. */
#ifndef CLI_DRAW_H
#define CLI_DRAW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Whether what is written to file is read on a terminal that shows UTF-8. */
bool cli_terminal_utf8(FILE *file);

enum { CLI_DRAWING_LINES = 14 };

/* Draws 28 x 28 pixels in 14 lines of 28 characters: half blocks with utf8, else a ramp from ' ' to '@'.
 * beside: a text for the right of each line, or NULL; the array itself may be NULL. */
void cli_draw_image(FILE *file, const uint8_t *pixels, bool utf8, const char *const beside[CLI_DRAWING_LINES]);

/* A blank line, then the drawing on standard output with up to 8 lines of text on its right, or below it where the
 * terminal is too narrow. */
void cli_draw_with_text(FILE *file, const uint8_t *pixels, const char lines[][64], int count);

#endif
