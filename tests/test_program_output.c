/* What the program prints, where, and what happens when a stream is broken. */
#include "mnist_fast.h"
#include "program.h"

#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(table)
{
    struct result result = RUN(USUAL, "--threads", "1");
    expect_code(result, 0);
    ck_assert_int_eq(count_epoch_rows(result.out), 3);
    expect_says(result.out, "207 to train, 23 to validate, 60 to test");
    expect_says(result.out, "784-20-12-10, 16082 parameters");
    expect_says(result.out, "\n  test      loss ");
    expect_says(result.out, "\n  time ");
    expect_says(result.out, "\n  weights   crc32 ");
    const char *image = strstr(result.out, "test image 1, a ");
    if (!image)
        support_fail("no image is shown in: %s", result.out);
    int digits[3];
    double shares[3];
    for (int i = 0; i < 3; i++) {
        image = strchr(image, '\n') + 1;
        const char *share = strchr(image, '\0'), *end = strchr(image, '\n');
        for (share = end; share > image && share[-1] != ' '; share--)
            ;
        ck_assert_int_eq(sscanf(share, "%lf%%", &shares[i]), 1);
        while (share > image && share[-1] == ' ')
            share--;
        digits[i] = share[-1] - '0';
        ck_assert_msg(digits[i] >= 0 && digits[i] <= 9, "%.80s", image);
        ck_assert(shares[i] >= 0 && shares[i] <= 100 && (i == 0 || shares[i] <= shares[i - 1]));
    }
    ck_assert(digits[0] != digits[1] && digits[1] != digits[2] && digits[0] != digits[2]);
    for (const char *c = result.out; *c; c++)
        ck_assert_msg((unsigned char)*c < 0x7f && (*c >= ' ' || *c == '\n'), "no plain ASCII in a pipe: %.20s", c);
    ck_assert_int_eq(count_lines(result.err), 1);
    expect_says(result.err, "another dataset than MNIST");
    ck_assert_ptr_null(strstr(result.out, "  saved "));
    release(&result);

    result = RUN(USUAL, "--save", in_folder("named.safetensors"), "--report", in_folder("named.html"));
    expect_code(result, 0);
    char line[600];
    snprintf(line, sizeof line, "\n  saved     %s\n  report    %s\n", in_folder("named.safetensors"),
             in_folder("named.html"));
    expect_says(result.out, line);
    release(&result);

    result = RUN(USUAL, "--quiet", "--save", in_folder("named.safetensors"));
    expect_code(result, 0);
    ck_assert_int_eq(count_lines(result.out), 3);
    expect_says(result.out, "  test      loss ");
    expect_says(result.out, "  time ");
    expect_says(result.out, "  weights   crc32 ");
    release(&result);

    result = RUN(USUAL, "--validation", "0");
    expect_code(result, 0);
    expect_says(result.out, "230 to train, 0 to validate");
    expect_says(result.out, "        -         -");
    release(&result);
}
END_TEST

START_TEST(json)
{
    for (int quiet = 0; quiet < 2; quiet++) {
        struct result result = RUN(USUAL, "--json", "--threads", "2", "--seed", "7", quiet ? "--quiet" : "--json");
        expect_code(result, 0);
        char *rest = result.out;
        json_t *event;
        double seconds = 0;
        if (!quiet) {
            event = next_event(&rest, "start");
            ck_assert_str_eq(json_string_value(json_object_get(event, "isa")), support_isas[0]->name);
            ck_assert(number(event, "threads") == 2 && number(event, "seed") == 7);
            ck_assert(number(event, "parameters") == 784 * 20 + 20 + 20 * 12 + 12 + 12 * 10 + 10);
            ck_assert(number(event, "train_size") == 207 && number(event, "validation_size") == 23);
            ck_assert(number(event, "test_size") == TEST_IMAGES);
            ck_assert(number(event, "epochs") == 3 && number(event, "batch") == 50);
            ck_assert(number(event, "learning_rate") == 0.001 && number(event, "shuffle_buffer") == 10000);
            const json_t *hidden = json_object_get(event, "hidden");
            ck_assert_uint_eq(json_array_size(hidden), 2);
            ck_assert_int_eq(json_integer_value(json_array_get(hidden, 0)), 20);
            ck_assert_int_eq(json_integer_value(json_array_get(hidden, 1)), 12);
            ck_assert_str_eq(json_string_value(json_object_get(event, "version")), MNIST_FAST_VERSION);
            ck_assert_str_eq(json_string_value(json_object_get(event, "data")), in_folder("data"));
            json_decref(event);
            for (int epoch = 1; epoch <= 3; epoch++) {
                event = next_event(&rest, "epoch");
                ck_assert(number(event, "epoch") == epoch);
                ck_assert(number(event, "seconds") > 0 && number(event, "images_per_second") > 0);
                ck_assert(number(event, "train_loss") > 0 && number(event, "validation_loss") > 0);
                expect_share(event, "train_accuracy");
                expect_share(event, "validation_accuracy");
                seconds += number(event, "seconds");
                json_decref(event);
            }
        }
        event = next_event(&rest, "summary");
        if (!quiet)
            ck_assert_double_eq_tol(number(event, "train_seconds"), seconds, 1e-6);
        ck_assert(number(event, "total_seconds") >= number(event, "train_seconds"));
        ck_assert(number(event, "test_loss") > 0 && number(event, "gflops") > 0);
        expect_share(event, "test_accuracy");
        const char *crc = json_string_value(json_object_get(event, "weights_crc32"));
        ck_assert(crc && strlen(crc) == 8 && strspn(crc, "0123456789abcdef") == 8);
        /* of 3 epochs: 207 images forward and back (not to the pixels), 23 forward */
        const double layers[] = {784 * 20, 20 * 12, 12 * 10}, forward = layers[0] + layers[1] + layers[2];
        const double flop = 2 * 3 * (207 * (3 * forward - layers[0]) + 23 * forward);
        ck_assert_double_eq_tol(number(event, "gflops") * 1e9 * number(event, "train_seconds"), flop, flop * 1e-4);
        json_decref(event);
        ck_assert_str_eq(rest, "");
        release(&result);
    }
    struct result result = RUN(USUAL, "--json", "--validation", "0");
    expect_code(result, 0);
    expect_says(result.out, "\"validation_loss\":null,\"validation_accuracy\":null");
    release(&result);
}
END_TEST

