/* Parts of a self-contained page of HTML: no script, and nothing that is loaded from elsewhere. */
#ifndef CLI_HTML_H
#define CLI_HTML_H

#include <stdio.h>

#define CLI_HTML_FIRST_LINE "<!DOCTYPE html><!-- mnist_fast report -->"

void cli_html_begin(FILE *out, const char *title); /* up to the heading */
void cli_html_end(FILE *out);

/* Text, of up to 8 KB, which may come from outside (file names, the command line): what HTML gives a meaning to is
 * escaped; control characters, and bytes that are no UTF-8, become '?'. */
void cli_html_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same as a row of a table of two columns. */
void cli_html_row(FILE *out, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
