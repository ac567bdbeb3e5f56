#include "picture_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *picture_path;
uint8_t *picture_rgb;

void picture_begin(void)
{
    folder_make();
    picture_path = in_folder("picture");
    picture_rgb = malloc(WIDTH * HEIGHT * 3);
    ck_assert_ptr_nonnull(picture_rgb);
    for (int i = 0; i < WIDTH * HEIGHT; i++) /* smooth, for JPEG, and nowhere the same turned or mirrored */
        memset(picture_rgb + 3 * i, 20 + i % WIDTH * 4 + i / WIDTH * 3 - (i % WIDTH > 20 && i / WIDTH < 6 ? 15 : 0), 3);
}

void picture_end(void)
{
    free(picture_rgb);
    folder_remove();
}

void picture_write_file(const void *data, size_t size)
{
    remove(picture_path);
    file_write(picture_path, data, size);
}

mnist_fast_status picture_read_bytes(const void *data, size_t size, struct cli_picture *read, mnist_fast_error *error)
{
    picture_write_file(data, size);
    return cli_picture_read(picture_path, read, error);
}

void picture_expect_one_line(const mnist_fast_error *error)
{
    if (strncmp(error->text, picture_path, strlen(picture_path)) != 0 || error->text[strlen(picture_path)] != ':')
        support_fail("the message does not begin with the file: %s", error->text);
    if (strchr(error->text, '\n') || !strchr(error->text, ';'))
        support_fail("not one line that says what to do: %s", error->text);
}

void picture_expect_refused(const void *data, size_t size, mnist_fast_status status, const char *says)
{
    struct cli_picture read = {(uint8_t *)1, 1, 1};
    mnist_fast_error error = {""};
    const mnist_fast_status got = picture_read_bytes(data, size, &read, &error);
    if (got != status || read.grey || read.width || read.height)
        support_fail("expected status %d and no picture, found %d: %s", status, got, error.text);
    picture_expect_one_line(&error);
    if (!strstr(error.text, says))
        support_fail("expected \"%s\" in: %s", says, error.text);
}

void picture_expect(struct bytes file, int tolerance)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    if (picture_read_bytes(file.data, file.size, &read, &error))
        support_fail("refused: %s", error.text);
    if (read.width != WIDTH || read.height != HEIGHT)
        support_fail("%d x %d pixels", read.width, read.height);
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        if (abs(read.grey[i] - picture_rgb[3 * i]) > tolerance)
            support_fail("pixel %d, %d is %d (expected %d)", i % WIDTH, i / WIDTH, read.grey[i], picture_rgb[3 * i]);
    free(read.grey);
    free(file.data);
}

struct bytes picture_small_file(int kind)
{
    static const struct jpeg turned = {.quality = 90, .progressive = true, .orientation = 8, .big_endian = true};
    switch (kind) {
    case 0: return png_file(picture_rgb, WIDTH, HEIGHT, (struct png){GREY, 8, false});
    case 1: return png_file(picture_rgb, WIDTH, HEIGHT, (struct png){RGB_ALPHA, 16, true});
    case 2: return png_file(picture_rgb, WIDTH, HEIGHT, (struct png){PALETTE, 4, false});
    case 3: return jpeg_file(picture_rgb, WIDTH, HEIGHT, (struct jpeg){.quality = 90, .grey = true, .orientation = 6});
    case 4: return jpeg_file(picture_rgb, WIDTH, HEIGHT, turned);
    case 5: return pnm_file(picture_rgb, WIDTH, HEIGHT, '5', 255);
    case 6: return pnm_file(picture_rgb, WIDTH, HEIGHT, '4', 1);
    default: return pnm_file(picture_rgb, WIDTH, HEIGHT, '3', 255);
    }
}
