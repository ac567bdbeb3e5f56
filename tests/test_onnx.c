/* ONNX files: read by a parser of Protocol Buffers of this test's own, run node by node, and compared with the network.
 */
#include "cli/commands.h"
#include "cli/onnx.h"

#include "folder.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Protocol Buffers ---- */

struct message {
    const uint8_t *next, *end;
};

struct field {
    int number, type;
    uint64_t value;        /* of a varint */
    struct message inside; /* of what has a length */
};

static uint64_t read_varint(struct message *message)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        ck_assert_msg(message->next < message->end, "a varint is cut short");
        const uint8_t byte = *message->next++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    support_fail("a varint has more than 10 bytes");
    return 0;
}

static bool next_field(struct message *message, struct field *field)
{
    if (message->next == message->end)
        return false;
    const uint64_t tag = read_varint(message);
    *field = (struct field){.number = (int)(tag >> 3), .type = (int)(tag & 7)};
    field->value = read_varint(message);
    if (field->type == 0)
        return true;
    ck_assert_msg(field->type == 2, "field %d has the unexpected wire type %d", field->number, field->type);
    ck_assert_msg(field->value <= (uint64_t)(message->end - message->next), "field %d is cut short", field->number);
    field->inside = (struct message){message->next, message->next + field->value};
    message->next += field->value;
    return true;
}

/* Field `number` of the message, the index-th of those; it must be there. */
static struct field find(struct message message, int number, int index)
{
    struct field field;
    while (next_field(&message, &field))
        if (field.number == number && index-- == 0)
            return field;
    support_fail("field %d is missing", number);
    return field;
}

static int count_of(struct message message, int number)
{
    int count = 0;
    for (struct field field; next_field(&message, &field);)
        count += field.number == number;
    return count;
}

static const char *text_of(struct message message, int number, int index)
{
    static char texts[8][128];
    static int turn;
    char *const text = texts[turn = (turn + 1) % 8];
    const struct field field = find(message, number, index);
    ck_assert_int_eq(field.type, 2);
    ck_assert_uint_lt(field.value, sizeof texts[0]);
    memcpy(text, field.inside.next, field.value);
    text[field.value] = '\0';
    return text;
}

/* ---- Running the graph ---- */

enum { IMAGES = 5, MOST_VALUES = 32 };

static struct value {
    char name[64];
    int columns;
    double *data; /* (IMAGES, columns) */
} values[MOST_VALUES];
static int value_count;

static struct value *new_value(const char *name, int columns)
{
    ck_assert_int_lt(value_count, MOST_VALUES);
    struct value *const value = &values[value_count++];
    snprintf(value->name, sizeof value->name, "%s", name);
    value->columns = columns;
    value->data = calloc((size_t)(IMAGES * columns), sizeof *value->data);
    return value;
}

static const struct value *find_value(const char *name)
{
    for (int i = 0; i < value_count; i++)
        if (strcmp(values[i].name, name) == 0)
            return &values[i];
    support_fail("%s is used before it is computed", name);
    return NULL;
}

/* The initializer of this name: float32 of `dimensions` dimensions. */
static const float *find_tensor(struct message graph, const char *name, int dimensions, int shape[2])
{
    for (int i = 0; i < count_of(graph, 5); i++) {
        const struct message tensor = find(graph, 5, i).inside;
        if (strcmp(text_of(tensor, 8, 0), name) != 0)
            continue;
        ck_assert_int_eq(count_of(tensor, 1), dimensions);
        ck_assert_uint_eq(find(tensor, 2, 0).value, 1);
        size_t size = sizeof(float);
        for (int j = 0; j < dimensions; j++) {
            shape[j] = (int)find(tensor, 1, j).value;
            size *= (size_t)shape[j];
        }
        const struct field raw = find(tensor, 9, 0);
        ck_assert_uint_eq(raw.value, size);
        float *const copy = malloc(size);
        memcpy(copy, raw.inside.next, size);
        return copy;
    }
    support_fail("the initializer %s is missing", name);
    return NULL;
}

static void run_gemm(struct message graph, struct message node)
{
    int shape[2], bias_shape[2];
    ck_assert_int_eq(count_of(node, 1), 3);
    ck_assert_int_eq(count_of(node, 5), 1);
    const struct message attribute = find(node, 5, 0).inside;
    ck_assert_str_eq(text_of(attribute, 1, 0), "transB");
    ck_assert_uint_eq(find(attribute, 3, 0).value, 1);
    ck_assert_uint_eq(find(attribute, 20, 0).value, 2);
    const struct value *const in = find_value(text_of(node, 1, 0));
    const float *const weights = find_tensor(graph, text_of(node, 1, 1), 2, shape);
    const float *const biases = find_tensor(graph, text_of(node, 1, 2), 1, bias_shape);
    ck_assert_int_eq(shape[1], in->columns);
    ck_assert_int_eq(shape[0], bias_shape[0]);
    const struct value *const out = new_value(text_of(node, 2, 0), shape[0]);
    for (int image = 0; image < IMAGES; image++)
        for (int j = 0; j < shape[0]; j++) {
            double sum = (double)biases[j];
            for (int k = 0; k < shape[1]; k++)
                sum += (double)weights[j * shape[1] + k] * in->data[image * in->columns + k];
            out->data[image * out->columns + j] = sum;
        }
    free((void *)weights);
    free((void *)biases);
}

