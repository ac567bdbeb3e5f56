/* mnist_fast_selftest: what is right passes, and each kernel that is broken on purpose is found and named. */
#define _GNU_SOURCE /* sched_getcpu, sched_getaffinity */
#include "engine/selftest.h"
#include "support.h"
#include "tiled_emulated.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* What the callback received. */
struct told {
    int results, problems, teams;
    int processor; /* of the first problem, as what follows */
    char isa[32];
    char text[sizeof((mnist_fast_error *)0)->text];
};

static void tell(const mnist_fast_selftest_result *result, void *user)
{
    struct told *told = user;
    told->results++;
    told->teams += result->processor == -1;
    if (!result->problem || told->problems++)
        return;
    told->processor = result->processor;
    snprintf(told->isa, sizeof told->isa, "%s", result->isa);
    snprintf(told->text, sizeof told->text, "%s", result->problem);
}

static cpu_set_t allowed(void)
{
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

START_TEST(passes)
{
    const cpu_set_t before = allowed();
    struct told told = {0};
    mnist_fast_error error = {"untouched"};
    if (mnist_fast_selftest(tell, &told, &error))
        support_fail("%s", error.text);
    ck_assert_str_eq(error.text, "untouched");
    ck_assert_int_eq(told.problems, 0);
    int tables = support_isa_count;
    for (const struct mf_kernels *const *isa = mf_isas_bf16; *isa; isa++)
        tables += (*isa)->supported();
    ck_assert_int_eq(told.teams, tables);
    ck_assert_int_eq(told.results, tables * (1 + CPU_COUNT(&before)));
    const cpu_set_t after = allowed();
    ck_assert(CPU_EQUAL(&before, &after));
    ck_assert_int_eq(mnist_fast_selftest(NULL, NULL, NULL), MNIST_FAST_OK);
}
END_TEST

/* ---- broken kernels: each does what the real one does, and then changes one bit of one number ---- */

static const struct mf_kernels *real;
static bool (*breaks)(void); /* whether this call is one that goes wrong */

static bool always(void)
{
    return true;
}

static void spoil(float *number)
{
    uint32_t bits;
    memcpy(&bits, number, sizeof bits);
    bits ^= breaks();
    memcpy(number, &bits, sizeof bits);
}

static void broken_scale(const uint8_t *pixels, int begin, int end, struct mf_matrix x)
{
    real->scale(pixels, begin, end, x);
    spoil(mf_at(x, end - 1, MF_INPUTS - 1));
}

static void broken_pack_samples(const uint8_t *pixels, int begin, int end, struct mf_packed_nonzeros *packed)
{
    real->pack_samples(pixels, begin, end, packed);
    spoil(packed->value);
}

static void broken_pack_pixels(const uint8_t *pixels, int samples, int begin, int end,
                               struct mf_packed_nonzeros *packed)
{
    real->pack_pixels(pixels, samples, begin, end, packed);
    packed->count[0] -= breaks() && packed->count[0] > 0; /* the last sample is left out */
}

static void broken_index_columns(struct mf_matrix x, int columns, int begin, int end, struct mf_nonzero_index *index)
{
    real->index_columns(x, columns, begin, end, index);
    index->count[0] -= breaks() && index->count[0] > 0;
}

static void broken_forward(const struct mf_forward *op, int begin, int end)
{
    real->forward(op, begin, end);
    spoil(mf_at(op->y, end - 1, 0));
}

static void broken_forward_sparse(const struct mf_forward *op, int begin, int end)
{
    real->forward_sparse(op, begin, end);
    spoil(mf_at(op->y, end - 1, 0));
}

static void broken_input_gradient(const struct mf_input_gradient *op, int begin, int end)
{
    real->input_gradient(op, begin, end);
    spoil(mf_at(op->dx, begin, 0));
}

static bool broken_weight_update(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    const bool finite = real->weight_update(op, begin, end, first, last);
    spoil(mf_at(op->v, begin, first * MF_PANEL));
    return finite;
}

static bool broken_weight_update_sparse(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    return real->weight_update_sparse(op, begin, end, first, last) ^ breaks();
}

static bool broken_bias_update(const struct mf_weight_update *op, int row, int first, int last)
{
    const bool finite = real->bias_update(op, row, first, last);
    spoil(mf_at(op->m, row, first * MF_PANEL));
    return finite;
}

static void broken_softmax(const struct mf_softmax *op, int begin, int end)
{
    real->softmax(op, begin, end);
    op->digit[begin] ^= breaks();
}

static void broken_transpose(const float *block, float *transposed)
{
    real->transpose(block, transposed);
    spoil(transposed + MF_PANEL);
}

/* Runs the selftest on the best kernels here with one of them replaced, and expects that it is found. */
static struct told find(const struct mf_kernels *kernels, const char *name)
{
    const struct mf_kernels *const list[] = {kernels, NULL};
    struct told told = {0};
    mnist_fast_error error;
    ck_assert_int_eq(mf_selftest(list, tell, &told, &error), MNIST_FAST_BAD_MACHINE);
    ck_assert_int_ge(told.problems, 1);
    ck_assert_ptr_nonnull(strstr(told.isa, kernels->name)); /* " bf16" may follow */
    if (!strstr(told.text, name) || !strstr(told.text, "(expected ") || !strstr(error.text, told.text))
        support_fail("expected %s in the problem '%s' and the error '%s'", name, told.text, error.text);
    return told;
}

START_TEST(each_kernel_is_found)
{
    breaks = always;
    for (int i = 0; i < support_isa_count; i++) {
        real = support_isas[i];
#define FIND(slot)                                                                                                     \
    do {                                                                                                               \
        struct mf_kernels broken = *real;                                                                              \
        broken.slot = broken_##slot;                                                                                   \
        support_case("%s of %s", #slot, real->name);                                                                   \
        find(&broken, #slot);                                                                                          \
    } while (0)
        FIND(scale);
        FIND(pack_samples);
        FIND(pack_pixels);
        FIND(index_columns);
        FIND(forward);
        FIND(forward_sparse);
        FIND(input_gradient);
        FIND(weight_update);
        FIND(weight_update_sparse);
        FIND(bias_update);
        FIND(softmax);
        FIND(transpose);
#undef FIND
    }
}
END_TEST

/* ---- kernels in tiles: what they write for each other is spoiled in both forms, or in one ---- */

#ifdef __x86_64__
enum { TILE_FLOATS = 256 };

/* The first number: it is in the first word of both forms. */
static void spoil_tiles(struct mf_matrix matrix, bool first, bool second)
{
    uint32_t words[2];
    memcpy(&words[0], matrix.data, sizeof words[0]);
    memcpy(&words[1], matrix.data + TILE_FLOATS, sizeof words[1]);
    for (int i = 0; i < 2; i++)
        words[i] ^= (i ? second : first) ? 0x3f80u : 0; /* of 0, it makes 1 */
    memcpy(matrix.data, &words[0], sizeof words[0]);
    memcpy(matrix.data + TILE_FLOATS, &words[1], sizeof words[1]);
}

static void tiles_forward(const struct mf_forward *op, int begin, int end)
{
    real->forward(op, begin, end);
    if (op->relu)
        spoil_tiles(op->y, true, false);
    else
        spoil(mf_at(op->y, begin, 0));
}

/* Only the weight update reads it in this form. */
static void tiles_forward_of_updates(const struct mf_forward *op, int begin, int end)
{
    real->forward(op, begin, end);
    if (op->relu)
        spoil_tiles(op->y, false, true);
}

static void tiles_input_gradient(const struct mf_input_gradient *op, int begin, int end)
{
    real->input_gradient(op, begin, end);
    spoil_tiles(op->dx, true, true);
}

static bool tiles_weight_update(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    const bool finite = real->weight_update(op, begin, end, first, last);
    spoil(mf_at(op->w, begin, first * MF_PANEL));
    return finite;
}

/* The copy alone is wrong, in the form that the forward product reads. */
static bool tiles_weight_update_copy(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    const bool finite = real->weight_update(op, begin, end, first, last);
    if (begin == 0 && first == 0)
        spoil_tiles(op->copy, false, true);
    return finite;
}

static void tiles_round(struct mf_matrix w, int rows, int panels, struct mf_matrix copy)
{
    real->round(w, rows, panels, copy);
    spoil_tiles(copy, true, true);
}

START_TEST(each_kernel_in_tiles_is_found)
{
    static const struct mf_kernels *const tables[] = {&mf_kernels_emulated_amx, &mf_kernels_emulated_avx512bf16};
    breaks = always;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        real = tables[i];
        if (!real->supported())
            return;
        const struct mf_kernels *const list[] = {real, NULL};
        mnist_fast_error error;
        support_case("%s", real->name);
        if (mf_selftest(list, NULL, NULL, &error))
            support_fail("%s", error.text);
#define FIND(slot, with, found)                                                                                        \
    do {                                                                                                               \
        struct mf_kernels broken = *real;                                                                              \
        broken.slot = with;                                                                                            \
        support_case("%s of %s", #with, real->name);                                                                   \
        find(&broken, found);                                                                                          \
    } while (0)
        FIND(round, tiles_round, ": round, scale, forward or softmax computes");
        FIND(forward, tiles_forward, ": round, scale, forward or softmax computes");
        FIND(forward, tiles_forward_of_updates, ": weight_update computes");
        FIND(input_gradient, tiles_input_gradient, ": input_gradient or bias_update computes");
        FIND(weight_update, tiles_weight_update, ": weight_update computes");
        FIND(weight_update, tiles_weight_update_copy, ": weight_update or forward computes");
        FIND(bias_update, broken_bias_update, ": bias_update computes");
#undef FIND
    }
}
END_TEST
#endif

/* ---- one processor, and a team ---- */

static int bad_processor;

static bool on_bad_processor(void)
{
    return sched_getcpu() == bad_processor;
}

START_TEST(one_processor_is_found)
{
    const cpu_set_t set = allowed();
    struct mf_kernels broken = *(real = support_isas[0]);
    broken.softmax = broken_softmax;
    breaks = on_bad_processor;
    for (bad_processor = 0; bad_processor < CPU_SETSIZE; bad_processor++) {
        if (!CPU_ISSET(bad_processor, &set))
            continue;
        const struct told told = find(&broken, "softmax");
        ck_assert_int_eq(told.processor, bad_processor);
        ck_assert_int_le(told.problems, 2); /* the team may have been there too, but no other processor */
    }
}
END_TEST

static pthread_t caller;

static bool on_calling_thread(void)
{
    return pthread_equal(pthread_self(), caller);
}

START_TEST(the_team_is_tested)
{
    struct mf_kernels broken = *(real = support_isas[0]);
    broken.bias_update = broken_bias_update;
    breaks = on_calling_thread;
    caller = pthread_self();
    const struct told told = find(&broken, "a training ends with wrong weights");
    ck_assert_int_eq(told.processor, -1);
    ck_assert_int_eq(told.problems, 1);
}
END_TEST

/* ---- what only the training sees ---- */

static bool bias_update_of_19_samples(const struct mf_weight_update *op, int row, int first, int last)
{
    const bool finite = real->bias_update(op, row, first, last);
    if (op->samples == 19)
        *mf_at(op->w, row, first * MF_PANEL) += 0.5f;
    return finite;
}

START_TEST(the_training_is_tested)
{
    struct mf_kernels broken = *(real = support_isas[0]);
    broken.bias_update = bias_update_of_19_samples;
    const struct told told = find(&broken, "a training ends with wrong weights");
    ck_assert_int_ge(told.processor, 0);
}
END_TEST

static bool not_here(void)
{
    return false;
}

START_TEST(what_cannot_run_is_left_out)
{
    struct mf_kernels absent = *support_isas[0];
    absent.supported = not_here;
    const struct mf_kernels *const list[] = {&absent, support_scalar, NULL};
    struct told told = {0};
    const cpu_set_t set = allowed();
    ck_assert_int_eq(mf_selftest(list, tell, &told, NULL), MNIST_FAST_OK);
    ck_assert_int_eq(told.results, 1 + CPU_COUNT(&set));
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("selftest");
    TCase *tcase = tcase_create("selftest");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, passes);
    tcase_add_test(tcase, each_kernel_is_found);
#ifdef __x86_64__
    tcase_add_test(tcase, each_kernel_in_tiles_is_found);
#endif
    tcase_add_test(tcase, one_processor_is_found);
    tcase_add_test(tcase, the_team_is_tested);
    tcase_add_test(tcase, the_training_is_tested);
    tcase_add_test(tcase, what_cannot_run_is_left_out);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
