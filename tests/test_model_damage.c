/* Models and checkpoints that are damaged, inconsistent, or no such file: each is refused in one line. */
#define _GNU_SOURCE /* memmem */
#include "engine/metadata.h"
#include "models.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const char torch_header[] = "{\"__metadata__\":{\"format\":\"pt\"}," TORCH_TENSORS "}     ";

/* ---- files that are damaged ---- */

/* A small model, or a checkpoint, at model_path. */
static struct bytes write_model(bool checkpoint, uint64_t seed)
{
    mnist_fast *network = random_network((const int[]){1, 2}, 2, seed);
    if (checkpoint)
        save_checkpoint(network, model_path, 7);
    else
        save(network, model_path);
    mnist_fast_free(network);
    return file_read(model_path);
}

/* The bytes up to the data. */
static size_t header_end(struct bytes file)
{
    uint64_t length;
    memcpy(&length, file.data, sizeof length);
    return 8 + (size_t)length;
}

/* At every length within the header. Within the data all cuts are the same comparison of two sizes. */
START_TEST(cut_file_is_refused)
{
    const struct bytes file = write_model(_i, 5);
    for (size_t size = file.size - 1; size < file.size; size -= support_short ? 11 : size > header_end(file) ? 13 : 1) {
        support_case("cut at %zu of %zu", size, file.size);
        ck_assert_int_eq(truncate(model_path, (off_t)size), 0);
        expect_refused(model_path, MNIST_FAST_BAD_MODEL, "");
    }
    free(file.data);
}
END_TEST

/* Our own files are covered by a checksum, which finds any one bit: every bit of the length and of the checksum itself,
 * one of each other byte of the header, some of the data. */
