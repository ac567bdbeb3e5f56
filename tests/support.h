/* Shared by the tests: the instruction sets to try, seeded numbers, and operands in guarded memory.
 *
 * A guarded operand ends at a page that must not be touched and begins after a canary; every float of it starts as a
 * NaN, so that what is read without having been written shows. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "kernels.h"

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The seed of every random number: MF_SEED, else 1. */
extern uint64_t support_seed;
extern bool support_short; /* MF_SHORT is set: smaller shapes, for emulators and sanitizers */

/* The instruction sets that this CPU runs; NULL last. */
enum { SUPPORT_ISAS_MAX = 8 };
extern const struct mf_kernels *support_isas[SUPPORT_ISAS_MAX];
extern int support_isa_count;

/* Reads the environment and prints the seed; finds the instruction sets. Call it first in main. */
void support_begin(void);
/* For tests that run the kernels: a line "ISA: name" for each that runs here, "SKIP: name ..." for each that cannot. */
void support_announce_isas(void);

/* Runs the suite; the value for main to return. A run without a single test is a failure. */
int support_run(Suite *suite);

/* What is being tried, for the message of a failure, a crash included. */
void support_case(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fails the test; the message has the case and the seed in front. */
#define support_fail(...) ck_abort_msg("%s", support_message(__VA_ARGS__))
const char *support_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct random {
    uint64_t state;
};
struct random random_from(uint64_t a, uint64_t b, uint64_t c, uint64_t d); /* and from support_seed */
uint64_t random_bits(struct random *random);
int random_below(struct random *random, int n);
float random_real(struct random *random); /* in (-1, 1), every one of its 24 bits random */

void *guarded_new(size_t size);            /* all canary; its end touches the forbidden page */
void guarded_seal(const void *memory);     /* read-only from now on */
void guarded_release(void);                /* fails when a canary has changed; unmaps everything */
void guarded_blank(float *data, size_t n); /* n canary NaNs */

/* (rows, panels * 16), with a gap of a few rows between panels. */
struct mf_matrix matrix_new(int rows, int panels);
size_t matrix_size(struct mf_matrix matrix, int rows, int panels); /* floats, gaps included */
float *matrix_at(struct mf_matrix matrix, int row, int column);
/* Random reals times magnitude in the first `columns` columns, `padding` in the others. */
void matrix_fill(struct mf_matrix matrix, int rows, int panels, int columns, float magnitude, float padding,
                 struct random *random);

/* Fails unless got holds the same bytes as expected, gaps and untouched rows included. */
void expect_same(const char *what, struct mf_matrix expected, struct mf_matrix got, int rows, int panels);
/* Fails unless only rows [begin, end) of panels [first, last) differ from what was there before. */
void expect_only(const char *what, const float *before, struct mf_matrix after, int rows, int panels, int begin,
                 int end, int first, int last);

struct mf_adam adam_at_step(int step); /* the constants of that step at the default learning rate */

#endif
