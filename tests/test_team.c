/* Threads that the system does not give, networks in a forked process, and in a host's threads and parallel regions. */
#include "folder.h"
#include "networks.h"
#include "program.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IMAGES = 200 };

static mnist_fast_images images;

static void make_images(void)
{
    struct random random = random_from(1, 2, 3, 4);
    images = images_new(&random, IMAGES);
}

static mnist_fast *network_of(int threads)
{
    const mnist_fast_config config = config_of(50, 0.1, 2, (const int[]){16, 12});
    return network_new(&config, support_scalar, threads, false);
}

/* What a child process found, as its exit status: the library must not end it. */
static int in_child(int (*work)(void))
{
    fflush(stdout);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(60);
        _exit(work());
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

enum { AS_EXPECTED = 42, NO_ERROR = 43, OTHER_ERROR = 44 };

static int train_many(void)
{
    mnist_fast_error error;
    const mnist_fast_config config = config_of(50, 0.1, 2, (const int[]){16, 12});
    const mnist_fast_runtime runtime = runtime_of(support_scalar->name, 512);
    mnist_fast *network;
    if (mnist_fast_create(&config, &runtime, &network, &error))
        return OTHER_ERROR;
    network->all_threads = true;
    const mnist_fast_status status = mnist_fast_train(network, &images, 1, NULL, NULL, &error);
    mnist_fast_free(network);
    return status == MNIST_FAST_OK                                               ? NO_ERROR
           : status == MNIST_FAST_NO_MEMORY && strstr(error.text, "of 512; use") ? AS_EXPECTED
                                                                                 : OTHER_ERROR;
}

/* 512 stacks of 8 MB do not fit, and libgomp would end the process. */
static int train_in_little_memory(void)
{
    const struct rlimit limit = {1u << 30, 1u << 30};
    return setrlimit(RLIMIT_AS, &limit) ? OTHER_ERROR : train_many();
}

START_TEST(too_many_threads_are_an_error)
{
    ck_assert_int_eq(in_child(train_in_little_memory), AS_EXPECTED);
}
END_TEST

static mnist_fast *trained;
static uint8_t expected[IMAGES];
static uint32_t expected_crc; /* after another epoch */

static int predict_again(void)
{
    uint8_t digits[IMAGES];
    if (mnist_fast_predict(trained, &images, digits, NULL, NULL))
        return OTHER_ERROR;
    if (memcmp(digits, expected, IMAGES) != 0)
        return OTHER_ERROR;
    if (mnist_fast_train(trained, &images, 2, NULL, NULL, NULL))
        return OTHER_ERROR;
    return mnist_fast_weights_crc32(trained) == expected_crc ? AS_EXPECTED : OTHER_ERROR;
}

/* The threads of the team are in the parent only. */
START_TEST(forked_child_computes)
{
    mnist_fast *network = network_of(2);
    train(network, &images, 2, NULL, NULL);
    expected_crc = mnist_fast_weights_crc32(network);
    mnist_fast_free(network);
    trained = network_of(3);
    train(trained, &images, 1, NULL, NULL);
    ck_assert_int_eq(mnist_fast_predict(trained, &images, expected, NULL, NULL), MNIST_FAST_OK);
    ck_assert_int_eq(in_child(predict_again), AS_EXPECTED);
    train(trained, &images, 2, NULL, NULL);
    ck_assert_uint_eq(mnist_fast_weights_crc32(trained), expected_crc);
    mnist_fast_free(trained);
}
END_TEST

/* ---- a thread of the host that has a small stack ---- */

struct job {
    const char *data, *model;
    const char *failed; /* NULL: nothing */
    mnist_fast_error error;
    uint32_t crc32;
};

#define TRY(call)                                                                                                      \
    do                                                                                                                 \
        if (!job->failed && (call))                                                                                    \
            job->failed = #call;                                                                                       \
    while (0)

/* What a host may ask for; the test's own variables must not need the stack. */
static void *use_everything(void *user)
{
    static uint8_t digits[TRAIN_IMAGES], seen[MNIST_FAST_PIXELS], grey[100 * 100];
    static uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES];
    static float probabilities[TRAIN_IMAGES * MNIST_FAST_CLASSES];
    struct job *job = user;
    mnist_fast_images set = {0};
    mnist_fast *network = NULL, *loaded = NULL, *resumed = NULL;
    mnist_fast_metrics metrics;
    uint32_t crc32;
    const mnist_fast_config config = config_of(50, 0.1, 2, (const int[]){300, 12});
    const mnist_fast_runtime runtime = runtime_of(support_isas[0]->name, 2);
    mnist_fast_error *error = &job->error;
    TRY(mnist_fast_load_images(job->data, MNIST_FAST_TRAIN, 1, &set, error));
    TRY(mnist_fast_create(&config, &runtime, &network, error));
    if (network)
        network->all_threads = true;
    TRY(mnist_fast_train(network, &set, 2, NULL, NULL, error));
    TRY(mnist_fast_check_writable(job->model, error));
    TRY(mnist_fast_save_checkpoint(network, job->model, 5, error));
    TRY(mnist_fast_load_checkpoint(job->model, &runtime, &resumed, &crc32, error));
    TRY(mnist_fast_save(network, job->model, error));
    TRY(mnist_fast_load(job->model, &runtime, &loaded, error));
    TRY(mnist_fast_evaluate(loaded, &set, &metrics, confusion, error));
    TRY(mnist_fast_predict(loaded, &set, digits, probabilities, error));
    for (int row = 20; row < 80; row++)
        memset(grey + 100 * row + 45, 255, 10);
    const mnist_fast_picture picture = {grey, 100, 100, 100};
    TRY(mnist_fast_prepare_picture(&picture, MNIST_FAST_INVERT_NO, 0, seen, error));
    if (!support_short)
        TRY(mnist_fast_selftest(NULL, NULL, error));
    job->crc32 = mnist_fast_weights_crc32(loaded);
    mnist_fast_free(network);
    mnist_fast_free(loaded);
    mnist_fast_free(resumed);
    mnist_fast_free_images(&set);
    return NULL;
}

