/* mnist_fast.h: names, the machine, images, predictions, and arguments that are NULL. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "folder.h"
#include "networks.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---- Names and the machine ---- */

START_TEST(status_names)
{
    static const struct {
        mnist_fast_status status;
        const char *name;
    } statuses[] = {
#define STATUS(name) {name, #name}
        STATUS(MNIST_FAST_OK),        STATUS(MNIST_FAST_BAD_ARGUMENT), STATUS(MNIST_FAST_NO_MEMORY),
        STATUS(MNIST_FAST_NO_ISA),    STATUS(MNIST_FAST_BAD_FILE),     STATUS(MNIST_FAST_BAD_DATA),
        STATUS(MNIST_FAST_BAD_MODEL), STATUS(MNIST_FAST_DIVERGED),     STATUS(MNIST_FAST_STOPPED),
        STATUS(MNIST_FAST_BUSY),      STATUS(MNIST_FAST_BAD_MACHINE),
    };
    enum { STATUSES = sizeof statuses / sizeof *statuses };
    for (int i = 0; i < STATUSES; i++) {
        ck_assert_int_eq(statuses[i].status, i); /* the numbers are part of the interface */
        ck_assert_str_eq(mnist_fast_status_name(statuses[i].status), statuses[i].name);
    }
    static const int unknown[] = {STATUSES, -1, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ck_assert_str_eq(mnist_fast_status_name((mnist_fast_status)unknown[i]), "unknown status");
}
END_TEST

START_TEST(version)
{
    ck_assert_str_eq(mnist_fast_version(), MNIST_FAST_VERSION);
}
END_TEST

START_TEST(isas)
{
#if defined(__x86_64__)
    static const char *const expected[] = {"avx512", "avx2", "scalar"};
#elif defined(__aarch64__)
    static const char *const expected[] = {"neon", "scalar"};
#else
    static const char *const expected[] = {"scalar"};
#endif
    enum { EXPECTED = sizeof expected / sizeof *expected };
    for (int i = 0; i < EXPECTED; i++) {
        ck_assert_str_eq(mnist_fast_isa_name(i), expected[i]);
        bool runs = false;
        for (int j = 0; j < support_isa_count; j++)
            runs = runs || !strcmp(support_isas[j]->name, expected[i]);
        ck_assert_int_eq(mnist_fast_isa_runnable(expected[i]), runs);
    }
    static const int none[] = {EXPECTED, EXPECTED + 1, INT_MAX, -1, INT_MIN};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_ptr_null(mnist_fast_isa_name(none[i]));
    static const char *const unknown[] = {"", "AVX2", "sse9", "scalar "};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ck_assert_int_eq(mnist_fast_isa_runnable(unknown[i]), 0);
    ck_assert_int_eq(mnist_fast_isa_runnable(NULL), 0);
}
END_TEST

START_TEST(this_cpu)
{
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    mnist_fast_cpu cpu;
    memset(&cpu, 0x55, sizeof cpu);
    setenv("OMP_NUM_THREADS", "37", 1);
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    ck_assert_uint_eq(cpu.size, sizeof cpu);
    ck_assert_int_eq(cpu.processors, CPU_COUNT(&set));
    ck_assert(cpu.cores >= 1 && cpu.cores <= cpu.processors && cpu.quota >= 0);
    ck_assert_int_eq(cpu.default_threads, 37);
    unsetenv("OMP_NUM_THREADS");
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    ck_assert(cpu.default_threads >= 1 && cpu.default_threads <= cpu.cores);
    if (cpu.quota)
        ck_assert_int_le(cpu.default_threads, cpu.quota);
    mnist_fast_get_cpu(NULL, sizeof cpu);
}
END_TEST

/* ---- Images ---- */

START_TEST(crc32_of_images)
{
    struct random random = random_from(600, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 37);
    const uLong pixels = crc32(0, images.pixels, 37 * MNIST_FAST_PIXELS);
    ck_assert_uint_eq(mnist_fast_images_crc32(&images), crc32(pixels, images.labels, 37));
    const mnist_fast_images unlabelled = {.pixels = images.pixels, .count = 37};
    ck_assert_uint_eq(mnist_fast_images_crc32(&unlabelled), pixels);
    const mnist_fast_images fewer = {.pixels = images.pixels, .labels = images.labels, .count = 36};
    ck_assert_uint_ne(mnist_fast_images_crc32(&fewer), mnist_fast_images_crc32(&images));
    ck_assert_uint_eq(mnist_fast_images_crc32(NULL), 0);
    ck_assert_uint_eq(mnist_fast_images_crc32(&(const mnist_fast_images){0}), 0);
    mnist_fast_free_images(&images);
    ck_assert(!images.pixels && !images.labels && images.count == 0);
    mnist_fast_free_images(&images);
}
END_TEST

/* Digits and probabilities are wanted or not; images without labels will do, and none at all. */
START_TEST(predictions)
{
    static const int hidden[] = {9};
    const mnist_fast_config config = config_of(10, 0, 1, hidden);
    struct random random = random_from(601, 0, 0, 0);
    enum { IMAGES = 101 };
    mnist_fast_images images = images_new(&random, IMAGES);
    const mnist_fast_images unlabelled = {.pixels = images.pixels, .count = IMAGES};
    mnist_fast *network = network_new(&config, support_isas[0], 2, false);
    train(network, &images, 3, NULL, NULL);
    uint8_t digits[IMAGES + 1], again[IMAGES];
    float probabilities[IMAGES + 1][MNIST_FAST_CLASSES];
    digits[IMAGES] = 77;
    probabilities[IMAGES][0] = 77;
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_predict(network, &unlabelled, digits, probabilities[0], &error), MNIST_FAST_OK);
    ck_assert(digits[IMAGES] == 77 && probabilities[IMAGES][0] == 77);
    for (int i = 0; i < IMAGES; i++) {
        double sum = 0;
        for (int c = 0; c < MNIST_FAST_CLASSES; c++) {
            sum += (double)probabilities[i][c];
            ck_assert(probabilities[i][c] >= 0 && probabilities[i][c] <= probabilities[i][digits[i]]);
        }
        ck_assert_double_eq_tol(sum, 1, 1e-6);
    }
    ck_assert_int_eq(mnist_fast_predict(network, &unlabelled, again, NULL, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(digits, again, IMAGES);
    float alone[MNIST_FAST_CLASSES];
    const mnist_fast_images last = {.pixels = images.pixels + (IMAGES - 1) * MNIST_FAST_PIXELS, .count = 1};
    ck_assert_int_eq(mnist_fast_predict(network, &last, NULL, alone, &error), MNIST_FAST_OK);
    ck_assert_mem_eq(alone, probabilities[IMAGES - 1], sizeof alone);
    ck_assert_int_eq(mnist_fast_predict(network, &images, NULL, NULL, &error), MNIST_FAST_OK);
    ck_assert_int_eq(mnist_fast_predict(network, &(const mnist_fast_images){0}, digits, alone, &error), MNIST_FAST_OK);

    mnist_fast_metrics metrics;
    uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES], expected[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES] = {0};
    ck_assert_int_eq(mnist_fast_evaluate(network, &images, &metrics, confusion, &error), MNIST_FAST_OK);
    int correct = 0;
    for (int i = 0; i < IMAGES; i++) {
        expected[images.labels[i]][digits[i]]++;
        correct += images.labels[i] == digits[i];
    }
    ck_assert_mem_eq(confusion, expected, sizeof expected);
    ck_assert_double_eq(metrics.accuracy, (double)correct / IMAGES);
    mnist_fast_free(network);
    mnist_fast_free_images(&images);
}
END_TEST

/* ---- Arguments that are NULL ---- */

/* With an error to fill and without one. */
#define BAD(call)                                                                                                      \
    do {                                                                                                               \
        mnist_fast_error space = {""}, *error = &space;                                                                \
        expect_bad_argument(#call, call, error);                                                                       \
        error = NULL;                                                                                                  \
        expect_bad_argument(#call, call, error);                                                                       \
    } while (0)

START_TEST(null_arguments)
{
    static const int hidden[] = {4};
    const mnist_fast_config config = config_of(10, 0, 1, hidden);
    struct random random = random_from(602, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 20), found = images;
    const mnist_fast_images no_pixels = {.labels = images.labels, .count = 20},
                            no_labels = {.pixels = images.pixels, .count = 20},
                            none = {.pixels = images.pixels, .labels = images.labels};
    mnist_fast *network = network_new(&config, support_isas[0], 1, false), *other = network;
    const char *path = in_folder("file");
    mnist_fast_metrics metrics;
    uint8_t digits[20];

    BAD(mnist_fast_load_images(NULL, MNIST_FAST_TRAIN, 1, &found, error));
    ck_assert(!found.pixels && !found.labels && found.count == 0);
    BAD(mnist_fast_load_images(folder, MNIST_FAST_TRAIN, 1, NULL, error));
    found = images;
    BAD(mnist_fast_load_images(folder, (mnist_fast_part)2, 1, &found, error));
    ck_assert(!found.pixels && !found.labels && found.count == 0);

    BAD(mnist_fast_create(NULL, NULL, &other, error));
    ck_assert_ptr_null(other);
    BAD(mnist_fast_create(&config, NULL, NULL, error));
    BAD(mnist_fast_set_config(NULL, &config, error));
    BAD(mnist_fast_set_config(network, NULL, error));
    BAD(mnist_fast_train(NULL, &images, 1, NULL, NULL, error));
    BAD(mnist_fast_train(network, NULL, 1, NULL, NULL, error));
    BAD(mnist_fast_train(network, &no_pixels, 1, NULL, NULL, error));
    BAD(mnist_fast_train(network, &no_labels, 1, NULL, NULL, error));
    BAD(mnist_fast_train(network, &none, 1, NULL, NULL, error));
    BAD(mnist_fast_train(network, &images, -1, NULL, NULL, error));
    BAD(mnist_fast_predict(NULL, &images, digits, NULL, error));
    BAD(mnist_fast_predict(network, NULL, digits, NULL, error));
    BAD(mnist_fast_predict(network, &no_pixels, digits, NULL, error));
    BAD(mnist_fast_evaluate(NULL, &images, &metrics, NULL, error));
    BAD(mnist_fast_evaluate(network, NULL, &metrics, NULL, error));
    BAD(mnist_fast_evaluate(network, &no_pixels, &metrics, NULL, error));
    BAD(mnist_fast_evaluate(network, &no_labels, &metrics, NULL, error));
    BAD(mnist_fast_evaluate(network, &none, &metrics, NULL, error));
    BAD(mnist_fast_evaluate(network, &images, NULL, NULL, error));

    BAD(mnist_fast_save(NULL, path, error));
    BAD(mnist_fast_save(network, NULL, error));
    BAD(mnist_fast_save_checkpoint(NULL, path, 0, error));
    BAD(mnist_fast_save_checkpoint(network, NULL, 0, error));
    BAD(mnist_fast_check_writable(NULL, error));
    BAD(mnist_fast_write_file(NULL, digits, 1, error));
    BAD(mnist_fast_write_file(path, NULL, 1, error));
    int in = 77, out = 77;
    float value = 77;
    BAD(mnist_fast_get_layer_shape(NULL, 0, &in, &out, error));
    BAD(mnist_fast_get_layer(NULL, 0, &value, &value, error));
    ck_assert(in == 77 && out == 77 && value == 77);
    other = network;
    BAD(mnist_fast_load(NULL, NULL, &other, error));
    ck_assert_ptr_null(other);
    BAD(mnist_fast_load(path, NULL, NULL, error));
    other = network;
    BAD(mnist_fast_load_checkpoint(NULL, NULL, &other, NULL, error));
    ck_assert_ptr_null(other);
    BAD(mnist_fast_load_checkpoint(path, NULL, NULL, NULL, error));
    ck_assert(!file_exists(path));

    uint8_t pixels[MNIST_FAST_PIXELS];
    memset(pixels, 77, sizeof pixels);
    const mnist_fast_picture wrong_pictures[] = {{NULL, 28, 28, 28}, {digits, 0, 1, 1},         {digits, 1, 0, 1},
                                                 {digits, -1, 1, 1}, {digits, 65536, 1, 65536}, {digits, 2, 1, 1}};
    for (size_t i = 0; i < sizeof wrong_pictures / sizeof *wrong_pictures; i++) {
        support_case("picture %zu", i);
        BAD(mnist_fast_prepare_picture(&wrong_pictures[i], MNIST_FAST_INVERT_AUTO, 0, pixels, error));
    }
    const mnist_fast_picture picture = {images.pixels, 28, 28, 28};
    BAD(mnist_fast_prepare_picture(NULL, MNIST_FAST_INVERT_AUTO, 0, pixels, error));
    BAD(mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_AUTO, 0, NULL, error));
    BAD(mnist_fast_prepare_picture(&picture, (mnist_fast_invert)3, 0, pixels, error));
    for (size_t i = 0; i < sizeof pixels; i++)
        ck_assert_uint_eq(pixels[i], 77);
    const mnist_fast_picture narrow = {images.pixels, 27, 28, 28};
    ck_assert_int_eq(mnist_fast_prepare_picture(&narrow, MNIST_FAST_INVERT_YES, 1, pixels, NULL), MNIST_FAST_BAD_DATA);
    for (size_t i = 0; i < sizeof pixels; i++)
        ck_assert_uint_eq(pixels[i], 77);
    /* raw: as it is, but for the ink */
    ck_assert_int_eq(mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_YES, 1, pixels, NULL), MNIST_FAST_OK);
    for (size_t i = 0; i < sizeof pixels; i++)
        ck_assert_uint_eq(pixels[i], 255 - images.pixels[i]);

    /* Those that cannot fail give the harmless value, and touch nothing. */
    mnist_fast_free(NULL);
    mnist_fast_free_images(NULL);
    mnist_fast_get_cpu(NULL, sizeof(mnist_fast_cpu));
    mnist_fast_default_config(NULL, sizeof config);
    mnist_fast_get_config(network, NULL, sizeof config);
    mnist_fast_config untouched = config;
    mnist_fast_get_config(NULL, &untouched, sizeof untouched);
    ck_assert_mem_eq(&untouched, &config, sizeof config);
    const mnist_fast_position position = mnist_fast_get_position(NULL);
    ck_assert(position.epoch == 0 && position.batch == 0 && position.step == 0);
    mnist_fast_restart_epoch(NULL);
    ck_assert_int_eq(mnist_fast_best_epoch(NULL, NULL), 0);
    ck_assert_int_eq(mnist_fast_best_epoch(network, NULL), 0);
    ck_assert_ptr_null(mnist_fast_isa(NULL));
    ck_assert_int_eq(mnist_fast_threads(NULL), 0);
    ck_assert_uint_eq(mnist_fast_parameter_count(NULL), 0);
    ck_assert_int_eq(mnist_fast_layer_count(NULL), 0);
    ck_assert_uint_eq(mnist_fast_weights_crc32(NULL), 0);
    mnist_fast_set_profiling(NULL, 1);
    const size_t phases = mnist_fast_get_profile(network, NULL, 0);
    ck_assert_uint_gt(phases, 0);
    ck_assert_uint_eq(mnist_fast_get_profile(NULL, NULL, 0), phases);
    ck_assert_uint_eq(mnist_fast_get_profile(network, NULL, 3), phases);
    mnist_fast_phase phase = {.name = "untouched", .seconds = 1};
    ck_assert_uint_eq(mnist_fast_get_profile(NULL, &phase, 1), phases);
    ck_assert_str_eq(phase.name, "untouched");
    size_t count;
    mnist_fast_split_counts(100, 0.1, NULL, NULL);
    mnist_fast_split_counts(100, 0.1, &count, NULL);
    ck_assert_uint_eq(count, 90);
    mnist_fast_split_counts(100, 0.1, NULL, &count);
    ck_assert_uint_eq(count, 10);

    mnist_fast_free(network);
    mnist_fast_free_images(&images);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("api");
    TCase *tcase = tcase_create("api");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_test(tcase, status_names);
    tcase_add_test(tcase, version);
    tcase_add_test(tcase, isas);
    tcase_add_test(tcase, this_cpu);
    tcase_add_test(tcase, crc32_of_images);
    tcase_add_test(tcase, predictions);
    tcase_add_test(tcase, null_arguments);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