static void run_elementwise(struct message node, bool softmax)
{
    const struct value *const in = find_value(text_of(node, 1, 0));
    const struct value *const out = new_value(text_of(node, 2, 0), in->columns);
    for (int image = 0; image < IMAGES; image++) {
        double *const row = out->data + image * in->columns, sum = 0;
        for (int j = 0; j < in->columns; j++) {
            const double x = in->data[image * in->columns + j];
            row[j] = softmax ? exp(x) : fmax(x, 0);
            sum += row[j];
        }
        for (int j = 0; softmax && j < in->columns; j++)
            row[j] /= sum;
    }
}

static void run_graph(struct message graph, const uint8_t *pixels)
{
    const struct value *const in = new_value("pixels", MNIST_FAST_PIXELS);
    for (int i = 0; i < IMAGES * MNIST_FAST_PIXELS; i++)
        in->data[i] = pixels[i] / 255.0;
    for (int i = 0; i < count_of(graph, 1); i++) {
        const struct message node = find(graph, 1, i).inside;
        const char *const type = text_of(node, 4, 0);
        support_case("node %d, %s", i, type);
        if (strcmp(type, "Gemm") == 0)
            run_gemm(graph, node);
        else if (strcmp(type, "Relu") == 0 || strcmp(type, "Softmax") == 0)
            run_elementwise(node, *type == 'S');
        else
            support_fail("the operator %s is not expected", type);
    }
}

/* ---- The tests ---- */

static mnist_fast_error error;

/* Trained for a step, for biases other than zero. */
static mnist_fast *network_new(int hidden_count, const uint8_t *pixels)
{
    static const uint8_t labels[IMAGES] = {3, 1, 4, 1, 5};
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden_count = hidden_count;
    for (int i = 0; i < hidden_count; i++)
        config.hidden[i] = 6 + i;
    config.validation_fraction = 0;
    const mnist_fast_images images = {pixels, labels, IMAGES};
    mnist_fast *network;
    if (mnist_fast_create(&config, NULL, &network, &error) || mnist_fast_train(network, &images, 1, NULL, NULL, &error))
        support_fail("%s", error.text);
    return network;
}

static void fill_pixels(uint8_t pixels[IMAGES * MNIST_FAST_PIXELS])
{
    struct random random = random_from(1, 0, 0, 0);
    for (int i = 0; i < IMAGES * MNIST_FAST_PIXELS; i++)
        pixels[i] = (uint8_t)(random_below(&random, 3) ? 0 : random_below(&random, 256));
}

/* Type and shape of an input or output: float32 (N, columns). */
static void expect_value(struct message graph, int field, int index, const char *name, int columns)
{
    support_case("%s", name);
    const struct message value = find(graph, field, index).inside;
    ck_assert_str_eq(text_of(value, 1, 0), name);
    ck_assert_uint_gt(strlen(text_of(value, 3, 0)), 10); /* its meaning */
    const struct message tensor = find(find(value, 2, 0).inside, 1, 0).inside;
    ck_assert_uint_eq(find(tensor, 1, 0).value, 1);
    const struct message shape = find(tensor, 2, 0).inside;
    ck_assert_int_eq(count_of(shape, 1), 2);
    ck_assert_str_eq(text_of(find(shape, 1, 0).inside, 2, 0), "N");
    ck_assert_uint_eq(find(find(shape, 1, 1).inside, 1, 0).value, (uint64_t)columns);
}

