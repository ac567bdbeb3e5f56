/* The program: the only place that prints errors and exits. */
#include "base/cpu.h"
#include "base/error.h"
#include "base/profile.h"
#include "engine/model_file.h"
#include "engine/network.h"
#include "io/dataset.h"
#include "kernels.h"
#include "mnist_fast.h"
#include "options.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

static double program_start; /* mf_now() */

/* ---- Messages ---- */

/* One line on standard error. A file name may hold anything: control characters are shown as '?'. */
static void message(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void message(const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "mnist_fast: %s\n", text);
}

static int failed(const mnist_fast_error *error)
{
    message("%s", error->text);
    return EXIT_FAILED;
}

/* Standard output may be closed, a broken pipe or a full disk: printf alone would not tell. */
static int close_output(int code)
{
    errno = 0;
    const bool broken = ferror(stdout) != 0;
    const bool lost = fclose(stdout) != 0;
    if (!broken && !lost)
        return code;
    message("standard output: could not be written%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

/* A file opened while descriptor 0, 1 or 2 is closed would get its number, and messages would be written into it.
 * The placeholder can't be used in the direction that is expected, so that writing to it fails as before. */
static void fill_standard_descriptors(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF && open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) != i)
            _exit(EXIT_FAILED);
}

/* ---- Signals ---- */

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

/* The first signal asks training to stop; the same one again has its usual effect, at once. A signal that was ignored
 * when the program started (nohup, a background job) stays ignored. */
static void catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action;
        if (sigaction(signals[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(signals[i], &action, NULL);
    }
}

static void release_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action;
        if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler == on_signal)
            signal(signals[i], SIG_DFL);
    }
}

/* ---- What the commands share ---- */

static mnist_fast_runtime runtime_of(const struct mf_options *options)
{
    return (mnist_fast_runtime){.isa = mf_kernels_choose(options->isa)->name, .threads = options->threads};
}

/* data/ beside the program, and where there is none, data/ in the current folder. */
static const char *data_folder(const struct mf_options *options)
{
    static char folder[PATH_MAX + sizeof "data"];
    if (options->data)
        return options->data;
    const ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    char *slash = NULL;
    if (length > 0) {
        folder[length] = '\0';
        slash = strrchr(folder, '/');
    }
    if (slash) {
        strcpy(slash + 1, "data");
        if (access(folder, F_OK) == 0)
            return folder;
    }
    return "data";
}

static int load_data(const struct mf_options *options, enum mf_part part, struct mf_dataset *dataset,
                     mnist_fast_error *error)
{
    static bool noted;
    const uLong mnist_labels = part == MF_TRAIN ? 0xba07e8ef : 0xee8604d9; /* zlib's crc32 of MNIST's labels */
    const char *folder = data_folder(options);
    if (mf_dataset_load(folder, part, dataset, error) != MNIST_FAST_OK)
        return failed(error);
    if (!noted && crc32_z(0, dataset->labels, dataset->count) != mnist_labels) {
        noted = true;
        message("note: %s: another dataset than MNIST (its labels differ)", folder);
    }
    return EXIT_DONE;
}

static mnist_fast_images images_of(const struct mf_dataset *dataset)
{
    return (mnist_fast_images){.pixels = dataset->pixels, .labels = dataset->labels, .count = dataset->count};
}

static void warn_of_threads(const mnist_fast *network)
{
    const int processors = mf_cpu_read().affinity;
    if (mnist_fast_threads(network) > processors)
        message("warning: %d threads on %d processor%s: this is slower, the result is the same",
                mnist_fast_threads(network), processors, processors == 1 ? "" : "s");
}

static void describe_threads(char *text, size_t size)
{
    const struct mf_cpu cpu = mf_cpu_read();
    char quota[48] = "no CPU quota";
    if (cpu.quota > 0)
        snprintf(quota, sizeof quota, "a CPU quota of %d", cpu.quota);
    const char *omp = getenv("OMP_NUM_THREADS");
    snprintf(text, size, "%d processor%s to run on, %d core%s, %s%s%.32s", cpu.affinity, cpu.affinity == 1 ? "" : "s",
             cpu.cores, cpu.cores == 1 ? "" : "s", quota, omp ? "; OMP_NUM_THREADS is " : "", omp ? omp : "");
}

