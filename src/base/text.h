/* Text in messages and files. */
#ifndef MF_TEXT_H
#define MF_TEXT_H

#include <locale.h>
#include <stdbool.h>

/* A name or value from a file as part of a message: short, and without control characters. */
struct mf_printable {
    char text[64];
};
struct mf_printable mf_printable(const char *text);

/* printf and strtod use the decimal point of the host program's locale. Between these two calls, this thread uses that
 * of "C". False: no memory. */
bool mf_enter_c_locale(locale_t *c, locale_t *before);
void mf_leave_c_locale(locale_t c, locale_t before);

#endif