START_TEST(onnx_computes_the_same)
{
    static uint8_t pixels[IMAGES * MNIST_FAST_PIXELS];
    fill_pixels(pixels);
    mnist_fast *const network = network_new(_i, pixels);
    const char *const path = in_folder("model.onnx");
    if (cli_onnx_write(network, path, &error))
        support_fail("%s", error.text);
    const struct bytes file = file_read(path);
    const struct message model = {file.data, file.data + file.size};
    const struct message graph = find(model, 7, 0).inside;

    ck_assert_uint_eq(find(model, 1, 0).value, 7);
    ck_assert_str_eq(text_of(model, 2, 0), "mnist_fast");
    ck_assert_str_eq(text_of(model, 3, 0), mnist_fast_version());
    const struct message operators = find(model, 8, 0).inside;
    ck_assert_str_eq(text_of(operators, 1, 0), "");
    ck_assert_uint_eq(find(operators, 2, 0).value, 13);
    char crc32[16];
    snprintf(crc32, sizeof crc32, "%08x", (unsigned)mnist_fast_weights_crc32(network));
    ck_assert_str_eq(text_of(find(model, 14, 0).inside, 1, 0), "weights_crc32");
    ck_assert_str_eq(text_of(find(model, 14, 0).inside, 2, 0), crc32);
    ck_assert_str_eq(text_of(find(model, 14, 1).inside, 2, 0), _i == 1 ? "784-6-10" : "784-6-7-10");
    ck_assert_int_eq(count_of(graph, 1), 2 * _i + 2);
    ck_assert_int_eq(count_of(graph, 5), 2 * _i + 2);
    ck_assert_int_eq(count_of(graph, 11), 1);
    ck_assert_int_eq(count_of(graph, 12), 2);
    expect_value(graph, 11, 0, "pixels", MNIST_FAST_PIXELS);
    expect_value(graph, 12, 0, "logits", MNIST_FAST_CLASSES);
    expect_value(graph, 12, 1, "probabilities", MNIST_FAST_CLASSES);

    float expected[IMAGES * MNIST_FAST_CLASSES];
    const mnist_fast_images images = {pixels, NULL, IMAGES};
    ck_assert_int_eq(mnist_fast_predict(network, &images, NULL, expected, &error), MNIST_FAST_OK);
    run_graph(graph, pixels);
    const struct value *const found = find_value("probabilities");
    find_value("logits");
    for (int i = 0; i < IMAGES * MNIST_FAST_CLASSES; i++)
        if (!(fabs(found->data[i] - (double)expected[i]) < 1e-6))
            support_fail("probability %d is %g, expected %g", i, found->data[i], (double)expected[i]);
    while (value_count > 0)
        free(values[--value_count].data);
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

static int export_with(const char *const arguments[])
{
    char *words[16] = {"mnist_fast", "export"};
    int count = 2;
    for (; arguments[count - 2]; count++)
        words[count] = (char *)arguments[count - 2];
    struct cli_options options;
    if (cli_options_parse(count, words, &options, &error))
        return -1;
    return cli_export(&options);
}

START_TEST(export_never_replaces_the_model)
{
    static uint8_t pixels[IMAGES * MNIST_FAST_PIXELS];
    mnist_fast *const network = network_new(1, pixels);
    const char *const model = in_folder("model"), *const link = in_folder("link"), *const onnx = in_folder("onnx");
    ck_assert_int_eq(mnist_fast_save(network, model, &error), MNIST_FAST_OK);
    ck_assert_int_eq(symlink(model, link), 0);
    const struct bytes before = file_read(model);
    ck_assert_int_eq(export_with((const char *const[]){"--model", model, "--onnx", model, NULL}), 1);
    ck_assert_int_eq(export_with((const char *const[]){"--model", model, "--onnx", link, NULL}), 1);
    file_expect(model, before);
    free(before.data);

    ck_assert_int_eq(export_with((const char *const[]){"-q", "--model", link, "--onnx", onnx, NULL}), 0);
    const struct bytes once = file_read(onnx);
    ck_assert_int_eq(cli_onnx_write(network, onnx, &error), MNIST_FAST_OK);
    file_expect(onnx, once);
    ck_assert_int_eq(export_with((const char *const[]){"-m", model, "--onnx", in_folder("none/x"), NULL}), 1);
    ck_assert_int_eq(export_with((const char *const[]){"-m", onnx, "--onnx", model, NULL}), 1);
    free(once.data);
    mnist_fast_free(network);
}
END_TEST

START_TEST(usage_of_export)
{
    static const struct {
        const char *const arguments[8], *words;
    } wrong[] = {
        {{"--model", "a", NULL}, "export: --onnx FILE is missing"},
        {{"--onnx", "a", NULL}, "export: --model FILE is missing"},
        {{"--model", "a", "--model", "b", "--onnx", "c", NULL}, "export: expected one --model FILE, found 2"},
        {{"--model", "a", "--onnx", "b", "c", NULL}, "export takes no operand"},
        {{"--model", "a", "--onnx", "b", "--epochs", "1", NULL}, "--epochs has no meaning for export"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(export_with(wrong[i].arguments), -1);
        if (!strstr(error.text, wrong[i].words))
            support_fail("expected \"%s\", found \"%s\"", wrong[i].words, error.text);
    }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("onnx");
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, folder_make, folder_remove);
    tcase_add_loop_test(files, onnx_computes_the_same, 1, 3);
    tcase_add_test(files, export_never_replaces_the_model);
    tcase_add_test(files, usage_of_export);
    suite_add_tcase(suite, files);
    return support_run(suite);
}