static void list_isas(char *text, size_t size, bool runnable)
{
    *text = '\0';
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++) {
        const size_t length = strlen(text);
        if (!runnable || (*isa)->supported())
            snprintf(text + length, size - length, "%s%s", length ? " " : "", (*isa)->name);
    }
}

/* The three most probable digits, best first. */
static void top_three(const float probabilities[MNIST_FAST_CLASSES], int top[3])
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

static mnist_fast_status classify(mnist_fast *network, const struct mf_dataset *dataset, size_t index, uint8_t *digit,
                                  float probabilities[MNIST_FAST_CLASSES], mnist_fast_error *error)
{
    const mnist_fast_images image = {.pixels = dataset->pixels + index * MNIST_FAST_PIXELS, .count = 1};
    return mnist_fast_predict(network, &image, digit, probabilities, error);
}

/* ---- train ---- */

struct run {
    const struct mf_options *options;
    mnist_fast *network;
    mnist_fast_config config; /* the network's: a checkpoint may bring its own */
    struct mf_dataset train, test;
    size_t train_count, validation_count;
    struct mf_checkpoint checkpoint;
    struct mf_progress_bar bar;
    struct mf_profile profile;
    FILE *log;
    int checkpoint_epoch;         /* of the last checkpoint written by this run; 0: none */
    mnist_fast_progress progress; /* the last that was reported */
    double train_seconds;         /* of the epochs that this run completed */
    double train_images;          /* without those that a checkpoint brought along */
    mnist_fast_status status;     /* of what the report does beside training */
    mnist_fast_error error;
};

static void print_network(char *text, size_t size, const mnist_fast_config *config)
{
    int length = snprintf(text, size, "%d", MNIST_FAST_PIXELS);
    for (int i = 0; i < config->hidden_count; i++)
        length += snprintf(text + length, size - (size_t)length, "-%d", config->hidden[i]);
    snprintf(text + length, size - (size_t)length, "-%d", MNIST_FAST_CLASSES);
}

/* Multiplications and additions, as if no zero were skipped: forward, weight gradient and input gradient, which the
 * first layer doesn't need. */
static double training_flop(const mnist_fast_config *config, double images)
{
    double products = 0;
    int in = MNIST_FAST_PIXELS;
    for (int i = 0; i <= config->hidden_count; i++) {
        const int out = i < config->hidden_count ? config->hidden[i] : MNIST_FAST_CLASSES;
        products += (double)in * out * (i == 0 ? 2 : 3);
        in = out;
    }
    return 2 * products * images;
}

/* JSON has no NaN and no infinity. */
static void json_number(const char *name, double value)
{
    if (isfinite(value))
        printf(",\"%s\":%.9g", name, value);
    else
        printf(",\"%s\":null", name);
}

static void print_start(const struct run *run)
{
    const mnist_fast_config *config = &run->config;
    if (run->options->json) {
        printf("{\"event\":\"start\",\"isa\":\"%s\",\"threads\":%d,\"seed\":%llu,\"parameters\":%zu,"
               "\"train_size\":%zu,\"validation_size\":%zu,\"test_size\":%zu}\n",
               mnist_fast_isa(run->network), mnist_fast_threads(run->network), (unsigned long long)config->seed,
               mnist_fast_parameter_count(run->network), run->train_count, run->validation_count, run->test.count);
    } else {
        char layers[128];
        print_network(layers, sizeof layers, config);
        printf("mnist_fast %s\n\n", MNIST_FAST_VERSION);
        printf("  images    %zu to train, %zu to validate, %zu to test\n", run->train_count, run->validation_count,
               run->test.count);
        printf("  network   %s, %zu parameters\n", layers, mnist_fast_parameter_count(run->network));
        printf("  training  batches of %d, learning rate %g, seed %llu\n", config->batch_size,
               (double)config->learning_rate, (unsigned long long)config->seed);
        printf("  machine   %s, %d thread%s\n\n", mnist_fast_isa(run->network), mnist_fast_threads(run->network),
               mnist_fast_threads(run->network) == 1 ? "" : "s");
        if (run->network->position.epoch < run->options->epochs)
            printf("             training           validation\n"
                   "  epoch    loss  accuracy     loss  accuracy   seconds  images/s\n");
    }
    fflush(stdout);
}

