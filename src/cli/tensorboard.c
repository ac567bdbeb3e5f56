/* The format: TensorFlow's TFRecord (a length, its checksum, the record, its checksum; all little-endian) around the
 * protocol buffers Event, Summary and Summary.Value of tensorflow/core/framework/summary.proto and util/event.proto. */
#include "tensorboard.h"

#include "program.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint32_t cli_crc32c(const void *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= ((const uint8_t *)bytes)[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* A message under construction; records here are far smaller. */
struct message {
    size_t size;
    uint8_t bytes[256];
};

static void put_bytes(struct message *m, const void *bytes, size_t size)
{
    if (size > sizeof m->bytes - m->size)
        size = sizeof m->bytes - m->size;
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void put_little_endian(struct message *m, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        put_bytes(m, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_varint(struct message *m, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_bytes(m, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
    put_bytes(m, &(uint8_t){(uint8_t)value}, 1);
}

enum wire_type { VARINT, FIXED64, BYTES, FIXED32 = 5 };

static void put_key(struct message *m, int field, enum wire_type type)
{
    put_varint(m, (uint64_t)(field << 3 | (int)type));
}

static void put_field(struct message *m, int field, const void *bytes, size_t size)
{
    put_key(m, field, BYTES);
    put_varint(m, size);
    put_bytes(m, bytes, size);
}

static uint32_t masked_crc32c(const void *bytes, size_t size)
{
    const uint32_t crc = cli_crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void write_record(FILE *file, const struct message *record)
{
    struct message length = {0}, end = {0};
    put_little_endian(&length, record->size, 8);
    put_little_endian(&length, masked_crc32c(length.bytes, length.size), 4);
    put_little_endian(&end, masked_crc32c(record->bytes, record->size), 4);
    fwrite(length.bytes, 1, length.size, file);
    fwrite(record->bytes, 1, record->size, file);
    fwrite(end.bytes, 1, end.size, file);
}

/* Event: wall_time 1, step 2. */
static struct message begin_event(int step)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    struct message event = {0};
    put_key(&event, 1, FIXED64);
    put_little_endian(&event, bits, 8);
    put_key(&event, 2, VARINT);
    put_varint(&event, (uint64_t)step);
    return event;
}

/* The first event of a file. Event: file_version 3. */
static void write_version(FILE *file)
{
    static const char version[] = "brain.Event:2";
    struct message event = begin_event(0);
    put_field(&event, 3, version, sizeof version - 1);
    write_record(file, &event);
}

/* Event: summary 5. Summary: value 1. Value: tag 1, simple_value 2. */
static void write_scalar(FILE *file, int step, const char *tag, double number)
{
    const float value = (float)number;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    struct message inner = {0}, summary = {0}, event = begin_event(step);
    put_field(&inner, 1, tag, strlen(tag));
    put_key(&inner, 2, FIXED32);
    put_little_endian(&inner, bits, 4);
    put_field(&summary, 1, inner.bytes, inner.size);
    put_field(&event, 5, summary.bytes, summary.size);
    write_record(file, &event);
}

static mnist_fast_status make_folder(const char *path, mnist_fast_error *error)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return MNIST_FAST_OK;
    return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be created (%s); choose another folder", path,
                    strerror(errno));
}

/* TensorBoard reads the files of a folder in the order of their names, which begin with the time. */
static mnist_fast_status open_file(const char *folder, const char *part, FILE **file, mnist_fast_error *error)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, part) + 64 > (int)sizeof path)
        return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: the name is too long; choose a shorter one", folder);
    const mnist_fast_status status = make_folder(path, error);
    if (status)
        return status;
    const size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/events.out.tfevents.%010lld.mnist_fast.%ld", (long long)time(NULL),
             (long)getpid());
    *file = fopen(path, "wxe");
    if (!*file)
        return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: cannot be created (%s); choose another folder", path,
                        strerror(errno));
    write_version(*file); /* a failure shows when it is flushed */
    return MNIST_FAST_OK;
}

mnist_fast_status cli_tensorboard_open(const char *folder, bool validation, struct cli_tensorboard *board,
                                       mnist_fast_error *error)
{
    *board = (struct cli_tensorboard){0};
    mnist_fast_status status = make_folder(folder, error);
    if (!status)
        status = open_file(folder, "train", &board->train, error);
    if (!status && validation)
        status = open_file(folder, "validation", &board->validation, error);
    if (status)
        cli_tensorboard_close(board);
    return status;
}

static bool write_epoch(FILE *file, int epoch, const mnist_fast_metrics *metrics)
{
    write_scalar(file, epoch, "epoch_loss", metrics->loss);
    write_scalar(file, epoch, "epoch_accuracy", metrics->accuracy);
    return fflush(file) == 0 && !ferror(file);
}

bool cli_tensorboard_epoch(const struct cli_tensorboard *board, const mnist_fast_progress *p)
{
    write_scalar(board->train, p->epoch, "epoch_learning_rate", p->learning_rate);
    write_scalar(board->train, p->epoch, "epoch_images_per_second", p->images_per_second);
    return write_epoch(board->train, p->epoch, &p->train) &&
           (!board->validation || write_epoch(board->validation, p->epoch, &p->validation));
}

bool cli_tensorboard_close(struct cli_tensorboard *board)
{
    const bool train = !board->train || fclose(board->train) == 0;
    const bool validation = !board->validation || fclose(board->validation) == 0;
    *board = (struct cli_tensorboard){0};
    return train && validation;
}
