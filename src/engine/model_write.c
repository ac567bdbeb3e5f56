/* Writing models and checkpoints, and the checksum of the weights. */
#include "base/error.h"
#include "base/text.h"
#include "io/atomic_file.h"
#include "metadata.h"
#include "model_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files hold little-endian floats, which are not swapped");

struct mf_tensor_name mf_tensor_name(const mnist_fast *network, int tensor, enum mf_tensor_kind kind)
{
    /* After the names that PyTorch's Adam has for the two moments. */
    static const char *const suffixes[MF_TENSOR_KINDS] = {"", ".exp_avg", ".exp_avg_sq", ".best"};
    struct mf_tensor_name name;
    const struct mf_tensor described = mf_tensor_describe(network, tensor);
    snprintf(name.text, sizeof name.text, "%s%s", described.name, suffixes[kind]);
    return name;
}

/* A header has at most 136 tensors (17 layers, weights and biases, of four kinds) of less than 160 bytes each: the
 * longest name, two sizes, two offsets. */
enum { HEADER_ROOM = 32 << 10 };

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
    const struct mf_matrix matrix = mf_layer_matrix(network, tensor / 2, kind);
    const bool bias = tensor % 2 != 0;
    const int begin = bias ? layer->bias_row : 0, end = bias ? begin + 1 : layer->in;
    enum { PIECE = 4096 };
    float piece[PIECE];
    size_t filled = 0;
    mnist_fast_status status = MNIST_FAST_OK;
    for (int column = 0; column < layer->out; column++) {
        const float *from = mf_at(matrix, 0, column);
        for (int row = begin; row < end; row++) {
            const float value = from[(size_t)row * MF_PANEL];
            if (sink->file && !isfinite(value)) /* whoever reads it would refuse it */
                return mf_fail(error, MNIST_FAST_DIVERGED,
                               "%s: not written: tensor \"%s\" has a number that is not finite; train again with a "
                               "smaller learning rate",
                               sink->file->path, mf_tensor_name(network, tensor, kind).text);
            piece[filled++] = value;
            if (filled == PIECE) {
                status = put(sink, piece, sizeof piece, error);
                filled = 0;
            }
            if (status)
                return status;
        }
    }
    return put(sink, piece, filled * sizeof *piece, error);
}

uint32_t mnist_fast_weights_crc32(const mnist_fast *network)
{
    struct sink sink = {.crc = (uint32_t)crc32(0, NULL, 0)};
    for (int tensor = 0; network && tensor < mf_tensor_count(network); tensor++)
        put_tensor(&sink, network, tensor, mf_users_weights(network), NULL);
    return sink.crc;
}

static void write_header(FILE *out, const mnist_fast *network, const struct mf_metadata *metadata)
{
    mf_metadata_write(out, metadata);
    size_t begin = 0;
    for (int kind = MF_WEIGHT; kind < mf_tensor_kinds(metadata); kind++)
        for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
            const struct mf_tensor described = mf_tensor_describe(network, tensor);
            const size_t end = begin + mf_tensor_size(network, tensor) * sizeof(float);
            fprintf(out, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%d", mf_tensor_name(network, tensor, kind).text,
                    described.rows);
            if (described.columns > 0)
                fprintf(out, ",%d", described.columns);
            fprintf(out, "],\"data_offsets\":[%zu,%zu]}", begin, end);
            begin = end;
        }
    fputc('}', out);
    while ((8 + ftell(out)) % 64 != 0) /* so that a mapped file has aligned data */
        fputc(' ', out);
}

static char *make_header(const mnist_fast *network, const struct mf_metadata *metadata, size_t *length)
{
    locale_t c, before;
    if (!mf_enter_c_locale(&c, &before))
        return NULL;
    /* Of a fixed size: where the stream of open_memstream cannot grow, glibc drops text and reports no error. */
    char *header = malloc(HEADER_ROOM);
    FILE *out = header ? fmemopen(header, HEADER_ROOM, "w") : NULL;
    bool good = false;
    if (out) {
        write_header(out, network, metadata);
        *length = (size_t)ftell(out);
        good = !ferror(out);
        good = fclose(out) == 0 && good;
    }
    mf_leave_c_locale(c, before);
    if (good)
        return header;
    free(header);
    return NULL;
}

