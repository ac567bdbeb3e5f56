#include "model_file.h"

#include "base/error.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files hold little-endian floats, which are not swapped");

enum {
    FORMAT_VERSION = 1, /* raised when an older reader would misread the file */
    CRC_DIGITS = 8,
    KINDS = 3,
    NAME_SIZE = 32,
    VALUE_SIZE = 64
};

/* A file of ours begins like this, then come the eight digits of the crc32 of the header text, with zeros for the
 * digits, and the data. So one wrong bit anywhere in the file is found. */
static const char crc_prefix[] = "{\"__metadata__\":{\"crc32\":\"";
enum { CRC_AT = sizeof crc_prefix - 1 };
static const char version_key[] = "mnist_fast";

/* After the names that PyTorch's Adam has for the two moments. */
static const char *const suffixes[KINDS] = {"", ".exp_avg", ".exp_avg_sq"};

/* ---- what the metadata says ---- */

struct facts {
    mnist_fast_config config;
    struct mf_position position;
    struct mf_checkpoint checkpoint;
};

enum type { COUNT, NUMBER32, NUMBER64, FLOAT, DOUBLE };

static const struct fact {
    const char *key;
    enum type type;
    size_t offset;
    bool checkpoint; /* in checkpoints alone */
} facts_table[] = {
    {"seed", NUMBER64, offsetof(struct facts, config.seed), false},
    {"batch", COUNT, offsetof(struct facts, config.batch_size), false},
    {"learning_rate", FLOAT, offsetof(struct facts, config.learning_rate), false},
    {"beta1", FLOAT, offsetof(struct facts, config.beta1), false},
    {"beta2", FLOAT, offsetof(struct facts, config.beta2), false},
    {"epsilon", FLOAT, offsetof(struct facts, config.epsilon), false},
    {"validation", DOUBLE, offsetof(struct facts, config.validation_fraction), false},
    {"shuffle_buffer", COUNT, offsetof(struct facts, config.shuffle_buffer), false},
    {"epochs", COUNT, offsetof(struct facts, position.epoch), false},
    {"epoch_batches", COUNT, offsetof(struct facts, position.batch), true},
    {"epoch_loss", DOUBLE, offsetof(struct facts, position.loss), true},
    {"epoch_correct", NUMBER64, offsetof(struct facts, position.correct), true},
    {"steps", NUMBER64, offsetof(struct facts, position.step), true},
    {"data_crc32", NUMBER32, offsetof(struct facts, checkpoint.data_crc32), true},
};
enum { FACTS = sizeof facts_table / sizeof *facts_table };

/* With "C" as the locale of this thread, because printf and strtod obey the decimal point of the host program's. */
static bool enter_plain_locale(locale_t *plain, locale_t *before)
{
    *plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    *before = *plain ? uselocale(*plain) : (locale_t)0;
    return *plain;
}

static void leave_plain_locale(locale_t plain, locale_t before)
{
    uselocale(before);
    freelocale(plain);
}

static bool read_real(const char *text, double *real)
{
    char *end;
    *real = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*real);
}

/* With as few digits as give the same number back: 17 always do, and 9 for a float. */
static void write_real(FILE *out, double value, bool single)
{
    char text[VALUE_SIZE];
    double back = 0;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (read_real(text, &back) && (single ? (double)(float)back : back) == value) {
            break;
        }
    }
    fputs(text, out);
}

static void write_fact(FILE *out, const struct facts *facts, const struct fact *fact)
{
    const void *from = (const char *)facts + fact->offset;
    fprintf(out, ",\"%s\":\"", fact->key);
    switch (fact->type) {
    case COUNT: fprintf(out, "%d", *(const int *)from); break;
    case NUMBER32: fprintf(out, "%" PRIu32, *(const uint32_t *)from); break;
    case NUMBER64: fprintf(out, "%" PRIu64, *(const uint64_t *)from); break;
    case FLOAT: write_real(out, (double)*(const float *)from, true); break;
    case DOUBLE: write_real(out, *(const double *)from, false); break;
    }
    fputc('"', out);
}

