#include "score.h"

#include "program.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = MNIST_FAST_CLASSES };

/* With the name of the network that cannot be used. */
static mnist_fast_status name_error(const char *name, mnist_fast_status status, mnist_fast_error *error)
{
    const mnist_fast_error plain = *error;
    return status && name ? cli_fail(error, status, "%s: %s", name, plain.text) : status;
}

static mnist_fast_status predict(mnist_fast *network, const char *name, const mnist_fast_images *images,
                                 struct cli_score *score, mnist_fast_error *error)
{
    return name_error(name, mnist_fast_predict(network, images, score->digits, score->probabilities, error), error);
}

static double label_loss(const struct cli_score *score, size_t index)
{
    const float probability = score->probabilities[index * CLASSES + score->labels[index]];
    return -log(fmax((double)probability, (double)FLT_MIN));
}

static mnist_fast_status predict_mean(mnist_fast *const *networks, const char *const *names, int network_count,
                                      const mnist_fast_images *images, struct cli_score *score, mnist_fast_error *error)
{
    const size_t numbers = images->count * CLASSES;
    double *sums = calloc(numbers, sizeof *sums);
    if (!sums)
        return cli_fail(error, MNIST_FAST_NO_MEMORY, "no memory for the results of %zu images; free some",
                        images->count);
    mnist_fast_status status = MNIST_FAST_OK;
    for (int i = 0; i < network_count && !status; i++) {
        status = predict(networks[i], names ? names[i] : NULL, images, score, error);
        for (size_t j = 0; j < numbers && !status; j++)
            sums[j] += (double)score->probabilities[j];
    }
    double loss = 0;
    size_t correct = 0;
    for (size_t i = 0; i < images->count && !status; i++) {
        float *mean = score->probabilities + i * CLASSES;
        uint8_t best = 0;
        for (int j = 0; j < CLASSES; j++) {
            mean[j] = (float)(sums[i * CLASSES + (size_t)j] / network_count);
            if (mean[j] > mean[best])
                best = (uint8_t)j;
        }
        score->digits[i] = best;
        correct += best == images->labels[i];
        loss += label_loss(score, i);
    }
    score->metrics = (mnist_fast_metrics){loss / (double)images->count, (double)correct / (double)images->count};
    free(sums);
    return status;
}

static int compare_mistakes(const void *a, const void *b)
{
    const struct cli_mistake *left = a, *right = b;
    if (left->loss != right->loss)
        return left->loss > right->loss ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

static mnist_fast_status count_results(struct cli_score *score, mnist_fast_error *error)
{
    for (size_t i = 0; i < score->count; i++) {
        score->confusion[score->labels[i]][score->digits[i]]++;
        score->mistake_count += score->labels[i] != score->digits[i];
    }
    score->mistakes = malloc((score->mistake_count + 1) * sizeof *score->mistakes);
    if (!score->mistakes)
        return cli_fail(error, MNIST_FAST_NO_MEMORY, "no memory for %zu mistakes; free some", score->mistake_count);
    struct cli_mistake *next = score->mistakes;
    for (size_t i = 0; i < score->count; i++)
        if (score->labels[i] != score->digits[i])
            *next++ = (struct cli_mistake){.index = i, .loss = label_loss(score, i)};
    qsort(score->mistakes, score->mistake_count, sizeof *score->mistakes, compare_mistakes);
    return MNIST_FAST_OK;
}

static mnist_fast_status predict_one(mnist_fast *network, const char *name, const mnist_fast_images *images,
                                     struct cli_score *score, mnist_fast_error *error)
{
    const mnist_fast_status status = predict(network, name, images, score, error);
    return status ? status
                  : name_error(name, mnist_fast_evaluate(network, images, &score->metrics, NULL, error), error);
}

mnist_fast_status cli_score_make(mnist_fast *const *networks, const char *const *names, int network_count,
                                 const mnist_fast_images *images, struct cli_score *score, mnist_fast_error *error)
{
    *score = (struct cli_score){
        .count = images->count,
        .labels = images->labels,
        .digits = malloc(images->count),
        .probabilities = malloc(images->count * CLASSES * sizeof(float)),
    };
    mnist_fast_status status;
    if (!score->digits || !score->probabilities)
        status =
            cli_fail(error, MNIST_FAST_NO_MEMORY, "no memory for the results of %zu images; free some", images->count);
    else if (network_count == 1)
        status = predict_one(networks[0], names ? names[0] : NULL, images, score, error);
    else
        status = predict_mean(networks, names, network_count, images, score, error);
    if (!status)
        status = count_results(score, error);
    if (status) {
        cli_score_free(score);
        return status;
    }
    cli_wilson_interval(score->metrics.accuracy, (double)score->count, &score->low, &score->high);
    return MNIST_FAST_OK;
}

void cli_score_free(struct cli_score *score)
{
    free(score->digits);
    free(score->probabilities);
    free(score->mistakes);
    *score = (struct cli_score){0};
}

void cli_wilson_interval(double share, double count, double *low, double *high)
{
    const double z = 1.959963984540054; /* the normal distribution has 2.5% beyond it */
    const double scale = 1 / (1 + z * z / count);
    const double centre = scale * (share + z * z / (2 * count));
    const double half = scale * z * sqrt(share * (1 - share) / count + z * z / (4 * count * count));
    *low = fmax(centre - half, 0);
    *high = fmin(centre + half, 1);
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

void cli_score_classes(const struct cli_score *score, struct cli_class rows[CLI_CLASS_ROWS])
{
    static const char *const names[CLI_CLASS_ROWS] = {"0", "1", "2", "3", "4",         "5",
                                                      "6", "7", "8", "9", "macro avg", "weighted avg"};
    memset(rows, 0, CLI_CLASS_ROWS * sizeof *rows);
    for (int i = 0; i < CLI_CLASS_ROWS; i++)
        rows[i].name = names[i];
    struct cli_class *const macro = &rows[CLI_MACRO], *const weighted = &rows[CLI_WEIGHTED];
    macro->support = weighted->support = (uint32_t)score->count;
    for (int i = 0; i < CLASSES; i++) {
        struct cli_class *row = &rows[i];
        uint32_t predicted = 0;
        for (int j = 0; j < CLASSES; j++) {
            row->support += score->confusion[i][j];
            predicted += score->confusion[j][i];
        }
        const double correct = score->confusion[i][i], weight = row->support / (double)score->count;
        row->precision = ratio(correct, predicted);
        row->recall = ratio(correct, row->support);
        row->f1 = ratio(2 * correct, (double)predicted + row->support);
        macro->precision += row->precision / CLASSES;
        macro->recall += row->recall / CLASSES;
        macro->f1 += row->f1 / CLASSES;
        weighted->precision += row->precision * weight;
        weighted->recall += row->recall * weight;
        weighted->f1 += row->f1 * weight;
    }
}