mnist_fast_status mf_model_write(const mnist_fast *network, const char *path, const uint32_t *data_crc32,
                                 mnist_fast_error *error)
{
    struct mf_metadata metadata = {
        .config = network->config,
        .position = network->position,
        .best_epoch = network->best.epoch,
        .best_loss = network->best.loss,
        .data_crc32 = data_crc32 ? *data_crc32 : 0,
        .checkpoint = data_crc32,
    };
    if (!metadata.checkpoint && metadata.best_epoch)
        metadata.position.epoch = metadata.best_epoch;
    struct mf_atomic_file file = {0};
    struct sink sink = {.crc = (uint32_t)crc32(0, NULL, 0), .file = &file};
    mnist_fast_status status;
    size_t length;
    char *header = make_header(network, &metadata, &length);
    if (!header) {
        status = mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", path);
        goto done;
    }
    if ((status = mf_atomic_open(&file, path, error)))
        goto done;
    uint8_t first[8];
    for (int i = 0; i < 8; i++)
        first[i] = (uint8_t)((uint64_t)length >> 8 * i);
    if ((status = mf_atomic_write(&file, first, sizeof first, error)) || (status = put(&sink, header, length, error)))
        goto done;
    const int users = mf_users_weights(network);
    for (int kind = MF_WEIGHT; kind < mf_tensor_kinds(&metadata); kind++)
        for (int tensor = 0; tensor < mf_tensor_count(network); tensor++)
            if ((status = put_tensor(&sink, network, tensor, data_crc32 ? kind : users, error)))
                goto done;
    char digits[MF_CRC_DIGITS + 1];
    snprintf(digits, sizeof digits, "%08" PRIx32, sink.crc);
    if (!(status = mf_atomic_overwrite(&file, sizeof first + MF_CRC_AT, digits, MF_CRC_DIGITS, error)))
        status = mf_atomic_commit(&file, error);
done:
    mf_atomic_discard(&file);
    free(header);
    return status;
}

static mnist_fast_status check_arguments(const char *function, const mnist_fast *network, const char *path,
                                         mnist_fast_error *error)
{
    if (!network || !path)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "%s: the network or path is NULL", function);
    return network->diverged
               ? mf_fail(error, MNIST_FAST_DIVERGED,
                         "%s: not written: the training has diverged; train again with a smaller learning rate", path)
               : MNIST_FAST_OK;
}

mnist_fast_status mnist_fast_save(const mnist_fast *network, const char *path, mnist_fast_error *error)
{
    const mnist_fast_status status = check_arguments("save", network, path, error);
    return status ? status : mf_model_write(network, path, NULL, error);
}

mnist_fast_status mnist_fast_save_checkpoint(const mnist_fast *network, const char *path, uint32_t data_crc32,
                                             mnist_fast_error *error)
{
    const mnist_fast_status status = check_arguments("save_checkpoint", network, path, error);
    return status ? status : mf_model_write(network, path, &data_crc32, error);
}

mnist_fast_status mnist_fast_write_file(const char *path, const void *bytes, size_t size, mnist_fast_error *error)
{
    if (!path || (!bytes && size))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "write_file: the path or bytes are NULL");
    struct mf_atomic_file file;
    mnist_fast_status status = mf_atomic_open(&file, path, error);
    if (!status)
        status = mf_atomic_write(&file, bytes, size, error);
    if (!status)
        status = mf_atomic_commit(&file, error);
    mf_atomic_discard(&file);
    return status;
}

mnist_fast_status mnist_fast_check_writable(const char *path, mnist_fast_error *error)
{
    if (!path)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "check_writable: the path is NULL");
    struct mf_atomic_file file;
    const mnist_fast_status status = mf_atomic_open(&file, path, error);
    mf_atomic_discard(&file);
    return status;
}
