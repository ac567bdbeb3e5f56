/* The kernels of bf16 in tiles against the definition: natively where the CPU has AMX or vdpbf16ps, and emulated where
 * it has AVX2. */
#include "engine/evaluate.h"
#include "networks.h"
#include "tiled_emulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TABLES_MAX = 4 };
static const struct mf_kernels *table[TABLES_MAX];
static int tables;

static void find_tables(void)
{
    for (int i = 0; mf_isas_bf16[i]; i++)
        if (mf_isas_bf16[i]->tiled && mf_isas_bf16[i]->supported())
            table[tables++] = mf_isas_bf16[i];
    if (mf_kernels_emulated_amx.supported()) {
        table[tables++] = &mf_kernels_emulated_amx;
        table[tables++] = &mf_kernels_emulated_avx512bf16;
    } else
        printf("SKIP: emulated instructions need AVX2\n");
}

/* As network_new, for kernels that cannot be named. */
static mnist_fast *new_network(const mnist_fast_config *config, const struct mf_kernels *kernels, int threads)
{
    const struct mf_runtime runtime = {.kernels = kernels, .threads = threads, .cpu = mf_cpu_read()};
    mnist_fast *network;
    mnist_fast_error error;
    mnist_fast_config of_kernels = *config;
    of_kernels.precision = MNIST_FAST_BF16;
    if (mf_network_create(&of_kernels, &runtime, &network, &error))
        support_fail("%s", error.text);
    mf_network_initialise(network);
    network->all_threads = true;
    return network;
}

static void expect_same_tensors(const mnist_fast *expected, const mnist_fast *got)
{
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++)
        for (int t = 0; t < mf_tensor_count(expected); t++) {
            float *const a = tensor_new(expected, t, (enum mf_tensor_kind)kind), *const b = tensor_new(
                                                                                     got, t, (enum mf_tensor_kind)kind);
            for (size_t i = 0; i < mf_tensor_size(expected, t); i++)
                if (memcmp(a + i, b + i, sizeof *a))
                    support_fail("tensor %d of kind %d: number %zu is %a, expected %a", t, kind, i, (double)b[i],
                                 (double)a[i]);
            free(a);
            free(b);
        }
}

static void expect_no_tiles(void)
{
    if (amx_tiles_in_use())
        support_fail("the tiles are still configured");
}

