/* The learning rate of each step: its formula, its bits, and that training uses it. */
#include "engine/schedule.h"

#include "trainings.h"

#include <float.h>
#include <math.h>
#include <string.h>

static mnist_fast_config cosine(int epochs, int warmup)
{
    static const int hidden[] = {17, 9};
    mnist_fast_config config = config_of(BATCH, 0.1, 2, hidden);
    config.schedule = MNIST_FAST_COSINE;
    config.schedule_epochs = epochs;
    config.warmup_steps = warmup;
    return config;
}

/* ---- The formula ---- */

/* Against libm in long double. A rounding each, and twice where a square follows: the quotient, the product with pi/2,
 * the series; then the square, the difference and the product with the rate. */
START_TEST(cosine_formula)
{
    static const int steps[] = {1, 2, 3, 10, 270, 2700, 1000003};
    mnist_fast_config config = cosine(1, 0);
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
        for (int warmup = 0; warmup < steps[s]; warmup += 1 + steps[s] / 3) {
            config.warmup_steps = warmup;
            const int stride = 1 + steps[s] / 5000;
            for (int step = warmup + 1; step <= steps[s]; step += stride) {
                support_case("step %d of %d, warm-up %d", step, steps[s], warmup);
                const long double t = (long double)(step - 1 - warmup) / (steps[s] - warmup);
                const long double sine = sinl(acosl(-1.0L) / 2 * (1 - t));
                const double expected = (double)(config.learning_rate * sine * sine),
                             found = mf_learning_rate(&config, (uint64_t)step, (uint64_t)steps[s]);
                if (!(fabs(found - expected) <= 8 * DBL_EPSILON * expected))
                    support_fail("%.17g, expected %.17g", found, expected);
            }
        }
}
END_TEST

/* The ends, and what is between them, as the documentation says. */
START_TEST(shape_of_the_schedule)
{
    enum { STEPS = 1000, WARMUP = 40 };
    mnist_fast_config config = cosine(1, WARMUP);
    const double rate = config.learning_rate;
    double before = 0;
    for (uint64_t step = 1; step <= STEPS; step++) {
        const double found = mf_learning_rate(&config, step, STEPS);
        ck_assert(found > 0 && found <= rate);
        ck_assert(step <= WARMUP ? found > before : step == WARMUP + 1 ? found == before : found < before);
        before = found;
    }
    ck_assert(mf_learning_rate(&config, 1, STEPS) == rate / WARMUP);
    ck_assert(mf_learning_rate(&config, WARMUP, STEPS) == rate);
    ck_assert(before < rate * 1e-5); /* the last step is one away from zero */
    /* in the middle, half */
    ck_assert_double_eq_tol(mf_learning_rate(&config, WARMUP + 1 + (STEPS - WARMUP) / 2, STEPS), rate / 2,
                            rate * 1e-15);

    config.schedule = MNIST_FAST_CONSTANT;
    ck_assert(mf_learning_rate(&config, WARMUP / 4, 0) == rate / 4);
    ck_assert(mf_learning_rate(&config, WARMUP + 1, 0) == rate);
    ck_assert(mf_learning_rate(&config, UINT64_MAX, 0) == rate);
    config.warmup_steps = 0;
    ck_assert(mf_learning_rate(&config, 1, 0) == rate);
}
END_TEST

/* The same bits on every machine: these were computed on x86-64. */
START_TEST(bits_of_the_schedule)
{
    static const struct {
        int warmup, step, steps;
        double rate;
    } known[] = {
        {0, 1, 270, 0x1.0624dep-10},
        {0, 2, 270, 0x1.06229887b80fap-10},
        {0, 100, 270, 0x1.70c480a6fbbbep-11},
        {0, 136, 270, 0x1.0624ddfffffffp-11},
        {0, 269, 270, 0x1.22b99f14ce5d7p-23},
        {0, 270, 270, 0x1.22bc23f83254bp-25},
        {54, 20, 270, 0x1.845c8b425ed09p-12},
        {54, 55, 270, 0x1.0624dep-10},
        {54, 200, 270, 0x1.ff22e1ddfc792p-13},
        {54, 270, 270, 0x1.c6453b44a826fp-25},
        {0, 777777, 1000003, 0x1.eaa8656e70c11p-14},
        {3, 5, 10, 0x1.f253de064ce39p-11},
    };
    mnist_fast_config config = cosine(1, 0);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        config.warmup_steps = known[i].warmup;
        const double found = mf_learning_rate(&config, (uint64_t)known[i].step, (uint64_t)known[i].steps);
        ck_assert_msg(found == known[i].rate, "{%d, %d, %d, %a},", known[i].warmup, known[i].step, known[i].steps,
                      found);
    }
}
END_TEST

/* ---- In training ---- */

struct rates {
    const mnist_fast_config *config;
    int epochs, calls;
};

static int check_rate(const mnist_fast_progress *progress, void *user)
{
    struct rates *rates = user;
    rates->calls++;
    const int step = (progress->epoch - 1) * BATCHES + progress->batch;
    ck_assert(progress->learning_rate ==
              mf_learning_rate(rates->config, (uint64_t)step, (uint64_t)rates->epochs * BATCHES));
    ck_assert_int_eq(progress->finished, step == progress->epochs * BATCHES);
    return 0;
}

static uint32_t weights_after(const mnist_fast_config *config, const struct mf_kernels *isa, int threads)
{
    mnist_fast *network = network_new(config, isa, threads, false);
    struct rates rates = {config, config->schedule_epochs, 0};
    train(network, &images, EPOCHS, check_rate, &rates);
    ck_assert_int_eq(rates.calls, EPOCHS * BATCHES);
    const uint32_t crc = mnist_fast_weights_crc32(network);
    mnist_fast_free(network);
    return crc;
}