START_TEST(flipped_bit_is_refused)
{
    enum { FIRST = 8 + MF_CRC_AT + MF_CRC_DIGITS };
    const struct bytes file = write_model(_i, 6);
    const int target = open(model_path, O_WRONLY);
    for (size_t bit = 0; bit < 8 * file.size; bit += support_short || bit >= 8 * header_end(file) ? 8 * 13 + 1
                                                     : bit < 8 * FIRST                            ? 1
                                                                                                  : 9) {
        support_case("bit %zu of %zu", bit, 8 * file.size);
        const uint8_t wrong = file.data[bit / 8] ^ (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(pwrite(target, &wrong, 1, (off_t)(bit / 8)), 1);
        expect_refused(model_path, MNIST_FAST_BAD_MODEL, "");
        ck_assert_int_eq(pwrite(target, &file.data[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(target);
    mnist_fast_free(load(model_path));
    free(file.data);
}
END_TEST

/* Files of other programs have no checksum: here a flipped bit may pass, but only where it doesn't change the network.
 */
START_TEST(flipped_bit_of_torch_is_harmless)
{
    mnist_fast *network = small_network(7);
    const struct bytes file = write_torch_file(torch_header, network);
    const int target = open(model_path, O_WRONLY);
    int passed = 0;
    for (size_t bit = 0; bit < 8 * (8 + strlen(torch_header)); bit += support_short ? 7 : 1) {
        support_case("bit %zu", bit);
        const uint8_t wrong = file.data[bit / 8] ^ (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(pwrite(target, &wrong, 1, (off_t)(bit / 8)), 1);
        mnist_fast *again;
        const mnist_fast_status status = mnist_fast_load(model_path, &model_runtime, &again, &model_error);
        if (status) {
            ck_assert_int_eq(status, MNIST_FAST_BAD_MODEL);
            ck_assert_ptr_null(again);
            expect_message(model_path, "");
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

/* ---- inconsistent files ---- */

#define ENTRY(name, shape, offsets) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define BIG "9223372036854775807"

static const struct {
    const char *what, *header;
    size_t data;
    const char *words;
} inconsistencies[] = {
    {"no header", "", 0, "expected a header"},
    {"eight bytes", "{      }", 0, "expected a header"},
    {"not an object", "[1,2,3,4,5]", 0, "begins with '{'"},
    {"space first", " {\"a\":\"b\"}", 0, "begins with '{'"},
    {"a web page", "<!DOCTYPE html><html></html>", 0, "begins with '{'"},
    {"not JSON", "{\"0.weight\":", 0, "not JSON"},
    {"text after it", "{\"__metadata__\":{}} x", 0, "not JSON"},
    {"bad UTF-8", "{\"\xff\xfe\":1234}", 0, "not JSON"},
    {"four levels", "{\"a\":{\"b\":[[1]]}}", 0, "expected at most 3 levels"},
    {"brackets in a name", "{" ENTRY("a\\\"[[[{{", "[1]", "[0,4]") "}", 4, "0 layers"},
    {"no tensors", "{\"__metadata__\":{}}", 0, "not a network"},
    {"metadata of numbers", "{\"__metadata__\":{\"a\":1}}", 0, "expected strings"},
    {"metadata of a number and a string", "{\"__metadata__\":{\"a\":1,\"b\":\"\"}}", 0, "expected strings"},
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
    {"names of another program", "{" ENTRY("fc1.weight", "[1,784]", "[0,3136]") "}", 3136, "found 1 layers with 1"},
    {"too wide", "{" ENTRY("0.weight", "[16385,784]", "[0,51383360]") "}", 51383360, "found (16385, 784)"},
    {"newer", "{\"__metadata__\":{\"mnist_fast\":\"4\"}}", 0, "written by a newer mnist_fast"},
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
enum { INCONSISTENCIES = sizeof inconsistencies / sizeof *inconsistencies };

START_TEST(inconsistency_is_refused)
{
    support_case("%s", inconsistencies[_i].what);
    write_header_and_data(inconsistencies[_i].header, inconsistencies[_i].data);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, inconsistencies[_i].words);
}
END_TEST

/* Writes a file of ours that was changed, with the checksum that it then has. */
static void write_sealed(uint8_t *file, size_t size)
{
    char *const digits = strstr((char *)file + 8, "\"crc32\":\"") + 9;
    memset(digits, '0', 8);
    char text[9];
    snprintf(text, sizeof text, "%08lx", crc32(0, file + 8, (uInt)(size - 8)));
    memcpy(digits, text, 8);
    file_write(model_path, file, size);
}

/* Everything is as it should be but one value, and the checksum is right. */
START_TEST(value_out_of_range_is_refused)
{
    static const char *const values[][2] = {
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
    network->config.batch_size = MNIST_FAST_MAX_BATCH;
    save(network, model_path);
    const struct bytes file = file_read(model_path);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        support_case("%s", values[i][1]);
        uint8_t *bytes = malloc(file.size);
        memcpy(bytes, file.data, file.size);
        char *const header = (char *)bytes + 8; /* strstr finds what it looks for, or a zero in the data */
        char *const found = strstr(header, values[i][0]);
        if (!found)
            support_fail("%s is not in the header", values[i][0]);
        memcpy(found, values[i][1], strlen(values[i][1]));
        write_sealed(bytes, file.size);
        expect_refused(model_path, MNIST_FAST_BAD_MODEL, "metadata");
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
    write_header_and_data(header, at);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "too many layers");
}
END_TEST

static void *expect_nesting_refused(void *unused)
{
    (void)unused;
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "expected at most 3 levels of JSON");
    return NULL;
}

/* Deep nesting: refused on a small stack, as a thread of the host may have it. jansson would go down 2,048 levels. */
START_TEST(deep_json_is_refused)
{
    static const size_t levels[] = {4, 2040, 1 << 18};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        support_case("%zu levels", levels[i]);
        const size_t nested = levels[i] - 1; /* within the object */
        char *header = malloc(2 * nested + 16);
        ck_assert_ptr_nonnull(header);
        strcpy(header, "{\"a\":");
        memset(header + 5, '[', nested);
        memset(header + 5 + nested, ']', nested);
        strcpy(header + 5 + 2 * nested, "}");
        write_header_and_data(header, 0);
        free(header);
        pthread_attr_t attributes;
        pthread_t thread;
        ck_assert_int_eq(pthread_attr_init(&attributes), 0);
        if (!support_short) /* a sanitizer needs more */
            ck_assert_int_eq(pthread_attr_setstacksize(&attributes, 96 << 10), 0);
        ck_assert_int_eq(pthread_create(&thread, &attributes, expect_nesting_refused, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        pthread_attr_destroy(&attributes);
    }
}
END_TEST

/* Many small values: refused in little time. */
START_TEST(long_json_is_refused)
{
    const size_t size = 1 << 19;
    char *header = malloc(2 * size + 1);
    ck_assert_ptr_nonnull(header);
    strcpy(header, "{\"__metadata__\":[[]");
    for (char *to = header + strlen(header); to < header + size; to += 3)
        strcpy(to, ",[]");
    strcat(header, "]}");
    write_header_and_data(header, 0);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "expected strings");
    free(header);
}
END_TEST

START_TEST(huge_header_is_refused)
{
    static const uint64_t lengths[] = {101000000, (1 << 20) + 1, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        support_case("a header of %" PRIu64, lengths[i]);
        file_write(model_path, &lengths[i], 8);
        ck_assert_int_eq(truncate(model_path, 102000000), 0); /* sparse */
        expect_refused(model_path, MNIST_FAST_BAD_MODEL, "expected a header of 9 to");
    }
    const uint64_t more = 1000;
    support_case("a header past the end");
    file_write(model_path, &more, 8);
    ck_assert_int_eq(truncate(model_path, 1007), 0);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "cut short (expected a header of 1000 bytes, found 999)");
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
        {NAN, 0, MF_WEIGHT, "\"0.weight\" has a bad number (expected finite ones); copy"},
        {INFINITY, 3, MF_WEIGHT, "\"2.bias\""},
        {-INFINITY, 4, MF_MOMENT1, "\"4.weight.exp_avg\""},
        {NAN, 5, MF_MOMENT2, "\"4.bias.exp_avg_sq\" has a bad number (expected finite ones, none below 0); copy"},
        {-1, 5, MF_MOMENT2, "\"4.bias.exp_avg_sq\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_case("%g in tensor %d", (double)cases[i].value, cases[i].tensor);
        mnist_fast *network = small_network(9);
        const size_t size = mf_tensor_size(network, cases[i].tensor);
        float *values = malloc(size * sizeof *values);
        mf_tensor_get(network, cases[i].tensor, cases[i].kind, values);
        const float marker = 1234.5f; /* what is not finite is not saved, so it is put in the file */
        values[size - 1] = marker;
        mf_tensor_set(network, cases[i].tensor, cases[i].kind, values);
        free(values);
        save_checkpoint(network, model_path, 1);
        const struct bytes saved = file_read(model_path);
        void *const found = memmem(saved.data, saved.size, &marker, sizeof marker);
        ck_assert_ptr_nonnull(found);
        memcpy(found, &cases[i].value, sizeof marker);
        write_sealed(saved.data, saved.size);
        expect_refused(model_path, MNIST_FAST_BAD_MODEL, cases[i].words);
        free(saved.data);
        mnist_fast_free(network);
    }
    mnist_fast *network = small_network(9);
    const struct bytes file = write_torch_file(torch_header, network);
    const float infinity = INFINITY;
    memcpy(file.data + file.size - sizeof infinity, &infinity, sizeof infinity);
    file_write(model_path, file.data, file.size);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "\"4.weight\"");
    free(file.data);
    mnist_fast_free(network);
}
END_TEST

START_TEST(model_is_not_a_checkpoint)
{
    mnist_fast *network = small_network(10);
    for (int torch = 0; torch < 2; torch++) {
        support_case(torch ? "of PyTorch" : "of --save");
        if (torch)
            free(write_torch_file(torch_header, network).data);
        else
            save(network, model_path);
        mnist_fast *again = network;
        uint32_t data_crc32 = 7;
        ck_assert_int_eq(mnist_fast_load_checkpoint(model_path, &model_runtime, &again, &data_crc32, &model_error),
                         MNIST_FAST_BAD_MODEL);
        ck_assert_ptr_null(again);
        ck_assert_uint_eq(data_crc32, 7); /* untouched */
        expect_message(model_path, "expected a checkpoint, found weights alone");
    }
    mnist_fast_free(network);
}
END_TEST

START_TEST(not_a_file_is_refused)
{
    support_case("missing");
    expect_refused(model_path, MNIST_FAST_BAD_FILE, "No such file");
    support_case("folder");
    expect_refused(folder, MNIST_FAST_BAD_FILE, "found a folder");
    support_case("FIFO");
    ck_assert_int_eq(mkfifo(model_path, 0600), 0);
    expect_refused(model_path, MNIST_FAST_BAD_FILE, "a device or pipe");
    support_case("device");
    expect_refused("/dev/zero", MNIST_FAST_BAD_FILE, "a device or pipe");
    support_case("empty");
    unlink(model_path);
    file_write(model_path, "", 0);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "found 0");
    support_case("zip of PyTorch");
    file_write(model_path, "PK\003\004\0\0\010\010\0\0\0\0\0\0\0\0", 16);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "not a safetensors file");
    support_case("LFS pointer");
    file_write(model_path, "version https://git-lfs.github.com/spec/v1\n", 43);
    expect_refused(model_path, MNIST_FAST_BAD_MODEL, "not a safetensors file");
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("model_damage");

    TCase *damage = tcase_create("damaged files");
    tcase_set_timeout(damage, 120);
    tcase_add_checked_fixture(damage, model_folder_make, folder_remove);
    tcase_add_loop_test(damage, cut_file_is_refused, 0, 2);
    tcase_add_loop_test(damage, flipped_bit_is_refused, 0, 2);
    tcase_add_test(damage, flipped_bit_of_torch_is_harmless);
    suite_add_tcase(suite, damage);

    TCase *inconsistent = tcase_create("inconsistent files");
    tcase_set_timeout(inconsistent, 30);
    tcase_add_checked_fixture(inconsistent, model_folder_make, folder_remove);
    tcase_add_loop_test(inconsistent, inconsistency_is_refused, 0, INCONSISTENCIES);
    tcase_add_test(inconsistent, value_out_of_range_is_refused);
    tcase_add_test(inconsistent, too_many_layers_are_refused);
    tcase_add_test(inconsistent, deep_json_is_refused);
    tcase_add_test(inconsistent, long_json_is_refused);
    tcase_add_test(inconsistent, huge_header_is_refused);
    tcase_add_test(inconsistent, bad_number_is_refused);
    tcase_add_test(inconsistent, model_is_not_a_checkpoint);
    tcase_add_test(inconsistent, not_a_file_is_refused);
    suite_add_tcase(suite, inconsistent);

    return support_run(suite);
}
