/* How well one network, or several together, read labelled images. */
#ifndef CLI_SCORE_H
#define CLI_SCORE_H

#include "mnist_fast.h"

struct cli_mistake {
    size_t index; /* of the image */
    double loss;
};

struct cli_score {
    size_t count;          /* images */
    const uint8_t *labels; /* of the images that were scored: not a copy */
    uint8_t *digits;       /* what each image is read as */
    float *probabilities;  /* (count, 10) */
    mnist_fast_metrics metrics;
    double low, high;                                           /* 95% interval of the accuracy */
    uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES]; /* [label][digit] */
    struct cli_mistake *mistakes;                               /* all of them, the highest loss first */
    size_t mistake_count;
};

/* Scores the mean of the networks' probabilities. It is summed in double precision in the order given, divided, and
 * rounded to single precision: the same on every machine. Of equal probabilities the lower digit wins. The loss of one
 * network is that of mnist_fast_evaluate; of several, and of a mistake, it is -log(p) of the label's probability p,
 * which counts as FLT_MIN where it is less (a loss of 87.3). names, of the networks, are for messages; NULL: they have
 * none. On failure *score is zeroed. */
mnist_fast_status cli_score_make(mnist_fast *const *networks, const char *const *names, int network_count,
                                 const mnist_fast_images *images, struct cli_score *score, mnist_fast_error *error);
void cli_score_free(struct cli_score *score); /* accepts zeroed ones */

/* Wilson's score interval (Wilson 1927, "Probable inference, the law of succession, and statistical inference") at 95%
 * of a share of count trials. Unlike the normal approximation it is right near 0 and 1 too (Brown, Cai and DasGupta
 * 2001). */
void cli_wilson_interval(double share, double count, double *low, double *high);

/* A row of scikit-learn's classification_report with zero_division=0: a digit, then the two averages. */
struct cli_class {
    const char *name;
    double precision, recall, f1;
    uint32_t support; /* images with this label */
};
enum { CLI_MACRO = MNIST_FAST_CLASSES, CLI_WEIGHTED, CLI_CLASS_ROWS };
void cli_score_classes(const struct cli_score *score, struct cli_class rows[CLI_CLASS_ROWS]);

#endif
