/* Usage errors, help, information, and where the program looks for data. */
#include "mnist_fast.h"
#include "program.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(help_and_version)
{
    how.environment[0][0] = "MNIST_FAST_ISA";
    how.environment[0][1] = "nonsense";
    how.data = "/nonexistent";
    static const char *const words[] = {"--help", "-h", "--version", "-V"};
    for (int i = 0; i < 4; i++) {
        struct result result = RUN(words[i]);
        expect_code(result, 0);
        const char *first = i < 2 ? "Usage: mnist_fast" : "mnist_fast " MNIST_FAST_VERSION "\n";
        if (strncmp(result.out, first, strlen(first)) != 0)
            support_fail("standard output begins otherwise: %s", result.out);
        ck_assert_str_eq(result.err, "");
        release(&result);
    }
}
END_TEST

START_TEST(usage_errors)
{
    static const char *const lines[][4] = {
        {"--threads", "-1"},
        {"--threads", "abc"},
        {"--threads", ""},
        {"--threads", "16abc"},
        {"--threads", "100000"},
        {"--threads", "99999999999999999999"},
        {"--lr", "nan"},
        {"--lr", "inf"},
        {"--lr", "-1"},
        {"--epochs", "-1"},
        {"--batch", "0"},
        {"--validation", "1"},
        {"--validation", "nan"},
        {"--hidden", "0"},
        {"--hidden", "5,,5"},
        {"--seed", "text"},
        {"--nonsense"},
        {"--seed"},
        {"extra"},
        {"train", "extra"},
        {"--isa", "pentium"},
        {"evaluate"},
        {"predict", "--model", "m"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct result result = run(lines[i]);
        expect_error(result, 2, "mnist_fast: ");
        ck_assert_str_eq(result.out, "");
        release(&result);
    }
}
END_TEST

START_TEST(unsupported_isa)
{
    static const char *const names[] = {"scalar", "avx2", "avx512", "neon", "AVX2", "pentium"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool runs = false;
        for (int j = 0; j < support_isa_count; j++)
            runs = runs || strcmp(support_isas[j]->name, names[i]) == 0;
        for (int by_environment = 0; by_environment < 2; by_environment++) {
            how.environment[0][0] = by_environment ? "MNIST_FAST_ISA" : NULL;
            how.environment[0][1] = names[i];
            struct result result = by_environment ? RUN("--json", USUAL) : RUN("--json", USUAL, "--isa", names[i]);
            char says[80];
            if (runs) {
                snprintf(says, sizeof says, "\"isa\":\"%s\"", names[i]);
                expect_code(result, 0);
                expect_says(result.out, says); /* what was asked for is what ran */
            } else {
                snprintf(says, sizeof says, "mnist_fast: %s: '%s' cannot run here (this CPU runs: ",
                         by_environment ? "MNIST_FAST_ISA" : "instruction set", names[i]);
                expect_error(result, 2, says);
                expect_says(result.err, "scalar)\n");
                ck_assert_str_eq(result.out, "");
            }
            release(&result);
        }
    }
    how.environment[0][0] = "MNIST_FAST_ISA"; /* the option takes precedence */
    how.environment[0][1] = "pentium";
    struct result result = RUN("info", "--isa", "scalar");
    expect_code(result, 0);
    expect_says(result.out, "choice     scalar (--isa)\n");
    release(&result);
    result = RUN("info");
    expect_error(result, 2, "MNIST_FAST_ISA: 'pentium' cannot run here");
    release(&result);
}
END_TEST

START_TEST(info)
{
    struct result result = RUN("info", "--threads", "3", "--isa", "scalar");
    expect_code(result, 0);
    expect_says(result.out, "version    " MNIST_FAST_VERSION "\n");
    expect_says(result.out, "choice     scalar (--isa)\n");
    expect_says(result.out, "threads    3 (--threads; ");
    for (int i = 0; i < support_isa_count; i++)
        expect_says(strstr(result.out, "runs here"), support_isas[i]->name);
    ck_assert_str_eq(result.err, "");
    release(&result);
    how.environment[0][0] = "OMP_NUM_THREADS";
    how.environment[0][1] = "5";
    result = RUN("info");
    expect_code(result, 0);
    expect_says(result.out, "threads    5 (");
    release(&result);
}
END_TEST

START_TEST(selftest)
{
    how.data = "/nonexistent"; /* no files are needed */
    struct result result = RUN("selftest");
    expect_code(result, 0);
    ck_assert_str_eq(result.err, "");
    const int lines = count_lines(result.out),
              tables = 2 * support_isa_count + mnist_fast_isa_runnable("amx") + mnist_fast_isa_runnable("avx512bf16");
    ck_assert_int_ge(lines, 2 * tables); /* a processor at least, and the team */
    ck_assert_int_eq(lines % tables, 0);
    for (int i = 0; i < support_isa_count; i++) {
        char line[64];
        snprintf(line, sizeof line, "%-12s all threads    ok\n", support_isas[i]->name);
        expect_says(result.out, line);
        snprintf(line, sizeof line, "%s bf16 ", support_isas[i]->name);
        expect_says(result.out, line);
    }
    release(&result);
    result = RUN("selftest", "--threads", "2");
    expect_error(result, 2, "--threads has no meaning for selftest");
    release(&result);
}
END_TEST

START_TEST(data_missing)
{
    struct result result = RUN("--data", in_folder("nowhere"));
    expect_error(result, 1, "nowhere");
    ck_assert_str_eq(result.out, "");
    release(&result);
    how.data = "/nonexistent\n\x1b[31m";
    result = RUN("train");
    expect_error(result, 1, "/nonexistent??[31m"); /* a file name can't break the line, or colour the terminal */
    release(&result);
}
END_TEST

START_TEST(data_beside_the_program)
{
    const char *binary = in_folder("bin/mnist_fast");
    mkdir(in_folder("bin"), 0700);
    mkdir(in_folder("elsewhere"), 0700);
    const struct bytes bytes = file_read(program);
    file_write(binary, bytes.data, bytes.size);
    free(bytes.data);
    chmod(binary, 0700);
    how.binary = binary;
    how.data = "";
    how.folder = in_folder("elsewhere");
    how.environment[0][0] = "XDG_DATA_HOME";
    how.environment[0][1] = in_folder("home");
    struct result result = RUN(USUAL);
    expect_error(result, 1, "no MNIST files (looked in "); /* there are none yet */
    expect_says(result.err, in_folder("bin/data, data, "));
    expect_says(result.err,
                in_folder("home/mnist_fast); run data/fetch of its source, or name their folder with --data"));
    expect_says(result.err, "MNIST_FAST_DATA");
    release(&result);
    ck_assert_int_eq(symlink(in_folder("data"), in_folder("bin/data")), 0);
    result = RUN(USUAL);
    expect_code(result, 0);
    release(&result);
    remove(in_folder("bin/data")); /* then data/ of the current folder */
    how.folder = folder;
    result = RUN(USUAL);
    expect_code(result, 0);
    release(&result);

    how.folder = in_folder("elsewhere"); /* then what the installed fetch has put below the user's folder */
    mkdir(in_folder("home"), 0700);
    ck_assert_int_eq(symlink(in_folder("data"), in_folder("home/mnist_fast")), 0);
    mkdir(in_folder("elsewhere/data"), 0700); /* without images, as in a checkout before data/fetch */
    result = RUN(USUAL);
    expect_code(result, 0);
    release(&result);
    how.environment[0][1] = "";
    how.environment[1][0] = "HOME";
    how.environment[1][1] = in_folder("home");
    mkdir(in_folder("home/.local"), 0700);
    mkdir(in_folder("home/.local/share"), 0700);
    ck_assert_int_eq(rename(in_folder("home/mnist_fast"), in_folder("home/.local/share/mnist_fast")), 0);
    result = RUN(USUAL);
    expect_code(result, 0);
    release(&result);
    remove(in_folder("home/.local/share/mnist_fast"));

    mkdir(in_folder("share"), 0700); /* the installed script is named */
    mkdir(in_folder("share/mnist_fast"), 0700);
    file_write(in_folder("share/mnist_fast/fetch"), "", 0);
    chmod(in_folder("share/mnist_fast/fetch"), 0700);
    result = RUN(USUAL);
    expect_error(result, 1, in_folder("bin/../share/mnist_fast/fetch, or"));
    release(&result);
}
END_TEST

START_TEST(save_is_checked_first)
{
    static const char *const ways[] = {"--save", "--checkpoint"};
    for (int i = 0; i < 2; i++) {
        struct result result = RUN(USUAL, ways[i], in_folder("nowhere/model"));
        expect_error(result, 1, "nowhere/model");
        ck_assert_str_eq(result.out, "");
        release(&result);
        result = RUN(USUAL, ways[i], folder);
        expect_error(result, 1, folder);
        ck_assert_str_eq(result.out, "");
        release(&result);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("program_usage");
    if (!tcase)
        return 1;
    tcase_add_test(tcase, help_and_version);
    tcase_add_test(tcase, usage_errors);
    tcase_add_test(tcase, unsupported_isa);
    tcase_add_test(tcase, info);
    tcase_add_test(tcase, selftest);
    tcase_add_test(tcase, data_missing);
    tcase_add_test(tcase, data_beside_the_program);
    tcase_add_test(tcase, save_is_checked_first);
    return program_end();
}
