/* One seed, one model: for every instruction set, team of threads, interruption and floating-point environment. */
#include "folder.h"
#include "networks.h"

#include <fenv.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* The tables that run here, of one precision: the first `tables`, scalar last. */
static const struct mf_kernels *table[SUPPORT_ISAS_MAX];
static int tables;

static void find_tables(enum mf_precision precision)
{
    tables = 0;
    for (const struct mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++)
        if ((*isa)->supported())
            table[tables++] = *isa;
}

/* All that a training leaves behind. */
struct result {
    float *values;
    size_t count;
    double metrics[4]; /* of the last epoch, training and validation */
};

static int note_metrics(const mnist_fast_progress *progress, void *user)
{
    struct result *result = user;
    if (progress->epoch_done) {
        const double metrics[] = {progress->train.loss, progress->train.accuracy, progress->validation.loss,
                                  progress->validation.accuracy};
        memcpy(result->metrics, metrics, sizeof metrics);
    }
    return 0;
}

static void collect(const mnist_fast *network, struct result *result)
{
    result->count = 3 * mnist_fast_parameter_count(network);
    result->values = malloc(result->count * sizeof(float));
    if (!result->values)
        support_fail("no memory for a result");
    float *next = result->values;
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++)
        for (int t = 0; t < mf_tensor_count(network); t++) {
            mf_tensor_get(network, t, (enum mf_tensor_kind)kind, next);
            next += mf_tensor_size(network, t);
        }
}

/* Fails unless got is expected, bit for bit; frees got. */
static void expect_result(const struct result *expected, struct result *got)
{
    if (got->count != expected->count)
        support_fail("%zu numbers, expected %zu", got->count, expected->count);
    for (size_t i = 0; i < got->count; i++)
        if (memcmp(got->values + i, expected->values + i, sizeof(float)))
            support_fail("%s %zu is %a, expected %a",
                         i < got->count / 3       ? "weight"
                         : i < got->count / 3 * 2 ? "first moment"
                                                  : "second moment",
                         i % (got->count / 3), (double)got->values[i], (double)expected->values[i]);
    for (int i = 0; i < 4; i++)
        if (memcmp(got->metrics + i, expected->metrics + i, sizeof(double)))
            support_fail("metric %d is %a, expected %a", i, got->metrics[i], expected->metrics[i]);
    free(got->values);
    got->values = NULL;
}

enum { EPOCHS = 3, BATCHES = 5, RESULT_IMAGES = 90 }; /* 81 to train on, the last batch is a single image */
static const int result_hidden[] = {20, 35};

static struct result trained(const mnist_fast_images *images, const struct mf_kernels *kernels, int threads, bool dense)
{
    const mnist_fast_config config = config_of(20, 0.1, 2, result_hidden);
    struct result result = {0};
    mnist_fast *network = network_new(&config, kernels, threads, dense);
    train(network, images, EPOCHS, note_metrics, &result);
    collect(network, &result);
    mnist_fast_free(network);
    return result;
}

/* More threads than rows, than tasks, than processors; a runtime that may give fewer than were asked for. */
START_TEST(teams)
{
    static const int threads[] = {1, 2, 3, 5, 16, 64, 200};
    const size_t sizes = sizeof threads / sizeof *threads - (support_short ? 2 : 0);
    struct random random = random_from(502, 0, 0, 0);
    mnist_fast_images images = images_new(&random, RESULT_IMAGES);
    find_tables(_i / 2);
    struct result expected = trained(&images, table[tables - 1], 1, true);
    omp_set_dynamic(_i % 2);
    for (int isa = 0; isa < tables; isa++)
        for (size_t i = 0; i < sizes; i++)
            for (int dense = 0; dense < 2; dense++) {
                support_case("%s, precision %d, %d threads, %s%s", table[isa]->name, _i / 2, threads[i],
                             dense ? "dense" : "sparse", _i % 2 ? ", OMP_DYNAMIC" : "");
                struct result got = trained(&images, table[isa], threads[i], dense);
                expect_result(&expected, &got);
            }
    free(expected.values);
    mnist_fast_free_images(&images);
}
END_TEST