static void print_epoch(const mnist_fast_progress *progress, bool json)
{
    if (json) {
        printf("{\"event\":\"epoch\",\"epoch\":%d", progress->epoch);
        json_number("seconds", progress->seconds);
        json_number("train_loss", progress->train.loss);
        json_number("train_accuracy", progress->train.accuracy);
        json_number("validation_loss", progress->validation.loss);
        json_number("validation_accuracy", progress->validation.accuracy);
        json_number("images_per_second", progress->images_per_second);
        printf("}\n");
    } else {
        printf("  %5d  %6.4f   %6.2f%%", progress->epoch, progress->train.loss, 100 * progress->train.accuracy);
        if (isnan(progress->validation.loss))
            printf("        -         -");
        else
            printf("   %6.4f   %6.2f%%", progress->validation.loss, 100 * progress->validation.accuracy);
        printf("  %8.2f  %8.0f\n", progress->seconds, progress->images_per_second);
    }
    fflush(stdout);
}

/* Without a validation set its fields stay empty. */
static mnist_fast_status log_epoch(struct run *run, const mnist_fast_progress *progress)
{
    char validation[64] = ",";
    if (!isnan(progress->validation.loss))
        snprintf(validation, sizeof validation, "%.9g,%.9g", progress->validation.loss, progress->validation.accuracy);
    fprintf(run->log, "%d,%.6f,%.9g,%.9g,%s,%.1f\n", progress->epoch, progress->seconds, progress->train.loss,
            progress->train.accuracy, validation, progress->images_per_second);
    if (fflush(run->log) == 0 && !ferror(run->log))
        return MNIST_FAST_OK;
    return mf_fail(&run->error, MNIST_FAST_BAD_FILE, "%s: could not be written: %s", run->options->log,
                   strerror(errno));
}

static mnist_fast_status write_checkpoint(struct run *run)
{
    return mf_model_write(run->network, run->options->checkpoint, &run->checkpoint, &run->error);
}

static int report(const mnist_fast_progress *progress, void *user)
{
    struct run *run = user;
    const struct mf_options *options = run->options;
    run->progress = *progress;
    if (progress->epoch_done) {
        run->train_seconds += progress->seconds;
        run->train_images += (double)run->train_count;
        mf_progress_clear(&run->bar);
        if (!options->quiet)
            print_epoch(progress, options->json);
        if (options->log)
            run->status = log_epoch(run, progress);
        const bool due = progress->epoch % options->checkpoint_every == 0 || progress->epoch == progress->epochs;
        if (run->status == MNIST_FAST_OK && options->checkpoint && due) {
            run->status = write_checkpoint(run);
            if (run->status == MNIST_FAST_OK)
                run->checkpoint_epoch = progress->epoch;
        }
    } else {
        mf_progress_show(&run->bar, progress);
    }
    return stop_signal != 0 || run->status != MNIST_FAST_OK;
}

/* Options that the user gave must be those of the checkpoint. With --force they take effect from here on, but for
 * the shape of the network, which can't change. */
static mnist_fast_status check_resumed(struct run *run, uint32_t data_crc32)
{
    static const enum mf_option_id ids[] = {MF_OPTION_BATCH, MF_OPTION_LR, MF_OPTION_SEED, MF_OPTION_VALIDATION,
                                            MF_OPTION_SHUFFLE_BUFFER};
    const struct mf_options *options = run->options;
    mnist_fast_config *config = &run->network->config;
    const mnist_fast_config *wanted = &options->config;
    if (options->given[MF_OPTION_HIDDEN] &&
        (wanted->hidden_count != config->hidden_count ||
         memcmp(wanted->hidden, config->hidden, (size_t)config->hidden_count * sizeof *config->hidden) != 0)) {
        char expected[128], found[128];
        print_network(expected, sizeof expected, wanted);
        print_network(found, sizeof found, config);
        return mf_fail(&run->error, MNIST_FAST_BAD_MODEL,
                       "%s: another network (expected %s, found %s); leave --hidden out", options->resume, expected,
                       found);
    }
    bool changed = data_crc32 != run->checkpoint.data_crc32;
    if (changed && !options->force)
        return mf_fail(&run->error, MNIST_FAST_BAD_MODEL,
                       "%s: was trained on other data (expected crc32 %08x, found %08x); choose the data with --data, "
                       "or go on all the same with --force",
                       options->resume, data_crc32, run->checkpoint.data_crc32);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct mf_option *option = &mf_option_table[ids[i]];
        const size_t size = option->type == MF_TYPE_SEED    ? sizeof(uint64_t)
                            : option->type == MF_TYPE_SHARE ? sizeof(double)
                            : option->type == MF_TYPE_RATE  ? sizeof(float)
                                                            : sizeof(int);
        char *found = (char *)config + (option->field - offsetof(struct mf_options, config));
        const char *expected = (const char *)options + option->field;
        if (!options->given[ids[i]] || memcmp(expected, found, size) == 0)
            continue;
        if (!options->force)
            return mf_fail(&run->error, MNIST_FAST_BAD_MODEL,
                           "%s: was trained with another --%s; leave the option out, or change it with --force",
                           options->resume, option->name);
        memcpy(found, expected, size);
        changed = true;
    }
    /* Half an epoch of other batches means nothing: the epoch starts again. */
    if (changed)
        run->network->position =
            (struct mf_position){.epoch = run->network->position.epoch, .step = run->network->position.step};
    return MNIST_FAST_OK;
}

