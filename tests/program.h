/* Running the program as its users do: what it prints where, what it leaves behind, and how it ends.
 *
 * MF_PROGRAM names the program; else build/mnist_fast or ./mnist_fast is taken. MF_EMULATOR names what to start it with
 * where the kernel cannot run it. Unless a test says otherwise, the program finds a small generated data set in the
 * folder of the tests, and none of the variables of the environment that it reads. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "folder.h"
#include "support.h"

#include <jansson.h>
#include <sys/types.h>

enum { MAX_ARGUMENTS = 32, TRAIN_IMAGES = 230, TEST_IMAGES = 60, SECONDS = 120 };

/* A training that takes a moment. */
#define USUAL "--hidden", "20,12", "--batch", "50", "--epochs", "3"
#define EPOCH_ROW "\n      2 " /* the second row of its table: training is under way */

extern char program[PATH_MAX]; /* its path */

/* The frame of main: program_begin makes the test case, whose tests share one folder; NULL: there is no program.
 * program_end runs it and returns what main returns. */
TCase *program_begin(const char *name);
int program_end(void);

/* A data set of `count` images: digit d is a bright block at a place of its own, over noise, which is easy to learn,
 * but not without errors. part: "train" or "t10k". */
void write_data(const char *data, const char *part, int count, uint64_t seed);

struct result {
    int code;   /* of exit; -1 after a signal */
    int signal; /* that ended it; 0: none */
    char *out, *err;
};

enum stream { TO_FILE, CLOSED, FULL, CLOSED_PIPE };

/* How the next run starts; set by a test, and back to the usual before each test. */
struct how {
    enum stream out;
    bool err_closed, in_closed;
    bool ignore_interrupt;
    const char *binary; /* NULL: program */
    const char *data;   /* for MNIST_FAST_DATA; NULL: the generated set; "": not set */
    const char *folder; /* to run in; NULL: where the tests run */
    const char *environment[4][2];
};
extern struct how how;

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(...) run(LIST(__VA_ARGS__))
struct result run(const char *const arguments[]);
pid_t start(const char *const arguments[]);
struct result finish(pid_t child);
void release(struct result *result);

/* Runs with standard error on a terminal of so many columns; returns all that it shows. The program must succeed. */
char *run_on_terminal(const char *type, const char *locale, int columns, const char *const arguments[]);

void pause_briefly(void);
void wait_for_output(pid_t child, const char *text);

void expect_code(struct result result, int code);
/* One line on standard error, which begins with the name of the program and says what is expected. */
void expect_error(struct result result, int code, const char *says);
void expect_says(const char *text, const char *says);
int count_lines(const char *text);
int count_epoch_rows(const char *out); /* of the table; each must hold numbers that can be */

/* Fails unless it succeeds; frees the result, and returns the crc32 of the weights. */
char *weights_of(struct result result);

/* Takes the next line off *rest: it must be an event of this name, in JSON. */
json_t *next_event(char **rest, const char *name);
double number(const json_t *event, const char *name); /* a member that must be a number */
void expect_share(const json_t *event, const char *name);

#endif
