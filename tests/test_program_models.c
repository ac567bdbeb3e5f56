/* Models and checkpoints of the program: saved, used, resumed and refused. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(save_evaluate_predict)
{
    const char *model = in_folder("model");
    struct result result = RUN(USUAL, "--epochs", "20", "--lr", "0.005", "--json", "--save", model);
    expect_code(result, 0);
    json_t *summary = json_loads(strstr(result.out, "{\"event\":\"summary\""), JSON_DISABLE_EOF_CHECK, NULL);
    char test[64], weights[32];
    snprintf(test, sizeof test, "test      loss %.4f, accuracy %.2f%%\n", number(summary, "test_loss"),
             100 * number(summary, "test_accuracy"));
    snprintf(weights, sizeof weights, "crc32 %s\n", json_string_value(json_object_get(summary, "weights_crc32")));
    const int correct = (int)(number(summary, "test_accuracy") * TEST_IMAGES + 0.5);
    json_decref(summary);
    release(&result);
    ck_assert_int_gt(correct, TEST_IMAGES / 2); /* it learns */

    result = RUN("evaluate", "--model", model, "--threads", "1", "--isa", "scalar");
    expect_code(result, 0);
    expect_says(result.out, test);
    expect_says(result.out, weights);
    int right = 0, all = 0;
    const char *row = strstr(result.out, "confusion");
    row = strstr(row, "correct\n") + strlen("correct\n");
    for (int i = 0; i < 10; i++, row = strchr(row, '\n') + 1) {
        char cells[10][8];
        int digit;
        ck_assert_msg(sscanf(row, "%d %7s %7s %7s %7s %7s %7s %7s %7s %7s %7s", &digit, cells[0], cells[1], cells[2],
                             cells[3], cells[4], cells[5], cells[6], cells[7], cells[8], cells[9]) == 11 &&
                          digit == i,
                      "row %d: %.80s", i, row);
        for (int j = 0; j < 10; j++)
            all += atoi(cells[j]); /* "." for none */
        right += atoi(cells[i]);
    }
    ck_assert_int_eq(all, TEST_IMAGES);
    ck_assert_int_eq(right, correct);
    release(&result);
    result = RUN("evaluate", "--model", model, "--quiet");
    expect_code(result, 0);
    ck_assert_int_eq(count_lines(result.out), 2);
    release(&result);

    char names[TEST_IMAGES][12];
    const char *arguments[MAX_ARGUMENTS] = {"predict", "--model", model, "--threads", "2"};
    right = 0;
    for (int i = 0; i < TEST_IMAGES; i += 20) {
        for (int j = 0; j < 20; j++) {
            snprintf(names[j], sizeof names[j], "test:%d", i + j);
            arguments[5 + j] = names[j];
        }
        arguments[25] = NULL;
        result = run(arguments);
        expect_code(result, 0);
        const char *line = result.out;
        for (int j = 0; j < 20; j++, line = strchr(line, '\n') + 1) {
            int digit, first, index, label;
            ck_assert_msg(sscanf(line, "%d %d %*f%% %*d %*f%% %*d %*f%% test:%d, labelled %d\n", &digit, &first, &index,
                                 &label) == 4,
                          "%.80s", line);
            ck_assert_int_eq(digit, first);
            ck_assert_int_eq(index, i + j);
            right += digit == label;
        }
        release(&result);
    }
    ck_assert_int_eq(right, correct);

    /* The shares of the text are the probabilities of --json, in percent. */
    result = RUN("predict", "--model", model, "test:0");
    int digit;
    double share, probability[10];
    ck_assert_int_eq(sscanf(result.out, "%*d    %d %lf%%", &digit, &share), 2);
    release(&result);
    result = RUN("predict", "--model", model, "--json", "test:0");
    const char *number = strstr(result.out, "\"probabilities\":[");
    ck_assert_ptr_nonnull(number);
    number = strchr(number, '[') + 1;
    for (int i = 0; i < 10; i++, number += strcspn(number, ",]") + 1)
        ck_assert_int_eq(sscanf(number, "%lf", &probability[i]), 1);
    ck_assert_double_eq_tol(share, 100 * probability[digit], 0.0051);
    release(&result);

    result = RUN("predict", "--model", model, "--quiet", "test:0", "test:59");
    expect_code(result, 0);
    ck_assert_uint_eq(strlen(result.out), 4);
    ck_assert(result.out[1] == '\n' && result.out[3] == '\n');
    release(&result);
    result = RUN("predict", "--model", model, "--show", "test:3");
    expect_code(result, 0);
    ck_assert_int_eq(count_lines(result.out), 15);
    release(&result);
    static const char *const wrong[] = {
        "test:60", "test:99999999999999999999", "test:x", "test:", "test:-1", "test:1x", "picture.png", "-"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char says[160];
        snprintf(says, sizeof says, "mnist_fast: %s: %s", i == 7 ? "standard input" : wrong[i],
                 i < 2    ? "there is no such test image (expected 0 to 59)"
                 : i == 7 ? "is empty"
                          : "cannot be read (No such file or directory)");
        result = RUN("predict", "--model", model, wrong[i], "test:1");
        expect_error(result, 1, says);
        ck_assert_int_eq(count_lines(result.out), 1); /* the other one is read all the same */
        release(&result);
        result = RUN("predict", "--model", model, "test:1", wrong[i]);
        expect_error(result, 1, says);
        ck_assert_int_eq(count_lines(result.out), 1);
        release(&result);
    }
    result = RUN("evaluate", "--model", in_folder("no_model"));
    expect_error(result, 1, "no_model");
    release(&result);
    result = RUN("predict", "test:1", "--model", in_folder("data/t10k-labels-idx1-ubyte"));
    expect_error(result, 1, "t10k-labels-idx1-ubyte");
    release(&result);
}
END_TEST

