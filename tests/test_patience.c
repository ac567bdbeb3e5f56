/* Patience: when training ends, and that the best epoch is what is left of it, in memory and in files. */
#define _GNU_SOURCE /* memmem */
#include "models.h"
#include "trainings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Trained too fast, on images of which some show their label: the validation loss falls, then goes up and down. */
enum { LIMIT = 16, STEPS = 4 }; /* epochs at most; steps of an epoch */

static mnist_fast_config patient(int patience)
{
    static const int hidden[] = {17, 9};
    mnist_fast_config config = config_of(BATCH, 0.2, 2, hidden);
    config.learning_rate = 0.006f;
    config.patience = patience;
    return config;
}

static mnist_fast *fresh(int patience, int threads)
{
    const mnist_fast_config config = patient(patience);
    return network_new(&config, support_isas[0], threads, false);
}

/* Without patience, epoch by epoch: what each of them gives. */
static struct {
    double loss[LIMIT + 1];
    uint32_t crc[LIMIT + 1];
} epochs;

static int note_loss(const mnist_fast_progress *progress, void *user)
{
    (void)user;
    if (progress->epoch_done)
        epochs.loss[progress->epoch] = progress->validation.loss;
    ck_assert_int_eq(progress->best_epoch, 0);
    return 0;
}

static void begin(void)
{
    trainings_begin();
    for (size_t i = 0; i < images.count; i++)
        if (i % 3)
            memset((uint8_t *)images.pixels + i * MNIST_FAST_PIXELS + images.labels[i] * 56, 200, 20);
    model_path = in_folder("file");
    mnist_fast *network = fresh(0, 1);
    for (int epoch = 1; epoch <= LIMIT; epoch++) {
        train(network, &images, epoch, note_loss, NULL);
        epochs.crc[epoch] = mnist_fast_weights_crc32(network);
        ck_assert_int_eq(mnist_fast_best_epoch(network, NULL), 0);
    }
    mnist_fast_free(network);
}

/* The rule, once more: how many epochs are trained, and which of them is the best. */
static int expected_epochs(int patience, int limit, int *best)
{
    *best = 0;
    for (int epoch = 1; epoch <= limit; epoch++) {
        if (!*best || epochs.loss[epoch] < epochs.loss[*best])
            *best = epoch;
        if (epoch - *best >= patience)
            return epoch;
    }
    return limit;
}

static void expect_best(const mnist_fast *network, int best)
{
    double loss;
    ck_assert_int_eq(mnist_fast_best_epoch(network, &loss), best);
    ck_assert(loss == (best ? epochs.loss[best] : 0));
    if (best)
        ck_assert_uint_eq(mnist_fast_weights_crc32(network), epochs.crc[best]);
}

static int check_best(const mnist_fast_progress *progress, void *user)
{
    const mnist_fast *network = user;
    int best, patience = network->config.patience;
    const int done = progress->epoch - !progress->epoch_done;
    ck_assert_int_eq(expected_epochs(patience, done, &best), done);
    ck_assert_int_eq(progress->best_epoch, best);
    expect_best(network, best);
    int last;
    const bool finished = done == progress->epochs || (done && done - best >= patience);
    ck_assert_int_eq(progress->finished, progress->epoch_done && finished);
    ck_assert_int_le(done, expected_epochs(patience, progress->epochs, &last));
    return 0;
}

START_TEST(best_epoch_is_kept)
{
    bool stopped_early = false, bettered = false;
    static const int patiences[] = {1, 2, 3, LIMIT}, limits[] = {1, 9, LIMIT};
    for (int p = 0; p < 4; p++)
        for (int l = 0; l < 3; l++) {
            const int patience = patiences[p], limit = limits[l];
            support_case("patience %d, %d epochs, %d threads", patience, limit, _i);
            mnist_fast *network = fresh(patience, _i);
            int best;
            const int trained = expected_epochs(patience, limit, &best);
            train(network, &images, limit, check_best, network);
            expect_position(network, trained, 0, (uint64_t)trained * STEPS);
            expect_best(network, best);
            train(network, &images, LIMIT, NULL, NULL); /* goes on only where patience is left */
            const int later = expected_epochs(patience, LIMIT, &best);
            expect_position(network, later, 0, (uint64_t)later * STEPS);
            expect_best(network, best);
            stopped_early |= trained < limit;
            bettered |= best > 1 && best < later;
            mnist_fast_free(network);
        }
    ck_assert(stopped_early && bettered); /* else the data shows nothing */
}
END_TEST

