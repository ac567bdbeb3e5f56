/* tests/web/native MODEL DATA IMAGES PICTURES: what the library makes, with the best kernels of this CPU, of the first
 * test images and of drawings of the same digits, for tests/web/logits.mjs to compare with the page:
 *   IMAGES times: 784 bytes of pixels, 10 logits, 10 probabilities, the digit as an int
 *   PICTURES times: width, height and status of mnist_fast_prepare_picture as ints, width * height grey levels, 784
 *   bytes of pixels */
#include "../support.h"
#include "engine/workspace.h"
#include "mnist_fast.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static mnist_fast_error error;

static void expect(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "tests/web/native: %s\n", what);
    exit(1);
}

static void put(const void *bytes, size_t size)
{
    expect(fwrite(bytes, 1, size, stdout) == size, "cannot write");
}

static void put_image(mnist_fast *network, const uint8_t *pixels)
{
    const mnist_fast_images image = {.pixels = pixels, .count = 1};
    float probabilities[MNIST_FAST_CLASSES];
    uint8_t digit;
    expect(!mnist_fast_predict(network, &image, &digit, probabilities, &error), error.text);
    const int last = digit;
    put(pixels, MNIST_FAST_PIXELS);
    put(network->workspace->y[network->layers - 1].data, MNIST_FAST_CLASSES * sizeof(float));
    put(probabilities, sizeof probabilities);
    put(&last, sizeof last);
}

/* How much ink there is at (x, y) of a digit: 0 to 255 between four pixels, 0 outside. */
static double ink_at(const uint8_t *digit, double x, double y)
{
    double ink = 0;
    for (int v = (int)y; v <= (int)y + 1; v++)
        for (int u = (int)x; u <= (int)x + 1; u++)
            if (u >= 0 && u < 28 && v >= 0 && v < 28)
                ink += digit[28 * v + u] * (1 - fabs(x - u)) * (1 - fabs(y - v));
    return ink;
}

/* A digit somewhere on paper: clean and evenly lit, as on the page, or not. Every 20th has no ink. */
static void put_picture(const uint8_t *digit, int number)
{
    enum { HIGH = 280 };
    struct random random = random_from(610, (uint64_t)number, 0, 0);
    static uint8_t grey[HIGH * HIGH];
    const int wide = HIGH - number, size = 2 + random_below(&random, 6), noise = number % 2 ? 4 : 1;
    const int left = random_below(&random, wide - 28 * size), top = random_below(&random, HIGH - 28 * size);
    for (int y = 0; y < HIGH; y++)
        for (int x = 0; x < wide; x++) {
            const double inside = x >= left && y >= top && number % 20, light = number % 2 ? 1 - 0.001 * x : 1;
            const double ink = inside ? ink_at(digit, (double)(x - left) / size, (double)(y - top) / size) : 0;
            grey[y * wide + x] = (uint8_t)((255 - ink * 0.9) * light) - (uint8_t)random_below(&random, noise);
        }
    const mnist_fast_picture picture = {grey, wide, HIGH, (size_t)wide};
    uint8_t pixels[MNIST_FAST_PIXELS] = {0};
    const int header[] = {wide, HIGH, mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_YES, 0, pixels, &error)};
    put(header, sizeof header);
    put(grey, (size_t)wide * HIGH);
    put(pixels, sizeof pixels);
}

int main(int count, char **arguments)
{
    expect(count == 5, "expected MODEL DATA IMAGES PICTURES");
    const int images = atoi(arguments[3]), pictures = atoi(arguments[4]);
    mnist_fast *network;
    mnist_fast_images test;
    expect(!mnist_fast_load(arguments[1], NULL, &network, &error) &&
               !mnist_fast_load_images(arguments[2], MNIST_FAST_TEST, 0, &test, &error),
           error.text);
    expect((size_t)images <= test.count && pictures <= images, "there are not so many test images");
    for (int i = 0; i < images; i++)
        put_image(network, test.pixels + (size_t)i * MNIST_FAST_PIXELS);
    for (int i = 0; i < pictures; i++)
        put_picture(test.pixels + (size_t)i * MNIST_FAST_PIXELS, i);
    expect(fflush(stdout) == 0, "cannot write");
    fprintf(stderr, "%s %08x\n", mnist_fast_isa(network), (unsigned)mnist_fast_weights_crc32(network));
    mnist_fast_free_images(&test);
    mnist_fast_free(network);
}