START_TEST(one_model)
{
    char expected[9] = "";
    static const char *const threads[] = {"1", "2", "3", "7", "16"};
    for (int i = 0; i < support_isa_count; i++)
        for (size_t j = 0; j < sizeof threads / sizeof *threads; j++) {
            const char *saved = in_folder("one"), *first = in_folder("first");
            char *crc = weights_of(RUN("--hidden", "37,50,3", "--batch", "97", "--epochs", "2", "--isa",
                                       support_isas[i]->name, "--threads", threads[j], "--save", saved));
            if (!*expected) {
                strcpy(expected, crc);
                rename(saved, first);
                continue;
            }
            if (strcmp(crc, expected) != 0)
                support_fail("crc32 %s, expected %s", crc, expected);
            file_expect_same(saved, first);
        }
    static const char *const environments[][2] = {
        {"OMP_NUM_THREADS", "5"}, {"OMP_DYNAMIC", "true"}, {"OMP_THREAD_LIMIT", "1"}};
    for (size_t i = 0; i < 3; i++) {
        how.environment[0][0] = environments[i][0];
        how.environment[0][1] = environments[i][1];
        char *crc = weights_of(RUN("--hidden", "37,50,3", "--batch", "97", "--epochs", "2"));
        if (strcmp(crc, expected) != 0)
            support_fail("with %s: crc32 %s, expected %s", environments[i][0], crc, expected);
    }
    how.environment[0][0] = NULL;
    const char *crc = weights_of(RUN("--hidden", "37,50,3", "--batch", "97", "--epochs", "2", "--seed", "2"));
    if (strcmp(crc, expected) == 0)
        support_fail("another seed gives the same model");
}
END_TEST

START_TEST(resume)
{
    const char *straight = in_folder("straight"), *resumed = in_folder("resumed"), *checkpoint = in_folder("at");
    weights_of(RUN(USUAL, "--epochs", "5", "--save", straight));
    weights_of(RUN(USUAL, "--epochs", "2", "--checkpoint", checkpoint, "--threads", "1"));
    struct result result =
        RUN("--resume", checkpoint, "--epochs", "5", "--threads", "3", "--isa", "scalar", "--save", resumed);
    expect_code(result, 0);
    ck_assert_ptr_null(strstr(result.out, "\n      2 "));
    expect_says(result.out, "\n      3 ");
    expect_says(result.out, "784-20-12-10");
    release(&result);
    file_expect_same(straight, resumed);
    /* The last epoch is always kept, whatever the distance. */
    weights_of(RUN(USUAL, "--epochs", "5", "--checkpoint", checkpoint, "--checkpoint-every", "3"));
    result = RUN("--resume", checkpoint, "--epochs", "5", "--save", resumed);
    expect_code(result, 0);
    ck_assert_int_eq(count_epoch_rows(result.out), 0);
    expect_says(result.err, "at: is trained for 5 epochs already; --epochs 6 trains on");
    expect_says(result.out, "time      none: nothing was left to train\n");
    release(&result);
    file_expect_same(straight, resumed);
    /* The number of epochs that it is trained for is no difference of options. */
    weights_of(RUN("--resume", checkpoint, "--epochs", "2", "--save", resumed));
}
END_TEST