/* A patience for which training ends between the epochs 3 and LIMIT, with its best epoch neither first nor last. */
static int patience_that_ends_training(int *trained, int *best)
{
    for (int patience = 2; patience < LIMIT; patience++) {
        *trained = expected_epochs(patience, LIMIT, best);
        if (*trained > 3 && *trained<LIMIT && * best> 1)
            return patience;
    }
    support_fail("no patience shows anything");
    return 0;
}

/* What computes and what reads uses the best epoch. */
START_TEST(everything_uses_the_best_epoch)
{
    int trained, best;
    const int patience = patience_that_ends_training(&trained, &best);
    mnist_fast *network = fresh(patience, 2), *plain = fresh(0, 2);
    train(network, &images, LIMIT, NULL, NULL);
    train(plain, &images, best, NULL, NULL);
    mnist_fast_metrics a, b;
    float p[2][IMAGES][MNIST_FAST_CLASSES];
    uint8_t digits[2][IMAGES];
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_evaluate(network, &images, &a, NULL, &error), MNIST_FAST_OK);
    ck_assert_int_eq(mnist_fast_evaluate(plain, &images, &b, NULL, &error), MNIST_FAST_OK);
    ck_assert(a.loss == b.loss && a.accuracy == b.accuracy);
    ck_assert_int_eq(mnist_fast_predict(network, &images, digits[0], p[0][0], &error), MNIST_FAST_OK);
    ck_assert_int_eq(mnist_fast_predict(plain, &images, digits[1], p[1][0], &error), MNIST_FAST_OK);
    ck_assert_mem_eq(p[0], p[1], sizeof p[0]);
    ck_assert_mem_eq(digits[0], digits[1], sizeof digits[0]);
    for (int layer = 0; layer < 3; layer++) {
        static float weights[2][784 * 17], biases[2][17];
        ck_assert_int_eq(mnist_fast_get_layer(network, layer, weights[0], biases[0], &error), MNIST_FAST_OK);
        ck_assert_int_eq(mnist_fast_get_layer(plain, layer, weights[1], biases[1], &error), MNIST_FAST_OK);
        ck_assert_mem_eq(weights[0], weights[1], sizeof weights[0]);
        ck_assert_mem_eq(biases[0], biases[1], sizeof biases[0]);
    }

    /* The model is that of the best epoch. */
    save(network, in_folder("model"));
    mnist_fast *model = load(in_folder("model"));
    ck_assert_uint_eq(mnist_fast_weights_crc32(model), epochs.crc[best]);
    expect_position(model, best, 0, 0);
    ck_assert_int_eq(mnist_fast_best_epoch(model, NULL), 0);
    mnist_fast_free(model);
    save_checkpoint(network, in_folder("checkpoint"), 0);
    model = load(in_folder("checkpoint"));
    expect_best(model, best);
    ck_assert_int_eq(mnist_fast_evaluate(model, &images, &a, NULL, &error), MNIST_FAST_OK);
    ck_assert(a.loss == b.loss && a.accuracy == b.accuracy);
    mnist_fast_free(model);
    mnist_fast_free(network);
    mnist_fast_free(plain);
}
END_TEST

/* Stopped after any batch and gone on with from a checkpoint: the same files in the end, by any number of threads. */
START_TEST(resumes_to_the_bit)
{
    int trained, best;
    const int patience = patience_that_ends_training(&trained, &best);
    mnist_fast *network = fresh(patience, 1);
    train(network, &images, LIMIT, NULL, NULL);
    save(network, in_folder("straight"));
    save_checkpoint(network, in_folder("straight.ckpt"), 0);
    mnist_fast_free(network);
    for (int at = 1; at < STEPS * trained; at += support_short ? 7 : 1) {
        support_case("stopped after %d batches", at);
        network = fresh(patience, 1 + at % 3);
        struct stop stop = {.at = at};
        expect_status("train", mnist_fast_train(network, &images, LIMIT, stop_at, &stop, NULL), MNIST_FAST_STOPPED);
        int so_far;
        expected_epochs(patience, at / STEPS, &so_far);
        expect_best(network, so_far);
        save_checkpoint(network, in_folder("at"), 0);
        mnist_fast_free(network);
        if (mnist_fast_load_checkpoint(in_folder("at"), NULL, &network, NULL, &model_error))
            support_fail("%s", model_error.text);
        expect_best(network, so_far);
        save_checkpoint(network, in_folder("again"), 0);
        file_expect_same(in_folder("at"), in_folder("again"));
        train(network, &images, LIMIT, NULL, NULL);
        expect_best(network, best);
        save(network, in_folder("resumed"));
        save_checkpoint(network, in_folder("resumed.ckpt"), 0);
        file_expect_same(in_folder("straight"), in_folder("resumed"));
        file_expect_same(in_folder("straight.ckpt"), in_folder("resumed.ckpt"));
        mnist_fast_free(network);
    }
}
END_TEST