static uint32_t data_checksum(const struct mf_dataset *dataset)
{
    const uLong pixels = crc32_z(0, dataset->pixels, dataset->count * MNIST_FAST_PIXELS);
    return (uint32_t)crc32_z(pixels, dataset->labels, dataset->count);
}

/* The network, fresh or from a checkpoint, and all that must stand before the first step. */
static int prepare(struct run *run)
{
    const struct mf_options *options = run->options;
    mnist_fast_error *error = &run->error;
    const mnist_fast_runtime runtime = runtime_of(options);
    if (options->save && mf_model_writable(options->save, error) != MNIST_FAST_OK)
        return failed(error);
    if (options->checkpoint && mf_model_writable(options->checkpoint, error) != MNIST_FAST_OK)
        return failed(error);
    if (load_data(options, MF_TRAIN, &run->train, error) || load_data(options, MF_TEST, &run->test, error))
        return EXIT_FAILED;
    const uint32_t checksum = options->checkpoint || options->resume ? data_checksum(&run->train) : 0;
    if (options->resume) {
        if (mf_model_read(options->resume, &runtime, &run->checkpoint, &run->network, error) != MNIST_FAST_OK ||
            check_resumed(run, checksum) != MNIST_FAST_OK)
            return failed(error);
    } else if (mnist_fast_create(&options->config, &runtime, &run->network, error) != MNIST_FAST_OK) {
        return failed(error);
    }
    run->checkpoint.data_crc32 = checksum;
    run->config = run->network->config;
    if (options->profile)
        run->network->profile = &run->profile;

    struct mf_split split;
    if (mf_split_make(run->config.seed, run->train.count, run->config.validation_fraction, &split, error) !=
        MNIST_FAST_OK)
        return failed(error);
    run->train_count = split.train_count;
    run->validation_count = split.validation_count;
    mf_split_free(&split);
    run->train_images = -(double)run->network->position.batch * run->config.batch_size;

    if (options->log) {
        struct stat log;
        run->log = fopen(options->log, options->resume ? "ae" : "we");
        if (!run->log || fstat(fileno(run->log), &log) != 0) {
            message("%s: could not be opened for writing: %s", options->log, strerror(errno));
            return EXIT_FAILED;
        }
        if (log.st_size == 0)
            fputs("epoch,seconds,train_loss,train_accuracy,validation_loss,validation_accuracy,images_per_second\n",
                  run->log);
    }
    return EXIT_DONE;
}

static void print_facts(const struct run *run)
{
    char threads[160];
    describe_threads(threads, sizeof threads);
    message("data: %s", data_folder(run->options));
    message("threads: %s", threads);
    message("built by: %s", COMPILER);
    if (run->options->resume)
        message("%s: goes on after %d epochs, batch %d, step %llu", run->options->resume, run->network->position.epoch,
                run->network->position.batch, (unsigned long long)run->network->position.step);
}

