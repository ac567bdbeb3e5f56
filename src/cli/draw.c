#include "draw.h"

#include "program.h"

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

void cli_draw_with_text(FILE *file, const uint8_t *pixels, const char lines[][64], int count)
{
    enum { WIDTH = 28, FIRST = 5 };
    const char *beside[CLI_DRAWING_LINES] = {NULL};
    size_t widest = 0;
    for (int i = 0; i < count; i++)
        widest = strlen(lines[i]) > widest ? strlen(lines[i]) : widest;
    const int columns = cli_terminal_columns(fileno(file));
    const bool fits = columns == 0 || WIDTH + widest <= (size_t)columns;
    for (int i = 0; fits && i < count; i++)
        beside[FIRST + i] = lines[i];
    fputc('\n', file);
    cli_draw_image(file, pixels, cli_terminal_utf8(file), beside);
    for (int i = 0; !fits && i < count; i++)
        fprintf(file, "%s\n", lines[i]);
}
