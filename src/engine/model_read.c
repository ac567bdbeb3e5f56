/* Reading models and checkpoints. */
#include "base/error.h"
#include "base/text.h"
#include "best.h"
#include "config.h"
#include "io/read.h"
#include "io/safetensors.h"
#include "layer_order.h"
#include "metadata.h"
#include "model_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct model {
    const char *path;
    int file;
    uint64_t size;
    char *text; /* of the header, and a zero */
    size_t length;
    struct mf_safetensors header;
    struct mf_metadata metadata;
    bool ours;                                             /* written by this program, not by PyTorch or another */
    const struct mf_safetensor *weight[MF_MAX_LAYERS + 1]; /* of each layer, first to last */
    int layers;
    uint32_t crc;
};

static mnist_fast_status read_bytes(const struct model *model, void *to, size_t size, mnist_fast_error *error)
{
    size_t got;
    const mnist_fast_status status = mf_read(model->file, model->path, to, size, &got, error);
    if (!status && got < size)
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: cut short (expected %zu more bytes, found none); copy it again", model->path, size - got);
    return status;
}

static mnist_fast_status read_header(struct model *model, mnist_fast_error *error)
{
    uint8_t first[8];
    if (model->size < sizeof first) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: not a safetensors file (expected 8 bytes or more, found %" PRIu64
                       "); give a file that --save wrote",
                       model->path, model->size);
    }
    mnist_fast_status status = read_bytes(model, first, sizeof first, error);
    if (!status)
        status = mf_safetensors_length(model->path, first, model->size, &model->length, error);
    if (status)
        return status;
    model->text = malloc(model->length + 1);
    if (!model->text)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", model->path);
    model->text[model->length] = '\0';
    status = read_bytes(model, model->text, model->length, error);
    return status ? status
                  : mf_safetensors_parse(model->path, model->text, model->length,
                                         model->size - sizeof first - model->length, &model->header, error);
}

/* Ours have one order: 0.weight, 2.weight, ... */
static void find_layers(struct model *model)
{
    if (!model->ours) {
        mf_layer_order(&model->header, model->weight, &model->layers);
        return;
    }
    for (; model->layers <= MF_MAX_LAYERS; model->layers++) {
        struct mf_tensor_name name;
        snprintf(name.text, sizeof name.text, "%d.weight", 2 * model->layers);
        if (!(model->weight[model->layers] = mf_safetensors_find(&model->header, name.text)))
            break;
    }
}

/* The hidden layers from the shapes of the weights: (units, 784), (units, units before), ... */
static mnist_fast_status read_layers(struct model *model, mnist_fast_error *error)
{
    mnist_fast_config *config = &model->metadata.config;
    uint64_t width = MNIST_FAST_PIXELS;
    find_layers(model);
    if (model->layers > MF_MAX_LAYERS)
        return mf_fail(error, MNIST_FAST_BAD_MODEL, "%s: too many layers (expected at most %d); use a smaller network",
                       model->path, MF_MAX_LAYERS);
    for (int layer = 0; layer < model->layers; layer++) {
        const struct mf_safetensor *const weight = model->weight[layer];
        if (weight->dimensions != 2 || weight->shape[0] > MNIST_FAST_MAX_UNITS || weight->shape[1] != width)
            return mf_fail(
                error, MNIST_FAST_BAD_MODEL,
                "%s: tensor \"%s\", of layer %d by its name, has the wrong shape (expected (1 to %d, %" PRIu64
                "), found (%" PRIu64 ", %" PRIu64 ")); give a model of 784 inputs and linear layers",
                model->path, mf_printable(weight->name).text, layer + 1, MNIST_FAST_MAX_UNITS, width, weight->shape[0],
                weight->shape[1]);
        width = weight->shape[0];
        if (layer < MNIST_FAST_MAX_HIDDEN)
            config->hidden[layer] = (int)width;
    }
    if (model->layers < 2 || width != MNIST_FAST_CLASSES)
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: not a network for digits (expected NAME.weight and NAME.bias of at least 2 layers with %d "
                       "outputs, found %d layers with %" PRIu64 "); give a model that --save wrote",
                       model->path, MNIST_FAST_CLASSES, model->layers, model->layers ? width : 0);
    config->hidden_count = model->layers - 1;
    return model->ours ? MNIST_FAST_OK : mf_layer_order_check(model->path, model->weight, model->layers, error);
}