START_TEST(no_epochs)
{
    struct result result = RUN(USUAL, "--epochs", "0", "--json", "--save", in_folder("untrained"));
    expect_code(result, 0);
    char *rest = result.out;
    json_decref(next_event(&rest, "start"));
    json_t *summary = next_event(&rest, "summary");
    ck_assert(number(summary, "train_seconds") == 0 && number(summary, "gflops") == 0);
    expect_share(summary, "test_accuracy");
    json_decref(summary);
    release(&result);
    ck_assert(file_exists(in_folder("untrained")));
    result = RUN(USUAL, "--epochs", "0");
    expect_code(result, 0);
    ck_assert_int_eq(count_epoch_rows(result.out), 0);
    release(&result);
}
END_TEST

START_TEST(profile)
{
    const int phases = (int)mnist_fast_get_profile(NULL, NULL, 0);
    static const char *const headings[] = {"\n  phase  ", "\n  phase, mean of the threads  "};
    for (int threads = 1; threads <= 2; threads++) {
        struct result result = RUN(USUAL, "--profile", "--threads", threads == 1 ? "1" : "2");
        expect_code(result, 0);
        expect_says(result.out, headings[threads - 1]);
        const char *lines = strstr(result.out, headings[threads - 1]) + 1;
        ck_assert_int_eq(count_lines(lines), phases + 3); /* the heading, the sum, and what GFLOP/s are */
        double sum = 0, share, seconds;
        const char *line = strchr(lines, '\n') + 1;
        for (int i = 0; i < phases; i++, line = strchr(line, '\n') + 1) {
            ck_assert_msg(sscanf(line + 30, "%lf %lf%%", &seconds, &share) == 2, "%.70s", line);
            ck_assert(seconds >= 0);
            sum += share;
        }
        ck_assert_double_eq_tol(sum, 100, 1);
        expect_says(line, "  all ");
        release(&result);
    }
    struct result result = RUN(USUAL, "--profile", "--json", "--threads", "2");
    expect_code(result, 0);
    expect_says(result.err, headings[1]);
    ck_assert_ptr_null(strstr(result.out, "phase"));
    release(&result);
}
END_TEST

START_TEST(warnings)
{
    char threads[16], says[64];
    mnist_fast_cpu cpu;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    const int processors = cpu.processors;
    snprintf(threads, sizeof threads, "%d", processors + 1);
    snprintf(says, sizeof says, "warning: %d threads on %d processor", processors + 1, processors);
    struct result result = RUN(USUAL, "--threads", threads, "--epochs", "1");
    expect_code(result, 0);
    expect_says(result.err, says);
    ck_assert_int_eq(count_lines(result.err), 2); /* and the note on the data */
    release(&result);
    result = RUN("--hidden", "5", "--epochs", "1", "--threads", "1", "--batch", "208");
    expect_code(result, 0);
    expect_says(result.err, "warning: 207 images to train on are fewer than a batch of 208\n");
    ck_assert_int_eq(count_lines(result.err), 2);
    release(&result);
    result = RUN("--hidden", "5", "--epochs", "1", "--threads", "1", "--batch", "207");
    expect_code(result, 0);
    ck_assert_int_eq(count_lines(result.err), 1);
    release(&result);
    result = RUN(USUAL, "--threads", "1", "--verbose");
    expect_code(result, 0);
    expect_says(result.err, "mnist_fast: data: ");
    expect_says(result.err, "mnist_fast: threads: ");
    release(&result);
}
END_TEST

