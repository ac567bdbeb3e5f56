/* `mnist_fast evaluate`: the test images, read by one model or by the mean of several. */
#include "commands.h"
#include "evaluate_output.h"
#include "program.h"
#include "report.h"
#include "session.h"

static int load_models(struct cli_evaluation *e)
{
    const mnist_fast_runtime runtime = cli_runtime(e->options);
    mnist_fast_error error;
    for (int i = 0; i < e->options->models.count; i++, e->network_count++)
        if (mnist_fast_load(e->options->models.text[i], &runtime, &e->networks[i], &error))
            return cli_failed(&error);
    return CLI_DONE;
}

static int evaluate(struct cli_evaluation *e)
{
    const struct cli_options *options = e->options;
    mnist_fast_error error;
    if (options->report && cli_report_check(options->report, &error))
        return cli_failed(&error);
    if (load_models(e) || cli_load_images(options, MNIST_FAST_TEST, true, &e->images))
        return CLI_FAILED;
    cli_warn_of_threads(e->networks[0]);
    if (cli_score_make(e->networks, options->models.text, e->network_count, &e->images, &e->score, &error))
        return cli_failed(&error);
    const struct cli_report report = {
        .options = options,
        .networks = e->networks,
        .network_count = e->network_count,
        .score = &e->score,
        .test = &e->images,
    };
    if (options->report && cli_report_write(&report, &error))
        return cli_failed(&error);
    if (options->json && cli_print_evaluation_json(e, &error))
        return cli_failed(&error);
    if (options->csv)
        cli_print_evaluation_csv(e);
    if (!options->json && !options->csv)
        cli_print_evaluation(e);
    return cli_check_accuracy(options, &e->score.metrics);
}

int cli_evaluate(const struct cli_options *options)
{
    struct cli_evaluation e = {.options = options};
    const int code = evaluate(&e);
    for (int i = 0; i < e.network_count; i++)
        mnist_fast_free(e.networks[i]);
    cli_score_free(&e.score);
    mnist_fast_free_images(&e.images);
    return code;
}
