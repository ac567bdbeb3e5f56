#include "error.h"

#include <stdarg.h>
#include <stdio.h>

mnist_fast_status mf_fail(mnist_fast_error *error, mnist_fast_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}
