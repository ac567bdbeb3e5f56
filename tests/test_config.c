/* What to train and how to compute: configurations and runtimes, of this version's size and of others. */
#include "base/sized.h"
#include "networks.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Structures of other sizes ---- */

/* A structure of the library, and what callers may have instead. */
struct ours {
    size_t size;
    int a, b, c, d;
};
enum { OURS = sizeof(struct ours), LARGEST = 4096, ROOM = 2 * LARGEST };

START_TEST(sized_read)
{
    union {
        struct ours ours;
        size_t size;
        unsigned char bytes[ROOM];
    } theirs;
    static const size_t good[] = {sizeof(size_t), 12, 16, 20, OURS - 1, OURS, OURS + 1, OURS + 8, LARGEST};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        support_case("size %zu", good[i]);
        memset(&theirs, 0, sizeof theirs);
        memset(theirs.bytes, 0x11, OURS);
        memset(theirs.bytes + good[i], 0x77, sizeof theirs - good[i]); /* not to be read */
        theirs.size = good[i];
        struct ours found;
        memset(&found, 0x55, sizeof found);
        mnist_fast_error error;
        ck_assert_int_eq(mf_sized_read("what", &found, sizeof found, &theirs, &error), MNIST_FAST_OK);
        unsigned char expected[OURS] = {0};
        memset(expected, 0x11, good[i] < OURS ? good[i] : OURS);
        const size_t own = OURS;
        memcpy(expected, &own, sizeof own);
        ck_assert_mem_eq(&found, expected, OURS);
    }

    static const size_t wrong[] = {0, 1, sizeof(size_t) - 1, LARGEST + 1, ROOM, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        support_case("size %zu", wrong[i]);
        memset(&theirs, 0, sizeof theirs);
        theirs.size = wrong[i];
        struct ours found;
        mnist_fast_error error = {""};
        expect_bad_argument("read", mf_sized_read("what", &found, sizeof found, &theirs, &error), &error);
        ck_assert_ptr_nonnull(strstr(error.text, "what: its size is "));
    }

    /* Any bit of what the library does not know may be a member that changes the behaviour. */
    for (size_t at = OURS; at < OURS + 16; at++)
        for (int bit = 0; bit < 8; bit++) {
            memset(&theirs, 0, sizeof theirs);
            theirs.size = OURS + 16;
            theirs.bytes[at] = (unsigned char)(1 << bit);
            struct ours found;
            mnist_fast_error error = {""};
            expect_bad_argument("read", mf_sized_read("what", &found, sizeof found, &theirs, &error), &error);
            ck_assert_ptr_nonnull(strstr(error.text, "what: has a member that version " MNIST_FAST_VERSION));
        }
    struct ours found;
    mnist_fast_error error = {""};
    expect_bad_argument("NULL", mf_sized_read("what", &found, sizeof found, NULL, &error), &error);
    ck_assert_str_eq(error.text, "what: is NULL");
}
END_TEST

START_TEST(sized_write)
{
    const struct ours ours = {OURS, 1, 2, 3, 4};
    for (size_t size = 0; size <= OURS + 16; size++) {
        support_case("size %zu", size);
        unsigned char theirs[OURS + 32], expected[OURS + 32];
        memset(theirs, 0x55, sizeof theirs);
        memset(expected, 0x55, sizeof expected);
        mf_sized_write(theirs, size, &ours, sizeof ours);
        if (size >= sizeof size) { /* else there is no room for anything */
            memset(expected, 0, size);
            memcpy(expected, &ours, size < OURS ? size : OURS);
            memcpy(expected, &size, sizeof size);
        }
        ck_assert_mem_eq(theirs, expected, sizeof theirs);
    }
}
END_TEST

/* A configuration as a program of a later version has it. */
struct later_config {
    mnist_fast_config config;
    uint64_t more[4];
};

