/* The options of training as users give them: patience, schedule, weight decay; and trainings that diverge. */
#define _GNU_SOURCE /* memmem */
#include "mnist_fast.h"
#include "program.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* On the generated data its validation loss is best in an epoch that is neither the first nor the last. */
#define FAST "--hidden", "20,12", "--batch", "50", "--lr", "0.05"
enum { LIMIT = 30 };

/* The events of a training: losses and rates by epoch; returns how many epochs it took. */
struct events {
    int epochs;
    double loss[LIMIT + 1], rate[LIMIT + 1], best[LIMIT + 1];
    double summary_best, summary_epochs, test_loss;
    char crc[9];
};

static double number_or_zero(const json_t *event, const char *name)
{
    return json_is_null(json_object_get(event, name)) ? 0 : number(event, name);
}

static struct events events_of(struct result result)
{
    expect_code(result, 0);
    struct events events = {.epochs = 0};
    char *rest = result.out;
    json_decref(next_event(&rest, "start"));
    while (strncmp(rest, "{\"event\":\"epoch\"", 16) == 0) {
        json_t *event = next_event(&rest, "epoch");
        ck_assert_int_lt(events.epochs, LIMIT);
        const int epoch = (int)number(event, "epoch");
        ck_assert(events.epochs == 0 || epoch == events.epochs + 1);
        events.epochs = epoch;
        events.loss[epoch] = number_or_zero(event, "validation_loss");
        events.rate[epoch] = number(event, "learning_rate");
        events.best[epoch] = number_or_zero(event, "best_epoch");
        json_decref(event);
    }
    json_t *summary = next_event(&rest, "summary");
    events.summary_best = number_or_zero(summary, "best_epoch");
    events.summary_epochs = number(summary, "epochs_done");
    events.test_loss = number(summary, "test_loss");
    snprintf(events.crc, sizeof events.crc, "%s", json_string_value(json_object_get(summary, "weights_crc32")));
    json_decref(summary);
    release(&result);
    return events;
}

START_TEST(patience)
{
    const char *model = in_folder("patient"), *checkpoint = in_folder("patient.ckpt"), *plain = in_folder("plain");
    const struct events e = events_of(RUN(FAST, "--epochs", "30", "--patience", "2", "--json", "--save", model,
                                          "--checkpoint", checkpoint, "--checkpoint-every", "1000"));
    int best = 1;
    for (int epoch = 1; epoch <= e.epochs; epoch++) {
        best = e.loss[epoch] < e.loss[best] ? epoch : best;
        ck_assert(e.best[epoch] == best);
        ck_assert_int_eq(epoch - best >= 2, epoch == e.epochs);
    }
    ck_assert_msg(best > 1 && e.epochs < LIMIT, "best epoch %d of %d shows nothing", best, e.epochs);
    ck_assert(e.summary_best == best && e.summary_epochs == e.epochs);

    /* It is the model of a training that ended there. */
    char epochs[16];
    snprintf(epochs, sizeof epochs, "%d", best);
    const struct events ended = events_of(RUN(FAST, "--epochs", epochs, "--json", "--save", plain));
    ck_assert_str_eq(ended.crc, e.crc);
    ck_assert(ended.test_loss == e.test_loss && ended.summary_best == 0 && ended.best[best] == 0);
    const char *const files[] = {model, checkpoint, plain};
    for (int i = 0; i < 3; i++) {
        struct result result = RUN("evaluate", "--model", files[i], "--quiet");
        expect_code(result, 0);
        expect_says(result.out, e.crc);
        release(&result);
    }

    /* The table says which epoch was kept. */
    char says[64];
    struct result result = RUN(FAST, "--epochs", "30", "--patience", "2");
    expect_code(result, 0);
    ck_assert_int_eq(count_epoch_rows(result.out), e.epochs);
    expect_says(result.out, "\n  patience  2 epochs\n");
    snprintf(says, sizeof says, "\n  kept      epoch %d of %d, validation loss %.4f\n", best, e.epochs, e.loss[best]);
    expect_says(result.out, says);
    expect_says(result.out, e.crc);
    release(&result);

    /* The last epoch is in the checkpoint, whatever the distance; nothing is left to do, unless more patience is. */
    result = RUN("--resume", checkpoint, "--epochs", "30");
    expect_code(result, 0);
    ck_assert_int_eq(count_epoch_rows(result.out), 0);
    expect_says(result.err, "its patience had ended already; a larger --patience with --force trains on");
    expect_says(result.out, "nothing was left to train");
    expect_says(result.out, e.crc);
    release(&result);
    result = RUN("--resume", checkpoint, "--epochs", "30", "--patience", "3");
    expect_error(result, 1, "was trained with another --patience");
    release(&result);
    const struct events more = events_of(RUN(FAST, "--epochs", "30", "--patience", "3", "--json")),
                        resumed = events_of(
                            RUN("--resume", checkpoint, "--epochs", "30", "--patience", "3", "--force", "--json"));
    ck_assert_int_eq(more.epochs, resumed.epochs);
    ck_assert_str_eq(more.crc, resumed.crc);

    /* From the middle, by other threads: the same file. */
    for (int at = 1; at < e.epochs; at += 2) {
        snprintf(epochs, sizeof epochs, "%d", at);
        weights_of(RUN(FAST, "--epochs", epochs, "--patience", "2", "--checkpoint", checkpoint, "--threads", "1"));
        weights_of(RUN("--resume", checkpoint, "--epochs", "30", "--save", plain, "--threads", "3"));
        file_expect_same(model, plain);
    }
}
END_TEST

