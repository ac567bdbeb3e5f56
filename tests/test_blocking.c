/* Blocking: the rule for several CPUs, the environment variable, and that no bit depends on it. */
#include "engine/blocking.h"

#include "engine/partition.h"
#include "networks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KB = 1 << 10, MB = 1 << 20, THREADS_MAX = 64 };

/* The tile shapes are those of the instruction sets, whether this CPU has them or not. */
static const struct mf_kernels tile_6x16 = {.name = "6 x 16", .mr = 6, .nr_panels = 1};
static const struct mf_kernels tile_8x48 = {.name = "8 x 48", .mr = 8, .nr_panels = 3};

static const struct machine {
    const char *name;
    struct mf_caches caches;
} machines[] = {
    {"Zen 3", {32 * KB, 512 * KB, 32 * MB, 1, 8}},  {"Granite Rapids", {48 * KB, 2 * MB, 288 * MB, 1, 64}},
    {"Zen 4, Zen 5", {48 * KB, MB, 32 * MB, 1, 8}}, {"four cores of ARM on an L2", {32 * KB, MB, 0, 4, 1}},
    {"a small core", {8 * KB, 64 * KB, 0, 1, 1}},   {"an L2 of 256 MB", {32 * KB, 256u * MB, 0, 1, 1}},
};
enum { ZEN3, GRANITE_RAPIDS, ZEN5, ARM, SMALL, MACHINES = sizeof machines / sizeof *machines };

static struct mf_cpu cpu_of(const struct machine *machine, int processors)
{
    return (struct mf_cpu){
        .affinity = processors, .cores = processors, .advised = processors, .caches = machine->caches};
}

static struct mf_blocking choose(const struct machine *machine, const struct mf_kernels *kernels, int threads)
{
    const mnist_fast_config config = config_of(1000, 0.1, 3, (const int[]){500, 500, 500});
    const struct mf_cpu cpu = cpu_of(machine, threads);
    return mf_blocking_choose(&(struct mf_blocking_request){
        .kernels = kernels, .cpu = &cpu, .config = &config, .threads = threads, .training = true, .samples = 1000});
}

static void expect_between(const char *what, int found, int least, int most)
{
    if (found < least || found > most)
        support_fail("%s %d, expected %d to %d", what, found, least, most);
}

