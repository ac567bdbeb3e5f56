/* Threads that the system does not give, and networks in a forked process. */
#include "networks.h"

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
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
