/* The kernels of every instruction set that runs here against their definition. The input is a shape. */
#include "base/rng.h"
#include "engine/kernel_check.h"
#include "engine/step_check.h"
#include "fuzz.h"

#include <string.h>

enum { SAMPLES_MAX = 60 };

/* A step of training on made-up images, a part of whose pixels is 0. */
static mnist_fast_status check_step(const struct mf_kernels *kernels, const struct mf_kernels *definition,
                                    const struct mf_kernel_case *shape, mnist_fast_error *error)
{
    static uint8_t pixels[SAMPLES_MAX * MNIST_FAST_PIXELS], labels[SAMPLES_MAX];
    uint64_t index = 0;
    for (int i = 0; i < shape->samples; i++) {
        labels[i] = (uint8_t)mf_random_below(mf_random(shape->seed, 0, index++), MNIST_FAST_CLASSES);
        for (int j = 0; j < MNIST_FAST_PIXELS; j++) {
            const uint32_t random = mf_random(shape->seed, 0, index++);
            pixels[i * MNIST_FAST_PIXELS + j] = (random & 0xffff) % 100 < (uint32_t)shape->zeros ? 0 : random >> 24;
        }
    }
    const mnist_fast_images images = {pixels, labels, (size_t)shape->samples};
    const int units[2] = {shape->in, shape->out};
    return mf_step_check(kernels, definition, units, &images, error);
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t bytes[16] = {0};
    memcpy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
    const bool small = bytes[7] % 8 != 0; /* mostly: the definition takes its time */
    struct mf_kernel_case shape = {
        .samples = 1 + bytes[0] % (small ? 20 : SAMPLES_MAX),
        .in = 1 + bytes[2] % (small ? 50 : 200),
        .out = 1 + bytes[3] % (small ? 18 : 70),
        .zeros = bytes[4] % 101,
        .exponent = bytes[5] % 128 - (bytes[6] & 1 ? 0 : 127), /* -127 to 127 */
    };
    shape.begin = bytes[1] % shape.samples;
    memcpy(&shape.seed, bytes + 8, sizeof shape.seed);
    for (int precision = MF_FP32; precision <= MF_BF16; precision++)
        for (const struct mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++) {
            const struct mf_kernels *definition = mf_kernels_choose("scalar", (enum mf_precision)precision);
            mnist_fast_error error;
            if ((*isa)->supported() &&
                ((*isa)->tiled ? check_step : mf_kernels_check)(*isa, definition, &shape, &error))
                fuzz_fail(__FILE__, __LINE__, "kernels differ", error.text);
        }
}

static size_t seed(int number, uint8_t to[FUZZ_LARGEST])
{
    static const uint8_t seeds[][16] = {
        {49, 0, 99, 64, 80, 0, 1},   /* 50 samples, 100 inputs, 65 outputs, values below 1 */
        {0, 0, 15, 9, 50, 0, 1},     /* one sample */
        {56, 5, 47, 47, 100, 0, 1},  /* nothing but zeros */
        {30, 0, 31, 31, 30, 127, 1}, /* sums overflow */
        {30, 0, 31, 31, 30, 1, 0},   /* products are denormal */
        {11, 3, 199, 69, 0, 63, 0},  /* moments are flushed */
    };
    if (number >= (int)(sizeof seeds / sizeof *seeds))
        return 0;
    memcpy(to, seeds[number], sizeof *seeds);
    return sizeof *seeds;
}

const struct fuzz_target fuzz_kernels = {"kernels", run, seed, NULL, 15};
