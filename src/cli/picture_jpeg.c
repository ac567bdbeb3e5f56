/* JPEG through libjpeg-turbo, with the advice of "Two Issues with the JPEG Standard" (libjpeg-turbo.org) for untrusted
 * files: warnings are errors, and scans are counted. */
#include "picture_formats.h"
#include "program.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
    MAX_SCANS = 100,        /* a progressive picture has about ten; each goes over all pixels */
    MAX_MEMORY = 256 << 20, /* of the decoder: a progressive picture is kept as coefficients */
    EXIF_MARKER = JPEG_APP0 + 1,
    MAX_EXIF = 65533 /* bytes, the longest that a marker has */
};

/* What must outlive a longjmp. */
struct reader {
    struct jpeg_error_mgr manager; /* first: libjpeg knows the reader by it */
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    int orientation;
    mnist_fast_status status;
    mnist_fast_error *error;
};

static void on_error(j_common_ptr jpeg)
{
    struct reader *const reader = (struct reader *)jpeg->err;
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    const int code = jpeg->err->msg_code;
    if (reader->status) {
        /* Said already. */
    } else if (code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE) {
        reader->status =
            cli_fail(reader->error, MNIST_FAST_NO_MEMORY,
                     "needs more than the %d MB of memory that a JPEG gets; scale it down", MAX_MEMORY >> 20);
    } else if (code == JWRN_JPEG_EOF || code == JERR_INPUT_EOF || code == JERR_INPUT_EMPTY) {
        reader->status = cli_fail(reader->error, MNIST_FAST_BAD_DATA, "is cut short; get it again");
    } else {
        reader->status =
            cli_fail(reader->error, MNIST_FAST_BAD_DATA, "is damaged (libjpeg: %.100s); get it again", message);
    }
    longjmp(reader->jump, 1);
}

/* level: -1 is a warning that what is missing was made up; all others are traces. Of a foreign version, and of bytes
 * between markers, which some cameras write, a picture takes no harm. */
static void on_message(j_common_ptr jpeg, int level)
{
    const int code = jpeg->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR && code != JWRN_ADOBE_XFORM)
        on_error(jpeg);
}

static void print_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *const reader = (struct reader *)jpeg->err;
    if (((j_decompress_ptr)jpeg)->input_scan_number <= MAX_SCANS)
        return;
    reader->status =
        cli_fail(reader->error, MNIST_FAST_BAD_DATA, "has too many scans (expected at most %d); convert it", MAX_SCANS);
    longjmp(reader->jump, 1);
}

/* ---- orientation ---- */

struct exif {
    const uint8_t *data; /* from the header of the TIFF part */
    size_t size;
    bool big_endian;
};

/* Two or four bytes; 0 past the end. */
static uint32_t number_at(const struct exif *exif, size_t at, size_t bytes)
{
    uint32_t number = 0;
    if (at > exif->size || bytes > exif->size - at)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | exif->data[at + (exif->big_endian ? i : bytes - 1 - i)];
    return number;
}

/* Tag 0x0112 of the first directory: 1 to 8; 1, as it is stored, where there is none or it makes no sense. */
static int orientation(const jpeg_saved_marker_ptr markers)
{
    static const char identifier[6] = "Exif\0";
    enum { TAG = 0x0112, SHORT = 3, ENTRY = 12 };
    for (jpeg_saved_marker_ptr marker = markers; marker; marker = marker->next) {
        if (marker->marker != EXIF_MARKER || marker->data_length < sizeof identifier ||
            memcmp(marker->data, identifier, sizeof identifier) != 0)
            continue;
        struct exif exif = {marker->data + sizeof identifier, marker->data_length - sizeof identifier, false};
        if (exif.size < 8 || (memcmp(exif.data, "II*\0", 4) != 0 && memcmp(exif.data, "MM\0*", 4) != 0))
            return 1;
        exif.big_endian = exif.data[0] == 'M';
        const size_t directory = number_at(&exif, 4, 4), entries = number_at(&exif, directory, 2);
        for (size_t i = 0; i < entries; i++) {
            const size_t entry = directory + 2 + i * ENTRY;
            if (number_at(&exif, entry, 2) != TAG)
                continue;
            const uint32_t value = number_at(&exif, entry + 8, 2);
            const bool single = number_at(&exif, entry + 2, 2) == SHORT && number_at(&exif, entry + 4, 4) == 1;
            return single && value >= 1 && value <= 8 ? (int)value : 1;
        }
        return 1;
    }
    return 1;
}