static mnist_fast_status create_network(const struct model *model, struct mf_runtime *runtime, mnist_fast **network,
                                        mnist_fast_error *error)
{
    mnist_fast_error problem;
    mnist_fast_config config;
    if (mf_config_read(&model->metadata.config, &config, &problem))
        return mf_fail(error, MNIST_FAST_BAD_MODEL, "%s: its metadata has a bad value (%s); copy it again", model->path,
                       problem.text);
    mnist_fast_status status = mf_runtime_compute_in(runtime, config.precision, error);
    if (!status)
        status = mf_network_create(&config, runtime, network, error);
    if (!status && model->metadata.best_epoch)
        status = mf_best_reserve(*network, error);
    return status;
}

/* The name of the bias that belongs to the weight X.weight: X.bias. NULL: no memory. */
static char *bias_name(const struct mf_safetensor *weight)
{
    static const char ending[] = ".bias";
    const size_t stem = strlen(weight->name) - strlen(".weight");
    char *const name = malloc(stem + sizeof ending);
    if (name)
        snprintf(name, stem + sizeof ending, "%.*s%s", (int)stem, weight->name, ending);
    return name;
}

/* The tensor of the network with this index, in the file as `name`. index becomes kind * count + tensor. */
static mnist_fast_status match_tensor(struct model *model, const mnist_fast *network, int index, const char *name,
                                      mnist_fast_error *error)
{
    const struct mf_tensor described = mf_tensor_describe(network, index % mf_tensor_count(network));
    struct mf_safetensor *const found = mf_safetensors_find(&model->header, name);
    if (!found)
        return mf_fail(error, MNIST_FAST_BAD_MODEL, "%s: tensor \"%s\" is missing; write it again", model->path,
                       mf_printable(name).text);
    if (found->shape[0] != (uint64_t)described.rows || found->shape[1] != (uint64_t)described.columns)
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: tensor \"%s\" has the wrong shape (expected (%d, %d), found (%" PRIu64 ", %" PRIu64
                       "), where 0 is none); write it again",
                       model->path, mf_printable(name).text, described.rows, described.columns, found->shape[0],
                       found->shape[1]);
    found->index = index;
    return MNIST_FAST_OK;
}

/* Finds each tensor of the network among those of the file. */
static mnist_fast_status match_tensors(struct model *model, const mnist_fast *network, mnist_fast_error *error)
{
    const int count = mf_tensor_count(network);
    mnist_fast_status status = MNIST_FAST_OK;
    for (int layer = 0; !status && layer < model->layers; layer++) {
        char *const bias = bias_name(model->weight[layer]);
        if (!bias)
            return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", model->path);
        status = match_tensor(model, network, 2 * layer, model->weight[layer]->name, error);
        if (!status)
            status = match_tensor(model, network, 2 * layer + 1, bias, error);
        free(bias);
    }
    for (int index = count; !status && index < mf_tensor_kinds(&model->metadata) * count; index++)
        status = match_tensor(model, network, index, mf_tensor_name(network, index % count, index / count).text, error);
    for (size_t i = 0; !status && i < model->header.count; i++)
        if (model->header.tensor[i].index < 0)
            status = mf_fail(error, MNIST_FAST_BAD_MODEL,
                             "%s: unknown tensor \"%s\" (expected weights and biases of linear layers alone); write it "
                             "without",
                             model->path, mf_printable(model->header.tensor[i].name).text);
    return status;
}

static mnist_fast_status read_tensor(struct model *model, const struct mf_safetensor *tensor, float *values,
                                     mnist_fast *network, mnist_fast_error *error)
{
    const size_t size = (size_t)(tensor->end - tensor->begin);
    const mnist_fast_status status = read_bytes(model, values, size, error);
    if (status)
        return status;
    model->crc = (uint32_t)crc32(model->crc, (const Bytef *)values, (uInt)size);
    const int count = mf_tensor_count(network);
    const enum mf_tensor_kind kind = tensor->index / count;
    for (size_t i = 0; i < size / sizeof *values; i++) {
        if (!isfinite(values[i]) || (kind == MF_MOMENT2 && values[i] < 0)) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: tensor \"%s\" has a bad number (expected finite ones%s); "
                           "copy or train it again",
                           model->path, mf_printable(tensor->name).text, kind == MF_MOMENT2 ? ", none below 0" : "");
        }
    }
    mf_tensor_set(network, tensor->index % count, kind, values);
    return MNIST_FAST_OK;
}