/* Decimal digits and nothing else, up to limit. */
static bool read_number(const char *text, uint64_t limit, uint64_t *number)
{
    *number = 0;
    for (const char *c = text; *c != '\0'; c++) {
        const unsigned digit = (unsigned char)*c - '0';
        if (digit > 9 || *number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        *number = *number * 10 + digit;
    }
    return text[0] != '\0' && *number <= limit;
}

static bool read_fact(const char *text, const struct fact *fact, struct facts *facts)
{
    void *to = (char *)facts + fact->offset;
    uint64_t number = 0;
    double real = 0;
    switch (fact->type) {
    case COUNT:
        if (!read_number(text, INT_MAX, &number)) {
            return false;
        }
        *(int *)to = (int)number;
        return true;
    case NUMBER32:
        if (!read_number(text, UINT32_MAX, &number)) {
            return false;
        }
        *(uint32_t *)to = (uint32_t)number;
        return true;
    case NUMBER64: return read_number(text, UINT64_MAX, to);
    case FLOAT:
        if (!read_real(text, &real)) {
            return false;
        }
        *(float *)to = (float)real;
        return isfinite(*(float *)to);
    case DOUBLE: return read_real(text, to);
    }
    return false;
}

/* The value of a key of the metadata. From the text itself, which mf_safetensors_parse has checked: jansson 2.14 drops
 * a character without a word where it runs out of memory. */
static bool find_fact(const char *header, const char *key, char value[VALUE_SIZE])
{
    char quoted[NAME_SIZE];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *found = strstr(header, quoted);
    if (!found) {
        return false;
    }
    found += strlen(quoted);
    const size_t length = strcspn(found, "\"\\");
    if (length >= VALUE_SIZE) {
        return false;
    }
    memcpy(value, found, length);
    value[length] = '\0';
    return true;
}

/* ---- tensors ---- */

struct name {
    char text[NAME_SIZE];
};

static struct name tensor_name(const mnist_fast *network, int tensor, enum mf_tensor_kind kind)
{
    struct name name;
    const struct mf_tensor described = mf_tensor_describe(network, tensor);
    snprintf(name.text, sizeof name.text, "%s%s", described.name, suffixes[kind]);
    return name;
}

/* Where tensors go: into a checksum, and into a file if there is one. */
struct sink {
    uint32_t crc;
    struct mf_atomic_file *file;
};

static mnist_fast_status put(struct sink *sink, const void *bytes, size_t size, mnist_fast_error *error)
{
    sink->crc = (uint32_t)crc32(sink->crc, bytes, (uInt)size);
    return sink->file ? mf_atomic_write(sink->file, bytes, size, error) : MNIST_FAST_OK;
}

/* Piece by piece, where mf_tensor_get would need memory for a whole tensor: a checksum has no way to fail. */
static mnist_fast_status put_tensor(struct sink *sink, const mnist_fast *network, int tensor, enum mf_tensor_kind kind,
                                    mnist_fast_error *error)
{
    const struct mf_layer *layer = &network->layer[tensor / 2];
    const struct mf_matrix matrix = kind == MF_WEIGHT ? layer->w : kind == MF_MOMENT1 ? layer->m : layer->v;
    const bool bias = tensor % 2 != 0;
    const int begin = bias ? layer->bias_row : 0, end = bias ? begin + 1 : layer->in;
    enum { PIECE = 4096 };
    float piece[PIECE];
    size_t filled = 0;
    mnist_fast_status status = MNIST_FAST_OK;
    for (int column = 0; column < layer->out; column++) {
        const float *from = matrix.data + (size_t)(column / MF_PANEL) * matrix.stride + column % MF_PANEL;
        for (int row = begin; row < end; row++) {
            piece[filled++] = from[(size_t)row * MF_PANEL];
            if (filled == PIECE) {
                status = put(sink, piece, sizeof piece, error);
                filled = 0;
            }
            if (status) {
                return status;
            }
        }
    }
    return put(sink, piece, filled * sizeof *piece, error);
}

uint32_t mnist_fast_weights_crc32(const mnist_fast *network)
{
    struct sink sink = {.crc = (uint32_t)crc32(0, NULL, 0)};
    for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
        put_tensor(&sink, network, tensor, MF_WEIGHT, NULL);
    }
    return sink.crc;
}