/* Turns and mirrors the stored picture into the one that is meant. */
static mnist_fast_status orient(struct cli_picture *picture, int how, mnist_fast_error *error)
{
    if (how == 1)
        return MNIST_FAST_OK;
    const struct cli_picture stored = *picture;
    const bool sideways = how >= 5, mirror_x = how == 2 || how == 3 || how == 7 || how == 8,
               mirror_y = how == 3 || how == 4 || how == 6 || how == 7;
    struct cli_picture meant = {0};
    const mnist_fast_status status =
        cli_picture_allocate((uint64_t)(sideways ? stored.height : stored.width),
                             (uint64_t)(sideways ? stored.width : stored.height), &meant, error);
    if (status)
        return status;
    for (int y = 0; y < meant.height; y++)
        for (int x = 0; x < meant.width; x++) {
            const int u = sideways ? y : x, v = sideways ? x : y;
            const size_t row = (size_t)(mirror_y ? stored.height - 1 - v : v);
            const size_t column = (size_t)(mirror_x ? stored.width - 1 - u : u);
            meant.grey[(size_t)y * (size_t)meant.width + (size_t)x] = stored.grey[row * (size_t)stored.width + column];
        }
    free(picture->grey);
    *picture = meant;
    return MNIST_FAST_OK;
}

/* ---- pixels ---- */

static void fail(struct jpeg_decompress_struct *jpeg, mnist_fast_status status)
{
    struct reader *const reader = (struct reader *)jpeg->err;
    reader->status = status;
    longjmp(reader->jump, 1);
}

/* All that may end in a longjmp. */
static void decode(struct jpeg_decompress_struct *jpeg, struct cli_bytes file, struct cli_picture *picture)
{
    struct reader *const reader = (struct reader *)jpeg->err;
    jpeg_create_decompress(jpeg);
    jpeg->mem->max_memory_to_use = MAX_MEMORY;
    jpeg->progress = &reader->progress;
    jpeg_mem_src(jpeg, file.data, file.size);
    jpeg_save_markers(jpeg, EXIF_MARKER, MAX_EXIF);
    jpeg_read_header(jpeg, TRUE);
    reader->orientation = orientation(jpeg->marker_list); /* which jpeg_finish_decompress frees */

    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK)
        fail(jpeg,
             cli_fail(reader->error, MNIST_FAST_BAD_DATA, "is a CMYK JPEG (expected grey or RGB); convert it to PNG"));
    const mnist_fast_status status =
        cli_picture_allocate(jpeg->image_width, jpeg->image_height, picture, reader->error);
    if (status)
        fail(jpeg, status);
    jpeg->out_color_space = JCS_GRAYSCALE;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = picture->grey + (size_t)jpeg->output_scanline * (size_t)picture->width;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    if (!jpeg_finish_decompress(jpeg))
        fail(jpeg,
             cli_fail(reader->error, MNIST_FAST_BAD_DATA, "is damaged (it goes on after its pixels); get it again"));
}

mnist_fast_status cli_picture_decode_jpeg(struct cli_bytes file, struct cli_picture *picture, mnist_fast_error *error)
{
    struct jpeg_decompress_struct jpeg = {0};
    struct reader reader = {.progress = {.progress_monitor = on_progress}, .error = error};
    jpeg.err = jpeg_std_error(&reader.manager);
    reader.manager.error_exit = on_error;
    reader.manager.emit_message = on_message;
    reader.manager.output_message = print_nothing;
    if (setjmp(reader.jump) == 0) {
        decode(&jpeg, file, picture);
        reader.status = orient(picture, reader.orientation, error);
    }
    jpeg_destroy_decompress(&jpeg);
    return reader.status;
}