/* More patience goes on from the last epoch, not from the best one; without patience the last epoch counts again. */
START_TEST(training_goes_on_from_the_last_epoch)
{
    int trained, best;
    const int patience = patience_that_ends_training(&trained, &best);
    mnist_fast *network = fresh(patience, 2);
    train(network, &images, LIMIT, NULL, NULL);
    mnist_fast_config config = patient(patience);
    config.learning_rate *= 2; /* not a matter of what is validated */
    ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    expect_best(network, best);
    config = patient(LIMIT);
    ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    train(network, &images, LIMIT, NULL, NULL);
    expected_epochs(LIMIT, LIMIT, &best);
    expect_position(network, LIMIT, 0, LIMIT * STEPS);
    expect_best(network, best);
    config = patient(0);
    ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    expect_best(network, 0);
    ck_assert_uint_eq(mnist_fast_weights_crc32(network), epochs.crc[LIMIT]);
    mnist_fast_metrics metrics;
    mnist_fast_error error;
    mnist_fast *plain = fresh(0, 1);
    train(plain, &images, LIMIT, NULL, NULL);
    ck_assert_int_eq(mnist_fast_evaluate(plain, &images, &metrics, NULL, &error), MNIST_FAST_OK);
    const double loss = metrics.loss;
    ck_assert_int_eq(mnist_fast_evaluate(network, &images, &metrics, NULL, &error), MNIST_FAST_OK);
    ck_assert(metrics.loss == loss);
    mnist_fast_free(plain);
    mnist_fast_free(network);
}
END_TEST

/* Where other images are validated, the best loss so far means nothing. */
START_TEST(best_epoch_is_forgotten)
{
    for (int i = 0; i < 5; i++) {
        support_case("change %d", i);
        mnist_fast *network = fresh(LIMIT, 2);
        train(network, &images, 3, NULL, NULL);
        int best;
        expected_epochs(LIMIT, 3, &best);
        expect_best(network, best);
        mnist_fast_config config = patient(LIMIT);
        config.seed += i == 0;
        config.validation_fraction += i == 1 ? 0.05 : 0;
        config.batch_size += i == 3;
        config.shuffle_buffer += i == 4;
        if (i == 2)
            mnist_fast_restart_epoch(network);
        else
            ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
        expect_best(network, i < 3 ? 0 : best);
        if (i < 3)
            ck_assert_uint_eq(mnist_fast_weights_crc32(network), epochs.crc[3]);
        train(network, &images, 4, NULL, NULL);
        ck_assert_int_gt(mnist_fast_best_epoch(network, NULL), i < 3 ? 3 : 0);
        mnist_fast_free(network);
    }
}
END_TEST

START_TEST(needs_images_to_validate_on)
{
    mnist_fast_config config = patient(3);
    config.validation_fraction = 0;
    mnist_fast *network = network_new(&config, support_isas[0], 2, false);
    mnist_fast_error error;
    expect_bad_argument("train", mnist_fast_train(network, &images, 1, NULL, NULL, &error), &error);
    ck_assert_ptr_nonnull(strstr(error.text, "patience: needs images to validate on"));
    expect_position(network, 0, 0, 0);
    mnist_fast_free(network);
    network = fresh(3, 1); /* of so few images none is held out */
    const mnist_fast_images two = {.pixels = images.pixels, .labels = images.labels, .count = 2};
    expect_bad_argument("train", mnist_fast_train(network, &two, 1, NULL, NULL, &error), &error);
    mnist_fast_free(network);
}
END_TEST

