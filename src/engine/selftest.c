#define _GNU_SOURCE /* pthread_attr_setaffinity_np */
#include "selftest.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/rng.h"
#include "kernel_check.h"
#include "network.h"
#include "step_check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEAM = -1 }; /* in place of a processor */

/* ---- a short training ---- */

/* The weights that it ends with: part of what a seed means, as the checksums in tests/golden are. */
static const uint32_t golden_crc32[] = {[MF_FP32] = 0xfa2e53d5, [MF_BF16] = 0x39eb64ba};

enum { IMAGES = 100 };

struct set {
    uint8_t pixels[IMAGES * MNIST_FAST_PIXELS], labels[IMAGES];
};

/* A fifth of the pixels has ink, as in MNIST. */
static void make_images(struct set *set)
{
    uint32_t random[4] = {0};
    for (int i = 0; i < IMAGES * MNIST_FAST_PIXELS; i++) {
        if (i % 4 == 0)
            mf_random_block(1, 0, (uint64_t)i / 4, random);
        set->pixels[i] = random[i % 4] % 5 ? 0 : (uint8_t)(random[i % 4] >> 24);
    }
    for (int i = 0; i < IMAGES; i++)
        set->labels[i] = (uint8_t)(mf_random(1, 1, (uint64_t)i) % MNIST_FAST_CLASSES);
}

static mnist_fast_status train(const struct mf_kernels *kernels, int threads, const struct set *set, bool dense,
                               mnist_fast_error *error)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden[0] = 37;
    config.hidden[1] = 21;
    config.hidden_count = 2;
    config.batch_size = 19;
    config.precision = (mnist_fast_precision)kernels->precision;
    const struct mf_runtime runtime = {.kernels = kernels, .threads = threads};
    const mnist_fast_images images = {set->pixels, set->labels, IMAGES};
    mnist_fast *network;
    mnist_fast_status status = mf_network_create(&config, &runtime, &network, error);
    if (status)
        return status;
    mf_network_initialise(network);
    network->dense = dense;
    status = mnist_fast_train(network, &images, 3, NULL, NULL, error);
    const uint32_t crc = mnist_fast_weights_crc32(network), expected = golden_crc32[kernels->precision];
    if (!status && crc != expected)
        status = mf_fail(error, MNIST_FAST_BAD_MACHINE,
                         "%s: a training%s ends with wrong weights (expected crc32 %08x, found %08x); do not rely on "
                         "results of this CPU or build",
                         kernels->name, kernels->precision == MF_BF16 ? " in bf16" : "", expected, crc);
    mnist_fast_free(network);
    return status;
}

static mnist_fast_status train_both(const struct mf_kernels *kernels, int threads, const struct set *set,
                                    mnist_fast_error *error)
{
    const mnist_fast_status status = train(kernels, threads, set, false, error);
    return status ? status : train(kernels, threads, set, true, error);
}

/* ---- one processor ---- */

/* Around the sizes of tiles and panels, with and without zeros; one sample takes a path of its own. */
static const struct mf_kernel_case cases[] = {
    {.begin = 0, .samples = 50, .in = 48, .out = 65, .zeros = 80, .exponent = 0, .seed = 1},
    {.begin = 3, .samples = 20, .in = 33, .out = 50, .zeros = 0, .exponent = 0, .seed = 2},
    {.begin = 0, .samples = 1, .in = 100, .out = 10, .zeros = 50, .exponent = -20, .seed = 3},
};

/* Of the hidden layers, for kernels in tiles: more than a tile has, and no whole number of tiles. */
static const int units[2] = {70, 41};

struct job {
    const struct mf_kernels *kernels;
    const struct set *set;
    mnist_fast_status status;
    mnist_fast_error error;
};

