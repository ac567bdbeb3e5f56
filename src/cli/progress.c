#include "progress.h"

#include "draw.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_progress_open(struct cli_progress_bar *bar, bool wanted)
{
    const char *terminal = getenv("TERM");
    *bar = (struct cli_progress_bar){
        .visible = wanted && isatty(STDERR_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0,
        .utf8 = cli_terminal_utf8(stderr),
    };
}

void cli_progress_show(struct cli_progress_bar *bar, const mnist_fast_progress *progress)
{
    if (!bar->visible)
        return;
    const double now = cli_seconds();
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
        const long whole = seconds < 359999 ? (long)seconds : 359999; /* 99:59:59 */
        if (whole < 3600)
            snprintf(left, sizeof left, "%3ld:%02ld left", whole / 60, whole % 60);
        else
            snprintf(left, sizeof left, "%ld:%02ld:%02ld left", whole / 3600, whole / 60 % 60, whole % 60);
    }
    enum { MARGINS = 11, NARROWEST = 8, WIDEST = 40 };
    const int room = cli_terminal_columns(STDERR_FILENO) - length - (int)strlen(left) - MARGINS;
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

void cli_progress_clear(struct cli_progress_bar *bar)
{
    if (bar->drawn)
        fputs("\r\x1b[K", stderr);
    fflush(stderr);
    bar->drawn = false;
}