static void print_profile(const struct run *run)
{
    FILE *file = run->options->json ? stderr : stdout;
    const int threads = mnist_fast_threads(run->network);
    double seconds = 0, flop = 0;
    for (int i = 0; i < MF_PHASES; i++) {
        seconds += run->profile.seconds[i];
        flop += run->profile.flop[i];
    }
    fprintf(file, "\n  %-28s  seconds   share   GFLOP/s\n", "phase, per thread");
    for (int i = 0; i <= MF_PHASES; i++) {
        const double phase_seconds = i < MF_PHASES ? run->profile.seconds[i] : seconds;
        const double phase_flop = i < MF_PHASES ? run->profile.flop[i] : flop;
        fprintf(file, "  %-28s %8.3f  %5.1f%%", i < MF_PHASES ? mf_phase_name((enum mf_phase)i) : "all",
                phase_seconds / threads, seconds > 0 ? 100 * phase_seconds / seconds : 0);
        if (phase_flop > 0 && phase_seconds > 0)
            fprintf(file, "  %8.1f", phase_flop / phase_seconds * threads * 1e-9);
        fputc('\n', file);
    }
}

static void print_summary(const struct run *run, const mnist_fast_metrics *test)
{
    const double gflops =
        run->train_seconds > 0 ? training_flop(&run->config, run->train_images) / run->train_seconds * 1e-9 : 0;
    const uint32_t checksum = mnist_fast_weights_crc32(run->network);
    if (run->options->json) {
        printf("{\"event\":\"summary\"");
        json_number("train_seconds", run->train_seconds);
        json_number("total_seconds", mf_now() - program_start);
        json_number("test_loss", test->loss);
        json_number("test_accuracy", test->accuracy);
        json_number("gflops", gflops);
        printf(",\"weights_crc32\":\"%08x\"}\n", checksum);
    } else {
        if (!run->options->quiet)
            putchar('\n');
        printf("  test      loss %.4f, accuracy %.2f%%\n", test->loss, 100 * test->accuracy);
        printf("  time      %.2f s of training, %.1f GFLOP/s\n", run->train_seconds, gflops);
        printf("  weights   crc32 %08x\n", checksum);
    }
}

static mnist_fast_status show_one(struct run *run)
{
    const size_t index = run->config.seed % run->test.count;
    float probabilities[MNIST_FAST_CLASSES];
    uint8_t digit;
    const mnist_fast_status status = classify(run->network, &run->test, index, &digit, probabilities, &run->error);
    if (status != MNIST_FAST_OK)
        return status;
    int top[3];
    top_three(probabilities, top);
    char lines[4][64];
    const char *beside[MF_DRAWING_LINES] = {NULL};
    snprintf(lines[0], sizeof lines[0], "   test image %zu, a %d, is read as", index, run->test.labels[index]);
    beside[5] = lines[0];
    for (int i = 0; i < 3; i++) {
        snprintf(lines[i + 1], sizeof lines[i + 1], "     %d  %6.2f%%", top[i], 100 * (double)probabilities[top[i]]);
        beside[6 + i] = lines[i + 1];
    }
    putchar('\n');
    mf_draw_image(stdout, run->test.pixels + index * MNIST_FAST_PIXELS, mf_terminal_utf8(stdout), beside);
    return MNIST_FAST_OK;
}

static int stopped(struct run *run)
{
    const int number = stop_signal;
    char kept[PATH_MAX + 64] = "; nothing was kept (--checkpoint FILE would)";
    if (run->options->checkpoint) {
        if (write_checkpoint(run) != MNIST_FAST_OK)
            return failed(&run->error);
        snprintf(kept, sizeof kept, "; go on with --resume %s", run->options->checkpoint);
    }
    message("stopped by %s in epoch %d of %d, after batch %d of %d%s", number == SIGINT ? "SIGINT" : "SIGTERM",
            run->progress.epoch, run->progress.epochs, run->progress.batch, run->progress.batches, kept);
    return EXIT_SIGNAL + number;
}