/* ---- writing ---- */

static void write_header(FILE *out, const mnist_fast *network, const struct mf_checkpoint *checkpoint)
{
    const struct facts facts = {
        .config = network->config,
        .position = network->position,
        .checkpoint = checkpoint ? *checkpoint : (struct mf_checkpoint){0},
    };
    /* "format" is what the loaders of Hugging Face ask for. */
    fprintf(out, "%s%0*d\",\"format\":\"pt\",\"%s\":\"%d\",\"program\":\"mnist_fast %s\",\"kind\":\"%s\"", crc_prefix,
            CRC_DIGITS, 0, version_key, FORMAT_VERSION, MNIST_FAST_VERSION, checkpoint ? "checkpoint" : "model");
    fprintf(out, ",\"network\":\"%d", MNIST_FAST_PIXELS);
    for (int layer = 0; layer < network->layers; layer++) {
        fprintf(out, "-%d", network->layer[layer].out);
    }
    fputc('"', out);
    for (int i = 0; i < FACTS; i++) {
        if (checkpoint || !facts_table[i].checkpoint) {
            write_fact(out, &facts, &facts_table[i]);
        }
    }
    fputc('}', out);

    size_t begin = 0;
    for (int kind = MF_WEIGHT; kind < (checkpoint ? KINDS : 1); kind++) {
        for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
            const struct mf_tensor described = mf_tensor_describe(network, tensor);
            const size_t end = begin + mf_tensor_size(network, tensor) * sizeof(float);
            fprintf(out, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%d", tensor_name(network, tensor, kind).text,
                    described.rows);
            if (described.columns > 0) {
                fprintf(out, ",%d", described.columns);
            }
            fprintf(out, "],\"data_offsets\":[%zu,%zu]}", begin, end);
            begin = end;
        }
    }
    fputc('}', out);
    while ((8 + ftell(out)) % 64 != 0) { /* so that a mapped file has aligned data */
        fputc(' ', out);
    }
}

static char *make_header(const mnist_fast *network, const struct mf_checkpoint *checkpoint, size_t *length)
{
    locale_t plain, before;
    if (!enter_plain_locale(&plain, &before)) {
        return NULL;
    }
    char *header = NULL;
    bool good = false;
    FILE *out = open_memstream(&header, length);
    if (out) {
        write_header(out, network, checkpoint);
        good = !ferror(out);
        good = fclose(out) == 0 && good;
    }
    leave_plain_locale(plain, before);
    if (!good) {
        free(header);
        return NULL;
    }
    return header;
}

mnist_fast_status mf_model_write(const mnist_fast *network, const char *path, const struct mf_checkpoint *checkpoint,
                                 mnist_fast_error *error)
{
    struct mf_atomic_file file = {0};
    struct sink sink = {.crc = (uint32_t)crc32(0, NULL, 0), .file = &file};
    mnist_fast_status status;
    size_t length;
    char *header = make_header(network, checkpoint, &length);
    if (!header) {
        status = mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", path);
        goto done;
    }
    if ((status = mf_atomic_open(&file, path, error))) {
        goto done;
    }
    uint8_t first[8];
    for (int i = 0; i < 8; i++) {
        first[i] = (uint8_t)((uint64_t)length >> 8 * i);
    }
    if ((status = mf_atomic_write(&file, first, sizeof first, error)) || (status = put(&sink, header, length, error))) {
        goto done;
    }
    for (int kind = MF_WEIGHT; kind < (checkpoint ? KINDS : 1); kind++) {
        for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
            if ((status = put_tensor(&sink, network, tensor, kind, error))) {
                goto done;
            }
        }
    }
    char digits[CRC_DIGITS + 1];
    snprintf(digits, sizeof digits, "%08" PRIx32, sink.crc);
    if (!(status = mf_atomic_overwrite(&file, sizeof first + CRC_AT, digits, CRC_DIGITS, error))) {
        status = mf_atomic_commit(&file, error);
    }
