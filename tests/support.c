#include "support.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t support_seed = 1;
bool support_short;
const struct mf_kernels *support_isas[SUPPORT_ISAS_MAX];
int support_isa_count;
const struct mf_kernels *support_scalar;

static char case_text[256] = "no case";
static const char *only_isa; /* MF_ISA */

static bool is_wanted(const struct mf_kernels *isa)
{
    return !only_isa || !*only_isa || strcmp(isa->name, only_isa) == 0;
}

/* ---- running ---- */

static struct sigaction before_crash[64];

/* Says which case it was, then lets the fault happen again under the handler that was there before. */
static void crashed(int number)
{
    const char *const parts[] = {"crash in ", case_text, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    sigaction(number, &before_crash[number], NULL);
}

void support_begin(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *const seed = getenv("MF_SEED");
    if (seed)
        support_seed = strtoull(seed, NULL, 0);
    const char *const is_short = getenv("MF_SHORT");
    support_short = is_short && *is_short && strcmp(is_short, "0") != 0;
    printf("seed %llu%s\n", (unsigned long long)support_seed, support_short ? ", short" : "");

    only_isa = getenv("MF_ISA");
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++)
        if (is_wanted(*isa) && (*isa)->supported())
            support_isas[support_isa_count++] = *isa;
    support_scalar = mf_kernels_choose("scalar", MF_FP32);

    const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct sigaction action = {.sa_handler = crashed};
        sigemptyset(&action.sa_mask);
        sigaction(faults[i], &action, &before_crash[faults[i]]);
    }
}

void support_announce_isas(void)
{
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++)
        if (!is_wanted(*isa))
            continue;
        else if ((*isa)->supported())
            printf("ISA: %s\n", (*isa)->name);
        else
            printf("SKIP: %s cannot run on this CPU\n", (*isa)->name);
    for (const struct mf_kernels *const *isa = mf_isas_bf16; *isa; isa++)
        if ((*isa)->tiled)
            printf((*isa)->supported() ? "ISA: %s\n" : "SKIP: %s cannot run on this CPU\n", (*isa)->name);
}

int support_run(Suite *suite)
{
    SRunner *const runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int run = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (run == 0)
        fprintf(stderr, "no tests were run\n");
    return run > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void support_case(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(case_text, sizeof case_text, format, arguments);
    va_end(arguments);
}

const char *support_message(const char *format, ...)
{
    static char message[1024];
    const int length =
        snprintf(message, sizeof message, "%s (seed %llu): ", case_text, (unsigned long long)support_seed);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + length, sizeof message - (size_t)length, format, arguments);
    va_end(arguments);
    return message;
}

/* ---- random numbers: SplitMix64 (Steele, Lea and Flood 2014) ---- */

uint64_t random_bits(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct random random_from(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct random random = {support_seed};
    const uint64_t parts[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        random.state = random_bits(&random) ^ parts[i];
    return random;
}

int random_below(struct random *random, int n)
{
    return (int)(random_bits(random) % (uint64_t)n);
}

float random_real(struct random *random)
{
    const uint64_t bits = random_bits(random);
    const float real = (float)((bits >> 40) | 1) * 0x1p-24f;
    return bits & 1 ? -real : real;
}
