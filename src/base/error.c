#include "error.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for two paths and a sentence. */
enum { LONGEST = 2 * PATH_MAX + 512 };

/* A message begins with the path it is about. Where it is too long, the beginning of the path goes: its end tells the
 * file, and what comes after it the reason. */
static void keep_end(char *to, size_t size, const char *text)
{
    static const char dots[] = "...";
    const size_t length = strlen(text);
    if (length < size) {
        memcpy(to, text, length + 1);
        return;
    }
    const char *from = text + length - (size - sizeof dots);
    while (((unsigned char)*from & 0xc0) == 0x80) /* not in the middle of a character of UTF-8 */
        from++;
    snprintf(to, size, "%s%s", dots, from);
}

mnist_fast_status mf_fail(mnist_fast_error *error, mnist_fast_status status, const char *format, ...)
{
    if (error) {
        char text[LONGEST];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        keep_end(error->text, sizeof error->text, text);
    }
    return status;
}