/* Each step uses its own rate: a cosine of a longer schedule is another training. */
START_TEST(training_follows_it)
{
    mnist_fast_config config = cosine(EPOCHS, 0);
    const uint32_t expected = weights_after(&config, support_scalar, 1);
    for (int isa = 0; isa < support_isa_count; isa++)
        for (int threads = 1; threads <= 3; threads++) {
            support_case("%s, %d threads", support_isas[isa]->name, threads);
            ck_assert_uint_eq(weights_after(&config, support_isas[isa], threads), expected);
        }
    ck_assert_uint_ne(expected, undisturbed());
    config.schedule_epochs = EPOCHS + 1;
    ck_assert_uint_ne(weights_after(&config, support_isas[0], 1), expected);
    config.schedule_epochs = EPOCHS;
    config.warmup_steps = 1; /* at full rate after one step, but the cosine begins one later */
    ck_assert_uint_ne(weights_after(&config, support_isas[0], 1), expected);
    config.schedule = MNIST_FAST_CONSTANT;
    ck_assert_uint_eq(weights_after(&config, support_isas[0], 1), undisturbed());
    config.warmup_steps = 2;
    ck_assert_uint_ne(weights_after(&config, support_isas[0], 1), undisturbed());
}
END_TEST

/* Stopped after any batch, saved, loaded and gone on with: the same model, and the same file. */
START_TEST(resumes_to_the_bit)
{
    const mnist_fast_config config = cosine(EPOCHS, 3);
    const uint32_t expected = weights_after(&config, support_isas[0], 2);
    mnist_fast_error error;
    for (int at = 1; at < EPOCHS * BATCHES; at++) {
        support_case("stopped after %d batches", at);
        mnist_fast *network = network_new(&config, support_isas[0], 2, false);
        struct stop stop = {.at = at};
        expect_status("train", mnist_fast_train(network, &images, EPOCHS, stop_at, &stop, NULL), MNIST_FAST_STOPPED);
        expect_status("save", mnist_fast_save_checkpoint(network, in_folder("at"), 0, &error), MNIST_FAST_OK);
        mnist_fast_free(network);
        if (mnist_fast_load_checkpoint(in_folder("at"), NULL, &network, NULL, &error))
            support_fail("%s", error.text);
        mnist_fast_config found;
        mnist_fast_get_config(network, &found, sizeof found);
        ck_assert(found.schedule == MNIST_FAST_COSINE && found.schedule_epochs == EPOCHS && found.warmup_steps == 3);
        train(network, &images, EPOCHS, NULL, NULL);
        ck_assert_uint_eq(mnist_fast_weights_crc32(network), expected);
        mnist_fast_free(network);
    }
    /* in parts, too */
    mnist_fast *network = network_new(&config, support_isas[0], 1, false);
    for (int epoch = 0; epoch <= EPOCHS; epoch++)
        train(network, &images, epoch, NULL, NULL);
    ck_assert_uint_eq(mnist_fast_weights_crc32(network), expected);
    mnist_fast_free(network);
}
END_TEST

/* The rate follows from the place in the epochs: an epoch that starts again has its rates again. */
START_TEST(restarted_epoch_repeats_its_rates)
{
    const mnist_fast_config config = cosine(EPOCHS, 0);
    mnist_fast *network = network_new(&config, support_isas[0], 2, false);
    struct stop stop = {.at = BATCHES + 2};
    expect_status("train", mnist_fast_train(network, &images, EPOCHS, stop_at, &stop, NULL), MNIST_FAST_STOPPED);
    mnist_fast_restart_epoch(network);
    struct rates rates = {&config, EPOCHS, 0};
    train(network, &images, EPOCHS, check_rate, &rates);
    ck_assert_int_eq(rates.calls, BATCHES);
    mnist_fast_free(network);
}
END_TEST

START_TEST(refused)
{
    mnist_fast_config config = cosine(EPOCHS, 0);
    mnist_fast *network = network_new(&config, support_isas[0], 2, false);
    mnist_fast_error error;
    expect_bad_argument("too many epochs", mnist_fast_train(network, &images, EPOCHS + 1, NULL, NULL, &error), &error);
    ck_assert_str_eq(error.text, "epochs: expected at most the 2 of the schedule, found 3");
    config.warmup_steps = EPOCHS * BATCHES;
    ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    expect_bad_argument("warm-up", mnist_fast_train(network, &images, EPOCHS, NULL, NULL, &error), &error);
    ck_assert_str_eq(error.text, "steps of the warm-up: expected less than the 10 of the schedule, found 10");
    expect_position(network, 0, 0, 0);
    config.warmup_steps--;
    ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    train(network, &images, EPOCHS, NULL, NULL);
    mnist_fast_free(network);
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *suite = suite_create("schedule");
    TCase *formula = tcase_create("formula");
    tcase_set_timeout(formula, 30);
    tcase_add_test(formula, cosine_formula);
    tcase_add_test(formula, shape_of_the_schedule);
    tcase_add_test(formula, bits_of_the_schedule);
    suite_add_tcase(suite, formula);
    TCase *training = tcase_create("training");
    tcase_set_timeout(training, 60);
    tcase_add_checked_fixture(training, trainings_begin, trainings_end);
    tcase_add_test(training, training_follows_it);
    tcase_add_test(training, resumes_to_the_bit);
    tcase_add_test(training, restarted_epoch_repeats_its_rates);
    tcase_add_test(training, refused);
    suite_add_tcase(suite, training);
    return support_run(suite);
}