done:
    mf_atomic_discard(&file);
    free(header);
    return status;
}

mnist_fast_status mf_model_writable(const char *path, mnist_fast_error *error)
{
    struct mf_atomic_file file;
    const mnist_fast_status status = mf_atomic_open(&file, path, error);
    mf_atomic_discard(&file);
    return status;
}

mnist_fast_status mnist_fast_save(const mnist_fast *network, const char *path, mnist_fast_error *error)
{
    return mf_model_write(network, path, NULL, error);
}

/* ---- reading ---- */

struct model {
    const char *path;
    int file;
    uint64_t size;
    char *text; /* of the header, and a zero */
    size_t length;
    struct mf_safetensors header;
    struct facts facts;
    bool ours;       /* written by this program, not by PyTorch or another */
    bool checkpoint; /* with moments */
    uint32_t crc;
};

static mnist_fast_status open_model(struct model *model, mnist_fast_error *error)
{
    /* O_NONBLOCK: a FIFO without a writer would block here. */
    model->file = open(model->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat info;
    if (model->file < 0 || fstat(model->file, &info) != 0) {
        return mf_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read (%s); give a model file", model->path,
                       strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return mf_fail(error, MNIST_FAST_BAD_FILE,
                       "%s: cannot be read (expected a regular file, found %s); "
                       "give a model file",
                       model->path, S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    }
    model->size = (uint64_t)info.st_size;
    return MNIST_FAST_OK;
}

static mnist_fast_status read_bytes(const struct model *model, void *to, size_t size, mnist_fast_error *error)
{
    char *next = to;
    while (size > 0) {
        const ssize_t n = read(model->file, next, size);
        if (n < 0 && errno != EINTR) {
            return mf_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be read (%s); check the disk", model->path,
                           strerror(errno));
        }
        if (n == 0) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: cut short (expected %zu more bytes, found none); copy it "
                           "again",
                           model->path, size);
        }
        if (n > 0) {
            next += n;
            size -= (size_t)n;
        }
    }
    return MNIST_FAST_OK;
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
    if (!status) {
        status = mf_safetensors_length(model->path, first, model->size, &model->length, error);
    }
    if (status) {
        return status;
    }
    model->text = malloc(model->length + 1);
    if (!model->text) {
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", model->path);
    }
    model->text[model->length] = '\0';
    status = read_bytes(model, model->text, model->length, error);
    return status ? status
                  : mf_safetensors_parse(model->path, model->text, model->length,
                                         model->size - sizeof first - model->length, &model->header, error);
}

static mnist_fast_status damaged(const struct model *model, mnist_fast_error *error)
{
    return mf_fail(error, MNIST_FAST_BAD_MODEL,
                   "%s: damaged, or changed by another program (expected another "
                   "checksum); copy it again, or write it again without the metadata",
                   model->path);
}

/* The first fact that is missing or wrong; NULL: none. */
static const struct fact *read_table(const char *header, bool checkpoint, struct facts *facts)
{
    for (int i = 0; i < FACTS; i++) {
        const struct fact *fact = &facts_table[i];
        char value[VALUE_SIZE];
        if ((checkpoint || !fact->checkpoint) &&
            (!find_fact(header, fact->key, value) || !read_fact(value, fact, facts))) {
            return fact;
        }
    }
    return NULL;
}

