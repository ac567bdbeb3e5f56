/* The getters of a network's layers, against the file that the network is saved to. */
#include "folder.h"
#include "guarded.h"
#include "networks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 3 };
static const int shapes[LAYERS][2] = {{784, 21}, {21, 5}, {5, 10}}; /* in, out */

/* After one step, for biases other than zero. */
static mnist_fast *new_network(void)
{
    static const int hidden[] = {21, 5};
    const mnist_fast_config config = config_of(8, 0, LAYERS - 1, hidden);
    struct random random = random_from(1, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 8);
    mnist_fast *network = network_new(&config, support_isas[0], 1, false);
    train(network, &images, 1, NULL, NULL);
    mnist_fast_free_images(&images);
    return network;
}

START_TEST(layers_are_those_of_the_file)
{
    mnist_fast *network = new_network();
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_layer_count(network), LAYERS);
    const char *path = in_folder("model");
    ck_assert_int_eq(mnist_fast_save(network, path, &error), MNIST_FAST_OK);
    const struct bytes file = file_read(path);
    const size_t parameters = mnist_fast_parameter_count(network) * sizeof(float);
    uint64_t header;
    memcpy(&header, file.data, sizeof header);
    ck_assert_uint_eq(file.size, sizeof header + header + parameters);
    const uint8_t *next = file.data + file.size - parameters; /* the tensors, one after another */
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
        next += size * sizeof *weights;
        ck_assert_mem_eq(biases, next, (size_t)out * sizeof *biases);
        next += (size_t)out * sizeof *biases;
        ck_assert_float_ne(biases[0], 0);
        guarded_release();
    }
    ck_assert_ptr_eq(next, file.data + file.size);
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

START_TEST(wrong_arguments_are_errors)
{
    mnist_fast *network = new_network();
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
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_test(tcase, layers_are_those_of_the_file);
    tcase_add_test(tcase, wrong_arguments_are_errors);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
