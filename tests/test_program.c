/* The program as its users see it: what it prints where, what it leaves behind, and how it ends.
 *
 * MF_PROGRAM names the program; else build/mnist_fast or ./mnist_fast is taken. MF_EMULATOR names what
 * to start it with, where the kernel can't run it. The data set is made up and small, but for one test, which is
 * skipped where data/ isn't there. */
#define _GNU_SOURCE /* nftw, forkpty */
#include "mnist_fast.h"

#include "base/cpu.h"
#include "base/profile.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 32, TRAIN_IMAGES = 230, TEST_IMAGES = 60, SECONDS = 120 };

#define USUAL "--hidden", "20,12", "--batch", "50", "--epochs", "3"

static char program[PATH_MAX];
static char folder[] = "/tmp/mnist_fast_program_XXXXXX"; /* of all that the tests write; the data stands in data/ */

/* ---- Files ---- */

/* The path of a file in the tests' folder: one text for a name, which stays. */
static const char *in_folder(const char *name)
{
    static char paths[64][128];
    int i = 0;
    while (*paths[i] && strcmp(paths[i] + sizeof folder, name) != 0)
        ck_assert_int_lt(++i, 64);
    snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
    return paths[i];
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The whole file as a string, to be freed; its size may hold zeros. */
static char *read_all(const char *path, size_t *size)
{
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length), *file = fopen(path, "r");
    if (!file)
        support_fail("%s: %s", path, strerror(errno));
    for (int c; (c = getc(file)) != EOF;)
        putc(c, memory);
    fclose(file);
    fclose(memory);
    if (size)
        *size = length;
    return text;
}

static void expect_same_file(const char *a, const char *b)
{
    size_t size_a, size_b;
    char *text_a = read_all(a, &size_a), *text_b = read_all(b, &size_b);
    if (size_a != size_b || memcmp(text_a, text_b, size_a) != 0)
        support_fail("%s and %s differ", a, b);
    free(text_a);
    free(text_b);
}

static void put_big_endian(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        putc((int)(value >> shift & 0xff), file);
}

/* Digit d is a bright block at a place of its own, over noise: easy to learn, and not to perfection. */
static void write_data(const char *data, const char *part, int count, uint64_t seed)
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

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* ---- Running ---- */

struct result {
    int code;   /* of exit; -1 after a signal */
    int signal; /* that ended it; 0: none */
    char *out, *err;
};

enum stream { TO_FILE, CLOSED, FULL, CLOSED_PIPE };

/* How the next run starts; set by a test, and back to the usual afterwards. */
static struct {
    enum stream out;
    bool err_closed, in_closed;
    bool ignore_interrupt;
    const char *binary; /* NULL: program */
    const char *data;   /* for MNIST_FAST_DATA; NULL: the made-up set; "": not set */
    const char *folder; /* to run in; NULL: where the tests run */
    const char *environment[4][2];
} how;

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

static pid_t start(const char *const arguments[])
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

static void pause_briefly(void)
{
    nanosleep(&(const struct timespec){.tv_nsec = 5000000}, NULL);
}

static struct result finish(pid_t child)
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
        .out = how.out == TO_FILE ? read_all(in_folder("out"), NULL) : strdup(""),
        .err = read_all(in_folder("err"), NULL),
    };
}

static void release(struct result *result)
{
    free(result->out);
    free(result->err);
}

