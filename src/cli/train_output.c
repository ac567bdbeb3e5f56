#include "train_output.h"

#include "data_folder.h"
#include "json.h"
#include "profile.h"
#include "program.h"
#include "session.h"

#include <math.h>
#include <unistd.h>

void cli_add_flop(struct cli_training *training, double trained, double validated)
{
    const mnist_fast_config *config = &training->config;
    double in = MNIST_FAST_PIXELS;
    for (int i = 0; i <= config->hidden_count; i++) {
        const double out = i < config->hidden_count ? config->hidden[i] : MNIST_FAST_CLASSES;
        training->flop += 2 * in * out * (trained * (i == 0 ? 2 : 3) + validated);
        in = out;
    }
}

static json_t *start_event(const struct cli_training *t)
{
    const mnist_fast_config *config = &t->config;
    json_t *hidden = json_array();
    for (int i = 0; i < config->hidden_count; i++)
        cli_json_append(&hidden, json_integer(config->hidden[i]));
    /* JSON's integers are signed in most readers: a larger seed is a string. */
    json_t *seed = config->seed <= INT64_MAX ? json_integer((json_int_t)config->seed)
                                             : json_sprintf("%llu", (unsigned long long)config->seed);
    char text[256];
    const char *augment = cli_augment_text(config, text, sizeof text);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:I, s:i, s:i, s:o, s:s, s:i, s:f, s:s?, s:i, s:o, s:i, s:o}",
        "event", "start", "version", mnist_fast_version(), "isa", mnist_fast_isa(t->network), "precision",
        cli_precision_name(config->precision), "threads", mnist_fast_threads(t->network), "seed", seed, "parameters",
        (json_int_t)mnist_fast_parameter_count(t->network), "train_size", (json_int_t)t->train_count, "validation_size",
        (json_int_t)t->validation_count, "test_size", (json_int_t)t->test.count, "epochs", t->epochs, "batch",
        config->batch_size, "learning_rate", cli_json_float(config->learning_rate), "schedule",
        cli_schedule_name(config->schedule), "warmup", config->warmup_steps, "weight_decay", config->weight_decay,
        "augment", augment, "patience", config->patience, "hidden", hidden, "shuffle_buffer", config->shuffle_buffer,
        "data", cli_json_text(cli_data_folder(t->options)));
}

/* The longest lines need so many columns; a terminal with fewer gets shorter ones, a file gets all. */
enum { WIDE = 72 };
static bool narrow(void)
{
    const int columns = cli_terminal_columns(STDOUT_FILENO);
    return columns > 0 && columns < WIDE;
}

/* Between the values of a line: on a narrow terminal each has its own. */
static const char *separator(void)
{
    return narrow() ? ",\n            " : ", ";
}

/* What is not as usual. */
static void print_extras(const mnist_fast_config *config)
{
    if (config->precision != MNIST_FAST_FP32)
        printf("  precision %s\n", cli_precision_name(config->precision));
    if (config->schedule == MNIST_FAST_COSINE)
        printf("  schedule  cosine over %d epochs\n", config->schedule_epochs);
    if (config->warmup_steps)
        printf("  warm-up   %d steps\n", config->warmup_steps);
    if (config->weight_decay != 0)
        printf("  decay     %g of the weights\n", config->weight_decay);
    char augment[256];
    if (cli_augment_text(config, augment, sizeof augment))
        printf("  augment   %s\n", augment);
    if (config->patience)
        printf("  patience  %d epoch%s\n", config->patience, config->patience == 1 ? "" : "s");
}

static json_t *json_epoch(int epoch)
{
    return epoch ? json_integer(epoch) : json_null();
}

mnist_fast_status cli_print_start(const struct cli_training *t, mnist_fast_error *error)
{
    const mnist_fast_config *config = &t->config;
    if (t->options->json)
        return cli_json_print(start_event(t), error);
    char layers[128];
    cli_describe_network(config, layers, sizeof layers);
    const char *between = separator();
    const int threads = mnist_fast_threads(t->network);
    printf("mnist_fast %s\n\n", mnist_fast_version());
    printf("  images    %zu to train%s%zu to validate%s%zu to test\n", t->train_count, between, t->validation_count,
           between, t->test.count);
    printf("  network   %s%s%zu parameters\n", layers, between, mnist_fast_parameter_count(t->network));
    printf("  training  batches of %d%slearning rate %g%sseed %llu\n", config->batch_size, between,
           (double)config->learning_rate, between, (unsigned long long)config->seed);
    print_extras(config);
    printf("  machine   %s, %d thread%s\n\n", mnist_fast_isa(t->network), threads, threads == 1 ? "" : "s");
    if (mnist_fast_get_position(t->network).epoch < t->epochs)
        fputs(narrow() ? "            validation\n"
                         "  epoch    loss  accuracy  seconds\n"
                       : "             training           validation\n"
                         "  epoch    loss  accuracy     loss  accuracy   seconds  images/s\n",
              stdout);
    fflush(stdout);
    return MNIST_FAST_OK;
}

