#include "support.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t support_seed = 1;
bool support_short;
const struct mf_kernels *support_isas[SUPPORT_ISAS_MAX];
int support_isa_count;

static char case_text[256] = "no case";

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

    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++)
        if ((*isa)->supported())
            support_isas[support_isa_count++] = *isa;

    const int faults[] = {SIGSEGV, SIGBUS, SIGILL};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct sigaction action = {.sa_handler = crashed};
        sigemptyset(&action.sa_mask);
        sigaction(faults[i], &action, &before_crash[faults[i]]);
    }
}

void support_announce_isas(void)
{
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++)
        if ((*isa)->supported())
            printf("ISA: %s\n", (*isa)->name);
        else
            printf("SKIP: %s cannot run on this CPU\n", (*isa)->name);
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

/* ---- guarded memory ---- */

enum { GUARDED_MAX = 64 };

static const uint32_t canary = 0x7fc5a5a5; /* a quiet NaN as a float */

static struct {
    unsigned char *pages, *memory;
    size_t mapped; /* the forbidden page included */
} guarded[GUARDED_MAX];
static int guarded_count;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned char canary_byte(const unsigned char *pages, const unsigned char *p)
{
    return (unsigned char)(canary >> (8 * ((p - pages) % 4)));
}

void *guarded_new(size_t size)
{
    const size_t page = page_size();
    const size_t mapped = (size + page - 1) / page * page + 2 * page; /* at least a page of canary in front */
    if (guarded_count == GUARDED_MAX)
        support_fail("more than %d guarded operands", GUARDED_MAX);
    unsigned char *const pages = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + mapped - page, page, PROT_NONE))
        support_fail("no guarded memory: %s", strerror(errno));
    for (unsigned char *p = pages; p < pages + mapped - page; p += sizeof canary)
        memcpy(p, &canary, sizeof canary);
    guarded[guarded_count].pages = pages;
    guarded[guarded_count].memory = pages + mapped - page - size;
    guarded[guarded_count].mapped = mapped;
    return guarded[guarded_count++].memory;
}

void guarded_seal(const void *memory)
{
    for (int i = 0; i < guarded_count; i++)
        if (guarded[i].memory == memory)
            if (mprotect(guarded[i].pages, guarded[i].mapped - page_size(), PROT_READ))
                support_fail("mprotect: %s", strerror(errno));
}

void guarded_release(void)
{
    for (int i = 0; i < guarded_count; i++) {
        for (const unsigned char *p = guarded[i].pages; p < guarded[i].memory; p++)
            if (*p != canary_byte(guarded[i].pages, p))
                support_fail("written %td bytes before operand %d", guarded[i].memory - p, i);
        munmap(guarded[i].pages, guarded[i].mapped);
    }
    guarded_count = 0;
}

void guarded_blank(float *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(data + i, &canary, sizeof canary);
}

/* ---- matrices ---- */

struct mf_matrix matrix_new(int rows, int panels)
{
    struct mf_matrix matrix = {NULL, (size_t)(rows + rows % 3) * MF_PANEL};
    matrix.data = guarded_new(matrix_size(matrix, rows, panels) * sizeof(float));
    return matrix;
}

size_t matrix_size(struct mf_matrix matrix, int rows, int panels)
{
    return (size_t)(panels - 1) * matrix.stride + (size_t)rows * MF_PANEL;
}

float *matrix_at(struct mf_matrix matrix, int row, int column)
{
    return matrix.data + (size_t)(column / MF_PANEL) * matrix.stride + (size_t)row * MF_PANEL + column % MF_PANEL;
}

void matrix_fill(struct mf_matrix matrix, int rows, int panels, int columns, float magnitude, float padding,
                 struct random *random)
{
    for (int j = 0; j < panels * MF_PANEL; j++)
        for (int i = 0; i < rows; i++)
            *matrix_at(matrix, i, j) = j < columns ? magnitude * random_real(random) : padding;
}

void expect_same(const char *what, struct mf_matrix expected, struct mf_matrix got, int rows, int panels)
{
    const size_t size = matrix_size(expected, rows, panels);
    if (!memcmp(expected.data, got.data, size * sizeof(float)))
        return;
    for (size_t i = 0; i < size; i++)
        if (memcmp(expected.data + i, got.data + i, sizeof(float)))
            support_fail("%s: row %zu, panel %zu, column %zu is %a, expected %a", what, i % expected.stride / MF_PANEL,
                         i / expected.stride, i % MF_PANEL, (double)got.data[i], (double)expected.data[i]);
}

void expect_only(const char *what, const float *before, struct mf_matrix after, int rows, int panels, int begin,
                 int end, int first, int last)
{
    const size_t size = matrix_size(after, rows, panels);
    for (size_t i = 0; i < size; i++) {
        const int panel = (int)(i / after.stride), row = (int)(i % after.stride / MF_PANEL);
        const bool asked = row >= begin && row < end && panel >= first && panel < last;
        if (!asked && memcmp(before + i, after.data + i, sizeof(float)))
            support_fail("%s: written outside the part that was asked for, at row %d, panel %d", what, row, panel);
    }
}

struct mf_adam adam_at_step(int step)
{
    const double beta1 = 0.9, beta2 = 0.999, rate = 0.001;
    return (struct mf_adam){
        .beta1 = (float)beta1,
        .gain1 = (float)(1 - beta1),
        .beta2 = (float)beta2,
        .gain2 = (float)(1 - beta2),
        .rate = (float)(rate / (1 - pow(beta1, step))),
        .root = (float)(1 / sqrt(1 - pow(beta2, step))),
        .epsilon = 1e-7f,
    };
}
