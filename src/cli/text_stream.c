#define _GNU_SOURCE /* fopencookie */
#include "text_stream.h"

#include <stdlib.h>
#include <string.h>

static ssize_t append(void *cookie, const char *bytes, size_t size)
{
    struct cli_text *text = cookie;
    if (size > text->room - text->size) {
        const size_t room = 2 * text->room + size;
        char *const larger = realloc(text->bytes, room);
        if (!larger)
            return 0; /* so the stream has an error */
        text->bytes = larger;
        text->room = room;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return (ssize_t)size;
}

FILE *cli_text_open(struct cli_text *text)
{
    return fopencookie(text, "w", (cookie_io_functions_t){.write = append});
}