static mnist_fast_status read_facts(struct model *model, mnist_fast_error *error)
{
    mnist_fast_default_config(&model->facts.config);
    char value[VALUE_SIZE];
    const bool version = find_fact(model->text, version_key, value);
    const bool prefix = model->length > CRC_AT + CRC_DIGITS && memcmp(model->text, crc_prefix, CRC_AT) == 0;
    model->ours = version || prefix;
    if (!model->ours) {
        return MNIST_FAST_OK;
    }
    uint64_t number;
    if (!version || !read_number(value, UINT64_MAX, &number) || number < 1) {
        return damaged(model, error);
    }
    if (number > FORMAT_VERSION) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: written by a newer mnist_fast (expected format %d, found %" PRIu64 "); use that version",
                       model->path, FORMAT_VERSION, number);
    }
    if (!prefix || !find_fact(model->text, "kind", value)) {
        return damaged(model, error);
    }
    model->checkpoint = strcmp(value, "checkpoint") == 0;

    locale_t plain, before;
    if (!enter_plain_locale(&plain, &before)) {
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", model->path);
    }
    const struct fact *wrong = read_table(model->text, model->checkpoint, &model->facts);
    leave_plain_locale(plain, before);
    return wrong ? mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: its metadata has a bad value, or none, of %s; copy it "
                           "again",
                           model->path, wrong->key)
                 : MNIST_FAST_OK;
}

/* The layers as names and shapes tell them: 0.weight (units, 784), 2.weight (units, units before), ... */
static mnist_fast_status read_layers(struct model *model, mnist_fast_error *error)
{
    mnist_fast_config *config = &model->facts.config;
    uint64_t width = MNIST_FAST_PIXELS;
    int layers = 0;
    for (;; layers++) {
        struct name name;
        snprintf(name.text, sizeof name.text, "%d.weight", 2 * layers);
        const struct mf_safetensor *weight = mf_safetensors_find(&model->header, name.text);
        if (!weight) {
            break;
        }
        if (layers == MF_MAX_LAYERS) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: too many layers (expected at most %d); use a smaller "
                           "network",
                           model->path, MF_MAX_LAYERS);
        }
        if (weight->dimensions != 2 || weight->shape[0] > MNIST_FAST_MAX_UNITS || weight->shape[1] != width) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: tensor \"%s\" has the wrong shape (expected (1 to %d, %" PRIu64 "), found (%" PRIu64
                           ", %" PRIu64 ")); give a model of 784 inputs",
                           model->path, name.text, MNIST_FAST_MAX_UNITS, width, weight->shape[0], weight->shape[1]);
        }
        width = weight->shape[0];
        if (layers < MNIST_FAST_MAX_HIDDEN) {
            config->hidden[layers] = (int)width;
        }
    }
    if (layers < 2 || width != MNIST_FAST_CLASSES) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: not a network for digits (expected 0.weight, 2.weight, ... of "
                       "at least 2 layers with %d outputs, found %d layers with %" PRIu64 "); give a model that --save "
                       "wrote",
                       model->path, MNIST_FAST_CLASSES, layers, layers ? width : 0);
    }
    config->hidden_count = layers - 1;
    return MNIST_FAST_OK;
}

/* A value outside its range is an argument to mf_network_create, but here the file is to blame. */
static mnist_fast_status create_network(const struct model *model, const mnist_fast_runtime *runtime,
                                        mnist_fast **network, mnist_fast_error *error)
{
    mnist_fast_error problem;
    const mnist_fast_status status = mf_network_create(&model->facts.config, runtime, network, &problem);
    const bool threads = runtime && (runtime->threads < 0 || runtime->threads > MNIST_FAST_MAX_THREADS);
    if (status == MNIST_FAST_BAD_ARGUMENT && !threads) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL, "%s: its metadata has a bad value (%s); copy it again", model->path,
                       problem.text);
    }
    return status ? mf_fail(error, status, "%s", problem.text) : MNIST_FAST_OK;
}

/* Finds each tensor of the network among those of the file. index becomes kind * count + tensor. */
static mnist_fast_status match_tensors(struct model *model, const mnist_fast *network, mnist_fast_error *error)
{
    const int count = mf_tensor_count(network);
    for (int index = 0; index < (model->checkpoint ? KINDS : 1) * count; index++) {
        const struct name name = tensor_name(network, index % count, index / count);
        const struct mf_tensor described = mf_tensor_describe(network, index % count);
        struct mf_safetensor *found = mf_safetensors_find(&model->header, name.text);
        if (!found) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL, "%s: tensor \"%s\" is missing; write it again", model->path,
                           name.text);
        }
        if (found->shape[0] != (uint64_t)described.rows || found->shape[1] != (uint64_t)described.columns) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: tensor \"%s\" has the wrong shape (expected (%d, %d), "
                           "found (%" PRIu64 ", %" PRIu64 "), where 0 is none); write it again",
                           model->path, name.text, described.rows, described.columns, found->shape[0], found->shape[1]);
        }
        found->index = index;
    }
    for (size_t i = 0; i < model->header.count; i++) {
        if (model->header.tensor[i].index < 0) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: unknown tensor \"%s\" (expected weights and biases of "
                           "linear layers alone); write it without",
                           model->path, mf_printable(model->header.tensor[i].name).text);
        }
    }
    return MNIST_FAST_OK;
}

