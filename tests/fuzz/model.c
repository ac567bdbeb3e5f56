/* Models and checkpoints: the input is the file. What can be read must be usable: for predictions, to be saved and read
 * again, and a checkpoint to be trained further. */
#include "engine/metadata.h"
#include "engine/network.h"
#include "fuzz.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { IMAGES = 4 };
static uint8_t pixels[IMAGES * MNIST_FAST_PIXELS], labels[IMAGES] = {3, 1, 4, 1};
static const mnist_fast_images images = {pixels, labels, IMAGES};

static mnist_fast_runtime one_thread(void)
{
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    runtime.isa = "scalar";
    runtime.threads = 1;
    return runtime;
}

/* A name in a folder of our own, which is removed at the end. */
static char folder[64], file[80];

static void remove_folder(void)
{
    unlink(file);
    rmdir(folder);
}

static const char *scratch_file(void)
{
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/mnist_fast_fuzz.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        fuzz_require(mkdtemp(folder));
        snprintf(file, sizeof file, "%s/file", folder);
        atexit(remove_folder);
    }
    return file;
}

static void predict(mnist_fast *network)
{
    float probabilities[IMAGES * MNIST_FAST_CLASSES];
    uint8_t digits[IMAGES];
    mnist_fast_error error = {""};
    const mnist_fast_status status = mnist_fast_predict(network, &images, digits, probabilities, &error);
    fuzz_require(!status || (status == MNIST_FAST_DIVERGED && *error.text));
    for (int i = 0; !status && i < IMAGES; i++) {
        double sum = 0;
        for (int c = 0; c < MNIST_FAST_CLASSES; c++)
            sum += (double)probabilities[i * MNIST_FAST_CLASSES + c];
        fuzz_require(digits[i] < MNIST_FAST_CLASSES && fabs(sum - 1) < 1e-5);
    }
}

static void check_weights(const mnist_fast *network)
{
    for (int layer = 0; layer < mnist_fast_layer_count(network); layer++) {
        int in, out;
        fuzz_require(!mnist_fast_get_layer_shape(network, layer, &in, &out, NULL));
        float *weights = malloc((size_t)in * (size_t)out * sizeof *weights);
        fuzz_require(weights && !mnist_fast_get_layer(network, layer, weights, NULL, NULL));
        for (int i = 0; i < in * out; i++)
            fuzz_require(isfinite(weights[i]));
        free(weights);
    }
}

static void save_and_load(const mnist_fast *network, bool checkpoint, uint32_t data_crc32)
{
    const mnist_fast_runtime runtime = one_thread();
    const char *path = scratch_file();
    mnist_fast_error error;
    mnist_fast *again;
    uint32_t crc32_again = 0;
    if (checkpoint ? mnist_fast_save_checkpoint(network, path, data_crc32, &error)
                   : mnist_fast_save(network, path, &error))
        fuzz_fail(__FILE__, __LINE__, "cannot be saved", error.text);
    if (checkpoint ? mnist_fast_load_checkpoint(path, &runtime, &again, &crc32_again, &error)
                   : mnist_fast_load(path, &runtime, &again, &error))
        fuzz_fail(__FILE__, __LINE__, "cannot be loaded again", error.text);
    fuzz_require(mnist_fast_weights_crc32(network) == mnist_fast_weights_crc32(again));
    fuzz_require(!checkpoint || crc32_again == data_crc32);
    mnist_fast_free(again);
}

static void train(mnist_fast *network)
{
    const mnist_fast_position before = mnist_fast_get_position(network);
    const int epochs = before.epoch < INT_MAX ? before.epoch + 1 : INT_MAX;
    mnist_fast_error error = {""};
    const mnist_fast_status status = mnist_fast_train(network, &images, epochs, NULL, NULL, &error);
    fuzz_require(!status || *error.text);
    if (!status)
        save_and_load(network, false, 0);
}

/* Every byte behind the header belongs to a tensor: the weights, and in a checkpoint as much for each moment. */
static void check_size(const mnist_fast *network, const uint8_t *data, size_t size)
{
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | data[i];
    const size_t weights = mnist_fast_parameter_count(network) * sizeof(float), tensors = size - 8 - (size_t)header;
    fuzz_require(tensors > 0 && tensors % weights == 0 && tensors / weights <= MF_TENSOR_KINDS);
}

static void load(const uint8_t *data, size_t size, bool checkpoint)
{
    const mnist_fast_runtime runtime = one_thread();
    const char *path = fuzz_file(data, size);
    mnist_fast_error error = {""};
    mnist_fast *network = NULL;
    uint32_t data_crc32 = 0;
    const mnist_fast_status status = checkpoint
                                         ? mnist_fast_load_checkpoint(path, &runtime, &network, &data_crc32, &error)
                                         : mnist_fast_load(path, &runtime, &network, &error);
    fuzz_require(!status == !!network);
    if (status) {
        fuzz_require_error(path, error.text);
        return;
    }
    check_size(network, data, size);
    check_weights(network);
    predict(network);
    save_and_load(network, checkpoint, data_crc32);
    if (checkpoint)
        train(network);
    mnist_fast_free(network);
}