/* Stopped after any batch or epoch, saved, and gone on with by other kernels and another team. */
START_TEST(resume)
{
    struct random random = random_from(503, 0, 0, 0);
    mnist_fast_images images = images_new(&random, RESULT_IMAGES);
    find_tables(_i);
    struct result expected = trained(&images, table[0], 2, false);
    const mnist_fast_config config = config_of(20, 0.1, 2, result_hidden);
    const char *path = in_folder("checkpoint");

    for (int at = 1; at < EPOCHS * BATCHES; at++) {
        const struct mf_kernels *before = table[at % tables], *after = table[(at + 1) % tables];
        support_case("stopped at batch %d of %d, %s, gone on with %s", at, EPOCHS * BATCHES, before->name, after->name);
        mnist_fast *network = network_new(&config, before, 1 + at % 4, at % 3 == 0);
        struct stop stop = {.at = at};
        mnist_fast_error error;
        if (mnist_fast_train(network, &images, EPOCHS, stop_at, &stop, &error) != MNIST_FAST_STOPPED)
            support_fail("the training was not stopped");
        const mnist_fast_position position = mnist_fast_get_position(network);
        if (position.epoch * BATCHES + position.batch != at || position.step != (uint64_t)at)
            support_fail("it stands at epoch %d, batch %d", position.epoch, position.batch);
        if (mnist_fast_save_checkpoint(network, path, 7, &error))
            support_fail("%s", error.text);
        mnist_fast_free(network);

        const mnist_fast_runtime runtime = runtime_of(after->name, 1 + (at + 2) % 5);
        if (mnist_fast_load_checkpoint(path, &runtime, &network, NULL, &error))
            support_fail("%s", error.text);
        network->dense = at % 2;
        struct result got = {0};
        train(network, &images, EPOCHS, note_metrics, &got);
        collect(network, &got);
        mnist_fast_free(network);
        expect_result(&expected, &got);
    }
    free(expected.values);
    mnist_fast_free_images(&images);
}
END_TEST

/* ---- the floating-point environment ---- */

#if defined(__SSE__)
enum { CONTROL = 0xffc0, FLUSH = 0x8040 }; /* MXCSR: masks, rounding, FTZ, DAZ; the rest are flags */
static unsigned control_get(void)
{
    return _mm_getcsr() & CONTROL;
}
static void control_flush(void)
{
    _mm_setcsr(_mm_getcsr() | FLUSH);
}
#elif defined(__aarch64__)
static unsigned control_get(void)
{
    return (unsigned)__builtin_aarch64_get_fpcr();
}
static void control_flush(void)
{
    __builtin_aarch64_set_fpcr((unsigned)__builtin_aarch64_get_fpcr() | 1u << 24); /* FZ */
}
#else
static unsigned control_get(void)
{
    return (unsigned)fegetround();
}
static void control_flush(void)
{
}
#endif

/* A host program that has denormals flushed finds its setting again, and gets the same model: what the kernels do not
 * flush themselves are weights and activations, which do not get that small. */
START_TEST(environment)
{
    find_tables(_i % 2);
    if (_i / 2 >= tables) /* there are as many at most as both lists have */
        return;
    const struct mf_kernels *kernels = table[_i / 2];
    struct random random = random_from(504, 0, 0, 0);
    mnist_fast_images images = images_new(&random, RESULT_IMAGES);
    support_case("floating-point environment, %s", kernels->name);
    const unsigned usual = control_get();
    struct result expected = trained(&images, kernels, 1, false);
    if (control_get() != usual)
        support_fail("the control word is %x after training, was %x", control_get(), usual);
    control_flush();
    const unsigned flushing = control_get();
    for (int threads = 1; threads <= 3; threads++) {
        struct result got = trained(&images, kernels, threads, false);
        if (control_get() != flushing)
            support_fail("the control word is %x after training, was %x", control_get(), flushing);
        expect_result(&expected, &got);
    }
    free(expected.values);
    mnist_fast_free_images(&images);
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *suite = suite_create("reproducibility");
    TCase *tcase = tcase_create("reproducibility");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, teams, 0, 2 * 2);
    tcase_add_loop_test(tcase, resume, 0, 2);
    tcase_add_loop_test(tcase, environment, 0, 2 * SUPPORT_ISAS_MAX);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
