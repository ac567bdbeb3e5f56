#include "json.h"

#include "program.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

json_t *cli_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cli_json_float(float value)
{
    char text[32];
    double decimal = (double)value;
    for (int digits = 1; digits <= 9 && isfinite(value); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        decimal = strtod(text, NULL);
        if ((float)decimal == value)
            break;
    }
    return cli_json_real(decimal);
}

json_t *cli_json_crc32(unsigned crc32)
{
    return json_sprintf("%08x", crc32);
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
