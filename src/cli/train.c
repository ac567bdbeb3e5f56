/* `mnist_fast train`: the whole pipeline. */
#include "commands.h"
#include "data_folder.h"
#include "draw.h"
#include "files.h"
#include "log.h"
#include "preview.h"
#include "program.h"
#include "progress.h"
#include "report.h"
#include "session.h"
#include "signals.h"
#include "tensorboard.h"
#include "train_output.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct cli_training training;
    uint32_t data_crc32; /* for checkpoints */
    struct cli_progress_bar bar;
    FILE *log;
    struct cli_tensorboard board;
    mnist_fast_progress *history; /* of each epoch of this run, for the report */
    size_t history_count;
    int checkpoint_epoch;         /* of the last checkpoint written by this run; 0: none */
    mnist_fast_progress progress; /* the last that the callback got */
    mnist_fast_status status;     /* of what the callback does besides training */
    mnist_fast_error error;
};

static mnist_fast_status write_checkpoint(struct run *run)
{
    cli_begin_saving();
    const mnist_fast_status status = mnist_fast_save_checkpoint(
        run->training.network, run->training.options->checkpoint, run->data_crc32, &run->error);
    cli_end_saving();
    return status;
}

static mnist_fast_status save_model(struct run *run)
{
    cli_begin_saving();
    const mnist_fast_status status = mnist_fast_save(run->training.network, run->training.options->save, &run->error);
    cli_end_saving();
    return status;
}

static mnist_fast_status remember_epoch(struct run *run, const mnist_fast_progress *progress)
{
    mnist_fast_progress *history = realloc(run->history, (run->history_count + 1) * sizeof *history);
    if (!history)
        return cli_fail(&run->error, MNIST_FAST_NO_MEMORY, "no memory for epoch %d in the report; free some",
                        progress->epoch);
    history[run->history_count++] = *progress;
    run->history = history;
    return MNIST_FAST_OK;
}

static mnist_fast_status record_epoch(struct run *run, const mnist_fast_progress *progress)
{
    const struct cli_options *options = run->training.options;
    if (run->log && !cli_log_epoch(run->log, progress))
        return cli_fail(&run->error, MNIST_FAST_BAD_FILE, "%s: could not be written: %s", options->log,
                        strerror(errno));
    if (run->board.train && !cli_tensorboard_epoch(&run->board, progress))
        return cli_fail(&run->error, MNIST_FAST_BAD_FILE, "%s: could not be written: %s", options->tensorboard,
                        strerror(errno));
    return options->report ? remember_epoch(run, progress) : MNIST_FAST_OK;
}

static void end_epoch(struct run *run, const mnist_fast_progress *progress)
{
    struct cli_training *t = &run->training;
    const struct cli_options *options = t->options;
    t->seconds += progress->seconds;
    cli_add_flop(t, progress->images_per_second * progress->seconds, (double)t->validation_count);
    cli_progress_clear(&run->bar);
    if (!options->quiet)
        run->status = cli_print_epoch(t, progress, &run->error);
    if (!run->status)
        run->status = record_epoch(run, progress);
    const bool due = progress->epoch % options->checkpoint_every == 0 || progress->finished;
    if (!run->status && options->checkpoint && due) {
        run->status = write_checkpoint(run);
        if (!run->status)
            run->checkpoint_epoch = progress->epoch;
    }
}

static int on_progress(const mnist_fast_progress *progress, void *user)
{
    struct run *run = user;
    run->progress = *progress;
    if (progress->epoch_done)
        end_epoch(run, progress);
    else
        cli_progress_show(&run->bar, progress, cli_seconds());
    return cli_caught_signal() != 0 || run->status;
}

static mnist_fast_status other_option(struct run *run, enum cli_option_id id)
{
    return cli_fail(&run->error, MNIST_FAST_BAD_MODEL,
                    "%s: was trained with another --%s; leave the option out, or change it with --force",
                    run->training.options->resume, cli_option_table[id].name);
}

