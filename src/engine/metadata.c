#include "metadata.h"

#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 32, VALUE_SIZE = 64 };

static const char version_key[] = "mnist_fast";

enum type { COUNT, NUMBER32, NUMBER64, FLOAT, DOUBLE, SCHEDULE, PRECISION };

static const char *const schedules[] = {[MNIST_FAST_CONSTANT] = "constant", [MNIST_FAST_COSINE] = "cosine", NULL};
static const char *const precisions[] = {[MNIST_FAST_FP32] = "fp32", [MNIST_FAST_BF16] = "bf16", NULL};

static const struct key {
    const char *name;
    enum type type;
    size_t offset;
    bool checkpoint; /* in checkpoints only */
    bool optional; /* newer than version 1, and written only where the value is not zero, which means as in version 1 */
} keys[] = {
    {"seed", NUMBER64, offsetof(struct mf_metadata, config.seed), false, false},
    {"batch", COUNT, offsetof(struct mf_metadata, config.batch_size), false, false},
    {"learning_rate", FLOAT, offsetof(struct mf_metadata, config.learning_rate), false, false},
    {"beta1", FLOAT, offsetof(struct mf_metadata, config.beta1), false, false},
    {"beta2", FLOAT, offsetof(struct mf_metadata, config.beta2), false, false},
    {"epsilon", FLOAT, offsetof(struct mf_metadata, config.epsilon), false, false},
    {"validation", DOUBLE, offsetof(struct mf_metadata, config.validation_fraction), false, false},
    {"shuffle_buffer", COUNT, offsetof(struct mf_metadata, config.shuffle_buffer), false, false},
    {"epochs", COUNT, offsetof(struct mf_metadata, position.epoch), false, false},
    {"epoch_batches", COUNT, offsetof(struct mf_metadata, position.batch), true, false},
    {"epoch_loss", DOUBLE, offsetof(struct mf_metadata, position.loss), true, false},
    {"epoch_correct", NUMBER64, offsetof(struct mf_metadata, position.correct), true, false},
    {"steps", NUMBER64, offsetof(struct mf_metadata, position.step), true, false},
    {"data_crc32", NUMBER32, offsetof(struct mf_metadata, data_crc32), true, false},
    {"weight_decay", DOUBLE, offsetof(struct mf_metadata, config.weight_decay), false, true},
    {"patience", COUNT, offsetof(struct mf_metadata, config.patience), false, true},
    {"schedule", SCHEDULE, offsetof(struct mf_metadata, config.schedule), false, true},
    {"schedule_epochs", COUNT, offsetof(struct mf_metadata, config.schedule_epochs), false, true},
    {"warmup_steps", COUNT, offsetof(struct mf_metadata, config.warmup_steps), false, true},
    {"precision", PRECISION, offsetof(struct mf_metadata, config.precision), false, true},
    {"rotation", DOUBLE, offsetof(struct mf_metadata, config.rotation), false, true},
    {"shear", DOUBLE, offsetof(struct mf_metadata, config.shear), false, true},
    {"scale", DOUBLE, offsetof(struct mf_metadata, config.scale), false, true},
    {"shift", DOUBLE, offsetof(struct mf_metadata, config.shift), false, true},
    {"elastic", DOUBLE, offsetof(struct mf_metadata, config.elastic), false, true},
    {"best_epoch", COUNT, offsetof(struct mf_metadata, best_epoch), true, true},
    {"best_loss", DOUBLE, offsetof(struct mf_metadata, best_loss), true, true},
};
enum { KEYS = sizeof keys / sizeof *keys };

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
        if (read_real(text, &back) && (single ? (double)(float)back : back) == value)
            break;
    }
    fputs(text, out);
}

