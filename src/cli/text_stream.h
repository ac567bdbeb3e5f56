/* A stream that writes into memory, as open_memstream, which hides it where no memory is left: glibc's drops what does
 * not fit, and neither ferror nor fclose tells. */
#ifndef CLI_TEXT_STREAM_H
#define CLI_TEXT_STREAM_H

#include <stdbool.h>
#include <stdio.h>

struct cli_text {
    char *bytes; /* to be freed with free(), after a failure too; not ended by a zero */
    size_t size, room;
};

/* False: no memory; *text is as before. */
bool cli_text_append(struct cli_text *text, const void *bytes, size_t size);

/* Writes into *text, which must be zeroed and outlive the stream. It is whole after fclose. NULL: no memory. */
FILE *cli_text_open(struct cli_text *text);

#endif