START_TEST(terminal)
{
    int ends[2];
    if (openpty(&ends[0], &ends[1], NULL, NULL, NULL) != 0) {
        puts("SKIP: no pseudo-terminals here");
        return;
    }
    close(ends[0]);
    close(ends[1]);
    const char *const *arguments = LIST(USUAL, "--threads", "1");
    char *text = run_on_terminal("xterm", "C", 70, arguments);
    expect_says(text, "\r  epoch 1/3  ");
    expect_says(text, "\r\x1b[K");
    expect_says(text, "..");
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c >= 0x7f)
            support_fail("no plain ASCII: %.20s", c);
    free(text);
    text = run_on_terminal("xterm", "C.UTF-8", 70, arguments);
    expect_says(text, "┄┄");
    expect_says(text, "▄");
    free(text);
    text = run_on_terminal("dumb", "C.UTF-8", 70, arguments);
    ck_assert_ptr_null(strstr(text, "epoch 1/3"));
    ck_assert_ptr_null(strchr(text, '\x1b'));
    free(text);
    text = run_on_terminal("xterm", "C", 70, LIST(USUAL, "--threads", "1", "--quiet"));
    ck_assert_ptr_null(strchr(text, '\x1b'));
    free(text);
}
END_TEST

/* Whatever the width, no line that is printed for people wraps; messages may. */
START_TEST(narrow_terminal)
{
    static const int columns[] = {40, 60, 65, 71, 72, 80};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char *text = run_on_terminal("xterm", "C", columns[i], LIST(USUAL, "--threads", "1"));
        int lines = 0;
        for (char *rest = text, *line; (line = strsep(&rest, "\r\n"));) {
            const char *escape = strstr(line, "\x1b[K"); /* clears the rest of the line: at one end of it */
            const size_t width = strlen(line) - (escape ? 3 : 0);
            lines += width > 0;
            if (width > (size_t)columns[i] && strncmp(line, "mnist_fast: ", 12) != 0)
                support_fail("%d columns: %s", columns[i], line);
        }
        ck_assert_int_gt(lines, 20);
        free(text);
    }
}
END_TEST

/* A reader that has gone, as of `| head -1`, is not an error: the program ends as if SIGPIPE had ended it. */
static void expect_lost_output(struct result result)
{
    if (how.out != CLOSED_PIPE) {
        expect_error(result, 1, "standard output: could not be written");
        return;
    }
    expect_code(result, 128 + SIGPIPE);
    ck_assert_ptr_null(strstr(result.err, "standard output"));
}

START_TEST(broken_output)
{
    const char *whole = in_folder("whole");
    weights_of(RUN(USUAL, "--save", whole));
    static const enum stream broken[] = {CLOSED, FULL, CLOSED_PIPE};
    static const char *const names[] = {"broken0", "broken1", "broken2"};
    for (int i = 0; i < 3; i++) {
        how.out = broken[i];
        struct result result = RUN(USUAL, "--save", in_folder(names[i]));
        expect_lost_output(result);
        file_expect_same(in_folder(names[i]), whole); /* the model is there all the same */
        release(&result);
        result = RUN(USUAL, "--json");
        expect_lost_output(result);
        release(&result);
        result = RUN("--help");
        expect_lost_output(result);
        release(&result);
        result = RUN("predict", "--quiet", "--model", whole, "test:0");
        expect_lost_output(result);
        release(&result);
        result = RUN("--nonsense"); /* nothing had to be written */
        expect_error(result, 2, "--nonsense");
        release(&result);
    }
}
END_TEST

/* A file must never get the descriptor of a closed stream, and what was meant for that stream written into it. */
START_TEST(closed_streams)
{
    const char *whole = in_folder("whole_again"), *saved = in_folder("closed"), *log = in_folder("closed_log");
    weights_of(RUN(USUAL, "--save", whole));
    for (int i = 0; i < 4; i++) {
        how.in_closed = i == 0 || i == 3;
        how.out = i == 1 || i == 3 ? CLOSED : TO_FILE;
        how.err_closed = i >= 2;
        remove(saved);
        struct result result = RUN(USUAL, "--verbose", "--save", saved, "--log", log);
        expect_code(result, how.out == CLOSED ? 1 : 0);
        if (how.err_closed)
            ck_assert_str_eq(result.err, "");
        release(&result);
        file_expect_same(saved, whole);
        char *lines = file_read_text(log);
        if (count_lines(lines) != 4 || strncmp(lines, "epoch,", 6) != 0)
            support_fail("case %d: the log holds what is not its own: %s", i, lines);
        free(lines);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("program_output");
    if (!tcase)
        return 1;
    tcase_add_test(tcase, table);
    tcase_add_test(tcase, json);
    tcase_add_test(tcase, no_epochs);
    tcase_add_test(tcase, profile);
    tcase_add_test(tcase, warnings);
    tcase_add_test(tcase, terminal);
    tcase_add_test(tcase, narrow_terminal);
    tcase_add_test(tcase, broken_output);
    tcase_add_test(tcase, closed_streams);
    return program_end();
}