START_TEST(config_of_another_size)
{
    struct later_config later;
    memset(&later, 0x55, sizeof later);
    mnist_fast_default_config(&later.config, sizeof later);
    ck_assert_uint_eq(later.config.size, sizeof later);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(later.more[i], 0);
    later.config.hidden[0] = 5;
    later.config.hidden_count = 1;
    mnist_fast *network;
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_create(&later.config, NULL, &network, &error), MNIST_FAST_OK);

    memset(&later, 0x55, sizeof later);
    mnist_fast_get_config(network, &later.config, sizeof later);
    ck_assert_uint_eq(later.config.size, sizeof later);
    ck_assert_uint_eq(later.more[3], 0);
    ck_assert_int_eq(later.config.hidden[0], 5);
    later.config.batch_size = 7;
    ck_assert_int_eq(mnist_fast_set_config(network, &later.config, &error), MNIST_FAST_OK);
    for (int i = 0; i < 4; i++) {
        mnist_fast *none = network;
        later.more[i] = 1;
        expect_bad_argument("create", mnist_fast_create(&later.config, NULL, &none, &error), &error);
        ck_assert_ptr_null(none);
        later.config.batch_size = 8;
        expect_bad_argument("set_config", mnist_fast_set_config(network, &later.config, &error), &error);
        later.more[i] = 0;
    }

    /* What a program of an earlier version does not know is zero: here the seed, as if it were a new member. */
    mnist_fast_config earlier;
    memset(&earlier, 0x55, sizeof earlier);
    mnist_fast_get_config(network, &earlier, offsetof(mnist_fast_config, seed));
    ck_assert_uint_eq(earlier.size, offsetof(mnist_fast_config, seed));
    ck_assert_int_eq(earlier.batch_size, 7); /* what was refused has changed nothing */
    ck_assert_uint_eq(earlier.seed, UINT64_C(0x5555555555555555));
    ck_assert_int_eq(mnist_fast_set_config(network, &earlier, &error), MNIST_FAST_OK);
    mnist_fast_config config;
    mnist_fast_get_config(network, &config, sizeof config);
    ck_assert_uint_eq(config.size, sizeof config);
    ck_assert_uint_eq(config.seed, 0);
    ck_assert_int_eq(config.shuffle_buffer, earlier.shuffle_buffer);

    config.size = 0;
    expect_bad_argument("size 0", mnist_fast_set_config(network, &config, &error), &error);
    ck_assert_ptr_nonnull(strstr(error.text, "config: its size is 0"));
    mnist_fast_free(network);
}
END_TEST

START_TEST(cpu_of_another_size)
{
    struct {
        mnist_fast_cpu cpu;
        int more[4];
    } later;
    memset(&later, 0x55, sizeof later);
    mnist_fast_get_cpu(&later.cpu, sizeof later);
    ck_assert_uint_eq(later.cpu.size, sizeof later);
    ck_assert_int_ge(later.cpu.default_threads, 1);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(later.more[i], 0);

    mnist_fast_cpu earlier;
    memset(&earlier, 0x55, sizeof earlier);
    mnist_fast_get_cpu(&earlier, offsetof(mnist_fast_cpu, cores));
    ck_assert_uint_eq(earlier.size, offsetof(mnist_fast_cpu, cores));
    ck_assert_int_eq(earlier.processors, later.cpu.processors);
    ck_assert_int_eq(earlier.cores, 0x55555555);
}
END_TEST

/* ---- Runtimes ---- */

static void expect_runtime(const mnist_fast_runtime *runtime, const char *isa, int threads)
{
    static const int hidden[] = {3};
    const mnist_fast_config config = config_of(10, 0, 1, hidden);
    mnist_fast *network;
    mnist_fast_error error;
    if (mnist_fast_check_runtime(runtime, &error) || mnist_fast_create(&config, runtime, &network, &error))
        support_fail("%s", error.text);
    ck_assert_str_eq(mnist_fast_isa(network), isa);
    ck_assert_int_eq(mnist_fast_threads(network), threads);
    mnist_fast_free(network);
}

/* Every function that takes a runtime refuses it. */
static void expect_no_runtime(const mnist_fast_runtime *runtime, mnist_fast_status status, const char *says)
{
    static const int hidden[] = {3};
    const mnist_fast_config config = config_of(10, 0, 1, hidden);
    for (int i = 0; i < 4; i++) {
        mnist_fast *network = (mnist_fast *)&config; /* anything but NULL */
        mnist_fast_error error = {""};
        const mnist_fast_status found =
            i == 0   ? mnist_fast_check_runtime(runtime, &error)
            : i == 1 ? mnist_fast_create(&config, runtime, &network, &error)
            : i == 2 ? mnist_fast_load("no such file", runtime, &network, &error)
                     : mnist_fast_load_checkpoint("no such file", runtime, &network, NULL, &error);
        if (found != status || !strstr(error.text, says))
            support_fail("function %d: %s: %s, expected %s", i, mnist_fast_status_name(found), error.text, says);
        if (i > 0)
            ck_assert_ptr_null(network);
    }
    ck_assert_int_eq(mnist_fast_check_runtime(runtime, NULL), status);
}

