/* What every command uses: exit codes, messages, and the end of standard output. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stddef.h>

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_BELOW = 3 /* --min-accuracy */, CLI_SIGNAL = 128 };

double cli_seconds(void); /* since the program started */
void cli_start(void);     /* first of all */

/* Replaces what must not reach a terminal (control characters, bytes that are no part of valid UTF-8) with '?'. */
void cli_make_printable(char *text);

/* One line on standard error. */
void cli_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_failed(const mnist_fast_error *error); /* the error as a message; returns CLI_FAILED */

/* Writes the line into *error and returns status: `return cli_fail(error, MNIST_FAST_..., "...")`. */
mnist_fast_status cli_fail(mnist_fast_error *error, mnist_fast_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The shortest decimal number that is read back as value; with `single`, as the same float. Returns buffer. */
const char *cli_shortest(double value, bool single, char *buffer, size_t size);

/* Columns of the terminal behind a descriptor; 0: it is no terminal. */
int cli_terminal_columns(int descriptor);

/* Flushes and closes standard output, and returns what the program should exit with: code, unless the output was lost.
 * Where the reader of a pipe has gone (`| head -1`), that is 128 + SIGPIPE, without a message. */
int cli_close_output(int code);

#endif
