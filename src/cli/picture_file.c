#include "picture_file.h"

#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_FILE = 64 << 20 };

static mnist_fast_status open_file(const char *path, int *file, mnist_fast_error *error)
{
    struct stat about;
    *file = STDIN_FILENO;
    if (strcmp(path, "-") == 0)
        return MNIST_FAST_OK;
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. Reading one waits for those that are there. */
    *file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*file < 0)
        return cli_fail(error, MNIST_FAST_BAD_FILE,
                        "%s: cannot be opened (%s); name a picture, or test:N for test image N", path, strerror(errno));
    if (fstat(*file, &about) != 0 || fcntl(*file, F_SETFL, 0) != 0 || S_ISDIR(about.st_mode))
        return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read (%s); name a picture", path,
                        S_ISDIR(about.st_mode) ? "it is a folder" : strerror(errno));
    return MNIST_FAST_OK;
}

/* The whole file, or as much as is allowed. *data is the caller's, also after a failure. */
static mnist_fast_status read_all(const char *path, int file, uint8_t **data, size_t *size, mnist_fast_error *error)
{
    size_t room = 0;
    *size = 0;
    for (;;) {
        if (*size == room) {
            if (room > LARGEST_FILE)
                return cli_fail(error, MNIST_FAST_BAD_DATA,
                                "%s: too large for a picture (expected at most %d MB); scale it down", path,
                                LARGEST_FILE >> 20);
            room = room ? 2 * room : 1 << 16;
            uint8_t *larger = realloc(*data, room);
            if (!larger)
                return cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory to read it; free some", path);
            *data = larger;
        }
        const ssize_t n = read(file, *data + *size, room - *size);
        if (n == 0)
            return MNIST_FAST_OK;
        if (n > 0)
            *size += (size_t)n;
        else if (errno != EINTR)
            return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read (%s); check the disk", path,
                            strerror(errno));
    }
}

mnist_fast_status cli_picture_allocate(const char *path, size_t width, size_t height, struct cli_picture *picture,
                                       mnist_fast_error *error)
{
    if (width < 1 || height < 1 || width > CLI_PICTURE_SIDE || height > CLI_PICTURE_SIDE ||
        width * height > CLI_PICTURE_PIXELS)
        return cli_fail(error, MNIST_FAST_BAD_DATA,
                        "%s: has %zu x %zu pixels (expected 1 to %d a side, at most %d million in all); scale it down",
                        path, width, height, CLI_PICTURE_SIDE, CLI_PICTURE_PIXELS / 1000000);
    *picture = (struct cli_picture){.grey = malloc(width * height), .width = width, .height = height};
    return picture->grey ? MNIST_FAST_OK
                         : cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for %zu x %zu pixels; free some", path,
                                    width, height);
}

mnist_fast_status cli_picture_damaged(const char *path, const char *format, const char *reason, mnist_fast_error *error)
{
    return cli_fail(error, MNIST_FAST_BAD_DATA, "%s: damaged %s (%.120s); save it again", path, format, reason);
}

/* What else people have, by its first bytes. */
static const char *other_format(struct cli_bytes file)
{
    static const struct {
        size_t at;
        const char *magic, *name;
    } formats[] = {
        {0, "GIF8", "a GIF picture"},   {8, "WEBP", "a WebP picture"},   {4, "ftyp", "a HEIC, AVIF or video file"},
        {0, "BM", "a BMP picture"},     {0, "II*", "a TIFF picture"},    {0, "MM", "a TIFF picture"},
        {0, "%PDF", "a PDF document"},  {0, "<", "an HTML or SVG file"}, {0, "PK", "a zip archive"},
        {0, "\x1f\x8b", "a gzip file"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const size_t length = strlen(formats[i].magic);
        if (file.size >= formats[i].at + length && memcmp(file.data + formats[i].at, formats[i].magic, length) == 0)
            return formats[i].name;
    }
    return "not a picture that is known here";
}

mnist_fast_status cli_picture_read(const char *path, struct cli_picture *picture, mnist_fast_error *error)
{
    int file = -1;
    uint8_t *data = NULL;
    struct cli_bytes bytes = {NULL, 0};
    *picture = (struct cli_picture){0};
    mnist_fast_status status = open_file(path, &file, error);
    if (!status)
        status = read_all(path, file, &data, &bytes.size, error);
    if (status)
        goto done;
    bytes.data = data;
    static const uint8_t png[] = {0x89, 'P', 'N', 'G'}, jpeg[] = {0xff, 0xd8, 0xff};
    if (bytes.size == 0)
        status = cli_fail(error, MNIST_FAST_BAD_DATA, "%s: is empty; name a picture", path);
    else if (bytes.size >= sizeof png && memcmp(data, png, sizeof png) == 0)
        status = cli_picture_png(path, bytes, picture, error);
    else if (bytes.size >= sizeof jpeg && memcmp(data, jpeg, sizeof jpeg) == 0)
        status = cli_picture_jpeg(path, bytes, picture, error);
    else if (bytes.size >= 2 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6')
        status = cli_picture_pnm(path, bytes, picture, error);
    else
        status =
            cli_fail(error, MNIST_FAST_BAD_DATA,
                     "%s: %s (expected PNG, JPEG, PGM or PPM); convert it, as with ImageMagick: convert FILE x.png",
                     path, other_format(bytes));
done:
    if (status) {
        free(picture->grey);
        *picture = (struct cli_picture){0};
    }
    free(data);
    if (file > STDIN_FILENO)
        close(file);
    return status;
}

mnist_fast_status cli_picture_write(const char *path, const uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error)
{
    enum { SIDE = 28 };
    const size_t length = strlen(path);
    if (length >= 4 && strcmp(path + length - 4, ".png") == 0) {
        size_t size;
        uint8_t *png = cli_png_encode(pixels, SIDE, SIDE, &size);
        if (!png)
            return cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory to write it; free some", path);
        const mnist_fast_status status = mnist_fast_write_file(path, png, size, error);
        free(png);
        return status;
    }
    char pgm[32 + MNIST_FAST_PIXELS];
    const size_t header = (size_t)snprintf(pgm, sizeof pgm, "P5\n%d %d\n255\n", SIDE, SIDE);
    memcpy(pgm + header, pixels, MNIST_FAST_PIXELS);
    return mnist_fast_write_file(path, pgm, header + MNIST_FAST_PIXELS, error);
}