START_TEST(resume_refused)
{
    const char *checkpoint = in_folder("refused"), *model = in_folder("refused_model"), *other = in_folder("other");
    weights_of(RUN(USUAL, "--checkpoint", checkpoint, "--save", model));
    write_data(other, "train", TRAIN_IMAGES, 3);
    write_data(other, "t10k", TEST_IMAGES, 4);
    static const char *const ways[][3] = {{"--batch", "51", "--batch"},
                                          {"--lr", "0.002", "--lr"},
                                          {"--seed", "2", "--seed"},
                                          {"--validation", "0.2", "--validation"},
                                          {"--shuffle-buffer", "7", "--shuffle-buffer"},
                                          {"--data", NULL, "was trained on other data"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *value = ways[i][1] ? ways[i][1] : other;
        struct result result = RUN("--resume", checkpoint, "--epochs", "4", ways[i][0], value);
        expect_error(result, 1, ways[i][2]);
        expect_says(result.err, checkpoint);
        expect_says(result.err, "--force");
        ck_assert_str_eq(result.out, "");
        release(&result);
        result = RUN("--resume", checkpoint, "--epochs", "4", ways[i][0], value, "--force");
        expect_code(result, 0);
        if (i == 0)
            expect_says(result.out, "batches of 51");
        if (i == 2)
            expect_says(result.out, "seed 2");
        if (i == 3)
            expect_says(result.out, "184 to train, 46 to validate");
        release(&result);
    }
    for (int force = 0; force < 2; force++) {
        struct result result =
            RUN("--resume", checkpoint, "--epochs", "4", "--hidden", "20,13", force ? "--force" : "--json");
        expect_error(result, 1, "another network (expected 784-20-13-10, found 784-20-12-10)");
        release(&result);
    }
    weights_of(RUN("--resume", checkpoint, "--epochs", "4", "--hidden", "20,12", "--batch", "50", "--lr", "0.001"));
    struct result result = RUN("--resume", model, "--epochs", "4");
    expect_error(result, 1, model);
    release(&result);
}
END_TEST

START_TEST(diverged)
{
    const char *checkpoint = in_folder("diverged");
    struct result result = RUN(USUAL, "--lr", "1e30", "--checkpoint", checkpoint);
    expect_code(result, 1);
    expect_says(result.err, "epoch 1");
    expect_says(result.err, "1e+30");
    ck_assert(!file_exists(checkpoint));
    ck_assert_ptr_null(strstr(result.out, "weights"));
    release(&result);
    /* A good checkpoint is not replaced by a failed run. */
    weights_of(RUN(USUAL, "--checkpoint", checkpoint));
    char *before = file_read_text(checkpoint);
    result = RUN("--resume", checkpoint, "--epochs", "9", "--lr", "1e30", "--force", "--checkpoint", checkpoint);
    expect_error(result, 1, "epoch 4");
    char *after = file_read_text(checkpoint);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    release(&result);
}
END_TEST

START_TEST(mnist)
{
    how.data = "data";
    struct result result = RUN("--hidden", "32", "--epochs", "1", "--json");
    expect_code(result, 0);
    ck_assert_str_eq(result.err, "");
    json_t *summary = json_loads(strstr(result.out, "{\"event\":\"summary\""), JSON_DISABLE_EOF_CHECK, NULL);
    const double accuracy = number(summary, "test_accuracy");
    ck_assert_msg(accuracy > 0.8 && accuracy < 0.96, "test accuracy %g", accuracy);
    json_decref(summary);
    release(&result);
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("program_models");
    if (!tcase)
        return 1;
    tcase_add_test(tcase, save_evaluate_predict);
    tcase_add_test(tcase, one_model);
    tcase_add_test(tcase, resume);
    tcase_add_test(tcase, resume_refused);
    tcase_add_test(tcase, diverged);
    if (file_exists("data/train-images-idx3-ubyte") || file_exists("data/train-images-idx3-ubyte.gz"))
        tcase_add_test(tcase, mnist);
    else
        printf("SKIP: data/ is not there: no test on real images\n");
    return program_end();
}
