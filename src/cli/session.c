#include "session.h"

#include "data_folder.h"
#include "program.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#ifdef __clang__
const char *const cli_compiler = __VERSION__;
#else
const char *const cli_compiler = "gcc " __VERSION__;
#endif

mnist_fast_runtime cli_runtime(const struct cli_options *options)
{
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    runtime.isa = options->isa;
    runtime.threads = options->threads;
    return runtime;
}

int cli_load_images(const struct cli_options *options, mnist_fast_part part, bool labels, mnist_fast_images *images)
{
    static bool noted;
    const uLong mnist_labels = part == MNIST_FAST_TRAIN ? 0xba07e8ef : 0xee8604d9; /* zlib's crc32 of MNIST's labels */
    const char *folder = cli_data_folder(options);
    mnist_fast_error error = {""};
    if (!folder && cli_no_data(&error))
        return cli_failed(&error);
    if (mnist_fast_load_images(folder, part, labels, images, &error))
        return cli_failed(&error);
    if (!noted && images->labels && crc32_z(0, images->labels, images->count) != mnist_labels) {
        noted = true;
        cli_message("note: %s: another dataset than MNIST (its labels differ)", folder);
    }
    return CLI_DONE;
}

void cli_describe_threads(char *text, size_t size)
{
    mnist_fast_cpu cpu;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    char quota[48] = "no CPU quota";
    if (cpu.quota > 0)
        snprintf(quota, sizeof quota, "a CPU quota of %d", cpu.quota);
    const char *omp = getenv("OMP_NUM_THREADS");
    snprintf(text, size, "%d processor%s to run on, %d core%s, %s%s%.32s", cpu.processors,
             cpu.processors == 1 ? "" : "s", cpu.cores, cpu.cores == 1 ? "" : "s", quota,
             omp ? "; OMP_NUM_THREADS is " : "", omp ? omp : "");
    cli_make_printable(text);
}

void cli_describe_blocking(const mnist_fast *network, char *text, size_t size)
{
    mnist_fast_cpu cpu;
    mnist_fast_blocking blocking;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    mnist_fast_get_blocking(network, &blocking, sizeof blocking);
    char why[64] = "by MNIST_FAST_BLOCK";
    if (!blocking.forced)
        snprintf(why, sizeof why, "by the L2 of %zu KB a core", (cpu.l2 >> 10) / (size_t)cpu.l2_cores);
    snprintf(text, size, "%d rows, %d panel%s, %d pixels on %d thread%s (%s)", blocking.rows, blocking.panels,
             blocking.panels == 1 ? "" : "s", blocking.pixels, blocking.threads, blocking.threads == 1 ? "" : "s", why);
}

static void add_cache(char *text, size_t size, const char *name, size_t bytes, int cores)
{
    const size_t length = strlen(text);
    const bool megabytes = bytes >= 1 << 20 && bytes % (1 << 20) == 0;
    char sharing[32] = "";
    if (cores > 1)
        snprintf(sharing, sizeof sharing, " for %d cores", cores);
    if (bytes)
        snprintf(text + length, size - length, "%s%s %zu %s%s", length ? ", " : "", name,
                 bytes >> (megabytes ? 20 : 10), megabytes ? "MB" : "KB", sharing);
}

void cli_describe_caches(char *text, size_t size)
{
    mnist_fast_cpu cpu;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    *text = '\0';
    add_cache(text, size, "L1", cpu.l1, 1);
    add_cache(text, size, "L2", cpu.l2, cpu.l2_cores);
    add_cache(text, size, "L3", cpu.l3, cpu.l3_cores);
}

void cli_warn_of_threads(const mnist_fast *network)
{
    mnist_fast_cpu cpu;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    const int threads = mnist_fast_threads(network);
    if (threads > cpu.processors)
        cli_message("warning: %d threads on %d processor%s: this is slower, the result is the same", threads,
                    cpu.processors, cpu.processors == 1 ? "" : "s");
}

void cli_describe_network(const mnist_fast_config *config, char *text, size_t size)
{
    int length = snprintf(text, size, "%d", MNIST_FAST_PIXELS);
    for (int i = 0; i < config->hidden_count; i++)
        length += snprintf(text + length, size - (size_t)length, "-%d", config->hidden[i]);
    snprintf(text + length, size - (size_t)length, "-%d", MNIST_FAST_CLASSES);
}

void cli_top_three(const float probabilities[MNIST_FAST_CLASSES], int top[3])
{
    bool taken[MNIST_FAST_CLASSES] = {false};
    for (int place = 0; place < 3; place++) {
        int best = -1;
        for (int i = 0; i < MNIST_FAST_CLASSES; i++)
            if (!taken[i] && (best < 0 || probabilities[i] > probabilities[best]))
                best = i;
        top[place] = best;
        taken[best] = true;
    }
}

int cli_check_accuracy(const struct cli_options *options, const mnist_fast_metrics *metrics)
{
    if (metrics->accuracy >= options->min_accuracy)
        return CLI_DONE;
    cli_message("the test accuracy is below --min-accuracy (expected at least %.9g, found %.9g)", options->min_accuracy,
                metrics->accuracy);
    return CLI_BELOW;
}

void cli_list_isas(char *text, size_t size, bool runnable)
{
    *text = '\0';
    for (int i = 0; mnist_fast_isa_name(i); i++) {
        const size_t length = strlen(text);
        if (!runnable || mnist_fast_isa_runnable(mnist_fast_isa_name(i)))
            snprintf(text + length, size - length, "%s%s", length ? " " : "", mnist_fast_isa_name(i));
    }
}
