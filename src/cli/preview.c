#include "preview.h"

#include "picture_file.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 28, ROWS = 10, COLUMNS = 16, WIDTH = COLUMNS * SIDE, HEIGHT = ROWS * SIDE };

static mnist_fast_status draw(const mnist_fast *network, const mnist_fast_images *images, uint8_t *canvas,
                              mnist_fast_error *error)
{
    for (int row = 0; row < ROWS && (size_t)row < images->count; row++)
        for (int column = 0; column < COLUMNS; column++) {
            uint8_t pixels[MNIST_FAST_PIXELS];
            memcpy(pixels, images->pixels + (size_t)row * MNIST_FAST_PIXELS, sizeof pixels);
            const mnist_fast_status status =
                column ? mnist_fast_deform(network, images, (size_t)row, column - 1, pixels, error) : MNIST_FAST_OK;
            if (status)
                return status;
            for (int y = 0; y < SIDE; y++)
                memcpy(canvas + (size_t)(row * SIDE + y) * WIDTH + column * SIDE, pixels + y * SIDE, SIDE);
        }
    return MNIST_FAST_OK;
}

mnist_fast_status cli_write_preview(const mnist_fast *network, const mnist_fast_images *images, const char *path,
                                    mnist_fast_error *error)
{
    size_t size;
    uint8_t *const canvas = calloc(WIDTH * HEIGHT, 1), *png = NULL;
    mnist_fast_status status = canvas ? draw(network, images, canvas, error) : MNIST_FAST_OK;
    if (canvas && !status)
        png = cli_png_encode(canvas, WIDTH, HEIGHT, &size);
    if (png)
        status = mnist_fast_write_file(path, png, size, error);
    else if (!status)
        status = cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: not enough memory to write it", path);
    free(png);
    free(canvas);
    return status;
}
