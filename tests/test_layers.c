/* The getters of a network's layers, against the file that the network is saved to. */
#include "mnist_fast.h"

#include "guarded.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAYERS = 3 };
static const int shapes[LAYERS][2] = {{784, 21}, {21, 5}, {5, 10}}; /* in, out */

static mnist_fast *network_new(void)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden_count = LAYERS - 1;
    for (int i = 0; i < LAYERS - 1; i++)
        config.hidden[i] = shapes[i][1];
    config.batch_size = 8;
    config.validation_fraction = 0;
    mnist_fast_error error;
    mnist_fast *network;
    if (mnist_fast_create(&config, NULL, &network, &error))
        support_fail("%s", error.text);
    /* One step, for biases other than zero. */
    uint8_t pixels[8 * MNIST_FAST_PIXELS], labels[8];
    struct random random = random_from(1, 0, 0, 0);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)random_below(&random, 256);
    for (int i = 0; i < 8; i++)
        labels[i] = (uint8_t)i;
    const mnist_fast_images images = {.pixels = pixels, .labels = labels, .count = 8};
    if (mnist_fast_train(network, &images, 1, NULL, NULL, &error))
        support_fail("%s", error.text);
    return network;
}

/* The data of a safetensors file: all that comes after its header. */
static float *read_data(const mnist_fast *network, size_t count)
{
    char path[] = "/tmp/mnist_fast_layers_XXXXXX";
    const int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
    mnist_fast_error error;
    if (mnist_fast_save(network, path, &error))
        support_fail("%s", error.text);
    FILE *file = fopen(path, "rb");
    uint64_t header;
    float *data = malloc(count * sizeof *data);
    ck_assert(file && data && fread(&header, sizeof header, 1, file) == 1);
    ck_assert(fseek(file, (long)header, SEEK_CUR) == 0 && fread(data, sizeof *data, count, file) == count);
    ck_assert_int_eq(getc(file), EOF);
    fclose(file);
    remove(path);
    return data;
}

START_TEST(layers_are_those_of_the_file)
{
    mnist_fast *network = network_new();
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_layer_count(network), LAYERS);
    float *const data = read_data(network, mnist_fast_parameter_count(network)), *next = data;
    for (int layer = 0; layer < LAYERS; layer++) {
        support_case("layer %d", layer);
        int in, out;
        ck_assert_int_eq(mnist_fast_get_layer_shape(network, layer, &in, &out, &error), MNIST_FAST_OK);
        ck_assert_int_eq(in, shapes[layer][0]);
        ck_assert_int_eq(out, shapes[layer][1]);
        ck_assert_int_eq(mnist_fast_get_layer_shape(network, layer, NULL, NULL, NULL), MNIST_FAST_OK);
        const size_t size = (size_t)in * (size_t)out;
        float *weights = guarded_new(size * sizeof *weights), *biases = guarded_new((size_t)out * sizeof *biases);
        ck_assert_int_eq(mnist_fast_get_layer(network, layer, weights, NULL, &error), MNIST_FAST_OK);
        ck_assert_int_eq(mnist_fast_get_layer(network, layer, NULL, biases, &error), MNIST_FAST_OK);
        ck_assert_mem_eq(weights, next, size * sizeof *weights);
        ck_assert_mem_eq(biases, next + size, (size_t)out * sizeof *biases);
        ck_assert_float_ne(biases[0], 0);
        next += size + (size_t)out;
        guarded_release();
    }
    free(data);
    mnist_fast_free(network);
}
END_TEST

START_TEST(wrong_arguments_are_errors)
{
    mnist_fast *network = network_new();
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_layer_count(NULL), 0);
    static const int wrong[] = {-1, LAYERS, 1 << 30};
    for (int i = 0; i < 3; i++) {
        char says[64];
        snprintf(says, sizeof says, "layer: expected 0 to 2, found %d", wrong[i]);
        ck_assert_int_eq(mnist_fast_get_layer(network, wrong[i], NULL, NULL, &error), MNIST_FAST_BAD_ARGUMENT);
        ck_assert_str_eq(error.text, says);
        ck_assert_int_eq(mnist_fast_get_layer_shape(network, wrong[i], NULL, NULL, &error), MNIST_FAST_BAD_ARGUMENT);
        ck_assert_str_eq(error.text, says);
    }
    ck_assert_int_eq(mnist_fast_get_layer(NULL, 0, NULL, NULL, &error), MNIST_FAST_BAD_ARGUMENT);
    ck_assert_int_eq(mnist_fast_get_layer_shape(NULL, 0, NULL, NULL, NULL), MNIST_FAST_BAD_ARGUMENT);
    mnist_fast_free(network);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("layers");
    TCase *tcase = tcase_create("layers");
    tcase_add_test(tcase, layers_are_those_of_the_file);
    tcase_add_test(tcase, wrong_arguments_are_errors);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
