/* The callback of a training: what it receives, and what it may do. */
#include "trainings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct told {
    const mnist_fast *network;
    int calls, epochs_done;
};

static int check_progress(const mnist_fast_progress *p, void *user)
{
    struct told *told = user;
    const int epoch = told->calls / BATCHES, batch = told->calls % BATCHES + 1;
    support_case("call %d", told->calls++);
    ck_assert(p->epoch == epoch + 1 && p->epochs == EPOCHS && p->batch == batch && p->batches == BATCHES);
    ck_assert_int_eq(p->epoch_done, batch == BATCHES);
    expect_position(told->network, epoch + p->epoch_done, p->epoch_done ? 0 : batch, (uint64_t)told->calls);
    if (!p->epoch_done)
        return 0;
    told->epochs_done++;
    ck_assert(p->seconds > 0 && p->images_per_second > 0);
    ck_assert(p->train.loss > 0 && p->train.accuracy >= 0 && p->train.accuracy <= 1);
    ck_assert(p->validation.loss > 0 && p->validation.accuracy >= 0 && p->validation.accuracy <= 1);
    return 0;
}

START_TEST(callback_is_told)
{
    mnist_fast *network = new_network(_i);
    struct told told = {.network = network};
    train(network, &images, EPOCHS, check_progress, &told);
    ck_assert_int_eq(told.calls, EPOCHS * BATCHES);
    ck_assert_int_eq(told.epochs_done, EPOCHS);
    train(network, &images, EPOCHS, check_progress, &told); /* nothing is left to do */
    train(network, &images, 0, check_progress, &told);
    ck_assert_int_eq(told.calls, EPOCHS * BATCHES);
    mnist_fast_free(network);
}
END_TEST

static int expect_no_validation(const mnist_fast_progress *p, void *user)
{
    *(int *)user += p->epoch_done;
    ck_assert(!p->epoch_done || (isnan(p->validation.loss) && isnan(p->validation.accuracy)));
    return 0;
}

START_TEST(without_validation)
{
    static const int hidden[] = {8};
    const mnist_fast_config config = config_of(BATCH, 0, 1, hidden);
    mnist_fast *network = network_new(&config, support_isas[0], 2, false);
    int epochs = 0;
    train(network, &images, EPOCHS, expect_no_validation, &epochs);
    ck_assert_int_eq(epochs, EPOCHS);
    mnist_fast_free(network);
}
END_TEST

/* ---- What the callback may do ---- */

struct busy {
    mnist_fast *network;
    uint32_t crc; /* of the weights at the last call */
    int calls;
};

static int try_everything(const mnist_fast_progress *progress, void *user)
{
    struct busy *busy = user;
    mnist_fast *const network = busy->network;
    support_case("call %d", busy->calls++);
    mnist_fast_config config, changed;
    mnist_fast_get_config(network, &config, sizeof config);
    changed = config;
    changed.learning_rate = 1;
    mnist_fast_metrics metrics = {-1, -1};
    uint8_t digits[IMAGES];
    memset(digits, 77, sizeof digits);
    mnist_fast_error error = {""};
    expect_status("predict", mnist_fast_predict(network, &images, digits, NULL, &error), MNIST_FAST_BUSY);
    ck_assert_ptr_nonnull(strstr(error.text, "the network is training"));
    ck_assert_int_eq(digits[0], 77);
    expect_status("evaluate", mnist_fast_evaluate(network, &images, &metrics, NULL, NULL), MNIST_FAST_BUSY);
    ck_assert(metrics.loss == -1);
    error.text[0] = '\0';
    expect_status("train", mnist_fast_train(network, &images, 9, NULL, NULL, &error), MNIST_FAST_BUSY);
    ck_assert_ptr_nonnull(strstr(error.text, "the network is training"));
    error.text[0] = '\0';
    expect_status("set_config", mnist_fast_set_config(network, &changed, &error), MNIST_FAST_BUSY);
    ck_assert_ptr_nonnull(strstr(error.text, "the network is training"));
    mnist_fast_get_config(network, &changed, sizeof changed);
    ck_assert_mem_eq(&changed, &config, sizeof config);
    const mnist_fast_position position = mnist_fast_get_position(network);
    mnist_fast_restart_epoch(network);
    mnist_fast_set_profiling(network, 1);
    expect_position(network, position.epoch, position.batch, position.step);

    busy->crc = mnist_fast_weights_crc32(network);
    char name[32];
    snprintf(name, sizeof name, "checkpoint%d", busy->calls);
    expect_status("save", mnist_fast_save(network, in_folder("model"), &error), MNIST_FAST_OK);
    expect_status("save_checkpoint", mnist_fast_save_checkpoint(network, in_folder(name), 5, &error), MNIST_FAST_OK);
    mnist_fast *model;
    expect_status("load", mnist_fast_load(in_folder("model"), NULL, &model, &error), MNIST_FAST_OK);
    ck_assert_uint_eq(mnist_fast_weights_crc32(model), busy->crc);
    ck_assert_int_eq(mnist_fast_get_position(model).epoch, position.epoch);
    mnist_fast_free(model);
    (void)progress;
    return 0;
}