static int train(const struct mf_options *options)
{
    struct run run = {.options = options};
    int code = prepare(&run);
    if (code != EXIT_DONE)
        goto done;
    warn_of_threads(run.network);
    if (run.train_count < (size_t)run.config.batch_size)
        message("warning: %zu images to train on are fewer than a batch of %d", run.train_count, run.config.batch_size);
    if (options->verbose)
        print_facts(&run);
    catch_signals();
    if (!options->quiet)
        print_start(&run);

    mf_progress_open(&run.bar, !options->quiet);
    const mnist_fast_images images = images_of(&run.train), test_images = images_of(&run.test);
    mnist_fast_error error;
    const mnist_fast_status status = mnist_fast_train(run.network, &images, options->epochs, report, &run, &error);
    mf_progress_clear(&run.bar);
    if (run.status != MNIST_FAST_OK) {
        code = failed(&run.error);
        goto done;
    }
    if (status == MNIST_FAST_STOPPED) {
        code = stopped(&run);
        goto done;
    }
    if (status != MNIST_FAST_OK) {
        code = failed(&error);
        if (run.checkpoint_epoch > 0)
            message("note: %s: holds epoch %d", options->checkpoint, run.checkpoint_epoch);
        goto done;
    }

    /* Before anything is printed: whoever reads the output may be gone. */
    code = EXIT_FAILED;
    if (options->save && mnist_fast_save(run.network, options->save, &run.error) != MNIST_FAST_OK) {
        failed(&run.error);
        goto done;
    }
    if (stop_signal != 0) { /* after the last batch */
        code = stopped(&run);
        goto done;
    }
    release_signals();
    run.network->profile = NULL; /* it is the training that is looked at */
    mnist_fast_metrics test;
    if (mnist_fast_evaluate(run.network, &test_images, &test, NULL, &run.error) != MNIST_FAST_OK) {
        failed(&run.error);
        goto done;
    }
    print_summary(&run, &test);
    if (!options->quiet && !options->json && show_one(&run) != MNIST_FAST_OK) {
        failed(&run.error);
        goto done;
    }
    if (options->profile)
        print_profile(&run);
    code = EXIT_DONE;

done:
    if (run.log && fclose(run.log) != 0 && code == EXIT_DONE) {
        message("%s: could not be written: %s", options->log, strerror(errno));
        code = EXIT_FAILED;
    }
    mnist_fast_free(run.network);
    mf_dataset_free(&run.train);
    mf_dataset_free(&run.test);
    return code;
}

/* ---- evaluate ---- */

static void print_confusion(uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES])
{
    printf("\n  confusion: a row for each digit, a column for what it is read as\n\n      ");
    for (int i = 0; i < MNIST_FAST_CLASSES; i++)
        printf("%6d", i);
    printf("   correct\n");
    for (int i = 0; i < MNIST_FAST_CLASSES; i++) {
        uint32_t sum = 0;
        printf("  %4d", i);
        for (int j = 0; j < MNIST_FAST_CLASSES; j++) {
            sum += confusion[i][j];
            if (confusion[i][j])
                printf("%6u", confusion[i][j]);
            else
                printf("     .");
        }
        if (sum)
            printf("   %6.2f%%\n", 100.0 * confusion[i][i] / sum);
        else
            printf("         -\n");
    }
}

static int evaluate(const struct mf_options *options)
{
    const mnist_fast_runtime runtime = runtime_of(options);
    struct mf_dataset test = {0};
    mnist_fast *network;
    mnist_fast_error error;
    if (mnist_fast_load(options->model, &runtime, &network, &error) != MNIST_FAST_OK)
        return failed(&error);
    int code = load_data(options, MF_TEST, &test, &error);
    if (code != EXIT_DONE)
        goto done;
    warn_of_threads(network);

    const mnist_fast_images images = images_of(&test);
    uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES];
    mnist_fast_metrics metrics;
    if (mnist_fast_evaluate(network, &images, &metrics, confusion, &error) != MNIST_FAST_OK) {
        code = failed(&error);
        goto done;
    }
    printf("  test      loss %.4f, accuracy %.2f%%\n", metrics.loss, 100 * metrics.accuracy);
    printf("  weights   crc32 %08x\n", mnist_fast_weights_crc32(network));
    if (!options->quiet)
        print_confusion(confusion);

done:
    mnist_fast_free(network);
    mf_dataset_free(&test);
    return code;
}

/* ---- predict ---- */

/* "test:N" with N in digits; anything else is the name of a picture. */
static bool read_operand(const char *operand, size_t *index)
{
    static const char prefix[] = "test:";
    const char *number = operand + sizeof prefix - 1;
    if (strncmp(operand, prefix, sizeof prefix - 1) != 0 || *number < '0' || *number > '9')
        return false;
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(number, &end, 10);
    *index = errno || value > SIZE_MAX ? SIZE_MAX : (size_t)value;
    return *end == '\0';
}

