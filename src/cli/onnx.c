#include "onnx.h"

#include "program.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An ONNX file is one message of Protocol Buffers. A message within another has its length in front, so every message
 * is written twice: first into a sink that only counts, then for good. The numbers of fields are those of onnx.proto3.
 */
struct sink {
    uint8_t *bytes; /* NULL: only count */
    size_t size;
};

struct model {
    const mnist_fast *network;
    int layers;
    float *values; /* room for the largest tensor */
};

/* Tensor 2 * l is the weight of layer l, tensor 2 * l + 1 its bias. */
typedef void write_message(struct sink *sink, const struct model *model, int index);

enum wire_type { VARINT = 0, LENGTH = 2 };
enum { OPERATOR_SET = 13, IR_VERSION = 7, TYPE_FLOAT = 1, ATTRIBUTE_INT = 2 };

static void put(struct sink *sink, const void *bytes, size_t size)
{
    if (sink->bytes)
        memcpy(sink->bytes + sink->size, bytes, size);
    sink->size += size;
}

static void put_varint(struct sink *sink, uint64_t value)
{
    do {
        const uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(sink, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_tag(struct sink *sink, int field, enum wire_type type)
{
    put_varint(sink, (uint64_t)field << 3 | type);
}

static void put_integer(struct sink *sink, int field, uint64_t value)
{
    put_tag(sink, field, VARINT);
    put_varint(sink, value);
}

static void put_text(struct sink *sink, int field, const char *text)
{
    put_tag(sink, field, LENGTH);
    put_varint(sink, strlen(text));
    put(sink, text, strlen(text));
}

static void put_message(struct sink *sink, int field, write_message *write, const struct model *model, int index)
{
    struct sink counted = {0};
    write(&counted, model, index);
    put_tag(sink, field, LENGTH);
    put_varint(sink, counted.size);
    write(sink, model, index);
}

/* "2.weight", as in our own files. */
static void put_tensor_name(struct sink *sink, int field, int tensor)
{
    char name[32];
    snprintf(name, sizeof name, "%d.%s", tensor / 2 * 2, tensor % 2 ? "bias" : "weight");
    put_text(sink, field, name);
}

static void write_tensor(struct sink *sink, const struct model *model, int tensor) /* TensorProto */
{
    int in, out;
    mnist_fast_get_layer_shape(model->network, tensor / 2, &in, &out, NULL);
    const bool bias = tensor % 2;
    const size_t size = (bias ? 1 : (size_t)in) * (size_t)out * sizeof(float);
    put_integer(sink, 1, (uint64_t)out); /* dims */
    if (!bias)
        put_integer(sink, 1, (uint64_t)in);
    put_integer(sink, 2, TYPE_FLOAT); /* data_type */
    put_tensor_name(sink, 8, tensor);
    put_tag(sink, 9, LENGTH); /* raw_data: little-endian, as this host is */
    put_varint(sink, size);
    if (sink->bytes)
        mnist_fast_get_layer(model->network, tensor / 2, bias ? NULL : model->values, bias ? model->values : NULL,
                             NULL);
    put(sink, model->values, size);
}

static void write_transposed(struct sink *sink, const struct model *model, int index) /* AttributeProto */
{
    (void)model;
    (void)index;
    put_text(sink, 1, "transB"); /* the weights are (out, in) */
    put_integer(sink, 3, 1);
    put_integer(sink, 20, ATTRIBUTE_INT);
}

/* The name of what layer `layer` gives, before or after its ReLU. */
static void put_result_name(struct sink *sink, int field, const struct model *model, int layer, bool rectified)
{
    char name[32] = "logits";
    if (layer < 0)
        strcpy(name, "pixels");
    else if (layer < model->layers - 1)
        snprintf(name, sizeof name, "%s%d", rectified ? "relu" : "gemm", layer + 1);
    put_text(sink, field, name);
}

static void write_gemm(struct sink *sink, const struct model *model, int layer) /* NodeProto */
{
    put_result_name(sink, 1, model, layer - 1, true);
    put_tensor_name(sink, 1, 2 * layer);
    put_tensor_name(sink, 1, 2 * layer + 1);
    put_result_name(sink, 2, model, layer, false);
    put_text(sink, 4, "Gemm");
    put_message(sink, 5, write_transposed, model, 0);
}

static void write_relu(struct sink *sink, const struct model *model, int layer) /* NodeProto */
{
    put_result_name(sink, 1, model, layer, false);
    put_result_name(sink, 2, model, layer, true);
    put_text(sink, 4, "Relu");
}

static void write_softmax(struct sink *sink, const struct model *model, int index) /* NodeProto */
{
    (void)model;
    (void)index;
    put_text(sink, 1, "logits");
    put_text(sink, 2, "probabilities");
    put_text(sink, 4, "Softmax");
}

static void write_dimension(struct sink *sink, const struct model *model, int size) /* 0: any, the images' number */
{
    (void)model;
    if (size)
        put_integer(sink, 1, (uint64_t)size);
    else
        put_text(sink, 2, "N");
}

static void write_shape(struct sink *sink, const struct model *model, int columns) /* TensorShapeProto */
{
    put_message(sink, 1, write_dimension, model, 0);
    put_message(sink, 1, write_dimension, model, columns);
}

static void write_tensor_type(struct sink *sink, const struct model *model, int columns) /* TypeProto.Tensor */
{
    put_integer(sink, 1, TYPE_FLOAT);
    put_message(sink, 2, write_shape, model, columns);
}

static void write_type(struct sink *sink, const struct model *model, int columns) /* TypeProto */
{
    put_message(sink, 1, write_tensor_type, model, columns);
}

static const struct {
    const char *name, *meaning;
    int columns;
} values[] = {
    {"pixels", "a row for each image: 28 rows of 28 from the top, 0 (background) to 1 (ink)", MNIST_FAST_PIXELS},
    {"logits", "a column for each digit", MNIST_FAST_CLASSES},
    {"probabilities", "softmax of the logits", MNIST_FAST_CLASSES},
};

static void write_value(struct sink *sink, const struct model *model, int value) /* ValueInfoProto */
{
    put_text(sink, 1, values[value].name);
    put_message(sink, 2, write_type, model, values[value].columns);
    put_text(sink, 3, values[value].meaning);
}

static void write_graph(struct sink *sink, const struct model *model, int index) /* GraphProto */
{
    (void)index;
    for (int layer = 0; layer < model->layers; layer++) {
        put_message(sink, 1, write_gemm, model, layer);
        if (layer < model->layers - 1)
            put_message(sink, 1, write_relu, model, layer);
    }
    put_message(sink, 1, write_softmax, model, 0);
    put_text(sink, 2, "mnist_fast");
    for (int tensor = 0; tensor < 2 * model->layers; tensor++)
        put_message(sink, 5, write_tensor, model, tensor);
    put_message(sink, 11, write_value, model, 0);
    put_message(sink, 12, write_value, model, 1);
    put_message(sink, 12, write_value, model, 2);
}

static void write_operator_set(struct sink *sink, const struct model *model, int index) /* OperatorSetIdProto */
{
    (void)model;
    (void)index;
    put_text(sink, 1, "");
    put_integer(sink, 2, OPERATOR_SET);
}

enum { METADATA_CRC32, METADATA_NETWORK };

static void write_metadata(struct sink *sink, const struct model *model, int entry) /* StringStringEntryProto */
{
    char text[128];
    if (entry == METADATA_CRC32) {
        snprintf(text, sizeof text, "%08x", (unsigned)mnist_fast_weights_crc32(model->network));
    } else {
        mnist_fast_config config;
        mnist_fast_get_config(model->network, &config, sizeof config);
        cli_describe_network(&config, text, sizeof text);
    }
    put_text(sink, 1, entry == METADATA_CRC32 ? "weights_crc32" : "network");
    put_text(sink, 2, text);
}

static void write_model(struct sink *sink, const struct model *model, int index) /* ModelProto */
{
    (void)index;
    put_integer(sink, 1, IR_VERSION);
    put_text(sink, 2, "mnist_fast");
    put_text(sink, 3, mnist_fast_version());
    put_text(sink, 6, "Handwritten digits: the input is 28 x 28 bytes / 255 a row, white ink on black, as in MNIST.");
    put_message(sink, 7, write_graph, model, 0);
    put_message(sink, 8, write_operator_set, model, 0);
    put_message(sink, 14, write_metadata, model, METADATA_CRC32);
    put_message(sink, 14, write_metadata, model, METADATA_NETWORK);
}

mnist_fast_status cli_onnx_write(const mnist_fast *network, const char *path, mnist_fast_error *error)
{
    struct model model = {.network = network, .layers = mnist_fast_layer_count(network)};
    struct sink sink = {0};
    size_t largest = 0;
    for (int layer = 0; layer < model.layers; layer++) {
        int in, out;
        mnist_fast_get_layer_shape(network, layer, &in, &out, NULL);
        largest = (size_t)in * (size_t)out > largest ? (size_t)in * (size_t)out : largest;
    }
    write_model(&sink, &model, 0);
    if (sink.size > INT32_MAX)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT,
                        "%s: the network is too large for ONNX (expected a file of at most %d bytes, found %zu); "
                        "use a smaller network",
                        path, INT32_MAX, sink.size);
    model.values = malloc(largest * sizeof *model.values);
    sink.bytes = malloc(sink.size);
    mnist_fast_status status;
    if (model.values && sink.bytes) {
        sink.size = 0;
        write_model(&sink, &model, 0);
        status = mnist_fast_write_file(path, sink.bytes, sink.size, error);
    } else {
        status = cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for %zu bytes; free some", path, sink.size);
    }
    free(model.values);
    free(sink.bytes);
    return status;
}
