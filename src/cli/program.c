#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double start;

double cli_seconds(void)
{
    return now() - start;
}

/* A file opened while descriptor 0, 1 or 2 is closed would get its number, and messages would be written into it.
 * The placeholder can't be used in the direction that is expected, so that writing to it fails as before. */
static void fill_standard_descriptors(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF && open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) != i)
            _exit(CLI_FAILED);
}

void cli_start(void)
{
    start = now();
    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe, and a file that meets its size limit, */
    signal(SIGXFSZ, SIG_IGN); /* are errors, not the end of the process */
}

/* The length of the UTF-8 sequence at text, 0 where it is not valid or a control character of C1 (U+0080 to 009F). */
static size_t sequence(const unsigned char *text)
{
    const unsigned char first = text[0];
    if (first < 0x80)
        return first >= ' ' && first != 0x7f;
    const size_t length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 ? 4 : 0;
    if (first > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    const bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    const bool surrogate = first == 0xed && text[1] >= 0xa0, beyond = first == 0xf4 && text[1] >= 0x90;
    const bool c1 = first == 0xc2 && text[1] < 0xa0;
    return overlong || surrogate || beyond || c1 ? 0 : length;
}

void cli_make_printable(char *text)
{
    while (*text) {
        const size_t length = sequence((unsigned char *)text);
        if (length == 0)
            *text = '?';
        text += length ? length : 1;
    }
}

void cli_message(const char *format, ...)
{
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_make_printable(text);
    fprintf(stderr, "mnist_fast: %s\n", text);
}

int cli_failed(const mnist_fast_error *error)
{
    cli_message("%s", error->text);
    return CLI_FAILED;
}

mnist_fast_status cli_fail(mnist_fast_error *error, mnist_fast_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

const char *cli_shortest(double value, bool single, char *buffer, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buffer, size, "%.*g", digits, value);
        const double read = strtod(buffer, NULL);
        if (single ? (float)read == (float)value : read == value)
            break;
    }
    return buffer;
}

int cli_terminal_columns(int descriptor)
{
    if (!isatty(descriptor))
        return 0;
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    const long number = columns ? strtol(columns, NULL, 10) : 0;
    return number > 0 && number <= 1000 ? (int)number : 80;
}

/* A pipe or socket whose other end is closed. */
static bool reader_has_gone(int descriptor)
{
    struct pollfd poll_descriptor = {.fd = descriptor, .events = POLLOUT};
    return poll(&poll_descriptor, 1, 0) > 0 && (poll_descriptor.revents & POLLERR) != 0;
}

int cli_close_output(int code)
{
    /* printf alone does not show that standard output is closed, a broken pipe or a full disk. */
    const bool gone = reader_has_gone(STDOUT_FILENO);
    const bool broken = ferror(stdout) != 0;
    errno = 0;
    const bool lost = fclose(stdout) != 0;
    const int problem = errno;
    if ((!broken && !lost) || code == CLI_FAILED) /* an error has been told already */
        return code;
    if (gone && code == CLI_DONE)
        return CLI_SIGNAL + SIGPIPE;
    cli_message("standard output: could not be written%s%s", problem ? ": " : "", problem ? strerror(problem) : "");
    return code == CLI_DONE ? CLI_FAILED : code;
}
