#define _GNU_SOURCE /* forkpty */
#include "program.h"

#include "mnist_fast.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char program[PATH_MAX];
struct how how;

/* ---- The frame ---- */

static Suite *suite;

static void usual(void)
{
    how = (struct how){0};
}

static void make_folder(void)
{
    folder_make();
    write_data(in_folder("data"), "train", TRAIN_IMAGES, 1);
    write_data(in_folder("data"), "t10k", TEST_IMAGES, 2);
}

static bool find_program(void)
{
    const char *const candidates[] = {getenv("MF_PROGRAM"), "build/mnist_fast", "./mnist_fast"};
    for (size_t i = 0; i < 3; i++)
        if (candidates[i] && *candidates[i])
            if (realpath(candidates[i], program) || i == 0)
                return file_exists(candidates[i]);
    return false;
}

TCase *program_begin(const char *name)
{
    support_begin();
    if (!find_program()) {
        fprintf(stderr, "no program to test: build it, or name it in MF_PROGRAM\n");
        return NULL;
    }
    printf("program %s\n", program);
    suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_add_unchecked_fixture(tcase, make_folder, folder_remove);
    tcase_add_checked_fixture(tcase, usual, NULL);
    tcase_set_timeout(tcase, 5 * SECONDS);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int program_end(void)
{
    return support_run(suite);
}

/* ---- Data ---- */

static void put_big_endian(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        putc((int)(value >> shift & 0xff), file);
}

void write_data(const char *data, const char *part, int count, uint64_t seed)
{
    struct random random = random_from(seed, 0, 0, 0);
    char path[PATH_MAX];
    mkdir(data, 0700);
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", data, part);
    FILE *images = fopen(path, "w");
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", data, part);
    FILE *labels = fopen(path, "w");
    ck_assert(images && labels);
    put_big_endian(images, 0x803);
    put_big_endian(images, (uint32_t)count);
    put_big_endian(images, 28);
    put_big_endian(images, 28);
    put_big_endian(labels, 0x801);
    put_big_endian(labels, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        const int digit = random_below(&random, 10);
        putc(digit, labels);
        for (int y = 0; y < 28; y++)
            for (int x = 0; x < 28; x++) {
                const bool block = y / 7 == digit / 4 && x / 7 == digit % 4;
                const bool noise = random_below(&random, 4) == 0;
                putc(block || noise ? 1 + random_below(&random, 255) : 0, images);
            }
    }
    ck_assert(fclose(images) == 0 && fclose(labels) == 0);
}

/* ---- Running ---- */

static void exec_program(const char *const arguments[])
{
    for (size_t i = 0; i < 4 && how.environment[i][0]; i++)
        setenv(how.environment[i][0], how.environment[i][1], 1);
    const char *words[MAX_ARGUMENTS + 3];
    int count = 0;
    const char *emulator = getenv("MF_EMULATOR");
    if (emulator && *emulator)
        words[count++] = emulator;
    words[count++] = how.binary ? how.binary : program;
    for (int i = 0; arguments[i]; i++)
        words[count++] = arguments[i];
    words[count] = NULL;
    if (!how.folder || chdir(how.folder) == 0)
        execvp(words[0], (char **)words);
    _exit(126);
}

static void set_environment(void)
{
    static const char *const unset[] = {"MNIST_FAST_ISA", "OMP_NUM_THREADS", "OMP_DYNAMIC", "OMP_THREAD_LIMIT"};
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
        unsetenv(unset[i]);
    const char *data = how.data ? how.data : in_folder("data");
    if (*data)
        setenv("MNIST_FAST_DATA", data, 1);
    else
        unsetenv("MNIST_FAST_DATA");
}

pid_t start(const char *const arguments[])
{
    char line[300] = "mnist_fast";
    for (int i = 0; arguments[i]; i++) {
        ck_assert_int_lt(i, MAX_ARGUMENTS);
        const size_t length = strlen(line);
        snprintf(line + length, sizeof line - length, " %s", arguments[i]);
    }
    support_case("%s", line);
    remove(in_folder("out")); /* so that nobody waits for what an earlier run has written */
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0)
        return child;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, how.ignore_interrupt ? SIG_IGN : SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    set_environment();
    int out;
    if (how.out == CLOSED_PIPE) {
        int ends[2];
        if (pipe(ends) != 0)
            _exit(125);
        close(ends[0]);
        out = ends[1];
    } else {
        out = open(how.out == FULL ? "/dev/full" : in_folder("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    }
    const int err = open(in_folder("err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(125);
    close(out);
    close(err);
    if (how.out == CLOSED)
        close(STDOUT_FILENO);
    if (how.err_closed)
        close(STDERR_FILENO);
    if (how.in_closed)
        close(STDIN_FILENO);
    exec_program(arguments);
    return 0;
}

void pause_briefly(void)
{
    nanosleep(&(const struct timespec){.tv_nsec = 5000000}, NULL);
}

struct result finish(pid_t child)
{
    int status = 0;
    const time_t end = time(NULL) + SECONDS;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (time(NULL) > end) {
            kill(child, SIGKILL);
            support_fail("still running after %d s", SECONDS);
        }
        pause_briefly();
    }
    return (struct result){
        .code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .out = how.out == TO_FILE ? file_read_text(in_folder("out")) : strdup(""),
        .err = file_read_text(in_folder("err")),
    };
}

void release(struct result *result)
{
    free(result->out);
    free(result->err);
}

struct result run(const char *const arguments[])
{
    return finish(start(arguments));
}

char *run_on_terminal(const char *type, const char *locale, int columns, const char *const arguments[])
{
    int terminal;
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    const pid_t child = forkpty(&terminal, NULL, NULL, &size);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        set_environment();
        setenv("TERM", type, 1);
        unsetenv("LC_CTYPE");
        setenv("LC_ALL", locale, 1);
        exec_program(arguments);
    }
    support_case("terminal %s, locale %s", type, locale);
    char *text = NULL;
    size_t length;
    FILE *memory = open_memstream(&text, &length);
    char bytes[4096];
    ssize_t got;
    while ((got = read(terminal, bytes, sizeof bytes)) > 0)
        fwrite(bytes, 1, (size_t)got, memory);
    fclose(memory);
    close(terminal);
    int status;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        support_fail("ended with status %#x: %s", (unsigned)status, text);
    return text;
}

/* ---- What is expected ---- */

void expect_code(struct result result, int code)
{
    if (result.code != code || result.signal)
        support_fail("ended with %d (signal %d), expected %d; standard error: %s", result.code, result.signal, code,
                     result.err);
}

int count_lines(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

void expect_error(struct result result, int code, const char *says)
{
    expect_code(result, code);
    if (strncmp(result.err, "mnist_fast: ", 12) != 0 || !strstr(result.err, says))
        support_fail("standard error is '%s', expected '%s'", result.err, says);
    if (code == 2 ? count_lines(result.err) != 2 || !strstr(result.err, "\nTry 'mnist_fast --help'\n")
                  : count_lines(strstr(result.err, says)) != 1)
        support_fail("standard error has more or less than one line of error: %s", result.err);
}

void expect_says(const char *text, const char *says)
{
    if (!strstr(text, says))
        support_fail("'%s' isn't in: %s", says, text);
}

char *weights_of(struct result result)
{
    static char crc[9];
    expect_code(result, 0);
    const char *found = strstr(result.out, "crc32 ");
    if (!found || strspn(found + 6, "0123456789abcdef") != 8)
        support_fail("no crc32 of the weights in: %s", result.out);
    snprintf(crc, sizeof crc, "%.8s", found + 6);
    release(&result);
    return crc;
}

void wait_for_output(pid_t child, const char *text)
{
    const time_t end = time(NULL) + SECONDS;
    for (;;) {
        const char *path = in_folder("out");
        char *out = file_exists(path) ? file_read_text(path) : strdup("");
        const bool found = strstr(out, text);
        free(out);
        if (found)
            return;
        if (time(NULL) > end || waitpid(child, NULL, WNOHANG) != 0) {
            kill(child, SIGKILL);
            support_fail("'%s' was never printed", text);
        }
        pause_briefly();
    }
}

int count_epoch_rows(const char *out)
{
    int rows = 0;
    for (const char *line = out; *line; line = strchr(line, '\n') + 1) {
        int epoch;
        double loss, accuracy;
        if (sscanf(line, " %d %lf %lf%%", &epoch, &loss, &accuracy) == 3) {
            rows++;
            ck_assert_msg(epoch == rows && isfinite(loss) && accuracy >= 0 && accuracy <= 100, "row %d: %.70s", rows,
                          line);
        }
    }
    return rows;
}

double number(const json_t *event, const char *name)
{
    const json_t *value = json_object_get(event, name);
    if (!json_is_number(value))
        support_fail("'%s' is no number", name);
    return json_number_value(value);
}

json_t *next_event(char **rest, const char *name)
{
    const char *line = strsep(rest, "\n");
    json_error_t error;
    json_t *event = line ? json_loads(line, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (!event)
        support_fail("no JSON where the event '%s' should be: %s", name, line ? line : "the end");
    const char *found = json_string_value(json_object_get(event, "event"));
    if (!found || strcmp(found, name) != 0)
        support_fail("event '%s' where '%s' should be", found ? found : "", name);
    return event;
}

void expect_share(const json_t *event, const char *name)
{
    if (!(number(event, name) >= 0 && number(event, name) <= 1))
        support_fail("'%s' is %g", name, number(event, name));
}
