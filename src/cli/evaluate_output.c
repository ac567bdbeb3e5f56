#include "evaluate_output.h"

#include "draw.h"
#include "json.h"

#include <stdio.h>

enum { CLASSES = MNIST_FAST_CLASSES };

size_t cli_listed_mistakes(const struct cli_evaluation *e)
{
    const size_t wanted = (size_t)e->options->mistakes;
    return wanted < e->score.mistake_count ? wanted : e->score.mistake_count;
}

/* ---- Text ---- */

/* The layout of scikit-learn's classification_report with digits=4. */
static void print_classes(const struct cli_score *score)
{
    struct cli_class rows[CLI_CLASS_ROWS];
    cli_score_classes(score, rows);
    printf("\n%12s  %9s %9s %9s %9s\n", "", "precision", "recall", "f1-score", "support");
    for (int i = 0; i < CLI_CLASS_ROWS; i++) {
        if (i == 0 || i == CLASSES)
            putchar('\n');
        if (i == CLASSES)
            printf("%12s  %9s %9s %9.4f %9zu\n", "accuracy", "", "", score->metrics.accuracy, score->count);
        printf("%12s  %9.4f %9.4f %9.4f %9u\n", rows[i].name, rows[i].precision, rows[i].recall, rows[i].f1,
               rows[i].support);
    }
}

static void print_confusion(const struct cli_score *score)
{
    printf("\n  confusion: a row for each digit, a column for what it is read as\n\n      ");
    for (int i = 0; i < CLASSES; i++)
        printf("%6d", i);
    printf("   correct\n");
    for (int i = 0; i < CLASSES; i++) {
        uint32_t sum = 0;
        printf("  %4d", i);
        for (int j = 0; j < CLASSES; j++) {
            const uint32_t count = score->confusion[i][j];
            sum += count;
            if (count)
                printf("%6u", count);
            else
                printf("     .");
        }
        if (sum)
            printf("   %6.2f%%\n", 100.0 * score->confusion[i][i] / sum);
        else
            printf("         -\n");
    }
}

/* Probabilities in percent, within 80 columns. */
static void print_mistakes(const struct cli_evaluation *e)
{
    const struct cli_score *score = &e->score;
    const size_t count = cli_listed_mistakes(e);
    printf("\n  the %zu worst of %zu mistakes: their loss, and the probability of each digit in percent\n\n", count,
           score->mistake_count);
    printf("   image  truth  guess   loss");
    for (int i = 0; i < CLASSES; i++)
        printf("%5d", i);
    putchar('\n');
    for (size_t i = 0; i < count; i++) {
        const struct cli_mistake *mistake = &score->mistakes[i];
        printf("%8zu  %5d  %5d %6.2f", mistake->index, score->labels[mistake->index], score->digits[mistake->index],
               mistake->loss);
        for (int j = 0; j < CLASSES; j++) {
            const double percent = 100 * (double)score->probabilities[mistake->index * CLASSES + (size_t)j];
            if (percent < 0.05)
                printf("    .");
            else if (percent < 99.95)
                printf("%5.1f", percent);
            else
                printf("  100");
        }
        putchar('\n');
    }
    for (size_t i = 0; i < count && e->options->show; i++) {
        const size_t index = score->mistakes[i].index;
        cli_draw_reading(e->images.pixels + index * MNIST_FAST_PIXELS, index, score->labels[index],
                         score->probabilities + index * CLASSES);
    }
}

void cli_print_evaluation(const struct cli_evaluation *e)
{
    const struct cli_score *score = &e->score;
    const struct cli_texts *models = &e->options->models;
    printf("  test      loss %.4f, accuracy %.2f%%\n", score->metrics.loss, 100 * score->metrics.accuracy);
    if (!e->options->quiet)
        printf("  interval  %.2f%% to %.2f%%: the accuracy, with 95%% confidence\n", 100 * score->low,
               100 * score->high);
    for (int i = 0; i < e->network_count; i++) {
        printf("  weights   crc32 %08x", mnist_fast_weights_crc32(e->networks[i]));
        printf(models->count > 1 ? "  %s\n" : "\n", models->text[i]);
    }
    if (!e->options->quiet) {
        print_classes(score);
        print_confusion(score);
    }
    if (e->options->mistakes)
        print_mistakes(e);
}

/* ---- CSV ---- */

static void print_mistakes_csv(const struct cli_evaluation *e)
{
    const struct cli_score *score = &e->score;
    printf("index,truth,guess,loss");
    for (int i = 0; i < CLASSES; i++)
        printf(",probability_%d", i);
    putchar('\n');
    for (size_t i = 0; i < cli_listed_mistakes(e); i++) {
        const size_t index = score->mistakes[i].index;
        printf("%zu,%d,%d,%.9g", index, score->labels[index], score->digits[index], score->mistakes[i].loss);
        for (int j = 0; j < CLASSES; j++)
            printf(",%.9g", (double)score->probabilities[index * CLASSES + (size_t)j]);
        putchar('\n');
    }
}

