/* JPEG by libjpeg-turbo. One longjmp, from its error handler to the function that called setjmp: all that must survive
 * it is in struct job, which that function does not own. */
#include "picture_file.h"
#include "program.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { MAX_SCANS = 100, EXIF_MARKER = JPEG_APP0 + 1 };

struct job {
    struct jpeg_error_mgr manager; /* first: libjpeg passes it on */
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    struct jpeg_decompress_struct decoder;
    const char *path;
    struct cli_bytes file;
    struct cli_picture *picture;
    mnist_fast_error *error;
    mnist_fast_status status;
    int orientation; /* 1 to 8, as in EXIF */
};

static void fail(struct job *job, const char *reason)
{
    job->status = cli_picture_damaged(job->path, "JPEG", reason, job->error);
    longjmp(job->jump, 1);
}

static void on_error(j_common_ptr decoder)
{
    char reason[JMSG_LENGTH_MAX];
    decoder->err->format_message(decoder, reason);
    fail((struct job *)decoder->err, reason);
}

/* libjpeg makes up what is missing of a damaged file, with a warning. */
static void on_message(j_common_ptr decoder, int level)
{
    static const int damage[] = {JWRN_JPEG_EOF, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_MUST_RESYNC,
                                 JWRN_BOGUS_PROGRESSION};
    for (size_t i = 0; level < 0 && i < sizeof damage / sizeof *damage; i++)
        if (decoder->err->msg_code == damage[i])
            on_error(decoder);
}

/* A small file may have thousands of progressive scans, each of which costs as much as the picture is large. */
static void on_progress(j_common_ptr decoder)
{
    if (((j_decompress_ptr)decoder)->input_scan_number > MAX_SCANS)
        fail((struct job *)decoder->err, "too many scans");
}

static unsigned number(const uint8_t *data, int bytes, bool big_endian)
{
    unsigned value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | data[big_endian ? i : bytes - 1 - i];
    return value;
}

/* The orientation in the first directory of a TIFF header, after "Exif\0\0"; 1 (upright) where it is missing or wrong.
 */
static int read_orientation(const uint8_t *data, size_t size)
{
    enum { HEADER = 6, TIFF = 8, ENTRY = 12, ORIENTATION = 0x0112, SHORT = 3 };
    if (size < HEADER + TIFF || memcmp(data, "Exif\0", HEADER) != 0)
        return 1;
    data += HEADER;
    size -= HEADER;
    const bool big_endian = data[0] == 'M';
    if (memcmp(data, big_endian ? "MM" : "II", 2) != 0 || number(data + 2, 2, big_endian) != 42)
        return 1;
    const size_t directory = number(data + 4, 4, big_endian);
    if (directory > size - 2)
        return 1;
    const size_t entries = number(data + directory, 2, big_endian);
    for (size_t i = 0; i < entries && (i + 1) * ENTRY <= size - directory - 2; i++) {
        const uint8_t *entry = data + directory + 2 + i * ENTRY;
        const unsigned value = number(entry + 8, 2, big_endian);
        if (number(entry, 2, big_endian) == ORIENTATION && number(entry + 2, 2, big_endian) == SHORT && value >= 1 &&
            value <= 8)
            return (int)value;
    }
    return 1;
}

static void decode(struct job *job)
{
    j_decompress_ptr decoder = &job->decoder;
    decoder->err = jpeg_std_error(&job->manager);
    job->manager.error_exit = on_error;
    job->manager.emit_message = on_message;
    job->progress.progress_monitor = on_progress;
    if (setjmp(job->jump))
        return;
    jpeg_create_decompress(decoder);
    decoder->progress = &job->progress;
    jpeg_mem_src(decoder, job->file.data, (unsigned long)job->file.size);
    jpeg_save_markers(decoder, EXIF_MARKER, 0xffff);
    jpeg_read_header(decoder, TRUE);
    if (decoder->jpeg_color_space == JCS_CMYK || decoder->jpeg_color_space == JCS_YCCK) {
        job->status = cli_fail(job->error, MNIST_FAST_BAD_DATA,
                               "%s: a CMYK picture (expected grey or RGB); save it with RGB colours", job->path);
        return;
    }
    job->status =
        cli_picture_allocate(job->path, decoder->image_width, decoder->image_height, job->picture, job->error);
    if (job->status)
        return;
    job->orientation = 1;
    for (jpeg_saved_marker_ptr marker = decoder->marker_list; marker; marker = marker->next)
        if (marker->marker == EXIF_MARKER && job->orientation == 1)
            job->orientation = read_orientation(marker->data, marker->data_length);
    decoder->out_color_space = JCS_GRAYSCALE;
    jpeg_start_decompress(decoder);
    while (decoder->output_scanline < decoder->output_height) {
        JSAMPROW row = job->picture->grey + (size_t)decoder->output_scanline * job->picture->width;
        jpeg_read_scanlines(decoder, &row, 1);
    }
    jpeg_finish_decompress(decoder);
}

/* Turns and mirrors the picture so that it is upright: orientations 5 to 8 exchange rows and columns. */
static mnist_fast_status turn(const char *path, int orientation, struct cli_picture *picture, mnist_fast_error *error)
{
    const struct cli_picture old = *picture;
    const bool transposed = orientation >= 5;
    /* Whether the stored columns run from right to left, and the rows from bottom to top. */
    const bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool flipped = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    if (orientation == 1)
        return MNIST_FAST_OK;
    const mnist_fast_status status = cli_picture_allocate(path, transposed ? old.height : old.width,
                                                          transposed ? old.width : old.height, picture, error);
    for (size_t y = 0; !status && y < picture->height; y++)
        for (size_t x = 0; x < picture->width; x++) {
            const size_t column = transposed ? y : x, row = transposed ? x : y;
            const size_t from_column = mirrored ? old.width - 1 - column : column;
            const size_t from_row = flipped ? old.height - 1 - row : row;
            picture->grey[y * picture->width + x] = old.grey[from_row * old.width + from_column];
        }
    free(old.grey);
    return status;
}

mnist_fast_status cli_picture_jpeg(const char *path, struct cli_bytes file, struct cli_picture *picture,
                                   mnist_fast_error *error)
{
    struct job job = {.path = path, .file = file, .picture = picture, .error = error};
    decode(&job);
    jpeg_destroy_decompress(&job.decoder);
    return job.status ? job.status : turn(path, job.orientation, picture, error);
}