/* A cosine ends with the last epoch, which is therefore part of it. */
static mnist_fast_status check_epochs(struct run *run, mnist_fast_config *config)
{
    struct cli_training *t = &run->training;
    if (config->schedule != MNIST_FAST_COSINE) {
        config->schedule_epochs = 0;
        return MNIST_FAST_OK;
    }
    const bool given = t->options->given[CLI_OPTION_EPOCHS];
    if (given && config->schedule_epochs != t->epochs && !t->options->force)
        return other_option(run, CLI_OPTION_EPOCHS);
    if (given || !config->schedule_epochs)
        config->schedule_epochs = t->epochs;
    t->epochs = config->schedule_epochs;
    return MNIST_FAST_OK;
}

/* Options that the user gave must be those of the checkpoint. With --force they take effect from here on, but for
 * the shape of the network, which can't change. */
static mnist_fast_status check_resumed(struct run *run, uint32_t found_crc32)
{
    static const enum cli_option_id ids[] = {CLI_OPTION_BATCH,      CLI_OPTION_LR,           CLI_OPTION_SCHEDULE,
                                             CLI_OPTION_WARMUP,     CLI_OPTION_WEIGHT_DECAY, CLI_OPTION_SEED,
                                             CLI_OPTION_VALIDATION, CLI_OPTION_PATIENCE,     CLI_OPTION_SHUFFLE_BUFFER,
                                             CLI_OPTION_AUGMENT};
    const struct cli_options *options = run->training.options;
    const mnist_fast_config *wanted = &options->config;
    mnist_fast_config config;
    mnist_fast_get_config(run->training.network, &config, sizeof config);
    if (options->given[CLI_OPTION_HIDDEN] &&
        (wanted->hidden_count != config.hidden_count ||
         memcmp(wanted->hidden, config.hidden, (size_t)config.hidden_count * sizeof *config.hidden) != 0)) {
        char expected[128], found[128];
        cli_describe_network(wanted, expected, sizeof expected);
        cli_describe_network(&config, found, sizeof found);
        return cli_fail(&run->error, MNIST_FAST_BAD_MODEL,
                        "%s: another network (expected %s, found %s); leave --hidden out", options->resume, expected,
                        found);
    }
    if (options->given[CLI_OPTION_PRECISION] && wanted->precision != config.precision)
        return cli_fail(&run->error, MNIST_FAST_BAD_MODEL,
                        "%s: another precision (expected %s, found %s); leave --precision out", options->resume,
                        cli_precision_name(wanted->precision), cli_precision_name(config.precision));
    if (run->data_crc32 != found_crc32) {
        if (!options->force)
            return cli_fail(&run->error, MNIST_FAST_BAD_MODEL,
                            "%s: was trained on other data (expected crc32 %08x, found %08x); choose the data with "
                            "--data, or go on all the same with --force",
                            options->resume, run->data_crc32, found_crc32);
        mnist_fast_restart_epoch(run->training.network);
    }
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct cli_option *option = &cli_option_table[ids[i]];
        if (options->given[ids[i]] && cli_option_copy(option, options, &config) && !options->force)
            return other_option(run, ids[i]);
    }
    const mnist_fast_status status = check_epochs(run, &config);
    return status ? status : mnist_fast_set_config(run->training.network, &config, &run->error);
}

/* The network, fresh or from a checkpoint. */
static mnist_fast_status make_network(struct run *run)
{
    struct cli_training *t = &run->training;
    const struct cli_options *options = t->options;
    const mnist_fast_runtime runtime = cli_runtime(options);
    t->epochs = options->epochs;
    if (options->checkpoint || options->resume)
        run->data_crc32 = mnist_fast_images_crc32(&t->train);
    if (!options->resume)
        return mnist_fast_create(&options->config, &runtime, &t->network, &run->error);
    uint32_t found_crc32;
    const mnist_fast_status status =
        mnist_fast_load_checkpoint(options->resume, &runtime, &t->network, &found_crc32, &run->error);
    return status ? status : check_resumed(run, found_crc32);
}