/* In one pass over the file, for the checksum. */
static mnist_fast_status read_tensors(struct model *model, mnist_fast *network, mnist_fast_error *error)
{
    size_t largest = 0;
    for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
        const size_t size = mf_tensor_size(network, tensor);
        largest = size > largest ? size : largest;
    }
    float *values = malloc(largest * sizeof *values);
    if (!values)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its weights; free some", model->path);
    char digits[MF_CRC_DIGITS + 1] = "";
    if (model->ours) {
        memcpy(digits, model->text + MF_CRC_AT, MF_CRC_DIGITS);
        memset(model->text + MF_CRC_AT, '0', MF_CRC_DIGITS);
        model->crc = (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)model->text, (uInt)model->length);
    }
    mnist_fast_status status = MNIST_FAST_OK;
    for (size_t i = 0; !status && i < model->header.count; i++)
        status = read_tensor(model, &model->header.tensor[i], values, network, error);
    free(values);
    if (!status && model->ours) {
        char expected[MF_CRC_DIGITS + 1];
        snprintf(expected, sizeof expected, "%08" PRIx32, model->crc);
        return strcmp(expected, digits) == 0 ? MNIST_FAST_OK : mf_metadata_damaged(model->path, error);
    }
    return status;
}

mnist_fast_status mf_model_read(const char *path, const mnist_fast_runtime *runtime, bool checkpoint,
                                uint32_t *data_crc32, mnist_fast **network, mnist_fast_error *error)
{
    struct model model = {.path = path, .file = -1};
    struct mf_runtime resolved;
    mnist_fast *made = NULL;
    mnist_fast_status status = mf_runtime_read(runtime, &resolved, error);
    if (status || (status = mf_read_open(path, "a model file", &model.file, &model.size, error)) ||
        (status = read_header(&model, error)) ||
        (status = mf_metadata_read(path, model.text, model.length, &model.metadata, &model.ours, error)))
        goto done;
    if (checkpoint && !model.metadata.checkpoint) {
        status = mf_fail(error, MNIST_FAST_BAD_MODEL,
                         "%s: training cannot go on from it (expected a checkpoint, found weights alone); give a file "
                         "that --checkpoint wrote",
                         path);
        goto done;
    }
    if ((status = read_layers(&model, error)) || (status = create_network(&model, &resolved, &made, error)) ||
        (status = match_tensors(&model, made, error)) || (status = read_tensors(&model, made, error)))
        goto done;
    made->position = model.metadata.position;
    made->moments = model.metadata.checkpoint;
    made->best.epoch = model.metadata.best_epoch;
    made->best.loss = model.metadata.best_loss;
    mf_best_use(made, true);
    if (data_crc32)
        *data_crc32 = model.metadata.data_crc32;
    *network = made;
    made = NULL;
done:
    mnist_fast_free(made);
    mf_safetensors_free(&model.header);
    free(model.text);
    if (model.file >= 0)
        close(model.file);
    return status;
}

static mnist_fast_status load(const char *path, const mnist_fast_runtime *runtime, bool checkpoint,
                              uint32_t *data_crc32, mnist_fast **network, mnist_fast_error *error)
{
    if (network)
        *network = NULL;
    if (!path || !network)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "load: the path or network is NULL");
    return mf_model_read(path, runtime, checkpoint, data_crc32, network, error);
}

mnist_fast_status mnist_fast_load(const char *path, const mnist_fast_runtime *runtime, mnist_fast **network,
                                  mnist_fast_error *error)
{
    return load(path, runtime, false, NULL, network, error);
}

mnist_fast_status mnist_fast_load_checkpoint(const char *path, const mnist_fast_runtime *runtime, mnist_fast **network,
                                             uint32_t *data_crc32, mnist_fast_error *error)
{
    return load(path, runtime, true, data_crc32, network, error);
}