mnist_fast_status cli_print_epoch(const struct cli_training *t, const mnist_fast_progress *p, mnist_fast_error *error)
{
    if (t->options->json)
        return cli_json_print(
            json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "event", "epoch", "epoch", p->epoch,
                      "seconds", cli_json_real(p->seconds), "train_loss", cli_json_real(p->train.loss),
                      "train_accuracy", cli_json_real(p->train.accuracy), "validation_loss",
                      cli_json_real(p->validation.loss), "validation_accuracy", cli_json_real(p->validation.accuracy),
                      "images_per_second", cli_json_real(p->images_per_second), "learning_rate",
                      cli_json_float((float)p->learning_rate), "best_epoch", json_epoch(p->best_epoch)),
            error);
    const bool all = !narrow();
    printf("  %5d", p->epoch);
    if (all)
        printf("  %6.4f   %6.2f%%", p->train.loss, 100 * p->train.accuracy);
    if (isnan(p->validation.loss))
        printf(all ? "        -         -" : "       -         -");
    else
        printf(all ? "   %6.4f   %6.2f%%" : "  %6.4f   %6.2f%%", p->validation.loss, 100 * p->validation.accuracy);
    if (all)
        printf("  %8.2f  %8.0f\n", p->seconds, p->images_per_second);
    else
        printf("  %7.2f\n", p->seconds);
    fflush(stdout);
    return MNIST_FAST_OK;
}

mnist_fast_status cli_print_summary(const struct cli_training *t, mnist_fast_error *error)
{
    const double gflops = t->seconds > 0 ? t->flop / t->seconds * 1e-9 : 0;
    const uint32_t checksum = mnist_fast_weights_crc32(t->network);
    const int done = mnist_fast_get_position(t->network).epoch;
    double best_loss;
    const int best = mnist_fast_best_epoch(t->network, &best_loss);
    if (t->options->json)
        return cli_json_print(json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o}", "event", "summary",
                                        "train_seconds", cli_json_real(t->seconds), "total_seconds",
                                        cli_json_real(cli_seconds()), "test_loss", cli_json_real(t->tested.loss),
                                        "test_accuracy", cli_json_real(t->tested.accuracy), "gflops",
                                        cli_json_real(gflops), "weights_crc32", cli_json_crc32(checksum), "epochs_done",
                                        done, "best_epoch", json_epoch(best)),
                              error);
    if (!t->options->quiet)
        putchar('\n');
    if (best)
        printf("  kept      epoch %d of %d%svalidation loss %.4f\n", best, done, separator(), best_loss);
    printf("  test      loss %.4f, accuracy %.2f%%\n", t->tested.loss, 100 * t->tested.accuracy);
    if (t->seconds > 0)
        printf("  time      %.2f s of training%s%.1f GFLOP/s%s\n", t->seconds, separator(), gflops,
               narrow() ? "" : " (skipped zeros counted)");
    else
        printf("  time      none: nothing was left to train\n");
    printf("  weights   crc32 %08x\n", checksum);
    if (t->options->save && !t->options->quiet)
        printf("  saved     %s\n", t->options->save);
    if (t->options->report && !t->options->quiet)
        printf("  report    %s\n", t->options->report);
    return MNIST_FAST_OK;
}

mnist_fast_status cli_print_profile(const struct cli_training *t, mnist_fast_error *error)
{
    FILE *file = t->options->json ? stderr : stdout;
    struct cli_profile profile;
    if (!cli_profile_read(t->network, &profile))
        return cli_fail(error, MNIST_FAST_NO_MEMORY, "no memory for the profile; free some");
    fprintf(file, "\n  %-28s  seconds   share   GFLOP/s\n",
            mnist_fast_threads(t->network) == 1 ? "phase" : "phase, mean of the threads");
    for (size_t i = 0; i < profile.count; i++) {
        const struct cli_profile_row *row = &profile.rows[i];
        fprintf(file, "  %-28s %8.3f  %5.1f%%", row->name, row->seconds, 100 * row->share);
        if (row->gflops > 0)
            fprintf(file, "  %8.1f", row->gflops);
        fputc('\n', file);
    }
    fprintf(file, "  GFLOP/s: of all threads; skipped zeros are counted, so it may exceed the peak of the CPU\n");
    cli_profile_free(&profile);
    return MNIST_FAST_OK;
}
