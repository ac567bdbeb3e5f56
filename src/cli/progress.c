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

/* What has no room in the line any more is left out. */
static void fit(char *text, int *room)
{
    const int length = (int)strlen(text);
    if (length <= *room)
        *room -= length;
    else
        *text = '\0';
}

static void describe_left(double seconds, char *text, size_t size)
{
    const long whole = seconds < 359999 ? (long)seconds : 359999; /* 99:59:59 */
    if (whole < 3600)
        snprintf(text, size, "  %ld:%02ld left", whole / 60, whole % 60);
    else
        snprintf(text, size, "  %ld:%02ld:%02ld left", whole / 3600, whole / 60 % 60, whole % 60);
}

void cli_progress_show(struct cli_progress_bar *bar, const mnist_fast_progress *progress, double now)
{
    if (!bar->visible)
        return;
    const double epochs = progress->epoch - 1 + (double)progress->batch / progress->batches;
    if (bar->started == 0) {
        bar->started = now;
        bar->first = epochs;
    }
    if (bar->drawn && now - bar->shown < 0.05) /* twenty times a second is smooth enough */
        return;
    bar->shown = now;
    bar->drawn = true;

    const double share = epochs / progress->epochs;
    char name[64], percent[16], left[64] = "", speed[64] = "";
    snprintf(name, sizeof name, "  epoch %d/%d", progress->epoch, progress->epochs);
    snprintf(percent, sizeof percent, "  %3d%%", (int)(share * 100));
    if (epochs > bar->first)
        describe_left((now - bar->started) / (epochs - bar->first) * (progress->epochs - epochs), left, sizeof left);
    if (progress->images_per_second > 0)
        snprintf(speed, sizeof speed, "  %.0f images/s", progress->images_per_second);

    enum { MARGIN = 2, NARROWEST = 8, WIDEST = 40 };
    int room = cli_terminal_columns(STDERR_FILENO) - 1; /* a full line might wrap */
    fit(percent, &room);
    fit(name, &room);
    fit(left, &room);
    int cells = 0;
    if (*name && room >= MARGIN + NARROWEST) {
        room -= MARGIN + NARROWEST;
        fit(speed, &room);
        cells = NARROWEST + room < WIDEST ? NARROWEST + room : WIDEST;
    } else {
        *speed = '\0';
    }
    fprintf(stderr, "\r%s%*s", name, cells ? MARGIN : 0, "");
    for (int i = 0; i < cells; i++) {
        const bool full = i < (int)(share * cells + 0.5);
        fputs(bar->utf8 ? full ? "━" : "┄" : full ? "#" : ".", stderr);
    }
    fprintf(stderr, "%s%s%s\x1b[K", percent, speed, left);
    fflush(stderr);
}

void cli_progress_clear(struct cli_progress_bar *bar)
{
    if (bar->drawn)
        fputs("\r\x1b[K", stderr);
    fflush(stderr);
    bar->drawn = false;
}
