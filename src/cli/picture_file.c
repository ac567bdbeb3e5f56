#include "picture_file.h"

#include "picture_formats.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPECTED "expected PNG, JPEG, PGM or PPM"

typedef mnist_fast_status decoder(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error);

/* Formats by their first bytes; those without a decoder are refused by their name. */
static const struct format {
    size_t at, length;
    const char *magic, *name;
    decoder *decode;
} formats[] = {
    {0, 8, "\x89PNG\r\n\x1a\n", "PNG", cli_picture_decode_png},
    {0, 3, "\xff\xd8\xff", "JPEG", cli_picture_decode_jpeg},
    {0, 2, "P1", "PBM", cli_picture_decode_pnm},
    {0, 2, "P2", "PGM", cli_picture_decode_pnm},
    {0, 2, "P3", "PPM", cli_picture_decode_pnm},
    {0, 2, "P4", "PBM", cli_picture_decode_pnm},
    {0, 2, "P5", "PGM", cli_picture_decode_pnm},
    {0, 2, "P6", "PPM", cli_picture_decode_pnm},
    {0, 2, "P7", "a PAM picture", NULL},
    {0, 4, "GIF8", "a GIF picture", NULL},
    {8, 4, "WEBP", "a WebP picture", NULL},
    {4, 8, "ftypheic", "a HEIC picture", NULL},
    {4, 8, "ftypheix", "a HEIC picture", NULL},
    {4, 8, "ftypmif1", "a HEIF picture", NULL},
    {4, 8, "ftypavif", "an AVIF picture", NULL},
    {4, 4, "ftyp", "a video", NULL},
    {4, 8, "JXL \r\n\x87\n", "a JPEG XL picture", NULL},
    {0, 2, "\xff\x0a", "a JPEG XL picture", NULL},
    {4, 8, "jP  \r\n\x87\n", "a JPEG 2000 picture", NULL},
    {0, 4, "II*\0", "a TIFF picture", NULL},
    {0, 4, "MM\0*", "a TIFF picture", NULL},
    {0, 4, "8BPS", "a Photoshop picture", NULL},
    {0, 4, "\0\0\1\0", "an icon", NULL},
    {0, 5, "%PDF-", "a PDF document", NULL},
    {0, 2, "BM", "a BMP picture", NULL},
    {0, 4, "PK\3\4", "a zip archive", NULL},
    {0, 2, "\x1f\x8b", "a gzip file", NULL},
    {0, 16, "version https://", "a Git LFS pointer", NULL},
    {0, 4, "\0\0\x08\x03", "an IDX file of images", NULL},
    {0, 4, "\0\0\x08\x01", "an IDX file of labels", NULL},
};

static const struct format *find_format(struct cli_bytes file)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (file.size >= formats[i].at + formats[i].length &&
            memcmp(file.data + formats[i].at, formats[i].magic, formats[i].length) == 0)
            return &formats[i];
    return NULL;
}

/* A page of HTML, XML or SVG: '<' after white space or the mark of UTF-8. */
static bool is_markup(struct cli_bytes file)
{
    size_t i = file.size >= 3 && memcmp(file.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < file.size && (file.data[i] == ' ' || (file.data[i] >= '\t' && file.data[i] <= '\r')))
        i++;
    return i < file.size && file.data[i] == '<';
}

static mnist_fast_status decode(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error)
{
    const struct format *const format = find_format(file);
    if (format && format->decode)
        return format->decode(file, picture, error);
    if (file.size == 0)
        return cli_fail(error, MNIST_FAST_BAD_DATA, "is empty (" EXPECTED "); give a picture");
    if (format || is_markup(file))
        return cli_fail(error, MNIST_FAST_BAD_DATA, "is %s (" EXPECTED "); convert it to PNG",
                        format ? format->name : "an HTML, XML or SVG page");
    return cli_fail(error, MNIST_FAST_BAD_DATA,
                    "is no picture (" EXPECTED ", found a file that begins with 0x%02x%s); "
                    "convert it to PNG",
                    file.data[0], file.size > 1 ? "..." : "");
}

/* ---- the file as a whole ---- */

static mnist_fast_status cannot_be_read(mnist_fast_error *error)
{
    return cli_fail(error, MNIST_FAST_BAD_FILE, "cannot be read (%s); check it and its permissions", strerror(errno));
}

/* Up to `room` bytes; *got == 0 at the end. Waits where the descriptor does not block. */
static mnist_fast_status read_some(int file, uint8_t *to, size_t room, size_t *got, mnist_fast_error *error)
{
    for (;;) {
        const ssize_t n = read(file, to, room);
        if (n >= 0) {
            *got = (size_t)n;
            return MNIST_FAST_OK;
        }
        struct pollfd input = {.fd = file, .events = POLLIN};
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            poll(&input, 1, -1);
        else if (errno != EINTR)
            return cannot_be_read(error);
    }
}

