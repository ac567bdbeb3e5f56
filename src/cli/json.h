/* Results as JSON: one object a line. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "mnist_fast.h"

#include <jansson.h>

json_t *cli_json_real(double value); /* null for NaN and infinity, which JSON doesn't have */
json_t *cli_json_float(float value); /* the shortest decimal number that is read back as value */
json_t *cli_json_crc32(unsigned crc32);
json_t *cli_json_text(const char *text); /* a file name may be no UTF-8, which JSON must be: '?' for what isn't */

/* These take the reference to value. Where memory runs out *container becomes NULL, which jansson's packing and
 * cli_json_print find: nothing is left out of what is printed. */
void cli_json_append(json_t **container, json_t *value);
void cli_json_set(json_t **container, const char *name, json_t *value);

/* Prints the object and a newline, and flushes; takes the reference. object may be NULL, as jansson's packing gives it
 * where memory ran out: then nothing is printed. */
mnist_fast_status cli_json_print(json_t *object, mnist_fast_error *error);

#endif
