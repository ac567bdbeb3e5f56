#define _GNU_SOURCE /* fopencookie */
#include "text_stream.h"

#include <stdlib.h>
#include <string.h>

bool cli_text_append(struct cli_text *text, const void *bytes, size_t size)
{
    if (size > text->room - text->size) {
        const size_t room = 2 * (text->room + size);
        char *const larger = realloc(text->bytes, room);
        if (!larger)
            return false;
        text->bytes = larger;
        text->room = room;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return true;
}

/* 0 gives the stream an error. */
static ssize_t append(void *text, const char *bytes, size_t size)
{
    return cli_text_append(text, bytes, size) ? (ssize_t)size : 0;
}

FILE *cli_text_open(struct cli_text *text)
{
    return fopencookie(text, "w", (cookie_io_functions_t){.write = append});
}