/* Networks around the units of 32, batches that are no whole number of them, and a last one of a few images. */
static const struct shape {
    int images, batch, layers, hidden[4];
} shapes[] = {
    {100, 20, 2, {17, 9}}, {70, 32, 1, {32}},     {70, 33, 2, {33, 31}}, {131, 64, 3, {64, 65, 16}},
    {40, 1, 1, {5}},       {90, 45, 2, {48, 80}}, {200, 200, 1, {100}},  {65, 31, 4, {1, 96, 15, 47}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, EPOCHS = 2 };

START_TEST(trainings)
{
    const struct shape *const shape = &shapes[_i / TABLES_MAX];
    const struct mf_kernels *const kernels = table[_i % TABLES_MAX];
    if (_i % TABLES_MAX >= tables)
        return;
    struct random random = random_from(900, (uint64_t)_i / TABLES_MAX, 0, 0);
    mnist_fast_images images = images_new(&random, shape->images);
    const mnist_fast_config config = config_of(shape->batch, 0.1, shape->layers, shape->hidden);
    mnist_fast *expected = new_network(&config, mf_kernels_choose("scalar", MF_BF16), 1);
    train(expected, &images, EPOCHS, NULL, NULL);
    float *const wanted = malloc(sizeof(float) * (size_t)shape->images * MF_CLASSES), *const found =
                                                                                          malloc(sizeof(float) *
                                                                                                 (size_t)shape->images *
                                                                                                 MF_CLASSES);
    mnist_fast_error error;
    if (mnist_fast_predict(expected, &images, NULL, wanted, &error))
        support_fail("%s", error.text);
    for (int threads = 1; threads <= 5; threads += 2) {
        support_case("%s, shape %d, %d threads", kernels->name, _i / TABLES_MAX, threads);
        mnist_fast *network = new_network(&config, kernels, threads);
        train(network, &images, EPOCHS, NULL, NULL);
        expect_no_tiles();
        expect_same_tensors(expected, network);
        if (mnist_fast_predict(network, &images, NULL, found, &error))
            support_fail("%s", error.text);
        if (memcmp(wanted, found, sizeof(float) * (size_t)shape->images * MF_CLASSES))
            support_fail("another prediction");
        expect_no_tiles();
        mnist_fast_free(network);
    }
    free(wanted);
    free(found);
    mnist_fast_free(expected);
    mnist_fast_free_images(&images);
}
END_TEST

/* Line `line` of the first tile in panel `panel` of the unit in row `row`. */
static bool is_zero_line(struct mf_matrix matrix, int row, int panel, int line)
{
    static const float zeros[MF_PANEL];
    const float *const at = matrix.data + (size_t)panel * matrix.stride + (size_t)(row * MF_BLOCK + line) * MF_PANEL;
    return memcmp(at, zeros, sizeof zeros) == 0;
}

/* Rows from `rows` to the end of their unit: a row of 32 is a line of the first tile, in the panel of its half. */
static void expect_zero_rows(struct mf_matrix matrix, int rows, const char *what)
{
    for (int i = rows; i % MF_BLOCK; i++)
        if (!is_zero_line(matrix, i / MF_BLOCK, i % MF_BLOCK / 16, i % 16))
            support_fail("%s: row %d of the padding is not zero", what, i);
}

/* What was in the memory of the padding does not matter: a training after a larger one with NaN everywhere. */
START_TEST(padding)
{
    static const int hidden[] = {33, 20};
    if (_i >= tables)
        return;
    support_case("%s: padding", table[_i]->name);
    struct random random = random_from(901, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 100);
    const mnist_fast_config config = config_of(35, 0.1, 2, hidden);
    mnist_fast *expected = new_network(&config, mf_kernels_choose("scalar", MF_BF16), 1),
               *network = new_network(&config, table[_i], 1);
    mnist_fast_error error;
    if (mf_workspace_reserve(network, 128, 64, &error))
        support_fail("%s", error.text);
    struct mf_workspace *const w = network->workspace;
    const struct mf_matrix of[] = {w->x, w->y[0], w->y[1], w->dy[0], w->dy[1]};
    static const int panels[] = {50, 4, 2, 4, 2};
    for (int m = 0; m < 5; m++)
        memset(of[m].data, 0xff,
               sizeof(float) * ((size_t)(panels[m] - 1) * of[m].stride + (size_t)w->samples * MF_PANEL));
    train(expected, &images, EPOCHS, NULL, NULL);
    train(network, &images, EPOCHS, NULL, NULL);
    expect_same_tensors(expected, network);
    const int last = 90 % 35; /* samples of the last batch: 10 of 100 images are held out */
    expect_zero_rows(network->workspace->y[0], last, "y[0]");
    expect_zero_rows(network->workspace->y[1], last, "y[1]");
    expect_zero_rows(network->workspace->dy[0], last, "dy[0]");
    expect_zero_rows(network->workspace->dy[1], last, "dy[1]");
    mnist_fast_free(expected);
    mnist_fast_free(network);
    mnist_fast_free_images(&images);
}
END_TEST

/* With patience the copy of the weights is that of another epoch at the end. */
START_TEST(best_epoch)
{
    static const int hidden[] = {40, 33};
    if (_i >= tables)
        return;
    support_case("%s: best epoch", table[_i]->name);
    struct random random = random_from(902, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 90);
    mnist_fast_config config = config_of(20, 0.3, 2, hidden);
    config.patience = 3;
    mnist_fast *networks[] = {new_network(&config, mf_kernels_choose("scalar", MF_BF16), 1),
                              new_network(&config, table[_i], 2)};
    mnist_fast_metrics metrics[2][2];
    mnist_fast_error error;
    for (int n = 0; n < 2; n++)
        for (int part = 0; part < 2; part++) {
            train(networks[n], &images, part ? 9 : 4, NULL, NULL);
            if (mnist_fast_evaluate(networks[n], &images, &metrics[n][part], NULL, &error))
                support_fail("%s", error.text);
        }
    ck_assert_int_lt(mnist_fast_best_epoch(networks[0], NULL), mnist_fast_get_position(networks[0]).epoch);
    expect_same_tensors(networks[0], networks[1]);
    if (memcmp(metrics[0], metrics[1], sizeof metrics[0]))
        support_fail("losses %a and %a, expected %a and %a", metrics[1][0].loss, metrics[1][1].loss, metrics[0][0].loss,
                     metrics[0][1].loss);
    mnist_fast_free(networks[0]);
    mnist_fast_free(networks[1]);
    mnist_fast_free_images(&images);
}
END_TEST

/* A training that begins with the one and ends with the other. */
START_TEST(resume)
{
    static const int hidden[] = {40, 33};
    if (_i >= tables)
        return;
    struct random random = random_from(903, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 90);
    const mnist_fast_config config = config_of(20, 0.1, 2, hidden);
    const struct mf_kernels *const both[] = {mf_kernels_choose("scalar", MF_BF16), table[_i]};
    mnist_fast *expected = new_network(&config, both[0], 1);
    train(expected, &images, EPOCHS, NULL, NULL);
    for (int at = 1; at < 10; at++) {
        support_case("%s: stopped after batch %d", table[_i]->name, at);
        mnist_fast *before = new_network(&config, both[at % 2], 2),
                   *after = new_network(&config, both[(at + 1) % 2], 3);
        struct stop stop = {.at = at};
        ck_assert_int_eq(mnist_fast_train(before, &images, EPOCHS, stop_at, &stop, NULL), MNIST_FAST_STOPPED);
        for (int t = 0; t < mf_tensor_count(before); t++)
            for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++) {
                float *const values = tensor_new(before, t, (enum mf_tensor_kind)kind);
                mf_tensor_set(after, t, (enum mf_tensor_kind)kind, values);
                free(values);
            }
        after->position = before->position;
        train(after, &images, EPOCHS, NULL, NULL);
        expect_same_tensors(expected, after);
        mnist_fast_free(before);
        mnist_fast_free(after);
    }
    mnist_fast_free(expected);
    mnist_fast_free_images(&images);
}
END_TEST

