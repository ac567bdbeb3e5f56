#include "recogniser.h"

#include "engine/config.h"
#include "engine/step.h"

#include <stdlib.h>
#include <string.h>

extern const struct mf_kernels mf_kernels_scalar;

static struct {
    void *memory;
    size_t size;
} buffer;
static mnist_fast *network;
static mnist_fast_error error;
static uint8_t pixels[MNIST_FAST_PIXELS];
static float logits[MNIST_FAST_CLASSES], probabilities[MNIST_FAST_CLASSES];

void *web_buffer(size_t bytes)
{
    if (bytes > buffer.size) {
        free(buffer.memory);
        buffer.memory = malloc(bytes);
        buffer.size = buffer.memory ? bytes : 0;
    }
    return buffer.memory;
}

mnist_fast_status web_create(int count)
{
    /* The sizes of the caches do not matter to a single image. */
    static const struct mf_runtime runtime = {
        .kernels = &mf_kernels_scalar,
        .threads = 1,
        .cpu = {.affinity = 1, .cores = 1, .advised = 1, .caches = {.l2 = 256 << 10, .l2_cores = 1, .l3_cores = 1}},
    };
    mnist_fast_config config, checked;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden_count = count;
    for (int i = 0; i < count && i < MNIST_FAST_MAX_HIDDEN; i++)
        config.hidden[i] = ((const int *)buffer.memory)[i];
    const mnist_fast_status status = mf_config_read(&config, &checked, &error);
    return status ? status : mf_network_create(&checked, &runtime, &network, &error);
}

void web_set_tensor(int tensor)
{
    mf_tensor_set(network, tensor, MF_WEIGHT, buffer.memory);
}

mnist_fast_status web_prepare(int width, int height)
{
    const mnist_fast_picture picture = {buffer.memory, width, height, (size_t)width};
    return mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_YES, 0, pixels, &error);
}

int web_recognise(void)
{
    const mnist_fast_images image = {.pixels = pixels, .count = 1};
    const struct mf_rows row = {.end = 1, .sparse = true};
    const int last = network->layers - 1;
    struct mf_clock untimed = {0};
    network->blocking = mf_network_blocking(network, 1, false);
    if (mf_workspace_reserve(network, 1, 0, &error))
        return -1;
    const struct mf_workspace *const w = network->workspace;
    mf_gather(network->workspace, &image, NULL, 0, 1, 0);
    mf_forward_backward(network, &row, &untimed);
    memcpy(logits, w->y[last].data, sizeof logits);
    memcpy(probabilities, w->dy[last].data, sizeof probabilities);
    return w->digits[0];
}

uint8_t *web_pixels(void)
{
    return pixels;
}

float *web_logits(void)
{
    return logits;
}

float *web_probabilities(void)
{
    return probabilities;
}

const char *web_error(void)
{
    return error.text;
}
