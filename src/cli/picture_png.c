/* PNG by libpng's row interface. One longjmp, from its error handler to the function that called setjmp: all that must
 * survive it is in struct job, which that function does not own. */
#include "picture_file.h"
#include "program.h"

#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const char *path;
    struct cli_bytes file;
    size_t next; /* byte of the file */
    struct cli_picture *picture;
    mnist_fast_error *error;
    mnist_fast_status status;
    char reason[128]; /* of libpng */
    uint8_t *pixels;  /* grey and alpha */
    png_bytep *rows;
};

static void on_error(png_structp png, png_const_charp reason)
{
    struct job *job = png_get_error_ptr(png);
    strncpy(job->reason, reason, sizeof job->reason - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp reason)
{
    (void)png;
    (void)reason;
}

static void read_bytes(png_structp png, png_bytep to, size_t size)
{
    struct job *job = png_get_io_ptr(png);
    if (size > job->file.size - job->next)
        png_error(png, "cut short");
    memcpy(to, job->file.data + job->next, size);
    job->next += size;
}

/* Every kind of PNG becomes 8 bits of grey and 8 of alpha. */
static void transform(png_structp png)
{
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_tRNS_to_alpha(png);
    png_set_rgb_to_gray(png, PNG_ERROR_ACTION_NONE, PNG_RGB_TO_GRAY_DEFAULT, PNG_RGB_TO_GRAY_DEFAULT);
    png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
    png_set_interlace_handling(png);
}

static bool allocate(struct job *job, png_structp png, png_infop info)
{
    const size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    job->status = cli_picture_allocate(job->path, width, height, job->picture, job->error);
    if (job->status)
        return false;
    job->pixels = malloc(2 * width * height);
    job->rows = malloc(height * sizeof *job->rows);
    if (!job->pixels || !job->rows) {
        job->status = cli_fail(job->error, MNIST_FAST_NO_MEMORY, "%s: no memory for %zu x %zu pixels; free some",
                               job->path, width, height);
        return false;
    }
    for (size_t y = 0; y < height; y++)
        job->rows[y] = job->pixels + 2 * width * y;
    return true;
}

static void decode(struct job *job, png_structp png, png_infop info)
{
    if (setjmp(png_jmpbuf(png))) {
        if (!job->status)
            job->status = cli_picture_damaged(job->path, "PNG", job->reason, job->error);
        return;
    }
    png_set_user_limits(png, CLI_PICTURE_SIDE, CLI_PICTURE_SIDE);
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_set_read_fn(png, job, read_bytes);
    png_read_info(png, info);
    transform(png);
    png_read_update_info(png, info);
    if (png_get_channels(png, info) != 2 || png_get_bit_depth(png, info) != 8)
        png_error(png, "an unknown kind of pixels");
    if (!allocate(job, png, info))
        return;
    png_read_image(png, job->rows);
    png_read_end(png, NULL);
}

mnist_fast_status cli_picture_png(const char *path, struct cli_bytes file, struct cli_picture *picture,
                                  mnist_fast_error *error)
{
    struct job job = {.path = path, .file = file, .picture = picture, .error = error};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (info)
        decode(&job, png, info);
    else
        job.status = cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory to read it; free some", path);
    for (size_t i = 0; !job.status && i < picture->width * picture->height; i++) {
        const unsigned grey = job.pixels[2 * i], alpha = job.pixels[2 * i + 1];
        picture->grey[i] = (uint8_t)((grey * alpha + 255 * (255 - alpha) + 127) / 255); /* over white */
    }
    png_destroy_read_struct(&png, &info, NULL);
    free(job.pixels);
    free(job.rows);
    return job.status;
}

/* ---- Writing ---- */

uint8_t *cli_png_encode(const uint8_t *pixels, size_t width, size_t height, size_t *size)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)width,
        .height = (png_uint_32)height,
        .format = PNG_FORMAT_GRAY,
    };
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *bytes = malloc(room);
    if (bytes && png_image_write_to_memory(&image, bytes, &room, 0, pixels, (png_int_32)width, NULL)) {
        *size = room;
        return bytes;
    }
    free(bytes);
    return NULL;
}
