/* Models and checkpoints: what is written comes back, what lies is refused, what fails leaves the old file whole. */
#include "engine/model_file.h"

#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* ---- system calls that fail when they are told to, in place of those of libc ---- */

static struct {
    int writes;        /* calls so far */
    int failing_write; /* the call that finds the disk full; 0: none */
    bool stutter;      /* every second write is interrupted, and every other takes 7 bytes at most */
    int fsyncs, failing_fsync;
    bool failing_rename;
    char order[64]; /* w: write, s: fsync, r: rename; a letter for a run of the same */
} calls;

static void note(char letter)
{
    const size_t length = strlen(calls.order);
    if (length == 0 || (calls.order[length - 1] != letter && length + 1 < sizeof calls.order)) {
        calls.order[length] = letter;
    }
}

ssize_t write(int file, const void *bytes, size_t size)
{
    if (file <= STDERR_FILENO) {
        return syscall(SYS_write, file, bytes, size);
    }
    note('w');
    calls.writes++;
    if (calls.writes == calls.failing_write) {
        errno = ENOSPC;
        return -1;
    }
    if (calls.stutter && calls.writes % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return syscall(SYS_write, file, bytes, calls.stutter && size > 7 ? 7 : size);
}

int fsync(int file)
{
    note('s');
    if (++calls.fsyncs == calls.failing_fsync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, file);
}

int renameat(int from, const char *old, int to, const char *new)
{
    note('r');
    if (calls.failing_rename) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from, old, to, new, 0);
}

/* ---- helpers ---- */

static const mnist_fast_runtime machine = {.isa = "scalar", .threads = 1};
static char folder[64];
static char path[128]; /* of the model, within the folder */
static mnist_fast_error error;

static const char *within(const char *name)
{
    static char text[2][512];
    static int turn;
    turn = 1 - turn;
    snprintf(text[turn], sizeof text[turn], "%s/%s", folder, name);
    return text[turn];
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/test_model_file.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    memset(&calls, 0, sizeof calls);
}

/* Removes everything in the folder; the number of names that were there. */
static int empty_folder(const char *name)
{
    int count = 0;
    DIR *directory = opendir(name);
    ck_assert_ptr_nonnull(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char inner[512];
            snprintf(inner, sizeof inner, "%s/%s", name, entry->d_name);
            struct stat info;
            if (lstat(inner, &info) == 0 && S_ISDIR(info.st_mode)) {
                empty_folder(inner);
                rmdir(inner);
            } else {
                unlink(inner);
            }
            count++;
        }
    }
    closedir(directory);
    return count;
}

static int names_in(const char *name)
{
    int count = -2; /* . and .. */
    DIR *directory = opendir(name);
    ck_assert_ptr_nonnull(directory);
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

static void remove_folder(void)
{
    empty_folder(folder);
    rmdir(folder);
}

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    ck_assert_msg(file, "%s: %s", name, strerror(errno));
    fseek(file, 0, SEEK_END);
    struct bytes bytes = {.size = (size_t)ftell(file)};
    rewind(file);
    bytes.data = malloc(bytes.size + 1);
    ck_assert_uint_eq(fread(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    return bytes;
}

static void write_file(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(name, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void expect_file(const char *name, struct bytes expected)
{
    const struct bytes got = read_file(name);
    if (got.size != expected.size || memcmp(got.data, expected.data, got.size) != 0) {
        support_fail("%s has other bytes than expected", name);
    }
    free(got.data);
}

static mnist_fast *new_network(const int *hidden, int count)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config);
    config.hidden_count = count;
    for (int i = 0; i < count; i++) {
        config.hidden[i] = hidden[i];
    }
    mnist_fast *network;
    ck_assert_msg(mf_network_create(&config, &machine, &network, &error) == MNIST_FAST_OK, "%s", error.text);
    return network;
}

/* Every bit pattern that is finite, denormal numbers and -0 included. */
static void fill(mnist_fast *network, uint64_t seed)
{
    struct random random = random_from(seed, 0, 0, 0);
    for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
        const size_t size = mf_tensor_size(network, tensor);
        float *values = malloc(size * sizeof *values);
        for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++) {
            for (size_t i = 0; i < size; i++) {
                do {
                    const uint32_t bits = (uint32_t)random_bits(&random) & (kind == MF_MOMENT2 ? 0x7fffffff : ~0u);
                    memcpy(&values[i], &bits, sizeof bits);
                } while (!isfinite(values[i]));
            }
            mf_tensor_set(network, tensor, kind, values);
        }
        free(values);
    }
}

enum { SMALL_DATA = 22380 }; /* bytes of its weights and biases */

static mnist_fast *small_network(uint64_t seed)
{
    mnist_fast *network = new_network((const int[]){7, 5}, 2);
    fill(network, seed);
    return network;
}

/* Of all tensors of a kind, in file order, by way of mf_tensor_get. */
static uint32_t checksum(const mnist_fast *network, enum mf_tensor_kind kind)
{
    uLong crc = crc32(0, NULL, 0);
    for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
        const size_t size = mf_tensor_size(network, tensor);
        float *values = malloc(size * sizeof *values);
        mf_tensor_get(network, tensor, kind, values);
        crc = crc32(crc, (const Bytef *)values, (uInt)(size * sizeof *values));
        free(values);
    }
    return (uint32_t)crc;
}

static void expect_same_tensors(const mnist_fast *a, const mnist_fast *b, enum mf_tensor_kind kind)
{
    ck_assert_int_eq(mf_tensor_count(a), mf_tensor_count(b));
    for (int tensor = 0; tensor < mf_tensor_count(a); tensor++) {
        const size_t size = mf_tensor_size(a, tensor);
        ck_assert_uint_eq(size, mf_tensor_size(b, tensor));
        float *const x = malloc(size * sizeof *x), *const y = malloc(size * sizeof *y);
        mf_tensor_get(a, tensor, kind, x);
        mf_tensor_get(b, tensor, kind, y);
        if (memcmp(x, y, size * sizeof *x) != 0) {
            support_fail("tensor %d of kind %d differs", tensor, (int)kind);
        }
        free(x);
        free(y);
    }
}

static void save(const mnist_fast *network, const char *name)
{
    if (mnist_fast_save(network, name, &error)) {
        support_fail("save: %s", error.text);
    }
}