START_TEST(schedule)
{
    const char *model = in_folder("cosine"), *checkpoint = in_folder("cosine.ckpt"), *resumed = in_folder("cosine2");
    const char *log = in_folder("cosine.csv");
    const struct events e = events_of(
        RUN(USUAL, "--epochs", "8", "--schedule", "cosine", "--warmup", "7", "--json", "--save", model, "--log", log));
    enum { BATCHES = 5, STEPS = 8 * BATCHES, WARMUP = 7 };
    char *text = file_read_text(log), *line = text;
    for (int epoch = 1; epoch <= 8; epoch++) {
        const int step = epoch * BATCHES;
        const double t = (double)(step - 1 - WARMUP) / (STEPS - WARMUP);
        const double rate = step <= WARMUP ? 0.001 * step / WARMUP : 0.001 * (1 + cos(acos(-1) * t)) / 2;
        ck_assert_double_eq_tol(e.rate[epoch], rate, 1e-9);
        line = strchr(line, '\n') + 1;
        double columns[7];
        int found;
        ck_assert_int_eq(sscanf(line, "%d,%lf,%lf,%lf,%lf,%lf,%lf,%lf\n", &found, &columns[0], &columns[1], &columns[2],
                                &columns[3], &columns[4], &columns[5], &columns[6]),
                         8);
        ck_assert_double_eq_tol(columns[4], rate, 1e-9); /* after accuracy, loss and those of validation */
    }
    free(text);

    /* Stopped and resumed: the number of epochs belongs to it. */
    struct result result = RUN(USUAL, "--epochs", "8", "--schedule", "cosine", "--warmup", "7", "--patience", "1000",
                               "--checkpoint", checkpoint);
    expect_says(result.out, "\n  schedule  cosine over 8 epochs\n  warm-up   7 steps\n  patience  1000 epochs\n");
    release(&result);
    result = RUN("--resume", checkpoint);
    expect_code(result, 0);
    expect_says(result.err, "all 8 epochs of its schedule are trained already");
    release(&result);
    result = RUN("--resume", checkpoint, "--epochs", "9");
    expect_error(result, 1, "was trained with another --epochs; leave the option out, or change it with --force");
    release(&result);
    const struct events longer = events_of(RUN("--resume", checkpoint, "--epochs", "10", "--force", "--json"));
    ck_assert_int_eq(longer.epochs, 10);
    ck_assert(longer.rate[9] > e.rate[8] && longer.rate[10] < longer.rate[9]);

    const pid_t child = start(LIST("--hidden", "20,12", "--batch", "1", "--epochs", "100000", "--schedule", "cosine",
                                   "--checkpoint", checkpoint));
    wait_for_output(child, EPOCH_ROW);
    kill(child, SIGINT);
    result = finish(child);
    expect_code(result, 128 + SIGINT);
    release(&result);
    result = RUN("--resume", checkpoint, "--schedule", "constant");
    expect_error(result, 1, "was trained with another --schedule");
    release(&result);
    /* constant from here on, for one epoch more; the checkpoint has less than 100000 */
    result = RUN("--resume", checkpoint, "--schedule", "constant", "--epochs", "1", "--force", "--save", resumed);
    expect_code(result, 0);
    ck_assert_ptr_null(strstr(result.out, "  schedule "));
    release(&result);
    /* and back: the number of epochs is what is given, or the usual */
    weights_of(RUN(USUAL, "--epochs", "2", "--checkpoint", checkpoint));
    result = RUN("--resume", checkpoint, "--schedule", "cosine", "--force");
    expect_code(result, 0);
    expect_says(result.out, "\n  schedule  cosine over 5 epochs\n");
    expect_says(result.out, "\n      5 ");
    ck_assert_ptr_null(strstr(result.out, "\n      6 "));
    release(&result);

    result = RUN(USUAL, "--schedule", "cosine", "--warmup", "15");
    expect_error(result, 1, "steps of the warm-up: expected less than the 15 of the schedule, found 15");
    release(&result);
    weights_of(RUN(USUAL, "--schedule", "cosine", "--warmup", "14"));
    weights_of(RUN(USUAL, "--warmup", "1000"));
}
END_TEST