static void write_value(FILE *out, const struct mf_metadata *metadata, const struct key *key)
{
    const void *from = (const char *)metadata + key->offset;
    fprintf(out, ",\"%s\":\"", key->name);
    switch (key->type) {
    case COUNT: fprintf(out, "%d", *(const int *)from); break;
    case NUMBER32: fprintf(out, "%" PRIu32, *(const uint32_t *)from); break;
    case NUMBER64: fprintf(out, "%" PRIu64, *(const uint64_t *)from); break;
    case FLOAT: write_real(out, (double)*(const float *)from, true); break;
    case DOUBLE: write_real(out, *(const double *)from, false); break;
    case SCHEDULE: fputs(schedules[*(const mnist_fast_schedule *)from], out); break;
    case PRECISION: fputs(precisions[*(const mnist_fast_precision *)from], out); break;
    }
    fputc('"', out);
}

static bool is_zero(const struct mf_metadata *metadata, const struct key *key)
{
    static const size_t sizes[] = {[COUNT] = sizeof(int),
                                   [NUMBER32] = sizeof(uint32_t),
                                   [NUMBER64] = sizeof(uint64_t),
                                   [FLOAT] = sizeof(float),
                                   [DOUBLE] = sizeof(double),
                                   [SCHEDULE] = sizeof(mnist_fast_schedule),
                                   [PRECISION] = sizeof(mnist_fast_precision)};
    static const char zeros[sizeof(double)];
    return memcmp((const char *)metadata + key->offset, zeros, sizes[key->type]) == 0;
}

static int version_of(const struct mf_metadata *metadata)
{
    if (metadata->checkpoint && metadata->config.precision != MNIST_FAST_FP32)
        return 3;
    for (const struct key *key = keys; metadata->checkpoint && key < keys + KEYS; key++)
        if (key->optional && !is_zero(metadata, key))
            return 2;
    return 1;
}

void mf_metadata_write(FILE *out, const struct mf_metadata *metadata)
{
    const mnist_fast_config *config = &metadata->config;
    /* "format" is required by the loaders of Hugging Face. */
    fprintf(out, "%s%0*d\",\"format\":\"pt\",\"%s\":\"%d\",\"program\":\"mnist_fast %s\",\"kind\":\"%s\"",
            MF_CRC_PREFIX, MF_CRC_DIGITS, 0, version_key, version_of(metadata), MNIST_FAST_VERSION,
            metadata->checkpoint ? "checkpoint" : "model");
    fprintf(out, ",\"network\":\"%d", MNIST_FAST_PIXELS);
    for (int i = 0; i < config->hidden_count; i++)
        fprintf(out, "-%d", config->hidden[i]);
    fprintf(out, "-%d\"", MNIST_FAST_CLASSES);
    for (int i = 0; i < KEYS; i++)
        if ((metadata->checkpoint || !keys[i].checkpoint) && !(keys[i].optional && is_zero(metadata, &keys[i])))
            write_value(out, metadata, &keys[i]);
    fputc('}', out);
}

int mf_tensor_kinds(const struct mf_metadata *metadata)
{
    return !metadata->checkpoint ? MF_MOMENT1 : metadata->best_epoch ? MF_TENSOR_KINDS : MF_BEST;
}