/* A sandbox that forbids arch_prctl: other kernels are chosen, and the reason is told. Of this process alone: Check
 * runs each test in its own. */
START_TEST(permission_refused)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    const bool there = mf_kernels_choose("amx", MF_BF16);
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        printf("SKIP: this process may not filter its system calls\n");
        return;
    }
    ck_assert(syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == -1 && errno == EACCES);
    ck_assert_ptr_null(mf_kernels_choose("amx", MF_BF16));
    ck_assert_str_ne(mnist_fast_isa_choice(MNIST_FAST_BF16), "amx");
    const char *const problem = mnist_fast_isa_problem("amx");
    ck_assert_ptr_nonnull(problem);
    if (there)
        ck_assert_ptr_nonnull(strstr(problem, "refuses the permission"));
    static const int hidden[] = {20};
    struct random random = random_from(904, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 40);
    mnist_fast_config config = config_of(20, 0.1, 1, hidden);
    config.precision = MNIST_FAST_BF16;
    mnist_fast *network;
    mnist_fast_error error;
    if (mnist_fast_create(&config, NULL, &network, &error))
        support_fail("%s", error.text);
    ck_assert_str_ne(mnist_fast_isa(network), "amx");
    train(network, &images, 1, NULL, NULL);
    mnist_fast_free(network);
    mnist_fast_free_images(&images);
}
END_TEST

/* A CPU whose instruction rounds a pair of products once must not use it. */
START_TEST(rounded_once)
{
    const struct mf_kernels *const kernels = &mf_kernels_emulated_avx512bf16;
    if (!mf_kernels_emulated_amx.supported())
        return;
    ck_assert(kernels->supported() && !kernels->problem());
    dots_are_rounded_once = true;
    ck_assert(!kernels->supported());
    ck_assert_str_eq(kernels->problem(), "its vdpbf16ps rounds in another way than the definition");
    dots_are_rounded_once = false;
}
END_TEST

#endif

START_TEST(in_the_list)
{
#ifdef __x86_64__
    ck_assert_str_eq(mf_isas_bf16[0]->name, "amx");
    ck_assert_str_eq(mf_isas_bf16[1]->name, "avx512bf16");
    ck_assert_ptr_null(mf_kernels_choose("avx512bf16", MF_FP32));
#endif
    ck_assert_ptr_null(mf_kernels_choose("amx", MF_FP32));
    ck_assert_str_eq(mnist_fast_isa_choice(MNIST_FAST_FP32), mf_kernels_choose(NULL, MF_FP32)->name);
    ck_assert_str_eq(mnist_fast_isa_choice(MNIST_FAST_BF16), mf_kernels_choose(NULL, MF_BF16)->name);
    const mnist_fast_runtime runtime = runtime_of("amx", 1);
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    mnist_fast *network;
    mnist_fast_error error;
    ck_assert_int_eq(mnist_fast_create(&config, &runtime, &network, &error), MNIST_FAST_NO_ISA);
    ck_assert_ptr_nonnull(strstr(error.text, "'amx'"));
    config.precision = MNIST_FAST_BF16;
    const bool runs = mnist_fast_isa_runnable("amx");
    ck_assert(runs == !mnist_fast_isa_problem("amx"));
    ck_assert_ptr_null(mnist_fast_isa_problem("scalar"));
    ck_assert_ptr_nonnull(mnist_fast_isa_problem("sse9"));
    ck_assert_ptr_nonnull(mnist_fast_isa_problem(NULL));
    ck_assert_int_eq(mnist_fast_create(&config, &runtime, &network, &error), runs ? MNIST_FAST_OK : MNIST_FAST_NO_ISA);
    if (runs)
        ck_assert_str_eq(mnist_fast_isa(network), "amx");
    mnist_fast_free(network);
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *const suite = suite_create("tiled");
    TCase *const tcase = tcase_create("tiled");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, in_the_list);
#ifdef __x86_64__
    find_tables();
    tcase_add_loop_test(tcase, trainings, 0, TABLES_MAX * SHAPES);
    tcase_add_loop_test(tcase, padding, 0, TABLES_MAX);
    tcase_add_loop_test(tcase, best_epoch, 0, TABLES_MAX);
    tcase_add_loop_test(tcase, resume, 0, TABLES_MAX);
    tcase_add_test(tcase, rounded_once);
    tcase_add_test(tcase, permission_refused);
#endif
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