static mnist_fast *load(const char *name)
{
    mnist_fast *network;
    if (mnist_fast_load(name, &machine, &network, &error)) {
        support_fail("load: %s", error.text);
    }
    return network;
}

/* One line that names the file and has the words. */
static void expect_message(const char *name, const char *words)
{
    if (strncmp(error.text, name, strlen(name)) != 0) {
        support_fail("the message doesn't begin with the file: %s", error.text);
    }
    if (!strstr(error.text, words)) {
        support_fail("the message lacks \"%s\": %s", words, error.text);
    }
    if (!strchr(error.text, ';') || strlen(error.text) > sizeof error.text - 2) {
        support_fail("the message doesn't say what to do: %s", error.text);
    }
    for (const char *c = error.text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            support_fail("control character %d in the message: %s", *c, error.text);
        }
    }
}

static void expect_refused(const char *name, mnist_fast_status expected, const char *words)
{
    mnist_fast *network = (mnist_fast *)&error; /* anything but NULL */
    memset(&error, 0, sizeof error);
    const mnist_fast_status status = mnist_fast_load(name, &machine, &network, &error);
    if (status != expected) {
        support_fail("status %d, expected %d with \"%s\": %s", (int)status, (int)expected, words, error.text);
    }
    ck_assert_ptr_null(network);
    expect_message(name, words);
}

/* A file with this header and `data` bytes of data, each `fill_byte`. */
static void write_raw(const char *header, size_t data, int fill_byte)
{
    const size_t length = strlen(header);
    uint8_t *bytes = malloc(8 + length + data);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)length >> 8 * i);
    }
    memcpy(bytes + 8, header, length);
    memset(bytes + 8 + length, fill_byte, data);
    write_file(path, bytes, 8 + length + data);
    free(bytes);
}

/* ---- what is written comes back ---- */

static const struct {
    int count;
    int hidden[MNIST_FAST_MAX_HIDDEN];
} shapes[] = {
    {1, {1}}, {2, {7, 5}}, {3, {16, 17, 33}}, {1, {500}}, {16, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(model_comes_back)
{
    support_case("shape %d", _i);
    mnist_fast *network = new_network(shapes[_i].hidden, shapes[_i].count);
    fill(network, 1);
    network->config.seed = UINT64_MAX - 1;
    network->config.batch_size = MF_MAX_BATCH;
    network->config.learning_rate = 0.1f;
    network->position = (struct mf_position){.epoch = 5, .batch = 3, .step = 273, .loss = 0.5, .correct = 7};
    network->moments = true;
    save(network, path);

    mnist_fast *again = load(path);
    expect_same_tensors(network, again, MF_WEIGHT);
    ck_assert_int_eq(again->config.hidden_count, shapes[_i].count);
    ck_assert_mem_eq(again->config.hidden, shapes[_i].hidden, sizeof(int) * (size_t)shapes[_i].count);
    ck_assert_uint_eq(again->config.seed, UINT64_MAX - 1);
    ck_assert_int_eq(again->config.batch_size, MF_MAX_BATCH);
    ck_assert(again->config.learning_rate == 0.1f);
    ck_assert_int_eq(again->position.epoch, 5);
    ck_assert_int_eq(again->position.batch, 0);
    ck_assert_uint_eq(again->position.step, 0);
    ck_assert(!again->moments);

    ck_assert_uint_eq(mnist_fast_weights_crc32(network), checksum(network, MF_WEIGHT));
    ck_assert_uint_eq(mnist_fast_weights_crc32(again), checksum(network, MF_WEIGHT));

    /* The same model gives the same bytes, whatever became of the training around it. */
    const struct bytes first = read_file(path);
    network->position = (struct mf_position){.epoch = 5};
    save(network, within("second"));
    expect_file(within("second"), first);
    save(again, path);
    expect_file(path, first);

    /* The header is padded, and what is left is the weights. */
    uint64_t length = 0;
    memcpy(&length, first.data, sizeof length);
    ck_assert_uint_eq((8 + length) % 64, 0);
    ck_assert_uint_eq(crc32(0, first.data + 8 + length, (uInt)(first.size - 8 - length)), checksum(network, MF_WEIGHT));
    free(first.data);
    mnist_fast_free(network);
    mnist_fast_free(again);
}
END_TEST

/* Hard to print and to read back; 0.1 and 1/3 have no end in binary. */
static const double reals[] = {0.1, 1.0 / 3, 0.5, DBL_MIN, DBL_EPSILON, 5e-324, 0.9999999999999999};
enum { REALS = sizeof reals / sizeof *reals };

START_TEST(checkpoint_comes_back)
{
    support_case("real %d", _i);
    mnist_fast *network = small_network(2);
    network->config = (mnist_fast_config){
        .hidden = {7, 5},
        .hidden_count = 2,
        .batch_size = 17,
        .learning_rate = (float)fmax(reals[_i], FLT_MIN) * 1.5f,
        .beta1 = (float)fmin(reals[_i], 0.99),
        .beta2 = nextafterf(1, 0),
        .epsilon = (float)reals[_i], /* or 0 */
        .validation_fraction = reals[_i],
        .shuffle_buffer = INT32_MAX,
        .seed = UINT64_MAX,
    };
    network->position = (struct mf_position){
        .epoch = INT32_MAX, .batch = 1234567, .step = UINT64_MAX, .loss = reals[_i] * 1e300, .correct = UINT64_MAX};
    network->moments = true;
    const struct mf_checkpoint checkpoint = {.data_crc32 = 0xfedcba98};
    if (mf_model_write(network, path, &checkpoint, &error)) {
        support_fail("write: %s", error.text);
    }
    mnist_fast *again;
    struct mf_checkpoint found;
    if (mf_model_read(path, &machine, &found, &again, &error)) {
        support_fail("read: %s", error.text);
    }
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++) {
        expect_same_tensors(network, again, kind);
    }
    const mnist_fast_config *const a = &network->config, *const b = &again->config;
    ck_assert_mem_eq(a->hidden, b->hidden, sizeof(int) * 2);
    ck_assert_int_eq(a->hidden_count, b->hidden_count);
    ck_assert_int_eq(a->batch_size, b->batch_size);
    ck_assert_mem_eq(&a->learning_rate, &b->learning_rate, sizeof(float));
    ck_assert_mem_eq(&a->beta1, &b->beta1, sizeof(float));
    ck_assert_mem_eq(&a->beta2, &b->beta2, sizeof(float));
    ck_assert_mem_eq(&a->epsilon, &b->epsilon, sizeof(float));
    ck_assert_mem_eq(&a->validation_fraction, &b->validation_fraction, sizeof(double));
    ck_assert_int_eq(a->shuffle_buffer, b->shuffle_buffer);
    ck_assert_uint_eq(a->seed, b->seed);
    const struct mf_position *const p = &network->position, *const q = &again->position;
    ck_assert_int_eq(p->epoch, q->epoch);
    ck_assert_int_eq(p->batch, q->batch);
    ck_assert_uint_eq(p->step, q->step);
    ck_assert_mem_eq(&p->loss, &q->loss, sizeof(double));
    ck_assert_uint_eq(p->correct, q->correct);
    ck_assert_uint_eq(found.data_crc32, 0xfedcba98);
    ck_assert(again->moments);

    const struct bytes first = read_file(path);
    uint64_t length;
    memcpy(&length, first.data, sizeof length);
    first.data[8 + length - 1] = '\0'; /* the last of its spaces, or the brace */
    ck_assert_ptr_nonnull(strstr((char *)first.data + 8, "\"0.weight.exp_avg\":{\"dtype\":\"F32\",\"shape\":[7,784],"
                                                         "\"data_offsets\":[22380,44332]}"));
    ck_assert_ptr_nonnull(strstr((char *)first.data + 8, "\"4.bias.exp_avg_sq\":{\"dtype\":\"F32\",\"shape\":[10],"
                                                         "\"data_offsets\":[67100,67140]}"));
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++) {
        const uint8_t *of_kind = first.data + 8 + length + kind * SMALL_DATA;
        ck_assert_uint_eq(crc32(0, of_kind, SMALL_DATA), checksum(network, kind));
    }
    free(first.data);

    const struct bytes second = read_file(path);
    ck_assert_int_eq(mf_model_write(again, path, &found, &error), MNIST_FAST_OK);
    expect_file(path, second);
    free(second.data);

    /* A checkpoint is a model too. */
    mnist_fast *model = load(path);
    expect_same_tensors(network, model, MF_WEIGHT);
    mnist_fast_free(model);
    mnist_fast_free(network);
    mnist_fast_free(again);
}
END_TEST