/* What would change the network is refused, what reads it is not; and the training is the same in the end, also where
 * it goes on from what was saved on the way. */
START_TEST(callback_finds_it_busy)
{
    const uint32_t expected = undisturbed();
    struct busy busy = {.network = new_network(_i)};
    train(busy.network, &images, EPOCHS, try_everything, &busy);
    ck_assert_uint_eq(mnist_fast_weights_crc32(busy.network), expected);
    ck_assert_uint_eq(busy.crc, expected);
    ck_assert_int_eq(busy.calls, EPOCHS * BATCHES);
    mnist_fast_phase gather;
    mnist_fast_get_profile(busy.network, &gather, 1);
    ck_assert(gather.seconds == 0); /* set_profiling had no effect */
    uint8_t digits[IMAGES];
    expect_status("predict", mnist_fast_predict(busy.network, &images, digits, NULL, NULL), MNIST_FAST_OK);
    mnist_fast_free(busy.network);

    for (int call = 1; call <= EPOCHS * BATCHES; call++) {
        support_case("from the checkpoint of call %d", call);
        char name[32];
        snprintf(name, sizeof name, "checkpoint%d", call);
        mnist_fast *network;
        uint32_t data_crc32;
        mnist_fast_error error;
        if (mnist_fast_load_checkpoint(in_folder(name), NULL, &network, &data_crc32, &error))
            support_fail("%s", error.text);
        ck_assert_uint_eq(data_crc32, 5);
        train(network, &images, EPOCHS, NULL, NULL);
        ck_assert_uint_eq(mnist_fast_weights_crc32(network), expected);
        mnist_fast_free(network);
    }
}
END_TEST

/* Stopping frees it: what was refused is then allowed. */
START_TEST(stopped_is_not_busy)
{
    mnist_fast *network = stopped_network(_i, 3);
    uint8_t digits[IMAGES];
    mnist_fast_config config;
    mnist_fast_get_config(network, &config, sizeof config);
    expect_status("predict", mnist_fast_predict(network, &images, digits, NULL, NULL), MNIST_FAST_OK);
    expect_status("set_config", mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    expect_position(network, 0, 3, 3);
    train(network, &images, EPOCHS, NULL, NULL);
    ck_assert_uint_eq(mnist_fast_weights_crc32(network), undisturbed());
    mnist_fast_free(network);
}
END_TEST

static int train_another(const mnist_fast_progress *progress, void *user)
{
    (void)progress;
    mnist_fast *other = new_network(2);
    train(other, &images, EPOCHS, NULL, NULL);
    ck_assert_uint_eq(mnist_fast_weights_crc32(other), *(const uint32_t *)user);
    uint8_t digits[IMAGES];
    expect_status("predict", mnist_fast_predict(other, &images, digits, NULL, NULL), MNIST_FAST_OK);
    mnist_fast_free(other);
    return 0;
}

START_TEST(callback_may_use_another_network)
{
    uint32_t expected = undisturbed();
    mnist_fast *network = new_network(_i);
    train(network, &images, EPOCHS, train_another, &expected);
    ck_assert_uint_eq(mnist_fast_weights_crc32(network), expected);
    mnist_fast_free(network);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("callback");
    TCase *tcase = tcase_create("callback");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, trainings_begin, trainings_end);
    enum { THREADS_MAX = 3 }; /* a test of a loop for each number of threads */
    tcase_add_loop_test(tcase, callback_is_told, 1, THREADS_MAX + 1);
    tcase_add_test(tcase, without_validation);
    tcase_add_loop_test(tcase, callback_finds_it_busy, 1, THREADS_MAX + 1);
    tcase_add_loop_test(tcase, stopped_is_not_busy, 1, THREADS_MAX + 1);
    tcase_add_loop_test(tcase, callback_may_use_another_network, 1, THREADS_MAX + 1);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
