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

int cli_json_print(json_t *object)
{
    if (!object) {
        cli_message("no memory for a line of JSON; free some");
        return CLI_FAILED;
    }
    const bool dumped = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    json_decref(object);
    putchar('\n');
    fflush(stdout);
    if (!dumped && !ferror(stdout)) /* cli_close_output reports a failing write */
        return cli_json_print(NULL);
    return CLI_DONE;
}
