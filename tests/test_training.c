/* Trainings one after another and side by side: what changes between them, and what they count. */
#include "trainings.h"

#include <math.h>
#include <pthread.h>

/* ---- Between trainings ---- */

/* Values that decide the batches restart the epoch that is under way; others do not. */
START_TEST(set_config_restarts_the_epoch)
{
    enum { AT = 8, DONE = AT % BATCHES };
    mnist_fast *network = stopped_network(2, AT);
    mnist_fast_config config;
    mnist_fast_get_config(network, &config, sizeof config);
    const mnist_fast_config before = config;

    /* none of these has a part in it; hidden units after the last layer mean nothing */
    config.learning_rate = 0.25f;
    config.beta1 = 0.5f;
    config.beta2 = 0.5f;
    config.epsilon = 1;
    config.hidden[2] = 77;
    expect_status("set_config", mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    expect_position(network, 1, DONE, AT);
    mnist_fast_config found;
    mnist_fast_get_config(network, &found, sizeof found);
    ck_assert(found.learning_rate == 0.25f && found.beta1 == 0.5f && found.beta2 == 0.5f && found.epsilon == 1);
    mnist_fast_free(network);

    for (int i = 0; i < 4; i++) {
        support_case("value %d", i);
        network = stopped_network(2, AT);
        config = before;
        config.batch_size += i == 0;
        config.shuffle_buffer += i == 1;
        config.seed += i == 2;
        config.validation_fraction += i == 3 ? 0.1 : 0;
        expect_status("set_config", mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
        expect_position(network, 1, 0, AT);
        mnist_fast_free(network);
    }

    /* the hidden layers stay, and with them all that was asked for together */
    for (int i = 0; i < 3; i++) {
        support_case("hidden layers, %d", i);
        network = stopped_network(2, AT);
        config = before;
        config.hidden[2] = 5;
        expect_status("set_config", mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
        const mnist_fast_config kept = config;
        config.seed = 9;
        config.hidden[1] += i == 0;
        config.hidden_count += i == 1 ? 1 : i == 2 ? -1 : 0;
        mnist_fast_error error;
        expect_bad_argument("set_config", mnist_fast_set_config(network, &config, &error), &error);
        ck_assert_ptr_nonnull(strstr(error.text, "hidden layers: cannot be changed"));
        mnist_fast_get_config(network, &found, sizeof found);
        ck_assert_mem_eq(&found, &kept, sizeof kept);
        expect_position(network, 1, DONE, AT);
        mnist_fast_free(network);
    }
}
END_TEST

/* The new value is what the next step uses. */
START_TEST(set_config_takes_effect)
{
    const uint32_t unchanged = undisturbed();
    uint32_t crc[2];
    for (int i = 0; i < 2; i++) {
        mnist_fast *network = stopped_network(1 + i, BATCHES);
        mnist_fast_config config;
        mnist_fast_get_config(network, &config, sizeof config);
        config.learning_rate *= 2;
        expect_status("set_config", mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
        train(network, &images, EPOCHS, NULL, NULL);
        crc[i] = mnist_fast_weights_crc32(network);
        mnist_fast_free(network);
    }
    ck_assert_uint_eq(crc[0], crc[1]);
    ck_assert_uint_ne(crc[0], unchanged);
}
END_TEST

static int count_calls(const mnist_fast_progress *progress, void *user)
{
    (void)progress;
    ++*(int *)user;
    return 0;
}

START_TEST(restart_epoch)
{
    mnist_fast *network = stopped_network(2, BATCHES + 3);
    mnist_fast_restart_epoch(network);
    expect_position(network, 1, 0, BATCHES + 3);
    int calls = 0;
    train(network, &images, EPOCHS, count_calls, &calls);
    ck_assert_int_eq(calls, BATCHES); /* the whole epoch again */
    expect_position(network, EPOCHS, 0, EPOCHS * BATCHES + 3);
    mnist_fast_free(network);
}
END_TEST

/* ---- What is counted ---- */

struct rates {
    double trained[EPOCHS + 1]; /* images, by their rate and the seconds */
};

static int note_rate(const mnist_fast_progress *progress, void *user)
{
    struct rates *rates = user;
    if (progress->epoch_done)
        rates->trained[progress->epoch] = progress->images_per_second * progress->seconds;
    return 0;
}

/* After a resume in the middle of an epoch, its rate counts the images that this call trained. */
START_TEST(rate_counts_what_was_trained)
{
    for (int at = 0; at < BATCHES; at++)
        for (int reload = 0; reload < 2; reload++) {
            support_case("stopped after %d batches, %s", at, reload ? "from a checkpoint" : "in one process");
            mnist_fast *network = at ? stopped_network(2, at) : new_network(2);
            mnist_fast_error error;
            if (reload) {
                expect_status("save_checkpoint", mnist_fast_save_checkpoint(network, in_folder("rate"), 0, &error),
                              MNIST_FAST_OK);
                mnist_fast_free(network);
                expect_status("load_checkpoint",
                              mnist_fast_load_checkpoint(in_folder("rate"), NULL, &network, NULL, &error),
                              MNIST_FAST_OK);
            }
            struct rates rates = {{0}};
            train(network, &images, EPOCHS, note_rate, &rates);
            ck_assert_double_eq_tol(rates.trained[1], TRAINED - at * BATCH, 1e-6);
            ck_assert_double_eq_tol(rates.trained[2], TRAINED, 1e-6);
            mnist_fast_free(network);
        }
}
END_TEST

static int note_batches(const mnist_fast_progress *progress, void *user)
{
    *(int *)user = progress->batches;
    return 0;
}

/* With batches of one image the number of batches is that of the training images. */
START_TEST(split_counts_are_those_of_training)
{
    static const double fractions[] = {0, 0.1, 0.25, 1 / 3., 0.5, 0.04, 0.999, 1e-9};
    static const int hidden_units[] = {1};
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++)
        for (size_t count = 1; count <= 12; count += 1 + count / 3) {
            support_case("%zu images, fraction %g", count, fractions[i]);
            const mnist_fast_config config = config_of(1, fractions[i], 1, hidden_units);
            mnist_fast *network = network_new(&config, support_scalar, 1, false);
            const mnist_fast_images few = {.pixels = images.pixels, .labels = images.labels, .count = count};
            int batches = 0;
            train(network, &few, 1, note_batches, &batches);
            size_t trained, held_out;
            mnist_fast_split_counts(count, fractions[i], &trained, &held_out);
            ck_assert_uint_eq(trained, (size_t)batches);
            ck_assert_uint_eq(trained + held_out, count);
            mnist_fast_free(network);
        }
    static const double wrong[] = {-0.1, 1, 2, NAN, INFINITY};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t trained, held_out;
        mnist_fast_split_counts(10, wrong[i], &trained, &held_out);
        ck_assert(trained == 10 && held_out == 0);
    }
    size_t trained, held_out;
    mnist_fast_split_counts(0, 0.5, &trained, &held_out);
    ck_assert(trained == 0 && held_out == 0);
}
END_TEST

static double seconds_of(const mnist_fast *network, double *flop)
{
    mnist_fast_phase phases[32];
    const size_t count = mnist_fast_get_profile(network, phases, 32);
    ck_assert(count > 3 && count < 32);
    double seconds = 0;
    *flop = 0;
    for (size_t i = 0; i < count; i++) {
        ck_assert(phases[i].name && *phases[i].name && phases[i].seconds >= 0 && phases[i].flop >= 0);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(phases[i].name, phases[k].name);
        seconds += phases[i].seconds;
        *flop += phases[i].flop;
    }
    return seconds;
}

START_TEST(profile)
{
    /* forward, weight gradient and input gradient (not of the pixels) of what is trained, forward of what is held out
     */
    const double layers[] = {784 * 17, 17 * 9, 9 * 10}, forward = layers[0] + layers[1] + layers[2];
    const double flop_of_epoch = 2 * (TRAINED * (3 * forward - layers[0]) + HELD_OUT * forward);
    mnist_fast *network = new_network(_i);
    double flop, before;
    train(network, &images, 1, NULL, NULL);
    ck_assert(seconds_of(network, &flop) == 0 && flop == 0); /* off at first */
    mnist_fast_set_profiling(network, 1);
    train(network, &images, 2, NULL, NULL);
    const double one = seconds_of(network, &flop);
    ck_assert(one > 0);
    ck_assert_double_eq(flop, flop_of_epoch);
    train(network, &images, 4, NULL, NULL);
    const double three = seconds_of(network, &flop);
    ck_assert(three > one);
    ck_assert_double_eq(flop, 3 * flop_of_epoch);
    mnist_fast_set_profiling(network, 0); /* the sums stay */
    train(network, &images, 5, NULL, NULL);
    before = flop;
    ck_assert(seconds_of(network, &flop) == three && flop == before);
    mnist_fast_set_profiling(network, 1); /* from 0 again */
    ck_assert(seconds_of(network, &flop) == 0 && flop == 0);

    mnist_fast_phase phases[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    ck_assert_uint_gt(mnist_fast_get_profile(network, phases, 2), 3);
    ck_assert_str_ne(phases[0].name, "a");
    ck_assert_str_ne(phases[1].name, "b");
    ck_assert_str_eq(phases[2].name, "c");
    mnist_fast_free(network);
}
END_TEST

/* ---- Several at once ---- */

static void *train_one(void *user)
{
    mnist_fast *network = new_network(2);
    train(network, &images, EPOCHS, NULL, NULL);
    *(uint32_t *)user = mnist_fast_weights_crc32(network);
    mnist_fast_free(network);
    return NULL;
}

/* One network is used by one thread; several networks from several threads. */
START_TEST(networks_train_side_by_side)
{
    enum { NETWORKS = 4 };
    const uint32_t expected = undisturbed();
    pthread_t thread[NETWORKS];
    uint32_t crc[NETWORKS];
    for (int i = 0; i < NETWORKS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, train_one, &crc[i]), 0);
    for (int i = 0; i < NETWORKS; i++) {
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
        ck_assert_uint_eq(crc[i], expected);
    }
}
END_TEST

/* The workspace then holds more images than a batch, because every thread evaluates some. Where a kernel looks at all
 * of them at once, an assertion fails, in the sanitized build. */
START_TEST(more_threads_than_images_of_a_batch)
{
    static const int hidden[] = {8};
    struct random random = random_from(77, 0, 0, 0);
    mnist_fast_images few = images_new(&random, 300);
    const mnist_fast_config config = config_of(5, 0.1, 1, hidden);
    uint32_t crc[2];
    for (int i = 0; i < 2; i++) {
        mnist_fast *network = network_new(&config, support_isas[0], i ? 64 : 1, false);
        train(network, &few, 1, NULL, NULL);
        crc[i] = mnist_fast_weights_crc32(network);
        mnist_fast_free(network);
    }
    ck_assert_uint_eq(crc[0], crc[1]);
    mnist_fast_free_images(&few);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("training");
    TCase *tcase = tcase_create("training");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, trainings_begin, trainings_end);
    tcase_add_test(tcase, set_config_restarts_the_epoch);
    tcase_add_test(tcase, set_config_takes_effect);
    tcase_add_test(tcase, restart_epoch);
    tcase_add_test(tcase, rate_counts_what_was_trained);
    tcase_add_test(tcase, split_counts_are_those_of_training);
    tcase_add_loop_test(tcase, profile, 1, 4); /* threads */
    tcase_add_test(tcase, networks_train_side_by_side);
    tcase_add_test(tcase, more_threads_than_images_of_a_batch);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