static int predict(const struct mf_options *options)
{
    const mnist_fast_runtime runtime = runtime_of(options);
    struct mf_dataset test = {0};
    mnist_fast *network = NULL;
    mnist_fast_error error;
    size_t index;
    int code = EXIT_FAILED;
    for (int i = 0; i < options->operand_count; i++)
        if (!read_operand(options->operands[i], &index)) {
            message("%s: pictures are not supported yet; give test:N for test image N", options->operands[i]);
            goto done;
        }
    if (mnist_fast_load(options->model, &runtime, &network, &error) != MNIST_FAST_OK) {
        failed(&error);
        goto done;
    }
    if (load_data(options, MF_TEST, &test, &error) != EXIT_DONE)
        goto done;
    for (int i = 0; i < options->operand_count; i++)
        if (read_operand(options->operands[i], &index) && index >= test.count) {
            message("%s: there is no such test image (expected 0 to %zu)", options->operands[i], test.count - 1);
            goto done;
        }

    for (int i = 0; i < options->operand_count; i++) {
        float probabilities[MNIST_FAST_CLASSES];
        uint8_t digit;
        read_operand(options->operands[i], &index);
        if (classify(network, &test, index, &digit, probabilities, &error) != MNIST_FAST_OK) {
            failed(&error);
            goto done;
        }
        printf("%d", digit);
        if (!options->quiet) {
            int top[3];
            top_three(probabilities, top);
            for (int j = 0; j < 3; j++)
                printf("%s%d %.2f%%", j ? "  " : "    ", top[j], 100 * (double)probabilities[top[j]]);
            printf("    %s, labelled %d", options->operands[i], test.labels[index]);
        }
        putchar('\n');
        if (options->show)
            mf_draw_image(stdout, test.pixels + index * MNIST_FAST_PIXELS, mf_terminal_utf8(stdout), NULL);
    }
    code = EXIT_DONE;

done:
    mnist_fast_free(network);
    mf_dataset_free(&test);
    return code;
}

/* ---- info, --version ---- */

static void print_version(void)
{
    char built[64];
    list_isas(built, sizeof built, false);
    printf("mnist_fast %s\n", MNIST_FAST_VERSION);
    printf("Copyright (c) 2026 The mnist_fast authors. Licence: MIT. There is no warranty.\n");
    printf("Built by %s, OpenMP %d, for %s; %s is the best here.\n", COMPILER, _OPENMP, built,
           mf_kernels_choose(NULL)->name);
}

static int info(const struct mf_options *options)
{
    char built[64], runs[64], threads[160];
    list_isas(built, sizeof built, false);
    list_isas(runs, sizeof runs, true);
    describe_threads(threads, sizeof threads);
    printf("version    %s\n", MNIST_FAST_VERSION);
    printf("compiler   %s\n", COMPILER);
    printf("OpenMP     %d\n", _OPENMP);
    printf("built in   %s\n", built);
    printf("runs here  %s\n", runs);
    printf("choice     %s (%s)\n", mf_kernels_choose(options->isa)->name,
           options->given[MF_OPTION_ISA] ? "--isa"
           : options->isa                ? "MNIST_FAST_ISA"
                                         : "the best that runs here");
    if (options->threads > 0)
        printf("threads    %d (--threads; %s)\n", options->threads, threads);
    else
        printf("threads    %d (%s)\n", mf_cpu_default_threads(), threads);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    program_start = mf_now();
    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe, and a file that meets its size limit, */
    signal(SIGXFSZ, SIG_IGN); /* are errors to be told, not deaths */
    struct mf_options options;
    mnist_fast_error error;
    if (mf_options_parse(argc, argv, &options, &error) != MNIST_FAST_OK) {
        message("%s", error.text);
        fprintf(stderr, "Try 'mnist_fast --help'\n");
        return EXIT_USAGE;
    }
    static int (*const commands[MF_COMMANDS])(const struct mf_options *) = {train, evaluate, predict, info};
    int code = EXIT_DONE;
    if (options.help)
        mf_options_help(stdout);
    else if (options.version)
        print_version();
    else
        code = commands[options.command](&options);
    return close_output(code);
}
