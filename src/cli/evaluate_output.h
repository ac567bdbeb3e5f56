/* What `mnist_fast evaluate` prints: text for people, CSV, or JSON. */
#ifndef CLI_EVALUATE_OUTPUT_H
#define CLI_EVALUATE_OUTPUT_H

#include "options.h"
#include "score.h"

struct cli_evaluation {
    const struct cli_options *options;
    mnist_fast *networks[CLI_MAX_TEXTS]; /* of options->models */
    int network_count;
    mnist_fast_images images;
    struct cli_score score;
};

void cli_print_evaluation(const struct cli_evaluation *evaluation);
void cli_print_evaluation_csv(const struct cli_evaluation *evaluation);
mnist_fast_status cli_print_evaluation_json(const struct cli_evaluation *evaluation, mnist_fast_error *error);

/* How many mistakes are asked for and there. */
size_t cli_listed_mistakes(const struct cli_evaluation *evaluation);

#endif