static void run(const uint8_t *data, size_t size)
{
    if (!pixels[0])
        for (int i = 0; i < IMAGES * MNIST_FAST_PIXELS; i++)
            pixels[i] = (uint8_t)(i % 7 ? 0 : 255 - i % 251);
    load(data, size, false);
    load(data, size, true);
}

/* ---- lengths and checksums ---- */

/* Where the JSON text that begins at `at` ends; 0: it doesn't. */
static size_t json_end(const uint8_t *data, size_t size, size_t at)
{
    int depth = 0;
    bool string = false;
    for (size_t i = at; i < size; i++) {
        if (string && data[i] == '\\')
            i++;
        else if (data[i] == '"')
            string = !string;
        else if (!string && (data[i] == '{' || data[i] == '['))
            depth++;
        else if (!string && (data[i] == '}' || data[i] == ']') && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* The length of the header is that of its JSON with the spaces after it; the crc32, where one stands, is right. */
static void mend(uint8_t *data, size_t size)
{
    enum { LENGTH = 8 };
    size_t end = json_end(data, size, LENGTH);
    if (!end)
        return;
    while (end % 64 && end < size && data[end] == ' ')
        end++;
    for (int i = 0; i < LENGTH; i++)
        data[i] = (uint8_t)((uint64_t)(end - LENGTH) >> 8 * i);
    if (end - LENGTH <= MF_CRC_AT + MF_CRC_DIGITS || memcmp(data + LENGTH, MF_CRC_PREFIX, MF_CRC_AT) != 0)
        return;
    char digits[MF_CRC_DIGITS + 1];
    memset(data + LENGTH + MF_CRC_AT, '0', MF_CRC_DIGITS);
    snprintf(digits, sizeof digits, "%08lx", crc32(crc32(0, NULL, 0), data + LENGTH, (uInt)(size - LENGTH)));
    memcpy(data + LENGTH + MF_CRC_AT, digits, MF_CRC_DIGITS);
}

/* ---- seeds ---- */

static size_t saved(uint8_t *to, const mnist_fast_config *config, int epochs, bool checkpoint)
{
    const mnist_fast_runtime runtime = one_thread();
    mnist_fast_error error;
    mnist_fast *network;
    fuzz_require(!mnist_fast_create(config, &runtime, &network, &error));
    fuzz_require(!mnist_fast_train(network, &images, epochs, NULL, NULL, &error));
    fuzz_require(checkpoint ? !mnist_fast_save_checkpoint(network, scratch_file(), 12345, &error)
                            : !mnist_fast_save(network, scratch_file(), &error));
    mnist_fast_free(network);
    FILE *in = fopen(scratch_file(), "rb");
    fuzz_require(in);
    const size_t size = fread(to, 1, FUZZ_LARGEST, in);
    fclose(in);
    return size;
}

/* As another program writes it: the names as given. */
static size_t foreign(uint8_t *to, const char *first, const char *second)
{
    enum { FIRST = 4 * MNIST_FAST_PIXELS, DATA = FIRST + 4 + 40 + 40 };
    const int length =
        snprintf((char *)to + 8, FUZZ_LARGEST / 2,
                 "{\"%s.weight\":{\"dtype\":\"F32\",\"shape\":[1,784],\"data_offsets\":[0,%d]},"
                 "\"%s.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]},"
                 "\"%s.weight\":{\"dtype\":\"F32\",\"shape\":[10,1],\"data_offsets\":[%d,%d]},"
                 "\"%s.bias\":{\"dtype\":\"F32\",\"shape\":[10],\"data_offsets\":[%d,%d]}}",
                 first, FIRST, first, FIRST, FIRST + 4, second, FIRST + 4, FIRST + 44, second, FIRST + 44, DATA);
    memset(to + 8 + length, 0, DATA);
    const size_t size = 8 + (size_t)length + DATA;
    mend(to, size);
    return size;
}

static size_t seed(int number, uint8_t to[FUZZ_LARGEST])
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden[0] = config.hidden[1] = config.hidden[2] = 1;
    config.hidden_count = 1 + number % 2;
    config.batch_size = 3;
    switch (number) {
    case 0: return saved(to, &config, 1, false);
    case 1: return saved(to, &config, 1, true);
    case 2:
        config.validation_fraction = 0.5;
        config.patience = 2;
        return saved(to, &config, 3, true);
    case 3:
        config.schedule = MNIST_FAST_COSINE;
        config.schedule_epochs = 9;
        config.warmup_steps = 2;
        config.weight_decay = 0.01;
        config.rotation = 0.2;
        config.elastic = 2;
        return saved(to, &config, 2, true);
    case 4: return foreign(to, "fc1", "fc2");
    case 5: return foreign(to, "0", "2");
    case 6: return foreign(to, "input", "output");
    case 7: config.precision = MNIST_FAST_BF16; return saved(to, &config, 1, true);
    default: return 0;
    }
}

const struct fuzz_target fuzz_model = {"model", run, seed, mend, 1000};
