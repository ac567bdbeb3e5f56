/* Images drawn with characters. */
#ifndef CLI_DRAW_H
#define CLI_DRAW_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether what is written to file is read on a terminal that shows UTF-8. */
bool cli_terminal_utf8(FILE *file);

enum { CLI_DRAWING_LINES = 14 };

/* Draws 28 x 28 pixels in 14 lines of 28 characters: half blocks with utf8, else a ramp from ' ' to '@'.
 * beside: a text for the right of each line, or NULL; the array itself may be NULL. */
void cli_draw_image(FILE *file, const uint8_t *pixels, bool utf8, const char *const beside[CLI_DRAWING_LINES]);

/* A blank line, then the image on standard output with what it is read as on its right, or below it where the terminal
 * is too narrow: "test image 7, a 2, is read as", and the three most probable digits. */
void cli_draw_reading(const uint8_t *pixels, size_t index, int label, const float probabilities[MNIST_FAST_CLASSES]);

#endif
