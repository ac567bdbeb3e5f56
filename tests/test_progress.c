/* The progress bar, drawn on a terminal of any width. */
#include "cli/progress.h"
#include "support.h"

#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

enum { CLEAR = 3 }; /* characters of "\x1b[K" */

/* What the bar shows last, of two calls with these progresses 0.06 s apart; sooner it is not drawn again. */
static char *shown(const char *terminal, const char *locale, int columns, mnist_fast_progress first,
                   mnist_fast_progress then)
{
    static const char end[] = "END"; /* of what was drawn: a terminal that is closed may lose what was not read */
    static char text[4096];
    const struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    int master, slave;
    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, &size), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(master);
        if (login_tty(slave) != 0)
            _exit(1);
        if (terminal)
            setenv("TERM", terminal, 1);
        else
            unsetenv("TERM");
        setenv("LC_ALL", locale, 1);
        struct cli_progress_bar bar;
        cli_progress_open(&bar, true);
        cli_progress_show(&bar, &first, 1000);
        cli_progress_show(&bar, &then, 1000.06);
        fputs(end, stderr);
        _exit(0);
    }
    size_t length = 0;
    char *last = NULL;
    while (!last) {
        const ssize_t got = read(master, text + length, sizeof text - 1 - length);
        ck_assert_int_gt(got, 0);
        length += (size_t)got;
        text[length] = '\0';
        last = strstr(text, end);
    }
    *last = '\0';
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(master);
    close(slave);
    last = strrchr(text, '\r');
    return last ? last + 1 : text;
}

static mnist_fast_progress at(int epoch, int epochs, int batch, int batches)
{
    return (mnist_fast_progress){
        .epoch = epoch, .epochs = epochs, .batch = batch, .batches = batches, .images_per_second = 48182.4};
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Never as wide as the terminal, and complete where there is room. What is left out first: the speed, the bar, the
 * time, the epochs. */
START_TEST(widths)
{
    static const char *const locales[] = {"C", "C.UTF-8"};
    for (int locale = 0; locale < 2; locale++)
        for (int columns = 7; columns <= 100; columns++) {
            support_case("%d columns, locale %s", columns, locales[locale]);
            const char *const text = shown("xterm", locales[locale], columns, at(2, 5, 27, 54), at(2, 5, 54, 54));
            const size_t length = strlen(text);
            ck_assert_msg(length >= CLEAR && strcmp(text + length - CLEAR, "\x1b[K") == 0, "%s", text);
            if (characters(text) - CLEAR >= (size_t)columns)
                support_fail("too wide: '%s'", text);
            ck_assert_ptr_nonnull(strstr(text, "   40%"));
            ck_assert_int_eq(strstr(text, "  epoch 2/5  ") != NULL, columns >= 18);
            ck_assert_int_eq(strstr(text, "  0:00 left") != NULL, columns >= 29);
            ck_assert_int_eq(strstr(text, locale ? "━┄" : "#.") != NULL, columns >= 39 || columns == 28);
            ck_assert_int_eq(strstr(text, "  48182 images/s  ") != NULL, columns >= 55);
            int full = 0, empty = 0;
            for (const char *c = text; *c; c++) {
                full += locale ? strncmp(c, "━", 3) == 0 : *c == '#';
                empty += locale ? strncmp(c, "┄", 3) == 0 : *c == '.';
            }
            ck_assert_int_le(full + empty, 40);
            if (full + empty)
                ck_assert_int_eq(full, (int)(0.4 * (full + empty) + 0.5));
        }
}
END_TEST

START_TEST(long_trainings)
{
    static const int columns[] = {20, 40, 80};
    for (int i = 0; i < 3; i++) {
        support_case("%d columns", columns[i]);
        /* a millionth of an epoch of a million in 0.06 s */
        const char *text = shown("xterm", "C", columns[i], at(1, 1000000, 1, 1000000), at(1, 1000000, 2, 1000000));
        if (characters(text) - CLEAR >= (size_t)columns[i])
            support_fail("too wide: '%s'", text);
        ck_assert_ptr_nonnull(strstr(text, "    0%"));
        ck_assert_int_eq(strstr(text, "  99:59:59 left") != NULL, i > 0);
        ck_assert_int_eq(strstr(text, "epoch 1/1000000") != NULL, i > 0);
    }
    /* 0.06 s are a 50,000th of it, less that much: 49:59.88, or 8:19:59.88, but for what the clock rounds */
    const char *text = shown("xterm", "C", 80, at(1, 1, 1, 50000), at(1, 1, 2, 50000));
    int hours, minutes, seconds;
    const char *left = strstr(text, "images/s");
    ck_assert_ptr_nonnull(left);
    ck_assert_msg(sscanf(left, "images/s %d:%d left", &minutes, &seconds) == 2 && minutes == 49 && seconds == 59, "%s",
                  text);
    text = shown("xterm", "C", 80, at(1, 10, 1, 50000), at(1, 10, 2, 50000));
    left = strstr(text, "images/s");
    ck_assert_ptr_nonnull(left);
    ck_assert_msg(sscanf(left, "images/s %d:%d:%d left", &hours, &minutes, &seconds) == 3 && hours == 8 &&
                      minutes == 19 && seconds == 59,
                  "%s", text);
}
END_TEST

/* Nothing where the cursor can't be moved; elsewhere no more than \r and the clearing of the line, and no colour. */
START_TEST(terminals)
{
    ck_assert_str_eq(shown(NULL, "C", 80, at(1, 5, 1, 9), at(1, 5, 2, 9)), "");
    ck_assert_str_eq(shown("", "C", 80, at(1, 5, 1, 9), at(1, 5, 2, 9)), "");
    ck_assert_str_eq(shown("dumb", "C", 80, at(1, 5, 1, 9), at(1, 5, 2, 9)), "");
    const char *text = shown("a-terminal-of-tomorrow", "C", 80, at(1, 5, 1, 9), at(1, 5, 2, 9));
    ck_assert_ptr_nonnull(strstr(text, "epoch 1/5"));
    ck_assert_ptr_eq(strchr(text, '\x1b'), text + strlen(text) - CLEAR);
    mnist_fast_progress progress = at(1, 5, 2, 9);
    progress.images_per_second = 0; /* nothing is known yet, as after a resume */
    text = shown("xterm", "C", 80, progress, progress);
    ck_assert_ptr_null(strstr(text, "images/s"));
    ck_assert_ptr_null(strstr(text, "left"));
}
END_TEST

int main(void)
{
    support_begin();
    int ends[2];
    if (openpty(&ends[0], &ends[1], NULL, NULL, NULL) != 0) {
        puts("SKIP: no pseudo-terminals here");
        return 0;
    }
    close(ends[0]);
    close(ends[1]);
    Suite *suite = suite_create("progress");
    TCase *tcase = tcase_create("progress");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, widths);
    tcase_add_test(tcase, long_trainings);
    tcase_add_test(tcase, terminals);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