static mnist_fast_status read_tensor(struct model *model, const struct mf_safetensor *tensor, float *values,
                                     mnist_fast *network, mnist_fast_error *error)
{
    const size_t size = (size_t)(tensor->end - tensor->begin);
    const mnist_fast_status status = read_bytes(model, values, size, error);
    if (status) {
        return status;
    }
    model->crc = (uint32_t)crc32(model->crc, (const Bytef *)values, (uInt)size);
    const int count = mf_tensor_count(network);
    const enum mf_tensor_kind kind = tensor->index / count;
    for (size_t i = 0; i < size / sizeof *values; i++) {
        if (!isfinite(values[i]) || (kind == MF_MOMENT2 && values[i] < 0)) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: tensor \"%s\" has a bad number (expected finite ones%s); "
                           "copy or train it again",
                           model->path, tensor->name, kind == MF_MOMENT2 ? ", none below 0" : "");
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
    if (!values) {
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its weights; free some", model->path);
    }
    char digits[CRC_DIGITS + 1] = "";
    if (model->ours) {
        memcpy(digits, model->text + CRC_AT, CRC_DIGITS);
        memset(model->text + CRC_AT, '0', CRC_DIGITS);
        model->crc = (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)model->text, (uInt)model->length);
    }
    mnist_fast_status status = MNIST_FAST_OK;
    for (size_t i = 0; !status && i < model->header.count; i++) {
        status = read_tensor(model, &model->header.tensor[i], values, network, error);
    }
    free(values);
    if (!status && model->ours) {
        char expected[CRC_DIGITS + 1];
        snprintf(expected, sizeof expected, "%08" PRIx32, model->crc);
        return strcmp(expected, digits) == 0 ? MNIST_FAST_OK : damaged(model, error);
    }
    return status;
}

mnist_fast_status mf_model_read(const char *path, const mnist_fast_runtime *runtime, struct mf_checkpoint *checkpoint,
                                mnist_fast **network, mnist_fast_error *error)
{
    struct model model = {.path = path, .file = -1};
    mnist_fast *made = NULL;
    *network = NULL;
    mnist_fast_status status;
    if ((status = open_model(&model, error)) || (status = read_header(&model, error)) ||
        (status = read_facts(&model, error))) {
        goto done;
    }
    if (checkpoint && !model.checkpoint) {
        status = mf_fail(error, MNIST_FAST_BAD_MODEL,
                         "%s: training cannot go on from it (expected a checkpoint, found "
                         "weights alone); give a file that --checkpoint wrote",
                         path);
        goto done;
    }
    if ((status = read_layers(&model, error)) || (status = create_network(&model, runtime, &made, error)) ||
        (status = match_tensors(&model, made, error)) || (status = read_tensors(&model, made, error))) {
        goto done;
    }
    made->position = model.facts.position;
    made->moments = model.checkpoint;
    if (checkpoint) {
        *checkpoint = model.facts.checkpoint;
    }
    *network = made;
    made = NULL;
done:
    mnist_fast_free(made);
    mf_safetensors_free(&model.header);
    free(model.text);
    if (model.file >= 0) {
        close(model.file);
    }
    return status;
}

mnist_fast_status mnist_fast_load(const char *path, const mnist_fast_runtime *runtime, mnist_fast **network,
                                  mnist_fast_error *error)
{
    return mf_model_read(path, runtime, NULL, network, error);
}