static mnist_fast_status check_kernels(const struct mf_kernels *kernels, const struct set *set, mnist_fast_error *error)
{
    const struct mf_kernels *definition = mf_kernels_choose("scalar", kernels->precision);
    const mnist_fast_images images = {set->pixels, set->labels, IMAGES};
    if (kernels->tiled)
        return mf_step_check(kernels, definition, units, &images, error);
    mnist_fast_status status = MNIST_FAST_OK;
    for (size_t i = 0; !status && i < sizeof cases / sizeof *cases; i++)
        status = mf_kernels_check(kernels, definition, &cases[i], error);
    return status;
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    job->status = check_kernels(job->kernels, job->set, &job->error);
    if (!job->status)
        job->status = train_both(job->kernels, 1, job->set, &job->error);
    return NULL;
}

/* On a thread of its own, so that the caller's stays where it is. */
static mnist_fast_status run_on(int processor, struct job *job)
{
    pthread_t thread;
    pthread_attr_t attributes;
    const size_t size = CPU_ALLOC_SIZE(processor + 1);
    cpu_set_t *set = CPU_ALLOC(processor + 1);
    int code = set ? pthread_attr_init(&attributes) : ENOMEM;
    if (!code) {
        CPU_ZERO_S(size, set);
        CPU_SET_S(processor, size, set);
        code = pthread_attr_setaffinity_np(&attributes, size, set);
        if (!code)
            code = pthread_create(&thread, &attributes, run_job, job);
        pthread_attr_destroy(&attributes);
    }
    CPU_FREE(set);
    if (code)
        return mf_fail(&job->error, code == EINVAL ? MNIST_FAST_BAD_MACHINE : MNIST_FAST_NO_MEMORY,
                       "processor %d: no thread can be bound to it (%s); test again", processor, strerror(code));
    pthread_join(thread, NULL);
    return job->status;
}

/* ---- all of them ---- */

struct selftest {
    mnist_fast_selftest_callback *callback;
    void *user;
    mnist_fast_status status; /* the first that is not MNIST_FAST_OK, and its error */
    mnist_fast_error *error;
};

static void report(struct selftest *test, const struct job *job, mnist_fast_status status, int processor)
{
    char isa[32];
    snprintf(isa, sizeof isa, "%s%s", job->kernels->name, job->kernels->precision == MF_BF16 ? " bf16" : "");
    const mnist_fast_selftest_result result = {isa, processor, status ? job->error.text : NULL};
    if (status && !test->status) {
        test->status = processor == TEAM
                           ? mf_fail(test->error, status, "selftest: %s", job->error.text)
                           : mf_fail(test->error, status, "selftest: processor %d: %s", processor, job->error.text);
    }
    if (test->callback)
        test->callback(&result, test->user);
}

mnist_fast_status mf_selftest(const struct mf_kernels *const *isas, mnist_fast_selftest_callback *callback, void *user,
                              mnist_fast_error *error)
{
    struct selftest test = {.callback = callback, .user = user, .error = error};
    int processors = 0;
    bool *allowed = mf_cpu_allowed(&processors);
    struct set *set = malloc(sizeof *set);
    if (!allowed || !set) {
        test.status = mf_fail(error, MNIST_FAST_NO_MEMORY, "selftest: no memory; free some");
        goto done;
    }
    make_images(set);
    for (; *isas; isas++) {
        struct job job = {.kernels = *isas, .set = set};
        if (!(*isas)->supported())
            continue;
        for (int i = 0; i < processors; i++)
            if (allowed[i])
                report(&test, &job, run_on(i, &job), i);
        report(&test, &job, train_both(*isas, mf_cpu_default_threads(), set, &job.error), TEAM);
    }
done:
    free(allowed);
    free(set);
    return test.status;
}

mnist_fast_status mnist_fast_selftest(mnist_fast_selftest_callback *callback, void *user, mnist_fast_error *error)
{
    const mnist_fast_status status = mf_selftest(mf_isas, callback, user, error);
    return status ? status : mf_selftest(mf_isas_bf16, callback, user, error);
}