START_TEST(locale_does_not_matter)
{
    mnist_fast *network = small_network(3);
    save(network, path);
    const struct bytes expected = read_file(path);
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) {
        printf("SKIP: no locale with a decimal comma here\n");
    }
    save(network, path);
    expect_file(path, expected);
    mnist_fast_free(load(path));
    free(expected.data);
    mnist_fast_free(network);
}
END_TEST

/* ---- files of PyTorch ---- */

/* Sorted by name, as safetensors.torch writes a state_dict of nn.Sequential with {7, 5}. */
#define TORCH_TENSORS                                                                                                  \
    "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28]},"                                            \
    "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[7,784],\"data_offsets\":[28,21980]},"                                  \
    "\"2.bias\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[21980,22000]},"                                     \
    "\"2.weight\":{\"dtype\":\"F32\",\"shape\":[5,7],\"data_offsets\":[22000,22140]},"                                 \
    "\"4.bias\":{\"dtype\":\"F32\",\"shape\":[10],\"data_offsets\":[22140,22180]},"                                    \
    "\"4.weight\":{\"dtype\":\"F32\",\"shape\":[10,5],\"data_offsets\":[22180,22380]}"

/* The weights of the network in the order of TORCH_TENSORS. */
static struct bytes torch_file(const char *header, const mnist_fast *network)
{
    write_raw(header, SMALL_DATA, 0);
    struct bytes file = read_file(path);
    float *to = (float *)malloc(SMALL_DATA);
    size_t at = 0;
    for (int tensor = 0; tensor < 6; tensor++) {
        mf_tensor_get(network, tensor ^ 1, MF_WEIGHT, to + at); /* the bias first */
        at += mf_tensor_size(network, tensor ^ 1);
    }
    ck_assert_uint_eq(at * sizeof *to, SMALL_DATA);
    memcpy(file.data + file.size - SMALL_DATA, to, SMALL_DATA);
    free(to);
    write_file(path, file.data, file.size);
    return file;
}

static const char *const torch_headers[] = {
    "{" TORCH_TENSORS "}",
    "{\"__metadata__\":{\"format\":\"pt\"}," TORCH_TENSORS "}     ",
    "{\"__metadata__\":{}, " TORCH_TENSORS "\n\t}",
};

START_TEST(torch_file_is_read)
{
    support_case("header %d", _i);
    mnist_fast *network = small_network(4);
    free(torch_file(torch_headers[_i], network).data);
    mnist_fast *again = load(path);
    expect_same_tensors(network, again, MF_WEIGHT);
    mnist_fast_config config;
    mnist_fast_default_config(&config);
    ck_assert_int_eq(again->config.batch_size, config.batch_size);
    ck_assert_uint_eq(again->config.seed, config.seed);
    ck_assert_int_eq(again->position.epoch, 0);
    ck_assert(!again->moments);
    mnist_fast_free(network);
    mnist_fast_free(again);
}
END_TEST

/* ---- files that are damaged ---- */