/* What was measured to be good there, for the default training on two threads (docs/performance.md). */
START_TEST(measured_machines)
{
    static const struct {
        int machine;
        const struct mf_kernels *kernels;
        int rows[2], panels[2], pixels[2];
    } cases[] = {
        {ZEN3, &tile_6x16, {24, 24}, {4, 4}, {48, 48}},
        {GRANITE_RAPIDS, &tile_8x48, {168, 256}, {9, 15}, {144, 264}},
        {ZEN5, &tile_8x48, {72, 120}, {6, 9}, {96, 96}},
        {ARM, &tile_6x16, {24, 24}, {1, 2}, {48, 48}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_case("%s, tile %s", machines[cases[i].machine].name, cases[i].kernels->name);
        const struct mf_blocking b = choose(&machines[cases[i].machine], cases[i].kernels, 2);
        ck_assert_int_eq(b.threads, 2);
        expect_between("rows", b.rows, cases[i].rows[0], cases[i].rows[1]);
        expect_between("panels", b.panels, cases[i].panels[0], cases[i].panels[1]);
        expect_between("pixels", b.pixels, cases[i].pixels[0], cases[i].pixels[1]);
    }
}
END_TEST

/* Whatever is asked for: whole tiles, work for every thread, limits. */
START_TEST(any_request)
{
    for (int i = 0; i < 20000; i++) {
        struct random random = random_from(910, (uint64_t)i, 0, 0);
        int hidden[4];
        const int layers = 1 + random_below(&random, 4), batch = 1 << random_below(&random, 21);
        for (int l = 0; l < layers; l++)
            hidden[l] = 1 + random_below(&random, 1 << (1 + random_below(&random, 14)));
        const mnist_fast_config config = config_of(batch, 0.1, layers, hidden);
        struct machine machine = machines[random_below(&random, MACHINES)];
        machine.caches.l2_cores = 1 + random_below(&random, 4);
        const struct mf_cpu cpu = cpu_of(&machine, 1 + random_below(&random, 128));
        const struct mf_kernels *kernels = random_below(&random, 2) ? &tile_6x16 : &tile_8x48;
        const struct mf_blocking_request request = {
            .kernels = kernels,
            .cpu = &cpu,
            .config = &config,
            .threads = 1 + random_below(&random, MNIST_FAST_MAX_THREADS),
            .all_threads = random_below(&random, 2),
            .training = random_below(&random, 2),
            .samples = (size_t)(random_below(&random, 100) ? random_below(&random, 2 * batch) : 0),
        };
        const struct mf_blocking b = mf_blocking_choose(&request);
        support_case("request %d: %zu samples, %d threads", i, request.samples, request.threads);
        expect_between("threads", b.threads, request.all_threads ? request.threads : 1, request.threads);
        expect_between("rows", b.rows, kernels->mr, 256);
        expect_between("panels", b.panels, kernels->nr_panels, 1024);
        expect_between("pixels", b.pixels, 1, MF_INPUTS);
        const size_t share = (request.samples + (size_t)b.threads - 1) / (size_t)b.threads;
        if (b.rows % kernels->mr || b.panels % kernels->nr_panels)
            support_fail("%d rows, %d panels are no whole tiles", b.rows, b.panels);
        if ((size_t)b.rows >= share + (size_t)kernels->mr && b.rows > kernels->mr)
            support_fail("%d rows, a thread has %zu", b.rows, share);
    }
}
END_TEST

/* Shares of the samples that the tiles of a block of 16 pixels keep, about as in MNIST. */
static double density_at(int pixel)
{
    const double distance = (pixel - 392) / 392.0;
    return 0.55 * exp(-4 * distance * distance);
}

static double busiest(const struct mf_partition *partition, int threads, double *mean)
{
    double most = 0;
    *mean = 0;
    for (int t = 0; t < threads; t++) {
        double cost = 0;
        const size_t end = mf_partition_begin(partition, t + 1, threads);
        for (size_t i = mf_partition_begin(partition, t, threads); i < end; i++)
            cost += partition->tasks[i].cost;
        most = cost > most ? cost : most;
        *mean += cost / threads;
    }
    return most;
}

/* The tasks that follow are small enough: no thread has more than the mean and a little. */
START_TEST(balance)
{
    const struct machine *machine = &machines[_i];
    for (int tile = 0; tile < 2; tile++) {
        const struct mf_kernels *kernels = tile ? &tile_8x48 : &tile_6x16;
        const mnist_fast_config config = config_of(1000, 0.1, 3, (const int[]){500, 500, 500});
        const struct mf_runtime runtime = {.kernels = kernels, .threads = 1, .cpu = cpu_of(machine, 1)};
        mnist_fast *network;
        mnist_fast_error error;
        if (mf_network_create(&config, &runtime, &network, &error))
            support_fail("%s", error.text);
        for (int threads = 1; threads <= THREADS_MAX; threads++) {
            support_case("%s, tile %s, %d threads", machine->name, kernels->name, threads);
            struct mf_partition partition;
            double density[MF_INPUTS], mean;
            network->blocking = choose(machine, kernels, threads);
            for (int i = 0; i * network->blocking.pixels < MF_INPUTS; i++)
                density[i] = density_at(i * network->blocking.pixels + network->blocking.pixels / 2);
            if (mf_partition_make(network, density, &partition, &error))
                support_fail("%s", error.text);
            const double most = busiest(&partition, threads, &mean);
            if (most > (threads <= 16 ? 1.06 : 1.15) * mean)
                support_fail("the busiest has %.1f%% over the mean", 100 * (most / mean - 1));
            mf_partition_free(&partition);
        }
        mnist_fast_free(network);
    }
}
END_TEST

/* The team fits the work. */
START_TEST(teams)
{
    static const struct {
        int hidden, batch, asked, processors, expected;
    } cases[] = {
        {32, 1, 16, 16, 1},                        /* 25,000 weights */
        {32, 1000, 16, 16, 16}, {500, 1, 2, 2, 2}, /* 400,000 weights: Adam */
        {500, 1, 64, 2, 2},                        /* more than there are processors: no */
        {500, 1000, 64, 2, 64},                    /* but where it is asked for and there is work */
        {500, 1000, 1, 16, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const mnist_fast_config config = config_of(cases[i].batch, 0.1, 1, &cases[i].hidden);
        const struct mf_cpu cpu = cpu_of(&machines[0], cases[i].processors);
        support_case("%d units, batch %d, %d threads", cases[i].hidden, cases[i].batch, cases[i].asked);
        const struct mf_blocking b =
            mf_blocking_choose(&(struct mf_blocking_request){.kernels = &tile_6x16,
                                                             .cpu = &cpu,
                                                             .config = &config,
                                                             .threads = cases[i].asked,
                                                             .training = true,
                                                             .samples = (size_t)cases[i].batch});
        expect_between("threads", b.threads, cases[i].expected, cases[i].expected);
    }
}
END_TEST

/* ---- The environment ---- */

static mnist_fast_blocking blocking_of(const char *text)
{
    setenv("MNIST_FAST_BLOCK", text, 1);
    const mnist_fast_config config = config_of(1000, 0.1, 1, (const int[]){500});
    mnist_fast *network = network_new(&config, support_scalar, 1, false);
    mnist_fast_blocking blocking;
    mnist_fast_get_blocking(network, &blocking, sizeof blocking);
    mnist_fast_free(network);
    return blocking;
}

START_TEST(environment)
{
    unsetenv("MNIST_FAST_BLOCK");
    const mnist_fast_blocking rule = blocking_of("");
    ck_assert(rule.size == sizeof rule && !rule.forced && rule.threads == 1);
    mnist_fast_blocking b = blocking_of("100,3");
    ck_assert(b.forced && b.rows == 100 && b.panels == 3 && b.pixels == rule.pixels);
    b = blocking_of("1,1,1");
    ck_assert(b.forced && b.rows == 1 && b.panels == 1 && b.pixels == 1);
    b = blocking_of("4096,1024,784");
    ck_assert(b.forced && b.rows == 4096 && b.panels == 1024 && b.pixels == 784);

    static const char *const wrong[] = {"1",    "a",      ",",      "1,",     ",1",    "0,1",
                                        "1,0",  "-1,1",   "4097,1", "1,1025", "1,1,0", "1,1,785",
                                        "1,1,", "1,1,1,", "1,1,1x", "1;1",    "1,1 ",  "99999999999999999999,1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        support_case("MNIST_FAST_BLOCK='%s'", wrong[i]);
        setenv("MNIST_FAST_BLOCK", wrong[i], 1);
        mnist_fast *network;
        mnist_fast_error error;
        if (mnist_fast_create(NULL, NULL, &network, &error) == MNIST_FAST_OK)
            support_fail("is accepted");
        mnist_fast_config config;
        mnist_fast_default_config(&config, sizeof config);
        expect_bad_argument(wrong[i], mnist_fast_create(&config, NULL, &network, &error), &error);
        if (strncmp(error.text, "MNIST_FAST_BLOCK: ", 18) != 0)
            support_fail("the message is '%s'", error.text);
    }
    unsetenv("MNIST_FAST_BLOCK");
    mnist_fast_get_blocking(NULL, &b, sizeof b);
    mnist_fast_get_blocking(NULL, NULL, 0);
}
END_TEST

/* ---- Bits ---- */

static int sleep_a_while(const mnist_fast_progress *progress, void *user)
{
    (void)progress;
    (void)user;
    const struct timespec time = {.tv_nsec = 2000000};
    nanosleep(&time, NULL);
    return 0;
}

/* The weights' checksum after two epochs. late: thread 0 comes late to every batch, so that the others take its rows.
 */
static uint32_t trained(const mnist_fast_images *images, const struct mf_kernels *kernels, int threads, bool dense,
                        struct mf_blocking forced, bool late, mnist_fast_metrics *metrics)
{
    const mnist_fast_config config = config_of(61, 0.1, 2, (const int[]){70, 37});
    mnist_fast *network = network_new(&config, kernels, threads, dense);
    network->forced = forced;
    train(network, images, 2, late ? sleep_a_while : NULL, NULL);
    mnist_fast_error error;
    if (mnist_fast_evaluate(network, images, metrics, NULL, &error))
        support_fail("%s", error.text);
    const uint32_t crc32 = mnist_fast_weights_crc32(network);
    mnist_fast_free(network);
    return crc32;
}

START_TEST(bits)
{
    static const struct mf_blocking cut[] = {{.rows = 1, .panels = 1, .pixels = 1},
                                             {.rows = 7, .panels = 2, .pixels = 20},
                                             {.rows = 48, .panels = 4, .pixels = 48},
                                             {.rows = 13, .panels = 3, .pixels = 100},
                                             {.rows = 500, .panels = 32, .pixels = 784}};
    struct random random = random_from(920, 0, 0, 0);
    mnist_fast_images images = images_new(&random, 250);
    const struct mf_kernels *kernels = support_isas[_i];
    const bool slow = kernels == support_scalar;
    mnist_fast_metrics expected, metrics;
    const uint32_t crc32 = trained(&images, support_scalar, 1, true, (struct mf_blocking){0}, false, &expected);
    for (size_t c = 0; c < sizeof cut / sizeof *cut; c++)
        for (int threads = slow ? 3 : 1; threads <= (slow ? 3 : 5); threads += 2)
            for (int dense = 0; dense < 2; dense++)
                for (int late = 0; late < 2; late++) {
                    support_case("%s, blocks %d,%d,%d, %d threads, %s%s", kernels->name, cut[c].rows, cut[c].panels,
                                 cut[c].pixels, threads, dense ? "dense" : "sparse", late ? ", late" : "");
                    const uint32_t found = trained(&images, kernels, threads, dense, cut[c], late, &metrics);
                    if (found != crc32 || memcmp(&metrics, &expected, sizeof metrics) != 0)
                        support_fail("weights %08x, expected %08x", found, crc32);
                }
    mnist_fast_free_images(&images);
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *suite = suite_create("blocking");
    TCase *tcase = tcase_create("blocking");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, measured_machines);
    tcase_add_test(tcase, any_request);
    tcase_add_loop_test(tcase, balance, 0, MACHINES);
    tcase_add_test(tcase, teams);
    tcase_add_test(tcase, environment);
    tcase_add_loop_test(tcase, bits, 0, support_isa_count);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