static struct result run(const char *const arguments[])
{
    return finish(start(arguments));
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(...) run(LIST(__VA_ARGS__))

static void expect_code(struct result result, int code)
{
    if (result.code != code || result.signal)
        support_fail("ended with %d (signal %d), expected %d; standard error: %s", result.code, result.signal, code,
                     result.err);
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* One line on standard error, which begins with the name of the program and says what is expected. */
static void expect_error(struct result result, int code, const char *says)
{
    expect_code(result, code);
    if (strncmp(result.err, "mnist_fast: ", 12) != 0 || !strstr(result.err, says))
        support_fail("standard error is '%s', expected '%s'", result.err, says);
    if (code == 2 ? count_lines(result.err) != 2 || !strstr(result.err, "\nTry 'mnist_fast --help'\n")
                  : count_lines(strstr(result.err, says)) != 1)
        support_fail("standard error has more or less than one line of error: %s", result.err);
}

static void expect_says(const char *text, const char *says)
{
    if (!strstr(text, says))
        support_fail("'%s' isn't in: %s", says, text);
}

/* Runs, wants success, and returns the crc32 of the weights. */
static char *weights_of(struct result result)
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

static void wait_for_output(pid_t child, const char *text)
{
    const time_t end = time(NULL) + SECONDS;
    for (;;) {
        const char *path = in_folder("out");
        char *out = exists(path) ? read_all(path, NULL) : strdup("");
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

static const char epoch_row[] = "\n      2 "; /* the second row of the table: training is under way */

/* ---- Usage ---- */

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
    static const char *const known[] = {"scalar", "avx2", "avx512", "neon"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        bool runs = false;
        for (int j = 0; j < support_isa_count; j++)
            runs = runs || strcmp(support_isas[j]->name, known[i]) == 0;
        for (int by_environment = 0; by_environment < 2; by_environment++) {
            how.environment[0][0] = by_environment ? "MNIST_FAST_ISA" : NULL;
            how.environment[0][1] = known[i];
            struct result result = by_environment ? RUN("--json", USUAL) : RUN("--json", USUAL, "--isa", known[i]);
            if (runs) {
                char field[32];
                snprintf(field, sizeof field, "\"isa\":\"%s\"", known[i]);
                expect_code(result, 0);
                expect_says(result.out, field); /* what was asked for is what ran */
            } else {
                expect_error(result, 2, "can't run here (this CPU runs: ");
            }
            release(&result);
        }
    }
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

/* ---- Data ---- */

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
    size_t size;
    char *bytes = read_all(program, &size);
    FILE *copy = fopen(binary, "w");
    ck_assert(copy && fwrite(bytes, 1, size, copy) == size && fclose(copy) == 0);
    free(bytes);
    chmod(binary, 0700);
    how.binary = binary;
    how.data = "";
    how.folder = in_folder("elsewhere");
    struct result result = RUN(USUAL);
    expect_error(result, 1, "data"); /* there is none yet */
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
}
END_TEST

/* ---- What is printed ---- */

static int count_epoch_rows(const char *out)
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
    release(&result);

    result = RUN(USUAL, "--quiet");
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

static double number(const json_t *event, const char *name)
{
    const json_t *value = json_object_get(event, name);
    if (!json_is_number(value))
        support_fail("'%s' is no number", name);
    return json_number_value(value);
}

static json_t *next_event(char **rest, const char *name)
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

static void expect_share(const json_t *event, const char *name)
{
    if (!(number(event, name) >= 0 && number(event, name) <= 1))
        support_fail("'%s' is %g", name, number(event, name));
}

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
        /* 2 * (784*20*2 + 20*12*3 + 12*10*3) operations an image, over 3 epochs of 207 images. */
        const double flop = 2.0 * (784 * 20 * 2 + 20 * 12 * 3 + 12 * 10 * 3) * 3 * 207;
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
    ck_assert(exists(in_folder("untrained")));
    result = RUN(USUAL, "--epochs", "0");
    expect_code(result, 0);
    ck_assert_int_eq(count_epoch_rows(result.out), 0);
    release(&result);
}
END_TEST

START_TEST(profile)
{
    struct result result = RUN(USUAL, "--profile");
    expect_code(result, 0);
    const char *lines = strstr(result.out, "phase, per thread");
    if (!lines)
        support_fail("no profile in: %s", result.out);
    ck_assert_int_eq(count_lines(lines), MF_PHASES + 2);
    double sum = 0, share, seconds;
    const char *line = strchr(lines, '\n') + 1;
    for (int i = 0; i < MF_PHASES; i++, line = strchr(line, '\n') + 1) {
        ck_assert_msg(sscanf(line + 30, "%lf %lf%%", &seconds, &share) == 2, "%.70s", line);
        ck_assert(seconds >= 0);
        sum += share;
    }
    ck_assert_double_eq_tol(sum, 100, 1);
    expect_says(line, "  all ");
    release(&result);
    result = RUN(USUAL, "--profile", "--json");
    expect_code(result, 0);
    expect_says(result.err, "phase, per thread");
    ck_assert_ptr_null(strstr(result.out, "phase"));
    release(&result);
}
END_TEST

START_TEST(warnings)
{
    char threads[16], says[64];
    const int processors = mf_cpu_read().affinity;
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

/* Runs with standard error on a terminal; returns all that it shows. */
static char *run_on_terminal(const char *type, const char *locale, const char *const arguments[])
{
    int terminal;
    struct winsize size = {.ws_row = 24, .ws_col = 70};
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
    char *text = run_on_terminal("xterm", "C", arguments);
    expect_says(text, "\r  epoch 1/3  ");
    expect_says(text, "\r\x1b[K");
    expect_says(text, "..");
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c >= 0x7f)
            support_fail("no plain ASCII: %.20s", c);
    free(text);
    text = run_on_terminal("xterm", "C.UTF-8", arguments);
    expect_says(text, "┄┄");
    expect_says(text, "▄");
    free(text);
    text = run_on_terminal("dumb", "C.UTF-8", arguments);
    ck_assert_ptr_null(strstr(text, "epoch 1/3"));
    ck_assert_ptr_null(strchr(text, '\x1b'));
    free(text);
    text = run_on_terminal("xterm", "C", LIST(USUAL, "--threads", "1", "--quiet"));
    ck_assert_ptr_null(strchr(text, '\x1b'));
    free(text);
}
END_TEST

START_TEST(log_file)
{
    const char *log = in_folder("log.csv"), *checkpoint = in_folder("log.checkpoint");
    struct result result = RUN(USUAL, "--log", log, "--checkpoint", checkpoint);
    expect_code(result, 0);
    release(&result);
    result = RUN(USUAL, "--epochs", "4", "--log", log, "--resume", checkpoint); /* appended */
    expect_code(result, 0);
    release(&result);
    char *text = read_all(log, NULL), *line = strchr(text, '\n') + 1;
    static const char header[] =
        "epoch,seconds,train_loss,train_accuracy,validation_loss,validation_accuracy,images_per_second\n";
    ck_assert(strncmp(text, header, strlen(header)) == 0);
    ck_assert_int_eq(count_lines(text), 5);
    for (int i = 1; i <= 4; i++, line = strchr(line, '\n') + 1) {
        int epoch;
        double numbers[6];
        ck_assert_msg(sscanf(line, "%d,%lf,%lf,%lf,%lf,%lf,%lf\n", &epoch, &numbers[0], &numbers[1], &numbers[2],
                             &numbers[3], &numbers[4], &numbers[5]) == 7 &&
                          epoch == i,
                      "line %d: %.80s", i, line);
    }
    free(text);
    result = RUN(USUAL, "--log", log, "--validation", "0"); /* begun anew */
    expect_code(result, 0);
    release(&result);
    text = read_all(log, NULL);
    ck_assert_int_eq(count_lines(text), 4);
    expect_says(text, ",,,");
    free(text);
    result = RUN(USUAL, "--log", "/dev/full");
    expect_error(result, 1, "/dev/full: could not be written");
    release(&result);
    result = RUN(USUAL, "--log", in_folder("nowhere/log"));
    expect_error(result, 1, "nowhere/log: could not be opened");
    ck_assert_str_eq(result.out, "");
    release(&result);
}
END_TEST

/* ---- Models ---- */

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
        char says[64];
        snprintf(says, sizeof says, "mnist_fast: %s: %s", wrong[i],
                 i < 2 ? "there is no such test image (expected 0 to 59)" : "pictures are not supported yet");
        result = RUN("predict", "--model", model, "test:1", wrong[i]);
        expect_error(result, 1, says);
        ck_assert_str_eq(result.out, "");
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
            expect_same_file(saved, first);
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
    expect_same_file(straight, resumed);
    /* The last epoch is always kept, whatever the distance. */
    weights_of(RUN(USUAL, "--epochs", "5", "--checkpoint", checkpoint, "--checkpoint-every", "3"));
    result = RUN("--resume", checkpoint, "--epochs", "5", "--save", resumed);
    expect_code(result, 0);
    ck_assert_int_eq(count_epoch_rows(result.out), 0);
    release(&result);
    expect_same_file(straight, resumed);
    /* The number of epochs that it has behind it is not a wrong one. */
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
    ck_assert(!exists(checkpoint));
    ck_assert_ptr_null(strstr(result.out, "weights"));
    release(&result);
    /* A good checkpoint outlives what comes after it. */
    weights_of(RUN(USUAL, "--checkpoint", checkpoint));
    char *before = read_all(checkpoint, NULL);
    result = RUN("--resume", checkpoint, "--epochs", "9", "--lr", "1e30", "--force", "--checkpoint", checkpoint);
    expect_error(result, 1, "epoch 4");
    char *after = read_all(checkpoint, NULL);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    release(&result);
}
END_TEST

/* ---- Signals ---- */

START_TEST(interrupted)
{
    static const int signals[] = {SIGINT, SIGTERM};
    const char *checkpoint = in_folder("stopped"), *straight = in_folder("stopped_straight");
    const char *resumed = in_folder("stopped_resumed");
    for (int i = 0; i < 2; i++) {
        const pid_t child =
            start(LIST("--hidden", "64,64", "--batch", "23", "--epochs", "1000000", "--threads", "2", "--checkpoint",
                       checkpoint, "--checkpoint-every", "1000000", "--save", in_folder("never")));
        wait_for_output(child, epoch_row);
        kill(child, signals[i]);
        struct result result = finish(child);
        expect_error(result, 128 + signals[i], i == 0 ? "stopped by SIGINT in epoch " : "stopped by SIGTERM in epoch ");
        expect_says(result.err, "go on with --resume ");
        ck_assert(!exists(in_folder("never")));
        ck_assert_ptr_null(strstr(result.out, "weights"));
        int epoch = 0;
        sscanf(strstr(result.err, " in epoch "), " in epoch %d", &epoch);
        release(&result);
        char epochs[16];
        snprintf(epochs, sizeof epochs, "%d", epoch + 1);
        weights_of(RUN("--resume", checkpoint, "--epochs", epochs, "--save", resumed));
        weights_of(RUN("--hidden", "64,64", "--batch", "23", "--epochs", epochs, "--save", straight));
        expect_same_file(resumed, straight);
    }
    const pid_t child = start(LIST(USUAL, "--epochs", "1000000"));
    wait_for_output(child, epoch_row);
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
    ck_assert(!exists(in_folder("twice")));
    release(&result);
}
END_TEST

START_TEST(ignored_interrupt_stays_ignored)
{
    how.ignore_interrupt = true;
    const pid_t child = start(LIST(USUAL, "--epochs", "1000000"));
    wait_for_output(child, epoch_row);
    kill(child, SIGINT);
    for (int i = 0; i < 40; i++)
        pause_briefly();
    kill(child, SIGTERM);
    struct result result = finish(child);
    expect_code(result, 143);
    release(&result);
}
END_TEST

/* ---- Streams ---- */

START_TEST(broken_output)
{
    const char *whole = in_folder("whole");
    weights_of(RUN(USUAL, "--save", whole));
    static const enum stream broken[] = {CLOSED, FULL, CLOSED_PIPE};
    static const char *const names[] = {"broken0", "broken1", "broken2"};
    for (int i = 0; i < 3; i++) {
        how.out = broken[i];
        struct result result = RUN(USUAL, "--save", in_folder(names[i]));
        expect_error(result, 1, "standard output: could not be written");
        expect_same_file(in_folder(names[i]), whole); /* the model is there all the same */
        release(&result);
        result = RUN("--help");
        expect_error(result, 1, "standard output");
        release(&result);
        result = RUN("predict", "--quiet", "--model", whole, "test:0");
        expect_error(result, 1, "standard output");
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
        expect_same_file(saved, whole);
        char *lines = read_all(log, NULL);
        if (count_lines(lines) != 4 || strncmp(lines, "epoch,", 6) != 0)
            support_fail("case %d: the log holds what is not its own: %s", i, lines);
        free(lines);
    }
}
END_TEST

/* ---- Real data ---- */

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

static void usual(void)
{
    memset(&how, 0, sizeof how);
}

static void make_folder(void)
{
    ck_assert_msg(mkdtemp(folder), "%s: %s", folder, strerror(errno));
    write_data(in_folder("data"), "train", TRAIN_IMAGES, 1);
    write_data(in_folder("data"), "t10k", TEST_IMAGES, 2);
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool find_program(void)
{
    const char *const candidates[] = {getenv("MF_PROGRAM"), "build/mnist_fast", "./mnist_fast"};
    for (size_t i = 0; i < 3; i++)
        if (candidates[i] && *candidates[i])
            if (realpath(candidates[i], program) || i == 0)
                return exists(candidates[i]);
    return false;
}

int main(void)
{
    support_begin();
    if (!find_program()) {
        fprintf(stderr, "no program to test: build it, or name it in MF_PROGRAM\n");
        return EXIT_FAILURE;
    }
    printf("program %s\n", program);

    Suite *suite = suite_create("program");
    TCase *tcase = tcase_create("program");
    tcase_add_unchecked_fixture(tcase, make_folder, remove_folder);
    tcase_add_checked_fixture(tcase, usual, NULL);
    tcase_set_timeout(tcase, 5 * SECONDS);
    tcase_add_test(tcase, help_and_version);
    tcase_add_test(tcase, usage_errors);
    tcase_add_test(tcase, unsupported_isa);
    tcase_add_test(tcase, info);
    tcase_add_test(tcase, data_missing);
    tcase_add_test(tcase, data_beside_the_program);
    tcase_add_test(tcase, table);
    tcase_add_test(tcase, json);
    tcase_add_test(tcase, no_epochs);
    tcase_add_test(tcase, profile);
    tcase_add_test(tcase, warnings);
    tcase_add_test(tcase, terminal);
    tcase_add_test(tcase, log_file);
    tcase_add_test(tcase, save_evaluate_predict);
    tcase_add_test(tcase, save_is_checked_first);
    tcase_add_test(tcase, one_model);
    tcase_add_test(tcase, resume);
    tcase_add_test(tcase, resume_refused);
    tcase_add_test(tcase, diverged);
    tcase_add_test(tcase, interrupted);
    tcase_add_test(tcase, interrupted_twice);
    tcase_add_test(tcase, ignored_interrupt_stays_ignored);
    tcase_add_test(tcase, broken_output);
    tcase_add_test(tcase, closed_streams);
    if (exists("data/train-images-idx3-ubyte") || exists("data/train-images-idx3-ubyte.gz"))
        tcase_add_test(tcase, mnist);
    else
        printf("SKIP: data/ is not there: no test on real images\n");
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