/* All that must be there before the first step. */
static int prepare(struct run *run)
{
    struct cli_training *t = &run->training;
    const struct cli_options *options = t->options;
    if (cli_check_distinct_files(options, &run->error))
        return cli_failed(&run->error);
    if (options->save && mnist_fast_check_writable(options->save, &run->error))
        return cli_failed(&run->error);
    if (options->checkpoint && mnist_fast_check_writable(options->checkpoint, &run->error))
        return cli_failed(&run->error);
    if (options->augment_preview && mnist_fast_check_writable(options->augment_preview, &run->error))
        return cli_failed(&run->error);
    if (options->report && cli_report_check(options->report, &run->error))
        return cli_failed(&run->error);
    if (cli_load_images(options, MNIST_FAST_TRAIN, true, &t->train) ||
        cli_load_images(options, MNIST_FAST_TEST, true, &t->test))
        return CLI_FAILED;
    if (make_network(run))
        return cli_failed(&run->error);
    mnist_fast_get_config(t->network, &t->config, sizeof t->config);
    if (options->augment_preview && cli_write_preview(t->network, &t->train, options->augment_preview, &run->error))
        return cli_failed(&run->error);
    mnist_fast_set_profiling(t->network, options->profile || options->report);
    mnist_fast_split_counts(t->train.count, t->config.validation_fraction, &t->train_count, &t->validation_count);
    if (options->log && cli_log_open(options->log, options->resume, &run->log, &run->error))
        return cli_failed(&run->error);
    if (options->tensorboard &&
        cli_tensorboard_open(options->tensorboard, t->validation_count > 0, &run->board, &run->error))
        return cli_failed(&run->error);
    return CLI_DONE;
}

static void tell_verbose(const struct run *run)
{
    const struct cli_options *options = run->training.options;
    const mnist_fast_position position = mnist_fast_get_position(run->training.network);
    char threads[160], blocking[160];
    cli_describe_threads(threads, sizeof threads);
    cli_message("data: %s", cli_data_folder(options));
    cli_message("threads: %s", threads);
    cli_describe_blocking(run->training.network, blocking, sizeof blocking);
    cli_message("blocks: %s", blocking);
    cli_message("built by: %s", cli_compiler);
    if (options->resume)
        cli_message("%s: goes on after %d epochs, batch %d, step %llu", options->resume, position.epoch, position.batch,
                    (unsigned long long)position.step);
}

static void warn(const struct run *run)
{
    const struct cli_training *t = &run->training;
    const int epoch = mnist_fast_get_position(t->network).epoch;
    cli_warn_of_threads(t->network);
    if (t->train_count < (size_t)t->config.batch_size)
        cli_message("warning: %zu images to train on are fewer than a batch of %d", t->train_count,
                    t->config.batch_size);
    if (t->options->resume && epoch >= t->epochs && t->config.schedule == MNIST_FAST_COSINE)
        cli_message("note: %s: all %d epochs of its schedule are trained already", t->options->resume, t->epochs);
    else if (t->options->resume && epoch >= t->epochs)
        cli_message("note: %s: is trained for %d epoch%s already; --epochs %d trains on", t->options->resume, epoch,
                    epoch == 1 ? "" : "s", epoch + 1);
}

/* Draws one test image, with what the network makes of it. */
static mnist_fast_status show_one(struct run *run)
{
    const struct cli_training *t = &run->training;
    const size_t index = t->config.seed % t->test.count;
    const mnist_fast_images image = {.pixels = t->test.pixels + index * MNIST_FAST_PIXELS, .count = 1};
    float probabilities[MNIST_FAST_CLASSES];
    uint8_t digit;
    const mnist_fast_status status = mnist_fast_predict(t->network, &image, &digit, probabilities, &run->error);
    if (status)
        return status;
    cli_draw_reading(image.pixels, index, t->test.labels[index], probabilities);
    return MNIST_FAST_OK;
}

static int stopped(struct run *run)
{
    const struct cli_options *options = run->training.options;
    const int number = cli_caught_signal();
    char kept[PATH_MAX + 64] = "; nothing was kept (--checkpoint FILE would)";
    if (options->checkpoint) {
        if (write_checkpoint(run))
            return cli_failed(&run->error);
        snprintf(kept, sizeof kept, "; go on with --resume %s", options->checkpoint);
    }
    cli_message("stopped by %s in epoch %d of %d, after batch %d of %d%s", cli_signal_name(number), run->progress.epoch,
                run->progress.epochs, run->progress.batch, run->progress.batches, kept);
    return CLI_SIGNAL + number;
}

