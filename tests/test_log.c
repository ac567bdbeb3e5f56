/* The files that a training writes beside its model: the log, and which of them may not be one file. */
#include "program.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADING "epoch,accuracy,loss,val_accuracy,val_loss,learning_rate,seconds,images_per_second\n"

static void expect_success(struct result result)
{
    expect_code(result, 0);
    release(&result);
}

static void expect_refused(struct result result, const char *says)
{
    expect_error(result, 1, says);
    ck_assert_str_eq(result.out, "");
    release(&result);
}

/* The values are those of the events in JSON. */
START_TEST(columns)
{
    const char *log = in_folder("log.csv");
    struct result result = RUN(USUAL, "--log", log, "--json", "--lr", "0.002");
    expect_code(result, 0);
    char *text = file_read_text(log), *line = text, *rest = result.out;
    ck_assert(strncmp(text, HEADING, strlen(HEADING)) == 0);
    ck_assert_int_eq(count_lines(text), 4);
    json_decref(next_event(&rest, "start"));
    for (int i = 1; i <= 3; i++) {
        static const char *const names[] = {"train_accuracy", "train_loss", "validation_accuracy", "validation_loss",
                                            "learning_rate",  "seconds",    "images_per_second"};
        line = strchr(line, '\n') + 1;
        char *next = line;
        ck_assert_int_eq(strtol(line, &next, 10), i);
        json_t *event = next_event(&rest, "epoch");
        for (int j = 0; j < 7; j++) {
            ck_assert_int_eq(*next, ',');
            const double value = strtod(next + 1, &next), expected = j == 4 ? 0.002 : number(event, names[j]);
            ck_assert_msg(fabs(value - expected) <= fmax(1e-6 * expected, j == 6 ? 0.06 : 1e-6), "%s: %g, expected %g",
                          names[j], value, expected);
        }
        ck_assert_int_eq(*next, '\n');
        json_decref(event);
    }
    free(text);
    release(&result);
    expect_success(RUN(USUAL, "--log", log, "--validation", "0")); /* begun anew */
    text = file_read_text(log);
    ck_assert_int_eq(count_lines(text), 4);
    expect_says(text, ",,,");
    free(text);
}
END_TEST

START_TEST(goes_on_after_a_resume)
{
    const char *log = in_folder("log.csv"), *checkpoint = in_folder("checkpoint");
    expect_success(RUN(USUAL, "--log", log, "--checkpoint", checkpoint));
    char *text = file_read_text(log);
    ck_assert_int_eq(truncate(log, (off_t)strlen(text) - 1), 0); /* as where the disk was full */
    free(text);
    expect_success(RUN("--epochs", "5", "--log", log, "--resume", checkpoint));
    text = file_read_text(log);
    char *line = text;
    ck_assert_int_eq(count_lines(text), 6);
    for (int i = 1; i <= 5; i++) {
        line = strchr(line, '\n') + 1;
        ck_assert_int_eq(atoi(line), i);
    }
    free(text);
    remove(log);
    expect_success(RUN("--epochs", "6", "--log", log, "--resume", checkpoint)); /* there is none to go on with */
    text = file_read_text(log);
    ck_assert(strncmp(text, HEADING "4,", strlen(HEADING "4,")) == 0);
    free(text);
}
END_TEST

START_TEST(other_files_are_kept)
{
    const char *model = in_folder("model"), *text = in_folder("text"), *empty = in_folder("empty");
    expect_success(RUN(USUAL, "--save", model));
    static const char old[] = "epoch,seconds,train_loss\n1,2,3\n";
    file_write(text, old, strlen(old));
    static const char longer[] =
        "epoch,accuracy,loss,val_accuracy,val_loss,learning_rate,seconds,images_per_second,x\n";
    file_write(in_folder("longer"), longer, strlen(longer));
    const struct bytes before = file_read(model);
    expect_refused(RUN(USUAL, "--log", model), "holds something else (expected a log of training, or no file)");
    expect_refused(RUN(USUAL, "--log", text), "/text: holds something else");
    expect_refused(RUN(USUAL, "--log", in_folder("longer")), "/longer: holds something else");
    file_expect(model, before);
    free(before.data);
    char *after = file_read_text(text);
    ck_assert_str_eq(after, old);
    free(after);
    file_write(empty, "", 0);
    expect_success(RUN(USUAL, "--log", empty));
    expect_refused(RUN(USUAL, "--log", in_folder("nowhere/log")), "nowhere/log: could not be opened for writing");
    expect_refused(RUN(USUAL, "--log", folder), "could not be opened for writing (Is a directory)");
    struct result result = RUN(USUAL, "--log", "/dev/full");
    expect_error(result, 1, "/dev/full: could not be written");
    release(&result);
}
END_TEST

