#include "models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const char *model_path;
mnist_fast_error model_error;
const mnist_fast_runtime model_runtime = {.size = sizeof model_runtime, .isa = "scalar", .threads = 1};

void model_folder_make(void)
{
    folder_make();
    model_path = in_folder("model.safetensors");
}

mnist_fast *random_network(const int *hidden, int count, uint64_t seed)
{
    const mnist_fast_config config = config_of(1000, 0.1, count, hidden);
    mnist_fast *network = network_new(&config, support_scalar, 1, false);
    struct random random = random_from(seed, 0, 0, 0);
    for (int tensor = 0; tensor < mf_tensor_count(network); tensor++)
        for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++) {
            float *values = tensor_new(network, tensor, kind);
            for (size_t i = 0; i < mf_tensor_size(network, tensor); i++)
                do {
                    const uint32_t bits = (uint32_t)random_bits(&random) & (kind == MF_MOMENT2 ? 0x7fffffff : ~0u);
                    memcpy(&values[i], &bits, sizeof bits);
                } while (!isfinite(values[i]));
            mf_tensor_set(network, tensor, kind, values);
            free(values);
        }
    return network;
}

mnist_fast *small_network(uint64_t seed)
{
    return random_network((const int[]){7, 5}, 2, seed);
}

uint32_t tensors_crc32(const mnist_fast *network, enum mf_tensor_kind kind)
{
    uLong crc = crc32(0, NULL, 0);
    for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
        float *values = tensor_new(network, tensor, kind);
        crc = crc32(crc, (const Bytef *)values, (uInt)(mf_tensor_size(network, tensor) * sizeof *values));
        free(values);
    }
    return (uint32_t)crc;
}

void expect_same_tensors(const mnist_fast *a, const mnist_fast *b, enum mf_tensor_kind kind)
{
    ck_assert_int_eq(mf_tensor_count(a), mf_tensor_count(b));
    for (int tensor = 0; tensor < mf_tensor_count(a); tensor++) {
        const size_t size = mf_tensor_size(a, tensor);
        ck_assert_uint_eq(size, mf_tensor_size(b, tensor));
        float *const x = tensor_new(a, tensor, kind), *const y = tensor_new(b, tensor, kind);
        if (memcmp(x, y, size * sizeof *x) != 0)
            support_fail("tensor %d of kind %d differs", tensor, (int)kind);
        free(x);
        free(y);
    }
}

void save(const mnist_fast *network, const char *name)
{
    if (mnist_fast_save(network, name, &model_error))
        support_fail("save: %s", model_error.text);
}

void save_checkpoint(const mnist_fast *network, const char *name, uint32_t data_crc32)
{
    if (mnist_fast_save_checkpoint(network, name, data_crc32, &model_error))
        support_fail("save_checkpoint: %s", model_error.text);
}

mnist_fast *load(const char *name)
{
    mnist_fast *network;
    if (mnist_fast_load(name, &model_runtime, &network, &model_error))
        support_fail("load: %s", model_error.text);
    return network;
}

void expect_message(const char *name, const char *words)
{
    const char *const text = model_error.text;
    if (strncmp(text, name, strlen(name)) != 0)
        support_fail("the message does not begin with the file: %s", text);
    if (!strstr(text, words))
        support_fail("the message lacks \"%s\": %s", words, text);
    if (!strchr(text, ';') || strlen(text) > sizeof model_error.text - 2)
        support_fail("the message does not say what to do: %s", text);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            support_fail("control character %d in the message: %s", *c, text);
}

void expect_refused(const char *name, mnist_fast_status expected, const char *words)
{
    mnist_fast *network = (mnist_fast *)&model_error; /* anything but NULL */
    memset(&model_error, 0, sizeof model_error);
    const mnist_fast_status status = mnist_fast_load(name, &model_runtime, &network, &model_error);
    if (status != expected)
        support_fail("status %d, expected %d with \"%s\": %s", (int)status, (int)expected, words, model_error.text);
    ck_assert_ptr_null(network);
    expect_message(name, words);
}

void write_header_and_data(const char *header, size_t data)
{
    const size_t length = strlen(header);
    uint8_t *bytes = calloc(8 + length + data, 1);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(bytes + 8, header, length);
    file_write(model_path, bytes, 8 + length + data);
    free(bytes);
}

struct bytes write_torch_file(const char *header, const mnist_fast *network)
{
    write_header_and_data(header, SMALL_DATA);
    const struct bytes file = file_read(model_path);
    uint8_t *to = file.data + file.size - SMALL_DATA;
    for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
        const int turned = tensor ^ 1; /* the bias first */
        float *values = tensor_new(network, turned, MF_WEIGHT);
        const size_t size = mf_tensor_size(network, turned) * sizeof *values;
        memcpy(to, values, size);
        to += size;
        free(values);
    }
    ck_assert_ptr_eq(to, file.data + file.size);
    file_write(model_path, file.data, file.size);
    return file;
}
