#include "networks.h"

#include <stdlib.h>
#include <string.h>

mnist_fast_runtime runtime_of(const char *isa, int threads)
{
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    runtime.isa = isa;
    runtime.threads = threads;
    return runtime;
}

mnist_fast_config config_of(int batch, double validation, int layers, const int *hidden)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    memset(config.hidden, 0, sizeof config.hidden);
    memcpy(config.hidden, hidden, (size_t)layers * sizeof *hidden);
    config.hidden_count = layers;
    config.batch_size = batch;
    config.validation_fraction = validation;
    return config;
}

mnist_fast *network_new(const mnist_fast_config *config, const struct mf_kernels *kernels, int threads, bool dense)
{
    const mnist_fast_runtime runtime = runtime_of(kernels->name, threads);
    mnist_fast *network;
    mnist_fast_error error;
    mnist_fast_config of_kernels = *config;
    of_kernels.precision = (mnist_fast_precision)kernels->precision;
    if (mnist_fast_create(&of_kernels, &runtime, &network, &error))
        support_fail("%s", error.text);
    network->dense = dense;
    network->all_threads = true;
    return network;
}

mnist_fast_images images_new(struct random *random, int count)
{
    uint8_t *pixels = calloc((size_t)count, MF_INPUTS), *labels = calloc((size_t)count, 1);
    if (!pixels || !labels)
        support_fail("no memory for %d images", count);
    for (int i = 0; i < count * MF_INPUTS; i++)
        if (random_below(random, 5) == 0)
            pixels[i] = (uint8_t)random_below(random, 256);
    for (int i = 0; i < count; i++)
        labels[i] = (uint8_t)random_below(random, MF_CLASSES);
    return (mnist_fast_images){.pixels = pixels, .labels = labels, .count = (size_t)count};
}

void train(mnist_fast *network, const mnist_fast_images *images, int epochs, mnist_fast_progress_callback *callback,
           void *user)
{
    mnist_fast_error error;
    if (mnist_fast_train(network, images, epochs, callback, user, &error))
        support_fail("%s", error.text);
}

int stop_at(const mnist_fast_progress *progress, void *user)
{
    (void)progress;
    struct stop *stop = user;
    return ++stop->calls == stop->at;
}

void expect_bad_argument(const char *what, mnist_fast_status status, const mnist_fast_error *error)
{
    if (status != MNIST_FAST_BAD_ARGUMENT)
        support_fail("%s: %s", what, mnist_fast_status_name(status));
    if (error && (!error->text[0] || strchr(error->text, '\n')))
        support_fail("%s: the message is '%s'", what, error->text);
}

float *tensor_new(const mnist_fast *network, int tensor, enum mf_tensor_kind kind)
{
    float *values = malloc(mf_tensor_size(network, tensor) * sizeof *values);
    if (!values)
        support_fail("no memory for a tensor");
    mf_tensor_get(network, tensor, kind, values);
    return values;
}
