#include "evaluate.h"

#include "base/error.h"
#include "density.h"
#include "images.h"
#include "team.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Of the whole team: the rows of a workspace take 16 KB each, and a team may be large. */
enum { TEAM_ROWS_MAX = 1024 };

int mf_evaluate_rows(const mnist_fast *n, size_t count)
{
    const int threads = n->blocking.threads, mr = n->kernels->mr;
    const int most = TEAM_ROWS_MAX / threads < n->blocking.rows ? TEAM_ROWS_MAX / threads : n->blocking.rows;
    const size_t share = (count + threads - 1) / threads;
    const int rows = share < (size_t)most ? (int)share : most;
    return rows < mr ? mr : rows / mr * mr;
}

void mf_evaluate_divide(const mnist_fast *n, struct mf_shares *shares, int thread, size_t count)
{
    mf_shares_set(shares, thread, count * thread / shares->threads, count * (thread + 1) / shares->threads,
                  (size_t)mf_evaluate_rows(n, count));
}

bool mf_evaluate_share(mnist_fast *n, const mnist_fast_images *images, const uint32_t *order, size_t count, bool sparse,
                       const struct mf_outcome *outcome, struct mf_shares *shares, int thread, struct mf_clock *clock)
{
    struct mf_workspace *w = n->workspace;
    const int row = thread * mf_evaluate_rows(n, count); /* each thread has rows of its own, always the same */
    struct mf_clock untimed = {0};
    size_t done = 0;
    bool finite = true;
    for (size_t begin, end; mf_shares_take(shares, thread, &begin, &end); done += end - begin) {
        const int rows = (int)(end - begin);
        mf_gather(w, images, order, begin, end, row);
        const struct mf_rows block = {
            .thread = thread, .begin = row, .end = row + rows, .sparse = sparse, .labels = outcome->loss};
        mf_forward_backward(n, &block, &untimed);
        if (outcome->digits)
            memcpy(outcome->digits + begin, w->digits + row, rows);
        if (outcome->loss)
            memcpy(outcome->loss + begin, w->loss + row, rows * sizeof(float));
        for (int r = 0; r < rows; r++) {
            const float *probability = mf_at(w->dy[n->layers - 1], row + r, 0);
            for (int c = 0; c < MF_CLASSES; c++)
                finite &= isfinite(probability[c]) != 0;
            if (outcome->probabilities)
                memcpy(outcome->probabilities + (begin + r) * MF_CLASSES, probability, MF_CLASSES * sizeof(float));
        }
    }
    double flop = 0;
    for (int l = 0; l < n->layers; l++)
        flop += 2.0 * n->layer[l].in * n->layer[l].out * (double)done;
    mf_clock_lap(clock, MF_PHASE_EVALUATE, flop);
    return finite;
}

mnist_fast_metrics mf_metrics_of(const mnist_fast_images *images, const uint32_t *order, size_t count,
                                 const struct mf_outcome *outcome)
{
    double loss = 0;
    size_t correct = 0;
    for (size_t i = 0; i < count; i++) {
        loss += outcome->loss[i];
        correct += outcome->digits[i] == images->labels[order ? order[i] : i];
    }
    return (mnist_fast_metrics){loss / (double)count, (double)correct / (double)count};
}

static mnist_fast_status not_finite(const char *what, mnist_fast_error *error)
{
    return mf_fail(error, MNIST_FAST_DIVERGED,
                   "%s not finite: the weights are too large; train again with a smaller learning rate", what);
}

static mnist_fast_status evaluate_all(mnist_fast *n, const mnist_fast_images *images, const struct mf_outcome *outcome,
                                      mnist_fast_error *error)
{
    if (n->training)
        return mf_fail(error, MNIST_FAST_BUSY, "the network is training; wait until it has ended");
    mnist_fast_status status = mf_check_diverged(n, error);
    if (status)
        return status;
    n->blocking = mf_network_blocking(n, images->count, false);
    struct mf_shares shares = {0};
    status = mf_team_size(n->blocking.threads, &n->blocking.threads, error);
    const int threads = n->blocking.threads;
    if (!status)
        status = mf_workspace_reserve(n, threads * mf_evaluate_rows(n, images->count), 0, error);
    if (!status)
        status = mf_shares_create(threads, &shares, error);
    if (status || !images->count)
        goto done;
    for (int thread = 0; thread < threads; thread++)
        mf_evaluate_divide(n, &shares, thread, images->count);
    /* Where one block holds them all, the block itself finds out whether skipping pays. */
    const bool one_block = images->count <= (size_t)n->blocking.rows;
    const bool sparse = mf_skips(n) && (one_block || mf_skipping_pays(n, images));
    struct mf_clock untimed = {0};
    bool finite = true;
    if (threads == 1)
        finite = mf_evaluate_share(n, images, NULL, images->count, sparse, outcome, &shares, 0, &untimed);
    else
#pragma omp parallel num_threads(threads) firstprivate(untimed) reduction(&& : finite)
        finite =
            mf_evaluate_share(n, images, NULL, images->count, sparse, outcome, &shares, omp_get_thread_num(), &untimed);
    if (!finite)
        status = not_finite("the probabilities are", error);
done:
    mf_shares_free(&shares);
    return status;
}

mnist_fast_status mnist_fast_predict(mnist_fast *network, const mnist_fast_images *images, uint8_t *digits,
                                     float *probabilities, mnist_fast_error *error)
{
    if (!network || !images || (images->count && !images->pixels))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "predict: the network or the images are NULL");
    const struct mf_outcome outcome = {.digits = digits, .probabilities = probabilities};
    return evaluate_all(network, images, &outcome, error);
}

mnist_fast_status mnist_fast_evaluate(mnist_fast *network, const mnist_fast_images *images, mnist_fast_metrics *metrics,
                                      uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES],
                                      mnist_fast_error *error)
{
    if (!network || !metrics)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "evaluate: the network or metrics are NULL");
    mnist_fast_status status = mf_check_labels(images, error);
    if (status)
        return status;
    struct mf_outcome outcome = {.digits = malloc(images->count), .loss = malloc(images->count * sizeof(float))};
    if (!outcome.digits || !outcome.loss) {
        status = mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for the results of %zu images", images->count);
        goto done;
    }
    status = evaluate_all(network, images, &outcome, error);
    if (status)
        goto done;
    const mnist_fast_metrics found = mf_metrics_of(images, NULL, images->count, &outcome);
    if (!isfinite(found.loss)) {
        status = not_finite("the loss is", error);
        goto done;
    }
    *metrics = found;
    if (confusion) {
        memset(confusion, 0, sizeof(uint32_t) * MNIST_FAST_CLASSES * MNIST_FAST_CLASSES);
        for (size_t i = 0; i < images->count; i++)
            confusion[images->labels[i]][outcome.digits[i]]++;
    }
done:
    free(outcome.digits);
    free(outcome.loss);
    return status;
}
