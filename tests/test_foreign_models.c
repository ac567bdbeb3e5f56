/* Safetensors files of other programs: which names give an order of the layers, and which are refused. */
#define _GNU_SOURCE /* memmem */
#include "mnist_fast.h"

#include "folder.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 20 };

struct layer {
    const char *name; /* NULL: no more layers */
    int in, out;
};

/* Of each tensor its own values, so that a layer in another's place shows. */
static float value(int layer, bool bias, int i)
{
    return (float)(1 + layer * 2 + bias) + (float)i * 0x1p-16f;
}

static void put_values(FILE *file, int layer, bool bias, int count)
{
    float *const values = malloc((size_t)count * sizeof *values);
    for (int i = 0; i < count; i++)
        values[i] = value(layer, bias, i);
    ck_assert_uint_eq(fwrite(values, sizeof *values, (size_t)count, file), (size_t)count);
    free(values);
}

static const char *describe(const char *name, const char *what, const char *shape, size_t *end, size_t size)
{
    static char text[256];
    snprintf(text, sizeof text, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
             *end ? "," : "", name, what, shape, *end, *end + size * sizeof(float));
    *end += size * sizeof(float);
    return text;
}

/* From the last layer to the first, biases before weights. other: one more tensor of one value, or NULL. */
static const char *write_model(const struct layer *layers, int without_bias, const char *other)
{
    const char *const path = in_folder("foreign.safetensors");
    char header[8192] = "{", shape[32];
    size_t end = 0;
    int count = 0;
    while (count < MOST && layers[count].name)
        count++;
    for (int i = count - 1; i >= 0; i--) {
        const int in = layers[i].in, out = layers[i].out;
        if (i != without_bias) {
            snprintf(shape, sizeof shape, "%d", out);
            strcat(header, describe(layers[i].name, ".bias", shape, &end, (size_t)out));
        }
        snprintf(shape, sizeof shape, "%d,%d", out, in);
        strcat(header, describe(layers[i].name, ".weight", shape, &end, (size_t)out * (size_t)in));
    }
    if (other)
        strcat(header, describe(other, "", "1", &end, 1));
    strcat(header, "}");

    FILE *const file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    const uint64_t length = strlen(header);
    ck_assert_uint_eq(fwrite(&length, sizeof length, 1, file), 1);
    ck_assert_uint_eq(fwrite(header, 1, length, file), length);
    for (int i = count - 1; i >= 0; i--) {
        if (i != without_bias)
            put_values(file, i, true, layers[i].out);
        put_values(file, i, false, layers[i].in * layers[i].out);
    }
    if (other)
        put_values(file, 0, false, 1);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static void expect_values(const float *got, int layer, bool bias, int count)
{
    for (int i = 0; i < count; i++)
        if (got[i] != value(layer, bias, i))
            support_fail("layer %d has another %s: value %d is %g, expected %g", layer, bias ? "bias" : "weight", i,
                         (double)got[i], (double)value(layer, bias, i));
}

/* The layers in the order that the names give. */
static const struct layer accepted[][MOST] = {
    {{"0", 784, 6}, {"2", 6, 6}, {"4", 6, 6}, {"6", 6, 10}},
    {{"0", 784, 6}, {"1", 6, 10}},
    {{"fc1", 784, 6}, {"fc2", 6, 6}, {"fc3", 6, 6}, {"fc4", 6, 10}},
    {{"fc1", 784, 6}, {"fc2", 6, 6}, {"fc3", 6, 6}, {"out", 6, 10}},
    {{"layers.0", 784, 5}, {"layers.9", 5, 5}, {"layers.10", 5, 5}, {"layers.11", 5, 10}},
    {{"linear1", 784, 7}, {"linear2", 7, 5}, {"linear3", 5, 10}},
    {{"model.0", 784, 7}, {"model.2", 7, 7}, {"model.4", 7, 7}, {"model.6", 7, 10}},
    {{"_orig_mod.fc1", 784, 3}, {"_orig_mod.fc2", 3, 3}, {"_orig_mod.fc3", 3, 3}, {"_orig_mod.fc4", 3, 10}},
    {{"linear_relu_stack.0", 784, 3}, {"linear_relu_stack.2", 3, 3}, {"linear_relu_stack.4", 3, 10}},
    {{"input", 784, 4}, {"hidden1", 4, 4}, {"hidden2", 4, 4}, {"classifier", 4, 10}},
    {{"b1.fc1", 784, 4}, {"b1.fc2", 4, 4}, {"b2.fc1", 4, 4}, {"b10.fc0", 4, 4}, {"b10.fc1", 4, 10}},
    {{"fc1", 784, 784}, {"fc2", 784, 784}, {"fc3", 784, 10}},
    {{"fc1", 784, 10}, {"fc2", 10, 10}, {"fc3", 10, 10}},
    {{"n9", 784, 2}, {"n99999999999999999999", 2, 2}, {"n100000000000000000000", 2, 2}, {"x", 2, 10}},
    {{"fc1", 784, 2}, {"fc002", 2, 2}, {"fc3", 2, 2}, {"fc04", 2, 2}, {"fc5", 2, 10}},
};
enum { ACCEPTED = sizeof accepted / sizeof *accepted };

START_TEST(names_give_the_order)
{
    const struct layer *const layers = accepted[_i];
    support_case("%s, %s, ...", layers[0].name, layers[1].name);
    mnist_fast *network;
    mnist_fast_error error;
    if (mnist_fast_load(write_model(layers, -1, NULL), NULL, &network, &error))
        support_fail("%s", error.text);
    int count = 0;
    for (; count < MOST && layers[count].name; count++) {
        const int in = layers[count].in, out = layers[count].out;
        float *const weights = malloc((size_t)in * (size_t)out * sizeof *weights);
        float *const biases = malloc((size_t)out * sizeof *biases);
        int found_in, found_out;
        ck_assert_int_eq(mnist_fast_get_layer_shape(network, count, &found_in, &found_out, &error), MNIST_FAST_OK);
        ck_assert_int_eq(found_in, in);
        ck_assert_int_eq(found_out, out);
        ck_assert_int_eq(mnist_fast_get_layer(network, count, weights, biases, &error), MNIST_FAST_OK);
        expect_values(weights, count, false, in * out);
        expect_values(biases, count, true, out);
        free(weights);
        free(biases);
    }
    ck_assert_int_eq(mnist_fast_layer_count(network), count);
    mnist_fast_free(network);
}
END_TEST

static const struct {
    const char *why, *words;
    struct layer layers[MOST];
    bool bias_missing; /* that of the second layer */
    const char *other; /* one more tensor */
} refused[] = {
    {"letters order hidden layers of one shape",
     "\"alpha.weight\" and \"beta.weight\" leave the order",
     {{"in", 784, 5}, {"alpha", 5, 5}, {"beta", 5, 5}, {"out", 5, 10}},
     false,
     NULL},
    {"a letter and a number differ",
     "leave the order of the layers open",
     {{"fc1", 784, 5}, {"a1", 5, 5}, {"b2", 5, 5}, {"fc4", 5, 10}},
     false,
     NULL},
    {"one number, spelled twice",
     "leave the order of the layers open",
     {{"fc1", 784, 5}, {"fc02", 5, 5}, {"fc2", 5, 5}, {"fc3", 5, 10}},
     false,
     NULL},
    {"one name has no number",
     "leave the order of the layers open",
     {{"fc1", 784, 5}, {"fc", 5, 5}, {"fc2", 5, 5}, {"fc3", 5, 10}},
     false,
     NULL},
    {"two layers of 784 inputs and 784 outputs, by letters",
     "leave the order of the layers open",
     {{"a", 784, 784}, {"b", 784, 784}, {"c", 784, 10}},
     false,
     NULL},
    {"the order of the numbers is another",
     "\"fc2.weight\", of layer 2 by its name, has the wrong shape (expected (1 to 16384, 7), found (4, 5))",
     {{"fc1", 784, 7}, {"fc3", 7, 5}, {"fc2", 5, 4}, {"fc4", 4, 10}},
     false,
     NULL},
    {"two outputs", "has the wrong shape", {{"fc1", 784, 5}, {"fc2", 5, 10}, {"head", 5, 10}}, false, NULL},
    {"no bias", "\"fc2.bias\" is missing", {{"fc1", 784, 5}, {"fc2", 5, 10}}, true, NULL},
    {"statistics", "unknown tensor \"bn.mean\"", {{"fc1", 784, 5}, {"fc2", 5, 10}}, false, "bn.mean"},
    {"a normalization",
     "\"bn.weight\", of layer 2 by its name, has the wrong shape (expected (1 to 16384, 5), found (1, 0))",
     {{"fc1", 784, 5}, {"fc2", 5, 10}},
     false,
     "bn.weight"},
    {"a bias without a weight", "unknown tensor \"x.bias\"", {{"fc1", 784, 5}, {"fc2", 5, 10}}, false, "x.bias"},
    {"one layer", "found 1 layers with 10", {{"fc1", 784, 10}}, false, NULL},
    {"eleven classes", "found 2 layers with 11", {{"fc1", 784, 5}, {"fc2", 5, 11}}, false, NULL},
    {"other images", "found (5, 783)", {{"fc1", 783, 5}, {"fc2", 5, 10}}, false, NULL},
    {"18 layers",
     "too many layers",
     {{"l0", 784, 10},
      {"l1", 10, 10},
      {"l2", 10, 10},
      {"l3", 10, 10},
      {"l4", 10, 10},
      {"l5", 10, 10},
      {"l6", 10, 10},
      {"l7", 10, 10},
      {"l8", 10, 10},
      {"l9", 10, 10},
      {"l10", 10, 10},
      {"l11", 10, 10},
      {"l12", 10, 10},
      {"l13", 10, 10},
      {"l14", 10, 10},
      {"l15", 10, 10},
      {"l16", 10, 10},
      {"l17", 10, 10}},
     false,
     NULL},
};
enum { REFUSED = sizeof refused / sizeof *refused };

START_TEST(what_leaves_a_doubt_is_refused)
{
    support_case("%s", refused[_i].why);
    const char *const path = write_model(refused[_i].layers, refused[_i].bias_missing ? 1 : -1, refused[_i].other);
    mnist_fast *network;
    mnist_fast_error error = {""};
    const mnist_fast_status status = mnist_fast_load(path, NULL, &network, &error);
    if (status != MNIST_FAST_BAD_MODEL || network)
        support_fail("status %s, expected MNIST_FAST_BAD_MODEL", mnist_fast_status_name(status));
    if (strncmp(error.text, path, strlen(path)) != 0 || !strstr(error.text, refused[_i].words) ||
        !strchr(error.text, ';'))
        support_fail("the message is not as expected: %s", error.text);
    mnist_fast_free(network);
}
END_TEST

/* With our metadata the names must be ours. */
START_TEST(our_own_file_keeps_its_names)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden_count = 1;
    config.hidden[0] = 4;
    mnist_fast *network;
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_create(&config, NULL, &network, &error), MNIST_FAST_OK);
    const char *const path = in_folder("ours.safetensors");
    ck_assert_int_eq(mnist_fast_save(network, path, &error), MNIST_FAST_OK);
    mnist_fast_free(network);

    static const char *const names[][2] = {{"\"2.weight\"", "\"1.weight\""}, {"\"0.bias\"", "\"x.bias\""}};
    for (int i = 0; i < 2; i++) {
        support_case("%s", names[i][1]);
        struct bytes file = file_read(path);
        char *const found = memmem(file.data, file.size, names[i][0], strlen(names[i][0]));
        ck_assert_ptr_nonnull(found);
        memcpy(found, names[i][1], strlen(names[i][1]));
        const char *const changed = in_folder("changed.safetensors");
        file_write(changed, file.data, file.size);
        free(file.data);
        if (mnist_fast_load(changed, NULL, &network, &error) != MNIST_FAST_BAD_MODEL)
            support_fail("it was not refused as a bad model");
        /* Refused for its names, before the checksum is known. */
        ck_assert_ptr_null(strstr(error.text, "checksum"));
    }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("foreign models");
    TCase *models = tcase_create("models");
    tcase_add_checked_fixture(models, folder_make, folder_remove);
    tcase_add_loop_test(models, names_give_the_order, 0, ACCEPTED);
    tcase_add_loop_test(models, what_leaves_a_doubt_is_refused, 0, REFUSED);
    tcase_add_test(models, our_own_file_keeps_its_names);
    suite_add_tcase(suite, models);
    return support_run(suite);
}