START_TEST(runtimes)
{
    unsetenv("MNIST_FAST_ISA");
    unsetenv("OMP_NUM_THREADS");
    mnist_fast_cpu cpu;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    const char *best = support_isas[0]->name;
    expect_runtime(NULL, best, cpu.default_threads);
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    ck_assert(runtime.size == sizeof runtime && !runtime.isa && runtime.threads == 0);
    expect_runtime(&runtime, best, cpu.default_threads);
    runtime.isa = "scalar";
    expect_runtime(&runtime, "scalar", cpu.default_threads);
    runtime.threads = MNIST_FAST_MAX_THREADS;
    expect_runtime(&runtime, "scalar", MNIST_FAST_MAX_THREADS);
    runtime.size = offsetof(mnist_fast_runtime, threads); /* a structure without that member */
    expect_runtime(&runtime, "scalar", cpu.default_threads);
    runtime.size = 0;
    expect_no_runtime(&runtime, MNIST_FAST_BAD_ARGUMENT, "runtime: its size is 0");
    runtime.size = sizeof runtime;
    static const int wrong[] = {-1, MNIST_FAST_MAX_THREADS + 1, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        runtime.threads = wrong[i];
        expect_no_runtime(&runtime, MNIST_FAST_BAD_ARGUMENT, "threads: expected 0 to 1024, found ");
    }
    runtime.threads = 2;
    static const char *const names[] = {"avx512", "avx2", "neon", "scalar", "AVX2", "pentium", "", "scalar "};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        support_case("%s", names[i]);
        runtime.isa = names[i];
        char says[80];
        snprintf(says, sizeof says, "instruction set: '%s' cannot run here (this CPU runs: ", names[i]);
        if (mnist_fast_isa_runnable(names[i]))
            expect_runtime(&runtime, names[i], 2);
        else
            expect_no_runtime(&runtime, MNIST_FAST_NO_ISA, says);
    }

    runtime.isa = NULL; /* then the environment decides */
    setenv("OMP_NUM_THREADS", "5", 1);
    setenv("MNIST_FAST_ISA", "scalar", 1);
    expect_runtime(&runtime, "scalar", 2);
    expect_runtime(NULL, "scalar", 5);
    setenv("MNIST_FAST_ISA", "", 1);
    expect_runtime(NULL, best, 5);
    setenv("MNIST_FAST_ISA", "pentium", 1);
    expect_no_runtime(NULL, MNIST_FAST_NO_ISA, "MNIST_FAST_ISA: 'pentium' cannot run here (this CPU runs: ");
    runtime.isa = "scalar";
    expect_runtime(&runtime, "scalar", 2);
}
END_TEST

/* ---- Configurations ---- */

START_TEST(default_config)
{
    mnist_fast_config config;
    memset(&config, 0x55, sizeof config);
    mnist_fast_default_config(&config, sizeof config);
    ck_assert_uint_eq(config.size, sizeof config);
    ck_assert_int_eq(config.hidden_count, 3);
    for (int i = 0; i < MNIST_FAST_MAX_HIDDEN; i++)
        ck_assert_int_eq(config.hidden[i], i < 3 ? 500 : 0);
    ck_assert(config.batch_size == 1000 && config.shuffle_buffer == 10000 && config.seed == 1);
    ck_assert(config.learning_rate == 1e-3f && config.beta1 == 0.9f && config.beta2 == 0.999f);
    ck_assert(config.epsilon == 1e-7f && config.validation_fraction == 0.1);
    ck_assert(config.weight_decay == 0 && config.patience == 0 && config.schedule == MNIST_FAST_CONSTANT);
    ck_assert(config.schedule_epochs == 0 && config.warmup_steps == 0 && config.precision == MNIST_FAST_FP32);
    ck_assert(config.rotation == 0 && config.shear == 0 && config.scale == 0 && config.shift == 0 &&
              config.elastic == 0);
}
END_TEST

