/* The program and signals: what is kept, and how it ends. */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(interrupted)
{
    static const int signals[] = {SIGINT, SIGTERM};
    const char *checkpoint = in_folder("stopped"), *straight = in_folder("stopped_straight");
    const char *resumed = in_folder("stopped_resumed");
    for (int i = 0; i < 2; i++) {
        const pid_t child =
            start(LIST("--hidden", "64,64", "--batch", "23", "--epochs", "1000000", "--threads", "2", "--checkpoint",
                       checkpoint, "--checkpoint-every", "1000000", "--save", in_folder("never")));
        wait_for_output(child, EPOCH_ROW);
        kill(child, signals[i]);
        struct result result = finish(child);
        expect_error(result, 128 + signals[i], i == 0 ? "stopped by SIGINT in epoch " : "stopped by SIGTERM in epoch ");
        expect_says(result.err, "go on with --resume ");
        ck_assert(!file_exists(in_folder("never")));
        ck_assert_ptr_null(strstr(result.out, "weights"));
        int epoch = 0;
        sscanf(strstr(result.err, " in epoch "), " in epoch %d", &epoch);
        release(&result);
        char epochs[16];
        snprintf(epochs, sizeof epochs, "%d", epoch + 1);
        weights_of(RUN("--resume", checkpoint, "--epochs", epochs, "--save", resumed));
        weights_of(RUN("--hidden", "64,64", "--batch", "23", "--epochs", epochs, "--save", straight));
        file_expect_same(resumed, straight);
    }
    const pid_t child = start(LIST(USUAL, "--epochs", "1000000"));
    wait_for_output(child, EPOCH_ROW);
    kill(child, SIGINT);
    struct result result = finish(child);
    expect_error(result, 130, "nothing was kept");
    release(&result);
}
END_TEST

/* A batch that takes long: the first signal waits for its end, the second one doesn't. */
START_TEST(interrupted_twice)
{
    const pid_t child = start(LIST("--hidden", "2000,2000", "--batch", "207", "--threads", "1", "--isa", "scalar",
                                   "--checkpoint", in_folder("twice")));
    wait_for_output(child, "epoch    loss");
    for (int i = 0; i < 2; i++) {
        kill(child, SIGINT);
        for (int j = 0; j < 5; j++)
            pause_briefly();
    }
    struct result result = finish(child);
    if (result.signal != SIGINT)
        support_fail("ended with %d (signal %d): %s", result.code, result.signal, result.err);
    ck_assert(!file_exists(in_folder("twice")));
    release(&result);
}
END_TEST

/* The second signal comes while the checkpoint is written, which the first one asked for. */
START_TEST(saving_is_not_cut_short)
{
    const char *own = in_folder("cut");
    char checkpoint[PATH_MAX];
    ck_assert_int_eq(mkdir(own, 0777), 0);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", own);
    const int rounds = support_short ? 5 : 20;
    for (int i = 0; i < rounds; i++) {
        static const int second[] = {SIGINT, SIGTERM, SIGHUP};
        support_case("round %d", i);
        const pid_t child = start(LIST("--hidden", "1000,1000", "--batch", "20", "--threads", "2", "--epochs", "1000",
                                       "--checkpoint", checkpoint, "--checkpoint-every", "1000"));
        wait_for_output(child, "epoch    loss");
        pause_briefly();
        kill(child, SIGINT);
        usleep((useconds_t)(i * 3000));
        kill(child, second[i % 3]);
        struct result result = finish(child);
        /* Where both arrive together, either may be the first. */
        ck_assert_msg(result.code > 128 || result.signal == SIGINT || result.signal == second[i % 3],
                      "ended with %d (signal %d): %s", result.code, result.signal, result.err);
        ck_assert_int_eq(names_in(own), file_exists(checkpoint));
        release(&result);
    }
}
END_TEST

START_TEST(hangup_keeps_a_checkpoint)
{
    const char *checkpoint = in_folder("hangup");
    const pid_t child = start(LIST(USUAL, "--epochs", "1000000", "--checkpoint", checkpoint));
    wait_for_output(child, EPOCH_ROW);
    kill(child, SIGHUP);
    struct result result = finish(child);
    expect_error(result, 129, "stopped by SIGHUP in epoch ");
    release(&result);
    result = RUN("--resume", checkpoint, "--epochs", "1");
    expect_code(result, 0);
    expect_says(result.err, "already; --epochs");
    release(&result);
}
END_TEST

/* The reader of the output goes away, or somebody sends the signal: training goes on, and its files are written. */
START_TEST(broken_pipe_keeps_the_files)
{
    const char *own = in_folder("pipe");
    char checkpoint[PATH_MAX], model[PATH_MAX];
    ck_assert_int_eq(mkdir(own, 0777), 0);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", own);
    snprintf(model, sizeof model, "%s/model", own);
    const char *const *arguments = LIST(USUAL, "--checkpoint", checkpoint, "--save", model);
    how.out = CLOSED_PIPE;
    struct result result = run(arguments);
    expect_code(result, 128 + SIGPIPE);
    release(&result);
    ck_assert_int_eq(names_in(own), 2);
    const struct bytes expected = file_read(model);
    ck_assert_int_eq(remove(model), 0);

    how.out = TO_FILE;
    const pid_t child = start(LIST("--hidden", "20,12", "--batch", "50", "--epochs", "3", "--isa", "scalar",
                                   "--checkpoint", checkpoint, "--save", model));
    wait_for_output(child, "epoch    loss");
    kill(child, SIGPIPE);
    result = finish(child);
    expect_code(result, 0);
    release(&result);
    ck_assert_int_eq(names_in(own), 2);
    file_expect(model, expected);
    free(expected.data);
}
END_TEST

START_TEST(ignored_interrupt_stays_ignored)
{
    how.ignore_interrupt = true;
    const pid_t child = start(LIST(USUAL, "--epochs", "1000000"));
    wait_for_output(child, EPOCH_ROW);
    kill(child, SIGINT);
    for (int i = 0; i < 40; i++)
        pause_briefly();
    kill(child, SIGTERM);
    struct result result = finish(child);
    expect_code(result, 143);
    release(&result);
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("program_signals");
    if (!tcase)
        return 1;
    tcase_add_test(tcase, interrupted);
    tcase_add_test(tcase, interrupted_twice);
    tcase_add_test(tcase, saving_is_not_cut_short);
    tcase_add_test(tcase, hangup_keeps_a_checkpoint);
    tcase_add_test(tcase, broken_pipe_keeps_the_files);
    tcase_add_test(tcase, ignored_interrupt_stays_ignored);
    return program_end();
}