START_TEST(weight_decay)
{
    const char *plain = in_folder("plain"), *zero = in_folder("zero");
    char crc[9];
    strcpy(crc, weights_of(RUN(USUAL, "--save", plain)));
    weights_of(RUN(USUAL, "--weight-decay", "0", "--schedule", "constant", "--warmup", "0", "--patience", "0", "--save",
                   zero));
    file_expect_same(plain, zero);
    ck_assert_str_ne(weights_of(RUN(USUAL, "--weight-decay", "0.1")), crc);
    struct result result = RUN(USUAL, "--weight-decay", "0.1", "--checkpoint", in_folder("decay"));
    expect_code(result, 0);
    expect_says(result.out, "\n  decay     0.1 of the weights\n");
    release(&result);
    static const char *const ways[][2] = {{"--weight-decay", "0.2"}, {"--warmup", "9"}, {"--patience", "4"}};
    for (int i = 0; i < 3; i++) {
        result = RUN("--resume", in_folder("decay"), "--epochs", "4", ways[i][0], ways[i][1]);
        expect_error(result, 1, ways[i][0]);
        release(&result);
        weights_of(RUN("--resume", in_folder("decay"), "--epochs", "4", ways[i][0], ways[i][1], "--force"));
    }
    weights_of(RUN("--resume", in_folder("decay"), "--epochs", "4", "--weight-decay", "0.1", "--warmup", "0"));
}
END_TEST