/* Trains, and saves the model before anything else is printed: whoever reads the output may be gone. */
static int train(struct run *run)
{
    struct cli_training *t = &run->training;
    const struct cli_options *options = t->options;
    mnist_fast_error error;
    const int before = mnist_fast_get_position(t->network).epoch;
    const mnist_fast_status status = mnist_fast_train(t->network, &t->train, t->epochs, on_progress, run, &error);
    cli_progress_clear(&run->bar);
    if (run->status)
        return cli_failed(&run->error);
    if (status == MNIST_FAST_STOPPED)
        return stopped(run);
    if (status) {
        cli_failed(&error);
        if (run->checkpoint_epoch > 0)
            cli_message("note: %s: holds epoch %d", options->checkpoint, run->checkpoint_epoch);
        return CLI_FAILED;
    }
    if (options->resume && before < t->epochs && mnist_fast_get_position(t->network).epoch == before)
        cli_message("note: %s: its patience had ended already; a larger --patience with --force trains on",
                    options->resume);
    if (options->save && save_model(run))
        return cli_failed(&run->error);
    return cli_caught_signal() ? stopped(run) : CLI_DONE; /* a signal after the last batch */
}

static mnist_fast_status write_report(struct run *run, const struct cli_score *score)
{
    const struct cli_training *t = &run->training;
    struct cli_options options = *t->options;
    options.config = t->config;
    const struct cli_report report = {
        .options = &options,
        .networks = &t->network,
        .network_count = 1,
        .score = score,
        .test = &t->test,
        .train = &t->train,
        .train_count = t->train_count,
        .validation_count = t->validation_count,
        .epochs = run->history,
        .epoch_count = run->history_count,
        .seconds = t->seconds,
    };
    return cli_report_write(&report, &run->error);
}

/* Evaluates on the test images, and writes the report before anything is printed. */
static mnist_fast_status evaluate(struct run *run)
{
    struct cli_training *t = &run->training;
    if (!t->options->report)
        return mnist_fast_evaluate(t->network, &t->test, &t->tested, NULL, &run->error);
    struct cli_score score;
    mnist_fast_status status = cli_score_make(&t->network, NULL, 1, &t->test, &score, &run->error);
    if (status)
        return status;
    t->tested = score.metrics;
    status = write_report(run, &score);
    cli_score_free(&score);
    return status;
}

static int test(struct run *run)
{
    struct cli_training *t = &run->training;
    const struct cli_options *options = t->options;
    if (evaluate(run))
        return cli_failed(&run->error);
    if (cli_print_summary(t, &run->error))
        return cli_failed(&run->error);
    if (!options->quiet && !options->json && show_one(run))
        return cli_failed(&run->error);
    if (options->profile && cli_print_profile(t, &run->error))
        return cli_failed(&run->error);
    return cli_check_accuracy(options, &t->tested);
}

int cli_train(const struct cli_options *options)
{
    struct run run = {.training.options = options};
    struct cli_training *t = &run.training;
    int code = prepare(&run);
    if (code == CLI_DONE) {
        warn(&run);
        if (options->verbose)
            tell_verbose(&run);
        cli_catch_signals();
        if (!options->quiet && cli_print_start(t, &run.error))
            code = cli_failed(&run.error);
        cli_progress_open(&run.bar, !options->quiet);
        if (code == CLI_DONE)
            code = train(&run);
        cli_release_signals();
    }
    if (code == CLI_DONE)
        code = test(&run);
    if (run.log && fclose(run.log) != 0 && code == CLI_DONE) {
        cli_message("%s: could not be written: %s", options->log, strerror(errno));
        code = CLI_FAILED;
    }
    if (!cli_tensorboard_close(&run.board) && code == CLI_DONE) {
        cli_message("%s: could not be written: %s", options->tensorboard, strerror(errno));
        code = CLI_FAILED;
    }
    free(run.history);
    mnist_fast_free(t->network);
    mnist_fast_free_images(&t->train);
    mnist_fast_free_images(&t->test);
    return code;
}