START_TEST(cut_file_is_refused)
{
    const bool checkpoint = _i;
    mnist_fast *network = new_network((const int[]){1, 2}, 2);
    fill(network, 5);
    ck_assert_int_eq(mf_model_write(network, path, checkpoint ? &(const struct mf_checkpoint){7} : NULL, &error),
                     MNIST_FAST_OK);
    const struct bytes file = read_file(path);
    for (size_t size = file.size; size-- > 0; size -= support_short && size > 11 ? 11 : 0) {
        support_case("cut at %zu of %zu", size, file.size);
        ck_assert_int_eq(truncate(path, (off_t)size), 0);
        expect_refused(path, MNIST_FAST_BAD_MODEL, "");
    }
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

/* Every bit of our own files is covered by the checksum, those of the data as well. */
START_TEST(flipped_bit_is_refused)
{
    const bool checkpoint = _i;
    mnist_fast *network = new_network((const int[]){1, 2}, 2);
    fill(network, 6);
    ck_assert_int_eq(mf_model_write(network, path, checkpoint ? &(const struct mf_checkpoint){7} : NULL, &error),
                     MNIST_FAST_OK);
    const struct bytes file = read_file(path);
    uint64_t length;
    memcpy(&length, file.data, sizeof length);
    const int target = open(path, O_WRONLY);
    for (size_t bit = 0; bit < 8 * file.size; bit += bit < 8 * (8 + length) && !support_short ? 1 : 8 * 13 + 1) {
        support_case("bit %zu of %zu", bit, 8 * file.size);
        const uint8_t wrong = file.data[bit / 8] ^ (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(pwrite(target, &wrong, 1, (off_t)(bit / 8)), 1);
        expect_refused(path, MNIST_FAST_BAD_MODEL, "");
        ck_assert_int_eq(pwrite(target, &file.data[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(target);
    mnist_fast_free(load(path));
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

/* Nothing protects the files of others: here a flipped bit may pass, but only where it doesn't change the network. */
START_TEST(flipped_bit_of_torch_is_harmless)
{
    mnist_fast *network = small_network(7);
    const struct bytes file = torch_file(torch_headers[1], network);
    const int target = open(path, O_WRONLY);
    int passed = 0;
    for (size_t bit = 0; bit < 8 * (8 + strlen(torch_headers[1])); bit += support_short ? 7 : 1) {
        support_case("bit %zu", bit);
        const uint8_t wrong = file.data[bit / 8] ^ (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(pwrite(target, &wrong, 1, (off_t)(bit / 8)), 1);
        mnist_fast *again;
        const mnist_fast_status status = mnist_fast_load(path, &machine, &again, &error);
        if (status) {
            ck_assert_int_eq(status, MNIST_FAST_BAD_MODEL);
            ck_assert_ptr_null(again);
            expect_message(path, "");
        } else {
            expect_same_tensors(network, again, MF_WEIGHT);
            passed++;
        }
        mnist_fast_free(again);
        ck_assert_int_eq(pwrite(target, &file.data[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    ck_assert_int_gt(passed, 0); /* within "format" and "pt" */
    close(target);
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

/* ---- files that lie ---- */

#define ENTRY(name, shape, offsets) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define BIG "9223372036854775807"

static const struct {
    const char *what, *header;
    size_t data;
    const char *words;
} lies[] = {
    {"no header", "", 0, "expected a header"},
    {"eight bytes", "{      }", 0, "expected a header"},
    {"not an object", "[1,2,3,4,5]", 0, "begins with '{'"},
    {"space first", " {\"a\":\"b\"}", 0, "begins with '{'"},
    {"a web page", "<!DOCTYPE html><html></html>", 0, "begins with '{'"},
    {"not JSON", "{\"0.weight\":", 0, "not JSON"},
    {"text after it", "{\"__metadata__\":{}} x", 0, "not JSON"},
    {"bad UTF-8", "{\"\xff\xfe\":1234}", 0, "not JSON"},
    {"no tensors", "{\"__metadata__\":{}}", 0, "not a network"},
    {"metadata of numbers", "{\"__metadata__\":{\"a\":1}}", 0, "expected strings"},
    {"metadata is a list", "{\"__metadata__\":[]}", 0, "expected strings"},
    {"tensor is a number", "{\"0.weight\":1}", 0, "not described"},
    {"no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "not described"},
    {"one field more", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"b\":1}}", 4, "not described"},
    {"half floats", "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "expected F32, found F16"},
    {"no dimensions", "{" ENTRY("a", "[]", "[0,4]") "}", 4, "shape"},
    {"three dimensions", "{" ENTRY("a", "[1,1,1]", "[0,4]") "}", 4, "shape"},
    {"no rows", "{" ENTRY("a", "[0]", "[0,0]") "}", 0, "shape"},
    {"negative rows", "{" ENTRY("a", "[-1]", "[0,4]") "}", 4, "shape"},
    {"half a row", "{" ENTRY("a", "[1.0]", "[0,4]") "}", 4, "shape"},
    {"rows as text", "{" ENTRY("a", "[\"1\"]", "[0,4]") "}", 4, "shape"},
    {"shape too small", "{" ENTRY("a", "[1]", "[0,8]") "}", 8, "shape"},
    {"shape too large", "{" ENTRY("a", "[3]", "[0,8]") "}", 8, "shape"},
    {"product overflows", "{" ENTRY("a", "[4611686018427387904,4]", "[0,0]") "}", 0, "shape"},
    {"product overflows to 4", "{" ENTRY("a", "[4611686018427387905,1]", "[0,4]") "}", 4, "shape"},
    {"largest product", "{" ENTRY("a", "[" BIG "," BIG "]", "[0,4]") "}", 4, "shape"},
    {"offset past 64 bits", "{" ENTRY("a", "[1]", "[0,99999999999999999999]") "}", 4, "not JSON"},
    {"largest offset", "{" ENTRY("a", "[1]", "[0," BIG "]") "}", 4, "cut short"},
    {"negative offset", "{" ENTRY("a", "[1]", "[-4,0]") "}", 4, "data_offsets"},
    {"descending offsets", "{" ENTRY("a", "[1]", "[4,0]") "}", 4, "data_offsets"},
    {"one offset", "{" ENTRY("a", "[1]", "[4]") "}", 4, "not described"},
    {"offset as a real", "{" ENTRY("a", "[1]", "[0,4e0]") "}", 4, "data_offsets"},
    {"overlap", "{" ENTRY("a", "[2]", "[0,8]") "," ENTRY("b", "[2]", "[4,12]") "}", 12, "overlaps"},
    {"the same bytes twice", "{" ENTRY("a", "[2]", "[0,8]") "," ENTRY("b", "[2]", "[0,8]") "}", 8, "overlaps"},
    {"a gap first", "{" ENTRY("a", "[1]", "[4,8]") "}", 8, "gap"},
    {"a gap between", "{" ENTRY("b", "[1]", "[8,12]") "," ENTRY("a", "[1]", "[0,4]") "}", 12, "gap"},
    {"a tail", "{" ENTRY("a", "[1]", "[0,4]") "}", 5, "left over"},
    {"a name twice", "{" ENTRY("a", "[1]", "[0,4]") "," ENTRY("a", "[1]", "[0,4]") "}", 4, "twice"},
    {"metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
    {"a metadata key twice", "{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "twice"},
    {"a tail after PyTorch's", "{" TORCH_TENSORS "}", SMALL_DATA + 1, "left over"},
    {"PyTorch's, cut", "{" TORCH_TENSORS "}", SMALL_DATA - 1, "cut short"},
    {"a tensor more", "{" TORCH_TENSORS "," ENTRY("a\\n\\u001b[31mb", "[1]", "[22380,22384]") "}", 22384,
     "unknown tensor \"a??[31mb\""},
    {"no bias", "{" ENTRY("0.weight", "[1,784]", "[0,3136]") "," ENTRY("2.weight", "[10,1]", "[3136,3176]") "}", 3176,
     "\"0.bias\" is missing"},
    {"a bias with two dimensions",
     "{" ENTRY("0.weight", "[1,784]", "[0,3136]") "," ENTRY("2.weight", "[10,1]", "[3136,3176]") "," ENTRY(
         "0.bias", "[1,1]", "[3176,3180]") "," ENTRY("2.bias", "[10]", "[3180,3220]") "}",
     3220, "\"0.bias\" has the wrong shape"},
    {"a bias too long",
     "{" ENTRY("0.weight", "[1,784]", "[0,3136]") "," ENTRY("2.weight", "[10,1]", "[3136,3176]") "," ENTRY(
         "0.bias", "[2]", "[3176,3184]") "," ENTRY("2.bias", "[10]", "[3184,3224]") "}",
     3224, "\"0.bias\" has the wrong shape"},
    {"other images", "{" ENTRY("0.weight", "[1,783]", "[0,3132]") "}", 3132, "found (1, 783)"},
    {"transposed", "{" ENTRY("0.weight", "[784,1]", "[0,3136]") "}", 3136, "found (784, 1)"},
    {"a vector", "{" ENTRY("0.weight", "[784]", "[0,3136]") "}", 3136, "found (784, 0)"},
    {"one layer", "{" ENTRY("0.weight", "[10,784]", "[0,31360]") "}", 31360, "found 1 layers"},
    {"eleven classes", "{" ENTRY("0.weight", "[1,784]", "[0,3136]") "," ENTRY("2.weight", "[11,1]", "[3136,3180]") "}",
     3180, "2 layers with 11"},
    {"layers that don't fit",
     "{" ENTRY("0.weight", "[1,784]", "[0,3136]") "," ENTRY("2.weight", "[10,2]", "[3136,3216]") "}", 3216,
     "expected (1 to 16384, 1), found (10, 2)"},
    {"names of another program", "{" ENTRY("fc1.weight", "[1,784]", "[0,3136]") "}", 3136, "0 layers"},
    {"too wide", "{" ENTRY("0.weight", "[16385,784]", "[0,51383360]") "}", 51383360, "found (16385, 784)"},
    {"newer", "{\"__metadata__\":{\"mnist_fast\":\"2\"}}", 0, "written by a newer mnist_fast"},
    {"much newer", "{\"__metadata__\":{\"mnist_fast\":\"18446744073709551615\"}}", 0, "newer"},
    {"version 0", "{\"__metadata__\":{\"mnist_fast\":\"0\"}}", 0, "damaged"},
    {"version in words", "{\"__metadata__\":{\"mnist_fast\":\"one\"}}", 0, "damaged"},
    {"no checksum", "{\"__metadata__\":{\"mnist_fast\":\"1\",\"kind\":\"model\"}}", 0, "damaged"},
    {"no version", "{\"__metadata__\":{\"crc32\":\"00000000\",\"kind\":\"model\"}}", 0, "damaged"},
    {"half a checksum", "{\"__metadata__\":{\"crc32\":\"0", 0, "not JSON"},
    {"no seed", "{\"__metadata__\":{\"crc32\":\"00000000\",\"mnist_fast\":\"1\",\"kind\":\"model\"}}", 0,
     "none, of seed;"},
    {"a seed too large",
     "{\"__metadata__\":{\"crc32\":\"00000000\",\"mnist_fast\":\"1\",\"kind\":\"model\","
     "\"seed\":\"18446744073709551616\"}}",
     0, "none, of seed;"},
    {"a negative seed",
     "{\"__metadata__\":{\"crc32\":\"00000000\",\"mnist_fast\":\"1\",\"kind\":\"model\","
     "\"seed\":\"-1\"}}",
     0, "none, of seed;"},
    {"no number of images",
     "{\"__metadata__\":{\"crc32\":\"00000000\",\"mnist_fast\":\"1\",\"kind\":\"model\","
     "\"seed\":\"1\",\"batch\":\"2147483648\"}}",
     0, "none, of batch;"},
};
enum { LIES = sizeof lies / sizeof *lies };

START_TEST(lie_is_refused)
{
    support_case("%s", lies[_i].what);
    write_raw(lies[_i].header, lies[_i].data, 0);
    expect_refused(path, MNIST_FAST_BAD_MODEL, lies[_i].words);
}
END_TEST

/* Everything is as it should be but one fact, and the checksum is right. */
START_TEST(fact_out_of_range_is_refused)
{
    static const char *const facts[][2] = {
        {"\"batch\":\"1048576\"", "\"batch\":\"0000000\""},
        {"\"batch\":\"1048576\"", "\"batch\":\"1048577\""},
        {"\"shuffle_buffer\":\"10000\"", "\"shuffle_buffer\":\"00000\""},
        {"\"beta1\":\"0.8\"", "\"beta1\":\"1.8\""},
        {"\"beta2\":\"0.999\"", "\"beta2\":\"7.999\""},
        {"\"validation\":\"0.1\"", "\"validation\":\"1.1\""},
        {"\"validation\":\"0.1\"", "\"validation\":\"nan\""},
        {"\"learning_rate\":\"0.001\"", "\"learning_rate\":\"-.001\""},
        {"\"learning_rate\":\"0.001\"", "\"learning_rate\":\"1e999\""},
        {"\"learning_rate\":\"0.001\"", "\"learning_rate\":\"1e+99\""},
        {"\"epsilon\":\"1e-07\"", "\"epsilon\":\"x1-07\""},
        {"\"epochs\":\"0\"", "\"epochs\":\"x\""},
    };
    mnist_fast *network = small_network(8);
    network->config.beta1 = 0.8f;
    network->config.batch_size = MF_MAX_BATCH;
    save(network, path);
    const struct bytes file = read_file(path);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        support_case("%s", facts[i][1]);
        uint8_t *bytes = malloc(file.size);
        memcpy(bytes, file.data, file.size);
        char *const header = (char *)bytes + 8; /* strstr finds what it looks for, or a zero in the data */
        char *const found = strstr(header, facts[i][0]);
        if (!found) {
            support_fail("%s is not in the header", facts[i][0]);
        }
        memcpy(found, facts[i][1], strlen(facts[i][1]));
        char *const digits = strstr(header, "\"crc32\":\"") + 9;
        memset(digits, '0', 8);
        char text[9];
        snprintf(text, sizeof text, "%08lx", crc32(0, bytes + 8, (uInt)(file.size - 8)));
        memcpy(digits, text, 8);
        write_file(path, bytes, file.size);
        expect_refused(path, MNIST_FAST_BAD_MODEL, "metadata");
        free(bytes);
    }
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

START_TEST(too_many_layers_are_refused)
{
    char header[8192], *to = header;
    size_t at = 0;
    for (int layer = 0; layer < MF_MAX_LAYERS + 1; layer++) {
        const int in = layer == 0 ? MNIST_FAST_PIXELS : 10;
        to += sprintf(to, "%s\"%d.weight\":{\"dtype\":\"F32\",\"shape\":[10,%d],\"data_offsets\":[%zu,%zu]}",
                      layer ? "," : "{", 2 * layer, in, at, at + 40 * (size_t)in);
        at += 40 * (size_t)in;
    }
    strcpy(to, "}");
    write_raw(header, at, 0);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "too many layers");
}
END_TEST

/* Deep nesting and many small values: refused without a deep stack, and in little time. */
START_TEST(hostile_json_is_refused)
{
    const size_t size = 1 << 19;
    char *header = malloc(2 * size + 1);
    memset(header, '[', size);
    memcpy(header, "{\"a\":", 5);
    header[size] = '\0';
    write_raw(header, 0, 0);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "not JSON");
    strcpy(header, "{\"__metadata__\":[[]");
    for (char *to = header + strlen(header); to < header + size; to += 3) {
        strcpy(to, ",[]");
    }
    strcat(header, "]}");
    write_raw(header, 0, 0);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "expected strings");
    free(header);
}
END_TEST

START_TEST(huge_header_is_refused)
{
    static const uint64_t lengths[] = {101000000, (1 << 20) + 1, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        support_case("a header of %" PRIu64, lengths[i]);
        write_file(path, &lengths[i], 8);
        ck_assert_int_eq(truncate(path, 102000000), 0); /* sparse */
        expect_refused(path, MNIST_FAST_BAD_MODEL, "expected a header of 9 to");
    }
    const uint64_t more = 1000;
    support_case("a header past the end");
    write_file(path, &more, 8);
    ck_assert_int_eq(truncate(path, 1007), 0);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "cut short (expected a header of 1000 bytes, found 999)");
}
END_TEST

START_TEST(bad_number_is_refused)
{
    static const struct {
        float value;
        int tensor;
        enum mf_tensor_kind kind;
        const char *words;
    } cases[] = {
        {NAN, 0, MF_WEIGHT, "\"0.weight\""},
        {INFINITY, 3, MF_WEIGHT, "\"2.bias\""},
        {-INFINITY, 4, MF_MOMENT1, "\"4.weight.exp_avg\""},
        {NAN, 5, MF_MOMENT2, "\"4.bias.exp_avg_sq\""},
        {-1, 5, MF_MOMENT2, "\"4.bias.exp_avg_sq\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_case("%g in tensor %d", (double)cases[i].value, cases[i].tensor);
        mnist_fast *network = small_network(9);
        const size_t size = mf_tensor_size(network, cases[i].tensor);
        float *values = malloc(size * sizeof *values);
        mf_tensor_get(network, cases[i].tensor, cases[i].kind, values);
        values[size - 1] = cases[i].value;
        mf_tensor_set(network, cases[i].tensor, cases[i].kind, values);
        free(values);
        ck_assert_int_eq(mf_model_write(network, path, &(const struct mf_checkpoint){1}, &error), MNIST_FAST_OK);
        expect_refused(path, MNIST_FAST_BAD_MODEL, cases[i].words);
        mnist_fast_free(network);
    }
    mnist_fast *network = small_network(9);
    const struct bytes file = torch_file(torch_headers[0], network);
    const float infinity = INFINITY;
    memcpy(file.data + file.size - sizeof infinity, &infinity, sizeof infinity);
    write_file(path, file.data, file.size);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "\"4.weight\"");
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

START_TEST(model_is_not_a_checkpoint)
{
    mnist_fast *network = small_network(10);
    for (int torch = 0; torch < 2; torch++) {
        support_case(torch ? "of PyTorch" : "of --save");
        if (torch) {
            free(torch_file(torch_headers[0], network).data);
        } else {
            save(network, path);
        }
        struct mf_checkpoint checkpoint;
        mnist_fast *again;
        ck_assert_int_eq(mf_model_read(path, &machine, &checkpoint, &again, &error), MNIST_FAST_BAD_MODEL);
        ck_assert_ptr_null(again);
        expect_message(path, "expected a checkpoint, found weights alone");
    }
    mnist_fast_free(network);
}
END_TEST

START_TEST(not_a_file_is_refused)
{
    support_case("missing");
    expect_refused(path, MNIST_FAST_BAD_FILE, "No such file");
    support_case("folder");
    expect_refused(folder, MNIST_FAST_BAD_FILE, "found a folder");
    support_case("FIFO");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_refused(path, MNIST_FAST_BAD_FILE, "a device or pipe");
    support_case("device");
    expect_refused("/dev/zero", MNIST_FAST_BAD_FILE, "a device or pipe");
    support_case("empty");
    unlink(path);
    write_file(path, "", 0);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "found 0");
    support_case("zip of PyTorch");
    write_file(path, "PK\003\004\0\0\010\010\0\0\0\0\0\0\0\0", 16);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "not a safetensors file");
    support_case("LFS pointer");
    write_file(path, "version https://git-lfs.github.com/spec/v1\n", 43);
    expect_refused(path, MNIST_FAST_BAD_MODEL, "not a safetensors file");
}
END_TEST

/* ---- saving ---- */

START_TEST(saving_keeps_the_order)
{
    mnist_fast *network = small_network(11);
    save(network, path);
    ck_assert_str_eq(calls.order, "wsrs"); /* all bytes, then fsync, then the name, then the folder */
    ck_assert_int_eq(calls.fsyncs, 2);
    ck_assert_int_eq(names_in(folder), 1);
    mnist_fast_free(network);
}
END_TEST

/* Saves over an old file and to a new name; both must fail and leave nothing. */
static void expect_save_fails(const mnist_fast *network, struct bytes old, const char *words)
{
    for (int new = 0; new < 2; new ++) {
        const char *name = new ? within("new") : path;
        calls.writes = calls.fsyncs = 0;
        const mnist_fast_status status = mnist_fast_save(network, name, &error);
        if (status != MNIST_FAST_BAD_FILE) {
            support_fail("%s: status %d", name, (int)status);
        }
        expect_message(name, words);
        ck_assert_int_eq(names_in(folder), 1);
    }
    expect_file(path, old);
    mnist_fast_free(load(path));
}

START_TEST(failing_save_keeps_the_old_file)
{
    mnist_fast *const network = small_network(12), *const other = small_network(13);
    save(network, path);
    const struct bytes old = read_file(path);
    const int writes = calls.writes;
    ck_assert_int_gt(writes, 3);
    for (int k = 1; k <= writes; k++) {
        support_case("write %d of %d finds the disk full", k, writes);
        calls.failing_write = k;
        expect_save_fails(other, old, "No space left on device); free some space");
    }
    calls.failing_write = 0;
    support_case("fsync");
    calls.failing_fsync = 1;
    expect_save_fails(other, old, "Input/output error");
    calls.failing_fsync = 0;
    support_case("rename");
    calls.failing_rename = true;
    expect_save_fails(other, old, "cannot be replaced");
    calls.failing_rename = false;

    support_case("file size limit");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, small = {100, RLIM_INFINITY};
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    for (; small.rlim_cur < old.size; small.rlim_cur += 5000) {
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        expect_save_fails(other, old, "ulimit -f");
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    }

    /* The new file is in place, but it isn't sure that it will stay: that is said. */
    support_case("fsync of the folder");
    calls.fsyncs = 0;
    calls.failing_fsync = 2;
    ck_assert_int_eq(mnist_fast_save(other, path, &error), MNIST_FAST_BAD_FILE);
    expect_message(path, "folder cannot be synced");
    calls.failing_fsync = 0;
    mnist_fast *again = load(path);
    expect_same_tensors(other, again, MF_WEIGHT);
    ck_assert_int_eq(names_in(folder), 1);

    support_case("interrupted and short writes");
    calls.stutter = true;
    save(network, path);
    expect_file(path, old);
    free(old.data);
    mnist_fast_free(network);
    mnist_fast_free(other);
    mnist_fast_free(again);
}
END_TEST

static void expect_unwritable(const mnist_fast *network, const char *name, const char *words)
{
    const int names = names_in(folder);
    for (int ask = 0; ask < 2; ask++) {
        memset(&error, 0, sizeof error);
        const mnist_fast_status status = ask ? mf_model_writable(name, &error) : mnist_fast_save(network, name, &error);
        if (status != MNIST_FAST_BAD_FILE) {
            support_fail("%s: status %d", name, (int)status);
        }
        expect_message(name, words);
    }
    ck_assert_int_eq(names_in(folder), names);
}

START_TEST(unwritable_place_is_refused)
{
    mnist_fast *network = small_network(14);
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    support_case("folder missing");
    expect_unwritable(network, within("missing/model"), "create the folder");
    support_case("a file as the folder");
    write_file(path, "x", 1);
    expect_unwritable(network, within("model.safetensors/model"), "create the folder");
    support_case("a folder");
    expect_unwritable(network, folder, "found a folder");
    expect_unwritable(network, within(""), "found a folder");
    expect_unwritable(network, ".", "found a folder");
    support_case("no name");
    expect_unwritable(network, "", "add a file name");
    support_case("a name too long");
    expect_unwritable(network, within(long_name), "too long");
    support_case("devices and pipes stay what they are");
    expect_unwritable(network, "/dev/null", "found a device");
    ck_assert_int_eq(mkfifo(within("fifo"), 0600), 0);
    expect_unwritable(network, within("fifo"), "found a device");
    support_case("a link to itself");
    ck_assert_int_eq(symlink("loop", within("loop")), 0);
    expect_unwritable(network, within("loop"), "symbolic links");

    /* root may write anywhere, so another user has to try */
    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert_int_eq(mkdir(within("closed"), 0555), 0);
    ck_assert_int_eq(chmod(folder, 0777), 0);
    if (geteuid() == 0) {
        ck_assert_int_eq(seteuid(65534), 0);
    }
    support_case("a file that may not be written");
    expect_unwritable(network, path, "may be written");
    support_case("a folder that may not be written");
    const int names = names_in(within("closed"));
    expect_unwritable(network, within("closed/model"), "may be written");
    ck_assert_int_eq(names_in(within("closed")), names);
    if (getuid() == 0) {
        ck_assert_int_eq(seteuid(0), 0);
    }
    mnist_fast_free(network);
}
END_TEST

START_TEST(asking_leaves_nothing_behind)
{
    support_case("new");
    ck_assert_int_eq(mf_model_writable(path, &error), MNIST_FAST_OK);
    ck_assert_int_eq(names_in(folder), 0);
    support_case("old");
    write_file(path, "old", 3);
    ck_assert_int_eq(mf_model_writable(path, &error), MNIST_FAST_OK);
    ck_assert_int_eq(names_in(folder), 1);
    expect_file(path, (struct bytes){(uint8_t *)"old", 3});
    support_case("without a folder");
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(mf_model_writable("here", &error), MNIST_FAST_OK);
    mnist_fast *network = small_network(15);
    save(network, "here");
    ck_assert_int_eq(access(within("here"), F_OK), 0);
    ck_assert_int_eq(names_in(folder), 2);
    /* A temporary that an earlier process of the same number left behind isn't in the way. */
    char left[64];
    snprintf(left, sizeof left, ".mnist_fast.%ld.0.tmp", (long)getpid());
    write_file(left, "left", 4);
    save(network, "here");
    mnist_fast_free(load("here"));
    expect_file(left, (struct bytes){(uint8_t *)"left", 4});
    ck_assert_int_eq(names_in(folder), 3);
    mnist_fast_free(network);
}
END_TEST

START_TEST(links_and_permissions_stay)
{
    mnist_fast *network = small_network(16);
    struct stat info;
    umask(027);
    support_case("a new file");
    save(network, path);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 07777, 0640);
    static const mode_t modes[] = {0600, 0666, 0644, 0222};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        support_case("an old file of mode %o", (unsigned)modes[i]);
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        save(network, path);
        ck_assert_int_eq(stat(path, &info), 0);
        ck_assert_int_eq(info.st_mode & 07777, modes[i]);
    }
    ck_assert_int_eq(chmod(path, 0600), 0);

    ck_assert_int_eq(mkdir(within("inner"), 0700), 0);
    ck_assert_int_eq(symlink("model.safetensors", within("near")), 0);
    ck_assert_int_eq(symlink("../near", within("inner/far")), 0);
    ck_assert_int_eq(symlink(path, within("inner/absolute")), 0);
    ck_assert_int_eq(symlink("inner/later", within("dangling")), 0);
    static const char *const links[][2] = {{"near", "model.safetensors"},
                                           {"inner/far", "model.safetensors"},
                                           {"inner/absolute", "model.safetensors"},
                                           {"dangling", "inner/later"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        support_case("through the link %s", links[i][0]);
        unlink(within(links[i][1]));
        save(network, within(links[i][0]));
        ck_assert_int_eq(lstat(within(links[i][0]), &info), 0);
        ck_assert_int_eq(S_ISLNK(info.st_mode), 1);
        ck_assert_int_eq(lstat(within(links[i][1]), &info), 0);
        ck_assert_int_eq(S_ISREG(info.st_mode), 1);
        save(network, within(links[i][0])); /* over it */
        mnist_fast_free(load(within(links[i][1])));
    }
    ck_assert_int_eq(names_in(folder), 4);
    ck_assert_int_eq(names_in(within("inner")), 3);
    mnist_fast_free(network);
}
END_TEST

/* A kill at any instant leaves the old file or the new one. */
START_TEST(killed_save_leaves_a_whole_file)
{
    mnist_fast *const networks[] = {small_network(17), small_network(18)};
    save(networks[0], path);
    struct random random = random_from(17, 0, 0, 0);
    bool seen[2] = {false, false};
    for (int round = 0; round < 40; round++) {
        support_case("round %d", round);
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            for (int i = round;; i++) {
                if (mnist_fast_save(networks[i % 2], path, NULL)) {
                    _exit(1);
                }
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = random_below(&random, 8000000)}, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        int ended;
        ck_assert_int_eq(waitpid(child, &ended, 0), child);
        ck_assert_int_eq(WIFSIGNALED(ended), 1);
        mnist_fast *again = load(path);
        const uint32_t crc = checksum(again, MF_WEIGHT);
        if (crc != checksum(networks[0], MF_WEIGHT) && crc != checksum(networks[1], MF_WEIGHT)) {
            support_fail("a third network");
        }
        seen[crc == checksum(networks[1], MF_WEIGHT)] = true;
        mnist_fast_free(again);
    }
    ck_assert_msg(seen[0] && seen[1], "the kills came always before or always after the saves");
    mnist_fast_free(networks[0]);
    mnist_fast_free(networks[1]);
}
END_TEST

/* Several savers of one file don't get in each other's way: the temporary is unique. */
START_TEST(savers_do_not_meet)
{
    enum { SAVERS = 3, SAVES = 30 };
    pid_t child[SAVERS];
    for (int i = 0; i < SAVERS; i++) {
        mnist_fast *network = small_network(20 + (uint64_t)i);
        save(network, path);
        child[i] = fork();
        ck_assert_int_ge(child[i], 0);
        for (int k = 0; child[i] == 0; k++) {
            if (k == SAVES || mnist_fast_save(network, path, NULL)) {
                _exit(k < SAVES);
            }
        }
        mnist_fast_free(network);
    }
    for (int i = 0; i < SAVERS; i++) {
        int ended;
        do {
            mnist_fast_free(load(path));
        } while (waitpid(child[i], &ended, WNOHANG) == 0);
        support_case("saver %d", i);
        ck_assert_int_eq(ended, 0);
    }
    mnist_fast_free(load(path));
    ck_assert_int_eq(names_in(folder), 1);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("model_file");

    TCase *round = tcase_create("what is written comes back");
    tcase_add_checked_fixture(round, make_folder, remove_folder);
    tcase_add_loop_test(round, model_comes_back, 0, SHAPES);
    tcase_add_loop_test(round, checkpoint_comes_back, 0, REALS);
    tcase_add_test(round, locale_does_not_matter);
    tcase_add_loop_test(round, torch_file_is_read, 0, sizeof torch_headers / sizeof *torch_headers);
    suite_add_tcase(suite, round);

    TCase *damage = tcase_create("damaged files");
    tcase_set_timeout(damage, 120);
    tcase_add_checked_fixture(damage, make_folder, remove_folder);
    tcase_add_loop_test(damage, cut_file_is_refused, 0, 2);
    tcase_add_loop_test(damage, flipped_bit_is_refused, 0, 2);
    tcase_add_test(damage, flipped_bit_of_torch_is_harmless);
    suite_add_tcase(suite, damage);

    TCase *lying = tcase_create("files that lie");
    tcase_set_timeout(lying, 30);
    tcase_add_checked_fixture(lying, make_folder, remove_folder);
    tcase_add_loop_test(lying, lie_is_refused, 0, LIES);
    tcase_add_test(lying, fact_out_of_range_is_refused);
    tcase_add_test(lying, too_many_layers_are_refused);
    tcase_add_test(lying, hostile_json_is_refused);
    tcase_add_test(lying, huge_header_is_refused);
    tcase_add_test(lying, bad_number_is_refused);
    tcase_add_test(lying, model_is_not_a_checkpoint);
    tcase_add_test(lying, not_a_file_is_refused);
    suite_add_tcase(suite, lying);

    TCase *saving = tcase_create("saving");
    tcase_set_timeout(saving, 60);
    tcase_add_checked_fixture(saving, make_folder, remove_folder);
    tcase_add_test(saving, saving_keeps_the_order);
    tcase_add_test(saving, failing_save_keeps_the_old_file);
    tcase_add_test(saving, unwritable_place_is_refused);
    tcase_add_test(saving, asking_leaves_nothing_behind);
    tcase_add_test(saving, links_and_permissions_stay);
    tcase_add_test(saving, killed_save_leaves_a_whole_file);
    tcase_add_test(saving, savers_do_not_meet);
    suite_add_tcase(suite, saving);

    return support_run(suite);
}