/* A model and a checkpoint say their precision; a checkpoint goes on in its own alone. */
START_TEST(precision)
{
    const char *model = in_folder("half"), *whole = in_folder("whole"), *resumed = in_folder("resumed");
    const char *checkpoint = in_folder("half.ckpt");
    char crc[9];
    strcpy(crc, weights_of(RUN(USUAL, "--precision", "bf16", "--save", model)));
    ck_assert_str_ne(weights_of(RUN(USUAL, "--precision", "fp32", "--save", whole)), crc);
    struct bytes bytes = file_read(model);
    ck_assert_ptr_nonnull(memmem(bytes.data, bytes.size, "\"precision\":\"bf16\"", 18));
    free(bytes.data);
    bytes = file_read(whole);
    ck_assert_ptr_null(memmem(bytes.data, bytes.size, "precision", 9));
    free(bytes.data);

    struct result result = RUN(USUAL, "--precision", "bf16", "--epochs", "1", "--checkpoint", checkpoint);
    expect_code(result, 0);
    expect_says(result.out, "\n  precision bf16\n");
    release(&result);
    bytes = file_read(checkpoint);
    ck_assert_ptr_nonnull(memmem(bytes.data, bytes.size, "\"mnist_fast\":\"3\"", 16));
    free(bytes.data);
    result = RUN("--resume", checkpoint, "--precision", "fp32", "--force");
    expect_error(result, 1, "half.ckpt: another precision (expected fp32, found bf16); leave --precision out");
    release(&result);
    ck_assert_str_eq(weights_of(RUN("--resume", checkpoint, "--epochs", "3", "--save", resumed)), crc);
    file_expect_same(model, resumed);
    ck_assert_str_eq(weights_of(RUN(USUAL, "--precision", "bf16", "--isa", "scalar", "--threads", "3")), crc);

    result = RUN(USUAL, "--isa", "amx");
    expect_error(result, mnist_fast_isa_runnable("amx") ? 1 : 2, "'amx'"); /* in fp32 */
    release(&result);
    result = RUN("evaluate", "--model", model);
    expect_code(result, 0);
    release(&result);
    result = RUN("predict", "--model", model, "test:0");
    expect_code(result, 0);
    release(&result);
    result = RUN("info", "--precision", "bf16");
    expect_code(result, 0);
    expect_says(result.out, "\nin bf16    ");
    release(&result);
}
END_TEST

/* ---- Divergence ---- */

/* In the only update of its epoch, or later: exit 1, one message, and the old files stay. */
START_TEST(diverged_training_writes_nothing)
{
    static const char *const ways[][3] = {
        {"1000", "3e38", "the weights or moments are not finite: epoch 1, batch 1, learning rate 3e+38"},
        {"1000", "1e22", "the validation loss is not finite: epoch 1, batch 1,"},
        {"50", "1e7", "the weights or moments are not finite: epoch 1, batch 2,"}, /* a second moment */
        {"50", "1e30", "the loss is not finite: epoch 1, batch 2,"},
    };
    const char *model = in_folder("good"), *checkpoint = in_folder("good.ckpt");
    weights_of(RUN("--hidden", "32,16,16", "--epochs", "1", "--save", model, "--checkpoint", checkpoint));
    const struct bytes good = file_read(model), resumable = file_read(checkpoint);
    for (int i = 0; i < 4; i++)
        for (int quiet = 0; quiet < 2; quiet++) {
            support_case("batches of %s, learning rate %s", ways[i][0], ways[i][1]);
            struct result result = RUN("--hidden", "32,16,16", "--batch", ways[i][0], "--epochs", "9", "--lr",
                                       ways[i][1], "--save", model, quiet ? "--quiet" : "--json");
            expect_code(result, 1);
            expect_says(result.err, ways[i][2]);
            ck_assert_ptr_null(strstr(result.out, "nan"));
            ck_assert_ptr_null(strstr(result.out, "summary"));
            ck_assert_ptr_null(strstr(result.out, "weights"));
            release(&result);
            file_expect(model, good);
            result = RUN("--resume", checkpoint, "--epochs", "9", "--batch", ways[i][0], "--lr", ways[i][1], "--force",
                         "--checkpoint", in_folder("other.ckpt"), "--save", model);
            expect_code(result, 1);
            expect_says(result.err, "not finite: epoch ");
            release(&result);
            file_expect(model, good);
            file_expect(checkpoint, resumable);
            if (file_exists(in_folder("other.ckpt"))) /* of an epoch before */
                weights_of(RUN("--resume", in_folder("other.ckpt"), "--epochs", "1"));
        }
    /* written over itself */
    struct result result =
        RUN("--resume", checkpoint, "--epochs", "2", "--lr", "3e38", "--force", "--checkpoint", checkpoint);
    expect_code(result, 1);
    release(&result);
    file_expect(checkpoint, resumable);
    free(good.data);
    free(resumable.data);
}
END_TEST