/* Values outside their range are refused by create and by set_config, and change nothing. */
START_TEST(config_ranges)
{
    static const int hidden[] = {4, 3};
    const mnist_fast_config usual = config_of(10, 0.1, 2, hidden);
    mnist_fast *network = network_new(&usual, support_scalar, 1, false);
#define MEMBER(name, type, ...)                                                                                        \
    {                                                                                                                  \
#name, offsetof(mnist_fast_config, name), sizeof(type),                                                        \
            (const type[]){__VA_ARGS__ }, sizeof((const type[]){__VA_ARGS__}) / sizeof(type)                           \
    }
    const struct {
        const char *name;
        size_t offset, size;
        const void *values;
        size_t count;
    } wrong[] = {
        MEMBER(hidden[0], int, 0, -1, MNIST_FAST_MAX_UNITS + 1, INT_MAX),
        MEMBER(hidden[1], int, 0, -1, MNIST_FAST_MAX_UNITS + 1),
        MEMBER(hidden_count, int, 0, -1, MNIST_FAST_MAX_HIDDEN + 1, INT_MAX),
        MEMBER(batch_size, int, 0, -1, MNIST_FAST_MAX_BATCH + 1),
        MEMBER(shuffle_buffer, int, 0, -1),
        MEMBER(learning_rate, float, 0, -0.0f, -1, NAN, INFINITY),
        MEMBER(beta1, float, 1, -0.1f, 2, NAN, INFINITY),
        MEMBER(beta2, float, 1, -0.1f, 2, NAN, INFINITY),
        MEMBER(epsilon, float, 0, -0.0f, -1, NAN, INFINITY),
        MEMBER(validation_fraction, double, 1, -0.1, 2, NAN, INFINITY),
        MEMBER(weight_decay, double, -0.1, NAN, INFINITY),
        MEMBER(patience, int, -1, INT_MIN),
        MEMBER(schedule, int, -1, 2, MNIST_FAST_COSINE), /* a cosine of no epochs */
        MEMBER(schedule_epochs, int, -1, INT_MIN),
        MEMBER(warmup_steps, int, -1, INT_MIN),
        MEMBER(precision, int, -1, 2, INT_MAX),
        MEMBER(rotation, double, -0.1, 1.01, NAN, INFINITY),
        MEMBER(shear, double, -0.1, 1.01, NAN, INFINITY),
        MEMBER(scale, double, -0.1, 0.51, NAN, INFINITY),
        MEMBER(shift, double, -0.1, 28.1, NAN, INFINITY),
        MEMBER(elastic, double, -0.1, 28.1, NAN, INFINITY),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (size_t k = 0; k < wrong[i].count; k++) {
            support_case("%s, value %zu", wrong[i].name, k);
            mnist_fast_config config = usual;
            memcpy((char *)&config + wrong[i].offset, (const char *)wrong[i].values + k * wrong[i].size, wrong[i].size);
            mnist_fast_error error = {""};
            mnist_fast *none = network;
            expect_bad_argument("create", mnist_fast_create(&config, NULL, &none, &error), &error);
            ck_assert_ptr_null(none);
            error.text[0] = '\0';
            expect_bad_argument("set_config", mnist_fast_set_config(network, &config, &error), &error);
            mnist_fast_get_config(network, &config, sizeof config);
            ck_assert_mem_eq(&config, &usual, sizeof config);
        }

    /* The ends of the ranges are within. */
    mnist_fast_config config = usual;
    config.batch_size = MNIST_FAST_MAX_BATCH;
    config.shuffle_buffer = INT_MAX;
    config.learning_rate = 0x1p-149f;
    config.beta1 = nextafterf(1, 0);
    config.beta2 = 0;
    config.validation_fraction = nextafter(1, 0);
    config.seed = UINT64_MAX;
    config.epsilon = 0x1p-149f;
    config.weight_decay = 1e300;
    config.patience = INT_MAX;
    config.schedule = MNIST_FAST_COSINE;
    config.schedule_epochs = INT_MAX;
    config.warmup_steps = INT_MAX;
    config.rotation = config.shear = 1;
    config.scale = 0.5;
    config.shift = config.elastic = 28;
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_set_config(network, &config, &error), MNIST_FAST_OK);
    mnist_fast_config found;
    mnist_fast_get_config(network, &found, sizeof found);
    ck_assert_mem_eq(&found, &config, sizeof config);
    mnist_fast_free(network);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, sized_read);
    tcase_add_test(tcase, sized_write);
    tcase_add_test(tcase, config_of_another_size);
    tcase_add_test(tcase, cpu_of_another_size);
    tcase_add_test(tcase, runtimes);
    tcase_add_test(tcase, default_config);
    tcase_add_test(tcase, config_ranges);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
