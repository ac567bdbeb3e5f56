#include "json.h"

#include "program.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *cli_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cli_json_float(float value)
{
    char text[32];
    return cli_json_real(strtod(cli_shortest((double)value, true, text, sizeof text), NULL));
}

json_t *cli_json_crc32(unsigned crc32)
{
    return json_sprintf("%08x", crc32);
}

json_t *cli_json_text(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return NULL;
    cli_make_printable(copy);
    json_t *string = json_string(copy);
    free(copy);
    return string;
}

static void forget_unless(bool good, json_t **container)
{
    if (good)
        return;
    json_decref(*container);
    *container = NULL;
}

void cli_json_append(json_t **container, json_t *value)
{
    forget_unless(json_array_append_new(*container, value) == 0, container);
}

void cli_json_set(json_t **container, const char *name, json_t *value)
{
    forget_unless(json_object_set_new(*container, name, value) == 0, container);
}

mnist_fast_status cli_json_print(json_t *object, mnist_fast_error *error)
{
    bool dumped = false;
    if (object) {
        dumped = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
        json_decref(object);
        putchar('\n');
        fflush(stdout);
    }
    return dumped || ferror(stdout) /* cli_close_output reports a failing write */
               ? MNIST_FAST_OK
               : cli_fail(error, MNIST_FAST_NO_MEMORY, "no memory for a line of JSON; free some");
}
