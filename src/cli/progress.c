#include "progress.h"

#include "base/profile.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Reads the environment rather than call setlocale, which would change how the whole program reads numbers. */
bool mf_terminal_utf8(FILE *file)
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

void mf_progress_open(struct mf_progress_bar *bar, bool wanted)
{
    const char *terminal = getenv("TERM");
    *bar = (struct mf_progress_bar){
        .visible = wanted && isatty(STDERR_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0,
        .utf8 = mf_terminal_utf8(stderr),
    };
}

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    const long number = columns ? strtol(columns, NULL, 10) : 0;
    return number > 0 && number <= 1000 ? (int)number : 80;
}

void mf_progress_show(struct mf_progress_bar *bar, const mnist_fast_progress *progress)
{
    if (!bar->visible)
        return;
    const double now = mf_now();
    const double epochs = progress->epoch - 1 + (double)progress->batch / progress->batches;
    if (bar->started == 0) {
        bar->started = now;
        bar->first = epochs;
    }
    if (bar->drawn && now - bar->shown < 0.05) /* twenty times a second is smooth enough */
        return;
    bar->shown = now;
    bar->drawn = true;

    char text[64];
    const int length = snprintf(text, sizeof text, "epoch %d/%d", progress->epoch, progress->epochs);
    char left[64] = "";
    if (epochs > bar->first) {
        const double seconds = (now - bar->started) / (epochs - bar->first) * (progress->epochs - epochs);
        snprintf(left, sizeof left, "%3d:%02d left", (int)(seconds / 60), (int)seconds % 60);
    }
    enum { MARGINS = 11, NARROWEST = 8, WIDEST = 40 };
    const int room = terminal_columns() - length - (int)strlen(left) - MARGINS;
    const int cells = room < NARROWEST ? 0 : room < WIDEST ? room : WIDEST;
    const double share = epochs / progress->epochs;
    fprintf(stderr, "\r  %s  ", text);
    for (int i = 0; i < cells; i++) {
        const bool full = i < (int)(share * cells + 0.5);
        fputs(bar->utf8 ? full ? "━" : "┄" : full ? "#" : ".", stderr);
    }
    fprintf(stderr, "%s%3d%%%s\x1b[K", cells > 0 ? "  " : "", (int)(share * 100), cells > 0 ? left : "");
    fflush(stderr);
}

void mf_progress_clear(struct mf_progress_bar *bar)
{
    if (bar->drawn)
        fputs("\r\x1b[K", stderr);
    fflush(stderr);
    bar->drawn = false;
}

void mf_draw_image(FILE *file, const uint8_t *pixels, bool utf8, const char *const beside[MF_DRAWING_LINES])
{
    enum { SIDE = 28, INK = 100 };
    for (int line = 0; line < MF_DRAWING_LINES; line++) {
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
