/* Shared by all tests: how they start and fail, the instruction sets to try, and seeded numbers. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "kernels.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/* The seed of every random number: MF_SEED, else 1. */
extern uint64_t support_seed;
extern bool support_short; /* MF_SHORT is set: smaller shapes, for emulators and sanitizers */

/* The instruction sets that this CPU runs, or of them the one that MF_ISA names; NULL last. */
enum { SUPPORT_ISAS_MAX = 8 };
extern const struct mf_kernels *support_isas[SUPPORT_ISAS_MAX];
extern int support_isa_count;
extern const struct mf_kernels *support_scalar; /* the definition of every kernel */

/* Reads the environment and prints the seed; finds the instruction sets. Call it first in main. */
void support_begin(void);
/* For tests that run the kernels, which are repeated for emulated AVX-512: a line "ISA: name" for each that runs here,
 * "SKIP: name ..." for each that cannot. */
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

#endif