START_TEST(pipes)
{
    const char *pipe = in_folder("pipe");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    expect_refused(RUN(USUAL, "--log", pipe), "/pipe: nobody reads this pipe; start its reader first");
    const int reader = open(pipe, O_RDONLY | O_NONBLOCK);
    expect_success(RUN(USUAL, "--log", pipe));
    char text[1024];
    const ssize_t size = read(reader, text, sizeof text - 1);
    ck_assert_int_gt(size, 0);
    text[size] = '\0';
    ck_assert(strncmp(text, HEADING, strlen(HEADING)) == 0);
    ck_assert_int_eq(count_lines(text), 4);
    close(reader);
}
END_TEST

/* However they are spelled. */
START_TEST(one_file_for_two_uses)
{
    const char *model = in_folder("model"), *checkpoint = in_folder("checkpoint"), *hard = in_folder("hard");
    const char *soft = in_folder("soft"), *fresh = in_folder("fresh"), *inner = in_folder("inner");
    expect_success(RUN(USUAL, "--save", model, "--checkpoint", checkpoint));
    const struct bytes before = file_read(model), state = file_read(checkpoint);
    ck_assert_int_eq(link(checkpoint, hard), 0);
    ck_assert_int_eq(symlink("model", soft), 0);
    mkdir(inner, 0700);
    char around[PATH_MAX + 32];
    snprintf(around, sizeof around, "%s/./../fresh", inner);
    const struct {
        const char *first, *a, *second, *b;
    } pairs[] = {
        {"--save", model, "--log", model},        {"--save", model, "--log", soft},
        {"--save", soft, "--checkpoint", model},  {"--checkpoint", checkpoint, "--log", hard},
        {"--checkpoint", hard, "--save", hard},   {"--resume", checkpoint, "--save", hard},
        {"--resume", checkpoint, "--log", hard},  {"--save", fresh, "--log", around},
        {"--log", around, "--checkpoint", fresh}, {"--report", fresh, "--log", fresh},
        {"--save", around, "--report", fresh},    {"--resume", checkpoint, "--report", checkpoint},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char says[64];
        struct result result = RUN("--epochs", "4", pairs[i].first, pairs[i].a, pairs[i].second, pairs[i].b);
        expect_error(result, 1, "; choose another for one");
        snprintf(says, sizeof says, "%s and ", pairs[i].first);
        if (!strstr(result.err, says))
            snprintf(says, sizeof says, "and %s;", pairs[i].first);
        expect_says(result.err, says);
        expect_says(result.err, pairs[i].second);
        ck_assert_str_eq(result.out, "");
        release(&result);
        ck_assert(!file_exists(fresh));
    }
    file_expect(model, before);
    file_expect(checkpoint, state);
    how.folder = folder;
    expect_refused(RUN("--save", "new", "--log", "./new"), "is the file of --save and --log");
    ck_assert(!file_exists(in_folder("new")));
    how.folder = NULL;
    /* A resumed training may go on with its own checkpoint; other names are other files. */
    expect_success(RUN("--resume", checkpoint, "--checkpoint", checkpoint, "--epochs", "4", "--save", fresh, "--log",
                       in_folder("inner/fresh")));
    free(before.data);
    free(state.data);
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("log");
    if (!tcase)
        return EXIT_FAILURE;
    tcase_add_test(tcase, columns);
    tcase_add_test(tcase, goes_on_after_a_resume);
    tcase_add_test(tcase, other_files_are_kept);
    tcase_add_test(tcase, pipes);
    tcase_add_test(tcase, one_file_for_two_uses);
    return program_end();
}
