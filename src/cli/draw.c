#include "draw.h"

#include "program.h"
#include "session.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Reads the environment rather than call setlocale, which would change how the whole program reads numbers. */
bool cli_terminal_utf8(FILE *file)
{
    if (!isatty(fileno(file)))
        return false;
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *locale = getenv(variables[i]);
        if (!locale || !*locale)
            continue;
        const char *charset = strchr(locale, '.');
        return charset && (strncasecmp(charset, ".utf-8", 6) == 0 || strncasecmp(charset, ".utf8", 5) == 0);
    }
    return false;
}

void cli_draw_image(FILE *file, const uint8_t *pixels, bool utf8, const char *const beside[CLI_DRAWING_LINES])
{
    enum { SIDE = 28, INK = 100 };
    for (int line = 0; line < CLI_DRAWING_LINES; line++) {
        const uint8_t *upper = pixels + 2 * line * SIDE, *lower = upper + SIDE;
        const char *note = beside ? beside[line] : NULL;
        const char *cells[SIDE];
        int length = note ? SIDE : 0;
        for (int i = 0; i < SIDE; i++) {
            static const char *const blocks[] = {" ", "▄", "▀", "█"};
            static const char *const ramp[] = {" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"};
            cells[i] = utf8 ? blocks[2 * (upper[i] >= INK) + (lower[i] >= INK)] : ramp[(upper[i] + lower[i]) * 9 / 510];
            if (*cells[i] != ' ' && !note)
                length = i + 1;
        }
        for (int i = 0; i < length; i++)
            fputs(cells[i], file);
        fprintf(file, "%s\n", note ? note : "");
    }
}

void cli_draw_reading(const uint8_t *pixels, size_t index, int label, const float probabilities[MNIST_FAST_CLASSES])
{
    enum { WIDTH = 28, FIRST = 5, LINES = 4 };
    char lines[LINES][64];
    int top[LINES - 1];
    cli_top_three(probabilities, top);
    snprintf(lines[0], sizeof lines[0], "   test image %zu, a %d, is read as", index, label);
    for (int i = 1; i < LINES; i++)
        snprintf(lines[i], sizeof lines[i], "     %d  %6.2f%%", top[i - 1], 100 * (double)probabilities[top[i - 1]]);
    const int columns = cli_terminal_columns(STDOUT_FILENO);
    const bool fits = columns == 0 || WIDTH + strlen(lines[0]) <= (size_t)columns;
    const char *beside[CLI_DRAWING_LINES] = {NULL};
    for (int i = 0; fits && i < LINES; i++)
        beside[FIRST + i] = lines[i];
    putchar('\n');
    cli_draw_image(stdout, pixels, cli_terminal_utf8(stdout), beside);
    for (int i = 0; !fits && i < LINES; i++)
        puts(lines[i]);
}