/* Decimal digits and nothing else, up to limit. */
static bool read_number(const char *text, uint64_t limit, uint64_t *number)
{
    *number = 0;
    for (const char *c = text; *c != '\0'; c++) {
        const unsigned digit = (unsigned char)*c - '0';
        if (digit > 9 || *number > (UINT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return text[0] != '\0' && *number <= limit;
}

/* The place of text among the names. */
static bool read_name(const char *text, const char *const *names, int *place)
{
    for (*place = 0; names[*place]; ++*place)
        if (strcmp(text, names[*place]) == 0)
            return true;
    return false;
}

static bool read_value(const char *text, const struct key *key, struct mf_metadata *metadata)
{
    void *to = (char *)metadata + key->offset;
    uint64_t number = 0;
    double real = 0;
    int place = 0;
    switch (key->type) {
    case COUNT:
        if (!read_number(text, INT_MAX, &number))
            return false;
        *(int *)to = (int)number;
        return true;
    case NUMBER32:
        if (!read_number(text, UINT32_MAX, &number))
            return false;
        *(uint32_t *)to = (uint32_t)number;
        return true;
    case NUMBER64: return read_number(text, UINT64_MAX, to);
    case FLOAT:
        if (!read_real(text, &real))
            return false;
        *(float *)to = (float)real;
        return isfinite(*(float *)to);
    case DOUBLE: return read_real(text, to);
    case SCHEDULE:
        if (!read_name(text, schedules, &place))
            return false;
        *(mnist_fast_schedule *)to = (mnist_fast_schedule)place;
        return true;
    case PRECISION:
        if (!read_name(text, precisions, &place))
            return false;
        *(mnist_fast_precision *)to = (mnist_fast_precision)place;
        return true;
    }
    return false;
}

/* The value of a key. From the text itself: jansson 2.14 silently drops a character where it runs out of memory. */
static bool find_value(const char *header, const char *name, char value[VALUE_SIZE])
{
    char quoted[KEY_SIZE];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const char *found = strstr(header, quoted);
    if (!found)
        return false;
    found += strlen(quoted);
    const size_t length = strcspn(found, "\"\\");
    if (length >= VALUE_SIZE)
        return false;
    memcpy(value, found, length);
    value[length] = '\0';
    return true;
}

/* The first key whose value is missing or wrong; NULL: none. */
static const char *read_values(const char *header, struct mf_metadata *metadata)
{
    char value[VALUE_SIZE];
    for (const struct key *key = keys; key < keys + KEYS; key++) {
        if (key->checkpoint && !metadata->checkpoint)
            continue;
        const bool found = find_value(header, key->name, value);
        if (found ? !read_value(value, key, metadata) : !key->optional)
            return key->name;
    }
    const bool best = metadata->best_epoch > 0;
    return best && (!metadata->config.patience || metadata->best_epoch > metadata->position.epoch) ? "best_epoch"
                                                                                                   : NULL;
}

mnist_fast_status mf_metadata_damaged(const char *path, mnist_fast_error *error)
{
    return mf_fail(error, MNIST_FAST_BAD_MODEL,
                   "%s: damaged, or changed by another program (expected another checksum); copy it again, or write it "
                   "again without the metadata",
                   path);
}

mnist_fast_status mf_metadata_read(const char *path, const char *header, size_t length, struct mf_metadata *metadata,
                                   bool *ours, mnist_fast_error *error)
{
    *metadata = (struct mf_metadata){0};
    mnist_fast_default_config(&metadata->config, sizeof metadata->config);
    char value[VALUE_SIZE];
    const bool version = find_value(header, version_key, value);
    const bool prefix = length > MF_CRC_AT + MF_CRC_DIGITS && memcmp(header, MF_CRC_PREFIX, MF_CRC_AT) == 0;
    *ours = version || prefix;
    if (!*ours)
        return MNIST_FAST_OK;
    uint64_t number;
    if (!version || !read_number(value, UINT64_MAX, &number) || number < 1)
        return mf_metadata_damaged(path, error);
    if (number > MF_FORMAT_VERSION)
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: written by a newer mnist_fast (expected format %d, found %" PRIu64 "); use that version",
                       path, MF_FORMAT_VERSION, number);
    if (!prefix || !find_value(header, "kind", value))
        return mf_metadata_damaged(path, error);
    metadata->checkpoint = strcmp(value, "checkpoint") == 0;

    locale_t c, before;
    if (!mf_enter_c_locale(&c, &before))
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", path);
    const char *wrong = read_values(header, metadata);
    mf_leave_c_locale(c, before);
    return wrong ? mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: its metadata has a bad value, or none, of %s; copy it again", path, wrong)
                 : MNIST_FAST_OK;
}