static mnist_fast_status too_large(mnist_fast_error *error)
{
    return cli_fail(error, MNIST_FAST_BAD_DATA, "is too large (expected at most %d bytes); scale it down",
                    CLI_PICTURE_MAX_FILE);
}

/* All bytes of a regular file, pipe or device: *data must be freed whatever happens. */
static mnist_fast_status read_all(int file, uint8_t **data, size_t *size, mnist_fast_error *error)
{
    struct stat about;
    if (fstat(file, &about) != 0)
        return cannot_be_read(error);
    if (S_ISDIR(about.st_mode))
        return cli_fail(error, MNIST_FAST_BAD_FILE, "is a folder (expected a picture); name a file");
    /* One byte more than a file should have, to see its end without growing. */
    size_t room = 1 << 16;
    if (S_ISREG(about.st_mode) && about.st_size > CLI_PICTURE_MAX_FILE)
        return too_large(error);
    if (S_ISREG(about.st_mode))
        room = (size_t)about.st_size + 1;
    for (*size = 0;;) {
        uint8_t *const larger = realloc(*data, room);
        if (!larger)
            return cli_fail(error, MNIST_FAST_NO_MEMORY, "not enough memory for %zu bytes", room);
        *data = larger;
        while (*size < room) {
            size_t got = 0;
            const mnist_fast_status status = read_some(file, *data + *size, room - *size, &got, error);
            if (status || got == 0)
                return status;
            *size += got;
        }
        if (*size > CLI_PICTURE_MAX_FILE)
            return too_large(error);
        room = 2 * room < CLI_PICTURE_MAX_FILE ? 2 * room : CLI_PICTURE_MAX_FILE + 1;
    }
}

/* The end of a path that is too long for an error. */
static const char *short_name(const char *path)
{
    enum { LONGEST = 256 };
    const size_t length = strlen(path);
    return strcmp(path, "-") == 0 ? "standard input" : length > LONGEST ? path + length - LONGEST : path;
}

mnist_fast_status cli_picture_read(const char *path, struct cli_picture *picture, mnist_fast_error *error)
{
    const bool standard_input = strcmp(path, "-") == 0;
    mnist_fast_error reason = {""};
    uint8_t *data = NULL;
    size_t size = 0;
    *picture = (struct cli_picture){0};
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    const int file = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    mnist_fast_status status = file < 0 ? cannot_be_read(&reason) : read_all(file, &data, &size, &reason);
    if (!status)
        status = decode((struct cli_bytes){data, size}, picture, &reason);
    if (status) {
        free(picture->grey);
        *picture = (struct cli_picture){0};
        cli_fail(error, status, "%s: %s", short_name(path), reason.text);
    }
    free(data);
    if (file >= 0 && !standard_input)
        close(file);
    return status;
}

mnist_fast_status cli_picture_allocate(uint64_t width, uint64_t height, struct cli_picture *picture,
                                       mnist_fast_error *error)
{
    const unsigned long long w = width, h = height;
    if (width == 0 || height == 0)
        return cli_fail(error, MNIST_FAST_BAD_DATA, "has %llu x %llu pixels (expected at least 1 a side); give another",
                        w, h);
    if (width > CLI_PICTURE_MAX_SIDE || height > CLI_PICTURE_MAX_SIDE || width * height > CLI_PICTURE_MAX_PIXELS)
        return cli_fail(error, MNIST_FAST_BAD_DATA,
                        "has %llu x %llu pixels (expected at most %d a side, %d in all); scale it down", w, h,
                        CLI_PICTURE_MAX_SIDE, CLI_PICTURE_MAX_PIXELS);
    picture->grey = malloc(width * height);
    if (!picture->grey)
        return cli_fail(error, MNIST_FAST_NO_MEMORY, "not enough memory for %llu x %llu pixels", w, h);
    picture->width = (int)width;
    picture->height = (int)height;
    return MNIST_FAST_OK;
}

/* ---- writing ---- */

mnist_fast_status cli_picture_write(const char *path, const uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error)
{
    static const char suffix[] = ".png", header[] = "P5\n28 28\n255\n";
    const size_t length = strlen(path);
    if (length < strlen(suffix) || strcasecmp(path + length - strlen(suffix), suffix) != 0) {
        uint8_t pgm[sizeof header - 1 + MNIST_FAST_PIXELS];
        memcpy(pgm, header, sizeof header - 1);
        memcpy(pgm + sizeof header - 1, pixels, MNIST_FAST_PIXELS);
        return mnist_fast_write_file(path, pgm, sizeof pgm, error);
    }
    enum { SIDE = 28 };
    size_t size;
    uint8_t *const png = cli_png_encode(pixels, SIDE, SIDE, &size);
    if (!png)
        return cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: not enough memory to write it", short_name(path));
    const mnist_fast_status status = mnist_fast_write_file(path, png, size, error);
    free(png);
    return status;
}
