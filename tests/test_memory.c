/* How much memory networks take with many threads. */
#include "engine/workspace.h"
#include "networks.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const int hidden[] = {500, 500, 500};

/* Bytes of the workspace after a prediction of one image. */
static size_t workspace_of(int threads)
{
    const mnist_fast_config config = config_of(1000, 0.1, 3, hidden);
    mnist_fast *network = network_new(&config, support_isas[0], threads, false);
    static const uint8_t pixels[MNIST_FAST_PIXELS];
    const mnist_fast_images image = {.pixels = pixels, .count = 1};
    mnist_fast_error error;
    if (mnist_fast_predict(network, &image, NULL, NULL, &error))
        support_fail("%d threads: %s", threads, error.text);
    const size_t size = malloc_usable_size(network->workspace->memory);
    mnist_fast_free(network);
    return size;
}

/* A thread more costs the same, however many there are already. */
START_TEST(workspace_grows_linearly)
{
    const size_t least = workspace_of(64), most = workspace_of(MNIST_FAST_MAX_THREADS);
    for (int threads = 64; threads < MNIST_FAST_MAX_THREADS; threads *= 2) {
        const double expected = (double)least + (double)(most - least) * (threads - 64) / (MNIST_FAST_MAX_THREADS - 64);
        const double found = (double)workspace_of(threads);
        const double slack = 0.02 * expected + (2 << 20); /* a block begins at a huge page */
        if (!(found > expected - slack && found < expected + slack))
            support_fail("%d threads: %.0f bytes, expected %.0f; 64 threads take %zu, %d take %zu", threads, found,
                         expected, least, MNIST_FAST_MAX_THREADS, most);
    }
    ck_assert_uint_lt(most / MNIST_FAST_MAX_THREADS, 5u << 18); /* 1.25 MB */
}
END_TEST

/* A whole process: threads with their stacks, the default network, a batch. all: those too that are not worth starting,
 * which a user's training leaves out. */
static const struct {
    int threads;
    bool all;
    long limit; /* megabytes */
} processes[] = {{64, true, 160}, {1000, false, 256}};

START_TEST(training_with_many_threads)
{
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct random random = random_from(800, 0, 0, 0);
        mnist_fast_images images = images_new(&random, 1112); /* 1001 to train on */
        const mnist_fast_config config = config_of(1000, 0.1, 3, hidden);
        mnist_fast *network = network_new(&config, support_isas[0], processes[_i].threads, false);
        network->all_threads = processes[_i].all;
        const mnist_fast_status status = mnist_fast_train(network, &images, 1, NULL, NULL, NULL);
        _exit(status != MNIST_FAST_OK);
    }
    int status;
    struct rusage usage;
    ck_assert_int_eq(wait4(child, &status, 0, &usage), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("a training with %d threads: %ld MB\n", processes[_i].threads, usage.ru_maxrss >> 10);
    if (usage.ru_maxrss > processes[_i].limit << 10)
        support_fail("%d threads: %ld KB, expected at most %ld MB", processes[_i].threads, usage.ru_maxrss,
                     processes[_i].limit);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 60);
    if (support_short)
        printf("SKIP: memory of a process: sanitizers and emulators take more\n");
    else
        tcase_add_loop_test(tcase, training_with_many_threads, 0, sizeof processes / sizeof *processes);
    tcase_add_test(tcase, workspace_grows_linearly);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