/* A checkpoint that is inconsistent about its best epoch. */
START_TEST(damaged_checkpoint_is_refused)
{
    static const struct {
        const char *from, *to, *says;
    } damages[] = {
        {"\"best_epoch\":\"", "\"best_epoch\":\"9", "best_epoch"},    /* later than the last one */
        {"\"best_epoch\":\"", "\"best_epoch\":\"x", "best_epoch"},    /* no number */
        {"\"best_epoch\":\"", "\"bset_epoch\":\"", "unknown tensor"}, /* tensors of a best epoch that is not there */
        {"\"patience\":\"", "\"patiense\":\"", "best_epoch"},         /* a best epoch without patience */
        {"\"best_loss\":\"", "\"best_loss\":\"nan", "best_loss"},     /* no number */
        {"\"0.weight.best\"", "\"0.weight.bust\"", "0.weight.best"},  /* a tensor is missing */
        {"\"2.bias.best\"", "\"2.bias.best\" ", "expected another checksum"}, /* harmless, but not what was written */
        {"\"mnist_fast\":\"2\"", "\"mnist_fast\":\"4\"", "newer"},
    };
    mnist_fast *network = fresh(LIMIT, 1);
    train(network, &images, 3, NULL, NULL);
    save_checkpoint(network, model_path, 0);
    mnist_fast_free(network);
    const struct bytes good = file_read(model_path);
    uint64_t length;
    memcpy(&length, good.data, sizeof length);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        support_case("%s", damages[i].to);
        const char *at = memmem(good.data, 8 + length, damages[i].from, strlen(damages[i].from));
        ck_assert_ptr_nonnull(at);
        const size_t before = (size_t)((const uint8_t *)at - good.data), from = strlen(damages[i].from),
                     to = strlen(damages[i].to);
        uint8_t *bad = malloc(good.size + to);
        const uint64_t longer = length + to - from;
        memcpy(bad, good.data, before);
        memcpy(bad, &longer, sizeof longer);
        memcpy(bad + before, damages[i].to, to);
        memcpy(bad + before + to, at + from, good.size - before - from);
        file_write(model_path, bad, good.size + to - from);
        expect_refused(model_path, MNIST_FAST_BAD_MODEL, damages[i].says);
        free(bad);
    }
    free(good.data);
}
END_TEST

/* Files of a training without the options that version 2 has added are those of version 1. */
START_TEST(version_of_the_files)
{
    static const char *const keys[] = {"\"patience\":\"3\"",        "\"schedule\":\"cosine\"",
                                       "\"schedule_epochs\":\"7\"", "\"warmup_steps\":\"5\"",
                                       "\"weight_decay\":\"0.1\"",  "best"};
    for (int i = 0; i < 2; i++)
        for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
            mnist_fast_config config = patient(i ? 3 : 0);
            if (i) {
                config.schedule = MNIST_FAST_COSINE;
                config.schedule_epochs = 7;
                config.warmup_steps = 5;
                config.weight_decay = 0.1;
            }
            mnist_fast *network = network_new(&config, support_isas[0], 2, false);
            train(network, &images, 2, NULL, NULL);
            if (checkpoint)
                save_checkpoint(network, model_path, 0);
            else
                save(network, model_path);
            mnist_fast_free(network);
            const struct bytes file = file_read(model_path);
            uint64_t length;
            memcpy(&length, file.data, sizeof length);
            support_case("options %d, checkpoint %d", i, checkpoint);
            ck_assert_int_eq(memmem(file.data + 8, length, "\"mnist_fast\":\"2\"", 16) != NULL, i && checkpoint);
            ck_assert_int_eq(memmem(file.data + 8, length, "\"mnist_fast\":\"1\"", 16) != NULL, !i || !checkpoint);
            for (int k = 0; k < 6; k++)
                ck_assert_int_eq(memmem(file.data + 8, length, keys[k], strlen(keys[k])) != NULL,
                                 i && (checkpoint || k < 5));
            free(file.data);
            network = load(model_path);
            mnist_fast_config found;
            mnist_fast_get_config(network, &found, sizeof found);
            ck_assert(found.schedule == config.schedule && found.schedule_epochs == config.schedule_epochs);
            ck_assert(found.warmup_steps == config.warmup_steps && found.weight_decay == config.weight_decay);
            ck_assert(found.patience == config.patience);
            mnist_fast_free(network);
        }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("patience");
    TCase *tcase = tcase_create("patience");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, begin, trainings_end);
    tcase_add_loop_test(tcase, best_epoch_is_kept, 1, 3); /* threads */
    tcase_add_test(tcase, everything_uses_the_best_epoch);
    tcase_add_test(tcase, resumes_to_the_bit);
    tcase_add_test(tcase, training_goes_on_from_the_last_epoch);
    tcase_add_test(tcase, best_epoch_is_forgotten);
    tcase_add_test(tcase, needs_images_to_validate_on);
    tcase_add_test(tcase, damaged_checkpoint_is_refused);
    tcase_add_test(tcase, version_of_the_files);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