START_TEST(small_stack)
{
    folder_make();
    write_data(in_folder("data"), "train", TRAIN_IMAGES, 1);
    struct job job[2] = {{.data = in_folder("data"), .model = in_folder("model")}};
    job[1] = job[0];
    for (int i = 0; i < 2; i++) { /* the usual stack, and a small one */
        support_case("%s stack", i ? "small" : "usual");
        pthread_t thread;
        pthread_attr_t attributes;
        ck_assert_int_eq(pthread_attr_init(&attributes), 0);
        if (i && !support_short) /* sanitizers need more, and so do emulators */
            ck_assert_int_eq(pthread_attr_setstacksize(&attributes, 64 << 10), 0);
        ck_assert_int_eq(pthread_create(&thread, &attributes, use_everything, &job[i]), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        pthread_attr_destroy(&attributes);
        if (job[i].failed)
            support_fail("%s: %s", job[i].failed, job[i].error.text);
    }
    ck_assert_uint_eq(job[0].crc32, job[1].crc32);
    folder_remove();
}
END_TEST

/* ---- the host's own parallel regions: nested ones have one thread, or more where the host allows it ---- */

START_TEST(within_parallel_regions)
{
    enum { HOST_THREADS = 4 };
    mnist_fast *alone = network_of(2);
    train(alone, &images, 2, NULL, NULL);
    const uint32_t expected_here = mnist_fast_weights_crc32(alone);
    ck_assert_int_eq(mnist_fast_predict(alone, &images, expected, NULL, NULL), MNIST_FAST_OK);
    mnist_fast_free(alone);
    for (int levels = 1; levels <= 2; levels++)
        for (int threads = 1; threads <= 3; threads++) {
            support_case("%d levels, networks of %d threads", levels, threads);
            uint32_t crc[HOST_THREADS] = {0};
            bool same[HOST_THREADS] = {false};
            omp_set_max_active_levels(levels);
#pragma omp parallel num_threads(HOST_THREADS)
            {
                const int i = omp_get_thread_num();
                uint8_t digits[IMAGES];
                mnist_fast *network = network_of(threads);
                const mnist_fast_status status = mnist_fast_train(network, &images, 2, NULL, NULL, NULL);
                crc[i] = mnist_fast_weights_crc32(network);
                same[i] = !status && !mnist_fast_predict(network, &images, digits, NULL, NULL) &&
                          memcmp(digits, expected, IMAGES) == 0;
                mnist_fast_free(network);
            }
            for (int i = 0; i < HOST_THREADS; i++)
                ck_assert_msg(crc[i] == expected_here && same[i], "thread %d: %08x, expected %08x", i, crc[i],
                              expected_here);
        }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("team");
    TCase *tcase = tcase_create("team");
    tcase_add_checked_fixture(tcase, make_images, NULL);
    if (support_short)
        printf("SKIP: a limit of memory: sanitizers reserve more, emulators ignore it\n");
    else
        tcase_add_test(tcase, too_many_threads_are_an_error);
    tcase_add_test(tcase, forked_child_computes);
    tcase_add_test(tcase, small_stack);
    tcase_add_test(tcase, within_parallel_regions);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