/* Weights that are finite, and too large: an error that names the file, not "nan". */
START_TEST(useless_model)
{
    const char *model = in_folder("useless");
    /* as another program would write it */
    static const char header[] = "{\"a.weight\":{\"dtype\":\"F32\",\"shape\":[1,784],\"data_offsets\":[0,3136]},"
                                 "\"a.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[3136,3140]},"
                                 "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[10,1],\"data_offsets\":[3140,3180]},"
                                 "\"b.bias\":{\"dtype\":\"F32\",\"shape\":[10],\"data_offsets\":[3180,3220]}}";
    static uint8_t file[8 + sizeof header - 1 + 3220];
    const uint64_t length = sizeof header - 1;
    memcpy(file, &length, sizeof length);
    memcpy(file + 8, header, length);
    for (size_t i = 8 + length; i < sizeof file; i += sizeof(float))
        memcpy(file + i, &(const float){3e38f}, sizeof(float));
    file_write(model, file, sizeof file);
    struct result result = RUN("evaluate", "--model", model);
    expect_error(result, 1, "useless: the probabilities are not finite");
    ck_assert_str_eq(result.out, "");
    release(&result);
    result = RUN("predict", "--model", model, "test:0");
    expect_error(result, 1, "useless: the probabilities are not finite");
    ck_assert_str_eq(result.out, "");
    release(&result);
}
END_TEST

START_TEST(augment)
{
    const char *const preview = in_folder("preview.png"), *const plain = in_folder("plain"),
                      *const none = in_folder("none");
    char crc[9];
    strcpy(crc, weights_of(RUN(USUAL, "--save", plain)));
    weights_of(RUN(USUAL, "--augment", "rotation=0,elastic=0", "--save", none));
    file_expect_same(plain, none);
    static const char strengths[] = "rotation=0.25,shear=0.1,scale=0.15,shift=1.5,elastic=4";
    ck_assert_str_ne(weights_of(RUN(USUAL, "--augment", strengths)), crc);
    struct result result =
        RUN(USUAL, "--augment", strengths, "--checkpoint", in_folder("augmented"), "--augment-preview", preview);
    expect_code(result, 0);
    expect_says(result.out, "\n  augment   rotation=0.25,shear=0.1,scale=0.15,shift=1.5,elastic=4\n");
    release(&result);
    struct bytes png = file_read(preview);
    ck_assert(png.size > 1000 && memcmp(png.data, "\x89PNG\r\n\x1a\n", 8) == 0);
    free(png.data);
    result = RUN("--resume", in_folder("augmented"), "--epochs", "4", "--augment", "shift=1.5");
    expect_error(result, 1, "was trained with another --augment");
    release(&result);
    strcpy(crc, weights_of(RUN(USUAL, "--epochs", "4", "--augment", strengths)));
    ck_assert_str_eq(weights_of(RUN("--resume", in_folder("augmented"), "--epochs", "4")), crc);
    ck_assert_str_eq(weights_of(RUN("--resume", in_folder("augmented"), "--epochs", "4", "--augment", strengths)), crc);
    weights_of(RUN("--resume", in_folder("augmented"), "--epochs", "4", "--augment", "shift=1.5", "--force"));
    result = RUN(USUAL, "--augment", "scale=0.6");
    expect_error(result, 2, "scale (0 to 0.5)");
    release(&result);
    result = RUN(USUAL, "--augment", strengths, "--augment-preview", in_folder("nowhere/preview.png"));
    expect_error(result, 1, "nowhere/preview.png");
    release(&result);
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("program_training");
    if (!tcase)
        return 1;
    tcase_add_test(tcase, patience);
    tcase_add_test(tcase, schedule);
    tcase_add_test(tcase, weight_decay);
    tcase_add_test(tcase, precision);
    tcase_add_test(tcase, augment);
    tcase_add_test(tcase, diverged_training_writes_nothing);
    tcase_add_test(tcase, useless_model);
    return program_end();
}
