/* Results as JSON: one object a line. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>

json_t *cli_json_real(double value); /* null for NaN and infinity, which JSON doesn't have */
json_t *cli_json_float(float value); /* the shortest decimal number that is read back as value */
json_t *cli_json_crc32(unsigned crc32);
json_t *cli_json_text(const char *text); /* a file name may be no UTF-8, which JSON must be: '?' for what isn't */

/* Prints the object and a newline, and flushes; takes the reference. object may be NULL, as jansson's packing gives it
 * where memory ran out: then nothing is printed. Returns CLI_DONE or tells the error. */
int cli_json_print(json_t *object);

#endif