/* A figure of the whole test set, in the column where classification_report has the accuracy. */
static void print_total_csv(const struct cli_score *score, const char *name, double value)
{
    printf("%s,,,%.9g,%zu,,,,,,,,,,\n", name, value, score->count);
}

void cli_print_evaluation_csv(const struct cli_evaluation *e)
{
    const struct cli_score *score = &e->score;
    if (e->options->mistakes) {
        print_mistakes_csv(e);
        return;
    }
    struct cli_class rows[CLI_CLASS_ROWS];
    cli_score_classes(score, rows);
    printf("class,precision,recall,f1-score,support");
    for (int i = 0; i < CLASSES; i++)
        printf(",read_as_%d", i);
    putchar('\n');
    for (int i = 0; i < CLI_CLASS_ROWS; i++) {
        if (i == CLASSES) {
            print_total_csv(score, "accuracy", score->metrics.accuracy);
            print_total_csv(score, "accuracy_low", score->low);
            print_total_csv(score, "accuracy_high", score->high);
            print_total_csv(score, "loss", score->metrics.loss);
        }
        printf("%s,%.9g,%.9g,%.9g,%u", rows[i].name, rows[i].precision, rows[i].recall, rows[i].f1, rows[i].support);
        for (int j = 0; j < CLASSES; j++)
            if (i < CLASSES)
                printf(",%u", score->confusion[i][j]);
            else
                putchar(',');
        putchar('\n');
    }
}

/* ---- JSON ---- */

static json_t *models_json(const struct cli_evaluation *e)
{
    json_t *models = json_array();
    for (int i = 0; i < e->network_count; i++)
        cli_json_append(&models, json_pack("{s:o, s:o}", "file", cli_json_text(e->options->models.text[i]),
                                           "weights_crc32", cli_json_crc32(mnist_fast_weights_crc32(e->networks[i]))));
    return models;
}

static json_t *confusion_json(const struct cli_score *score)
{
    json_t *rows = json_array();
    for (int i = 0; i < CLASSES; i++) {
        json_t *row = json_array();
        for (int j = 0; j < CLASSES; j++)
            cli_json_append(&row, json_integer(score->confusion[i][j]));
        cli_json_append(&rows, row);
    }
    return rows;
}

/* As classification_report gives it with output_dict=True. */
static json_t *classes_json(const struct cli_score *score)
{
    json_t *report = json_object();
    struct cli_class rows[CLI_CLASS_ROWS];
    cli_score_classes(score, rows);
    for (int i = 0; i < CLI_CLASS_ROWS; i++) {
        if (i == CLASSES)
            cli_json_set(&report, "accuracy", cli_json_real(score->metrics.accuracy));
        cli_json_set(&report, rows[i].name,
                     json_pack("{s:o, s:o, s:o, s:I}", "precision", cli_json_real(rows[i].precision), "recall",
                               cli_json_real(rows[i].recall), "f1-score", cli_json_real(rows[i].f1), "support",
                               (json_int_t)rows[i].support));
    }
    return report;
}

static json_t *mistakes_json(const struct cli_evaluation *e)
{
    const struct cli_score *score = &e->score;
    json_t *list = json_array();
    for (size_t i = 0; i < cli_listed_mistakes(e); i++) {
        const size_t index = score->mistakes[i].index;
        json_t *probabilities = json_array();
        for (int j = 0; j < CLASSES; j++)
            cli_json_append(&probabilities, cli_json_float(score->probabilities[index * CLASSES + (size_t)j]));
        cli_json_append(&list, json_pack("{s:I, s:i, s:i, s:o, s:o}", "index", (json_int_t)index, "truth",
                                         score->labels[index], "guess", score->digits[index], "loss",
                                         cli_json_real(score->mistakes[i].loss), "probabilities", probabilities));
    }
    return list;
}

mnist_fast_status cli_print_evaluation_json(const struct cli_evaluation *e, mnist_fast_error *error)
{
    const struct cli_score *score = &e->score;
    json_t *event = json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "event", "evaluation", "models",
                              models_json(e), "test_size", (json_int_t)score->count, "loss",
                              cli_json_real(score->metrics.loss), "accuracy", cli_json_real(score->metrics.accuracy),
                              "accuracy_low", cli_json_real(score->low), "accuracy_high", cli_json_real(score->high),
                              "classification_report", classes_json(score), "confusion", confusion_json(score));
    if (event && e->options->mistakes)
        cli_json_set(&event, "mistakes", mistakes_json(e));
    return cli_json_print(event, error);
}
