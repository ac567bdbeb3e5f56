/* The epoch loop of mnist_fast_train.
 *
 * One team of threads lives for the whole training. A step has two barriers: after forward and input gradients
 * (each thread takes rows of the batch; weights are only read), and after the weight updates (each thread takes a part
 * of the weights; activations are only read). */
#include "adam.h"
#include "base/barrier.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/probes.h"
#include "best.h"
#include "density.h"
#include "evaluate.h"
#include "images.h"
#include "sampler.h"
#include "schedule.h"
#include "team.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* What the team shares. Written by thread 0 between barriers, but for the results of each thread's own share. */
struct training {
    mnist_fast *network;
    const mnist_fast_images *images;
    int epochs, batches;
    mnist_fast_progress_callback *callback;
    void *user;

    struct mf_split split;
    uint32_t *order, *buffer;
    uint8_t *sort_keys; /* of all images */
    struct mf_outcome validation;
    struct mf_partition partition;
    struct mf_barrier barrier;
    struct mf_shares images_left; /* rows of the batch, or images of the validation */
    struct mf_shares tasks_left;  /* of the partition */

    bool stop;
    bool loss_diverged, weights_diverged, validation_diverged; /* the second is written by any thread */
    double epoch_began;
    int first_batch; /* of this epoch that this call trains: a resumed epoch has earlier ones */
    mnist_fast_progress progress;
};

static int batch_size(const struct training *run, int batch)
{
    const size_t left = run->split.train_count - (size_t)batch * run->network->config.batch_size;
    return left < (size_t)run->network->config.batch_size ? (int)left : run->network->config.batch_size;
}

/* What is not finite; NULL: nothing. */
static const char *diverged(const struct training *run)
{
    return run->loss_diverged         ? "loss is"
           : run->weights_diverged    ? "weights or moments are"
           : run->validation_diverged ? "validation loss is"
                                      : NULL;
}

/* Of the step that makes `batch` batches of this epoch done. It follows from the place in the epochs, not from the
 * count of steps: where an epoch starts again, its learning rates do too. */
static double learning_rate(const struct training *run, int batch)
{
    const mnist_fast_config *config = &run->network->config;
    const uint64_t before = (uint64_t)run->network->position.epoch * (uint64_t)run->batches;
    return mf_learning_rate(config, before + (uint64_t)batch,
                            (uint64_t)config->schedule_epochs * (uint64_t)run->batches);
}

static bool finished(const struct training *run)
{
    const mnist_fast *n = run->network;
    const bool out_of_patience =
        n->config.patience && n->best.epoch && n->position.epoch - n->best.epoch >= n->config.patience;
    return n->position.epoch >= run->epochs || out_of_patience;
}

/* Of the images of its part: before the first epoch, which needs them all. */
static void make_sort_keys(struct training *run, int thread)
{
    const size_t count = run->images->count, part = (size_t)thread, parts = (size_t)run->images_left.threads;
    for (size_t i = count * part / parts; i < count * (part + 1) / parts; i++)
        run->sort_keys[i] = mf_sort_key(run->images->pixels + i * MF_INPUTS, run->images->labels[i]);
}

static void begin_epoch(struct training *run)
{
    const mnist_fast *n = run->network;
    mf_epoch_order(run->split.train, run->split.train_count, n->config.shuffle_buffer, n->config.seed,
                   n->position.epoch, run->buffer, run->order);
    mf_sort_batches(run->sort_keys, n->config.batch_size, run->buffer, run->order, run->split.train_count);
    run->epoch_began = mf_now();
    run->first_batch = n->position.batch;
    MF_PROBE1(epoch_begin, n->position.epoch);
}

static void call_back(struct training *run)
{
    if (run->callback && run->callback(&run->progress, run->user))
        run->stop = true;
}

/* Where the epoch that is under way is. */
static mnist_fast_progress progress_now(const struct training *run)
{
    const struct mf_position *position = &run->network->position;
    const double seconds = mf_now() - run->epoch_began, size = run->network->config.batch_size;
    const double all = (double)run->split.train_count, before = run->first_batch * size, now = position->batch * size;
    const double trained = (now < all ? now : all) - (before < all ? before : all);
    return (mnist_fast_progress){
        .epoch = position->epoch + 1,
        .epochs = run->epochs,
        .batch = position->batch,
        .batches = run->batches,
        .seconds = seconds,
        .images_per_second = seconds > 0 ? trained / seconds : 0,
        .learning_rate = learning_rate(run, position->batch),
        .best_epoch = run->network->best.epoch,
    };
}

static void report_batch(struct training *run)
{
    run->progress = progress_now(run);
    call_back(run);
}

/* Sums of the batch, in ascending order of its samples; whether the loss is still finite. */
static void count_batch(struct training *run, int samples)
{
    const struct mf_workspace *w = run->network->workspace;
    struct mf_position *position = &run->network->position;
    double loss = 0;
    for (int i = 0; i < samples; i++) {
        loss += w->loss[i];
        position->correct += w->digits[i] == w->labels[i];
    }
    position->loss += loss;
    position->batch++;
    position->step++;
    run->loss_diverged = !isfinite(loss);
}

static void end_epoch(struct training *run)
{
    mnist_fast *n = run->network;
    struct mf_position *position = &n->position;
    MF_PROBE1(epoch_end, position->epoch);
    const double images = (double)run->split.train_count;
    mnist_fast_metrics validation = {NAN, NAN};
    if (run->split.validation_count) {
        validation = mf_metrics_of(run->images, run->split.validation, run->split.validation_count, &run->validation);
        run->validation_diverged = !isfinite(validation.loss);
        if (run->validation_diverged)
            return;
    }
    run->progress = progress_now(run);
    run->progress.epoch_done = 1;
    run->progress.train = (mnist_fast_metrics){position->loss / images, (double)position->correct / images};
    run->progress.validation = validation;
    *position = (struct mf_position){.epoch = position->epoch + 1, .step = position->step};
    if (n->config.patience && (!n->best.epoch || validation.loss < n->best.loss))
        mf_best_keep(n, validation.loss);
    run->progress.best_epoch = n->best.epoch;
    run->progress.finished = finished(run);
    call_back(run);
}

static void wait(struct training *run, struct mf_clock *clock)
{
    mf_barrier_wait(&run->barrier);
    mf_clock_lap(clock, MF_PHASE_WAIT, 0);
}

/* The thread's share of the batch, or of the validation after the last one. */
static void divide_images(struct training *run, int batch, int thread)
{
    struct mf_shares *left = &run->images_left;
    if (batch >= run->batches) {
        mf_evaluate_divide(run->network, left, thread, run->split.validation_count);
        return;
    }
    const int samples = batch_size(run, batch);
    const int begin = mf_rows_begin(run->network, samples, thread, left->threads);
    const int end = mf_rows_begin(run->network, samples, thread + 1, left->threads);
    mf_shares_set(left, thread, begin, end, mf_block_rows(run->network, end - begin));
}

static void divide_tasks(struct training *run, int thread)
{
    struct mf_shares *left = &run->tasks_left;
    mf_shares_set(left, thread, mf_partition_begin(&run->partition, thread, left->threads),
                  mf_partition_begin(&run->partition, thread + 1, left->threads), 1);
}

/* The shares of each half of a step are divided during the other half. */
static void run_thread(struct training *run, int thread, struct mf_clock *clock)
{
    mnist_fast *n = run->network;
    const struct mf_position *position = &n->position;
    uint64_t step = position->step; /* a copy: thread 0 counts on while the others still read */

    make_sort_keys(run, thread);
    mf_clock_lap(clock, MF_PHASE_OTHER, 0);
    wait(run, clock);
    while (!finished(run)) {
        if (thread == 0)
            begin_epoch(run);
        divide_images(run, position->batch, thread);
        mf_clock_lap(clock, MF_PHASE_OTHER, 0);
        wait(run, clock);
        for (int batch = position->batch; batch < run->batches; batch++) {
            MF_PROBE2(batch_begin, thread, batch);
            if (thread == 0 && batch > 0)
                report_batch(run);
            divide_tasks(run, thread);
            mf_clock_lap(clock, MF_PHASE_OTHER, 0);
            const int samples = batch_size(run, batch);
            const size_t start = (size_t)batch * n->config.batch_size;
            for (size_t begin, end; mf_shares_take(&run->images_left, thread, &begin, &end);) {
                const struct mf_rows rows = {
                    .thread = thread,
                    .begin = (int)begin,
                    .end = (int)end,
                    .sparse = run->partition.sparse,
                    .labels = true,
                    .gradients = true,
                    .batch = samples,
                };
                mf_gather_deformed(n, run->images, run->order, start + begin, start + end, rows.begin);
                mf_clock_lap(clock, MF_PHASE_GATHER, 0);
                mf_forward_backward(n, &rows, clock);
            }
            wait(run, clock);

            if (run->stop)
                return;
            const struct mf_adam adam = mf_adam_constants(&n->config, learning_rate(run, batch + 1), ++step);
            if (thread == 0)
                count_batch(run, samples);
            divide_images(run, batch + 1, thread);
            mf_clock_lap(clock, MF_PHASE_OTHER, 0);
            if (!mf_update_weights(n, &run->partition, &run->tasks_left, samples, &adam, thread, clock))
#pragma omp atomic write
                run->weights_diverged = true;
            wait(run, clock);
            MF_PROBE2(batch_end, thread, batch);
            if (diverged(run))
                return;
        }
        mf_evaluate_share(n, run->images, run->split.validation, run->split.validation_count, run->partition.sparse,
                          &run->validation, &run->images_left, thread, clock);
        wait(run, clock);
        if (thread == 0)
            end_epoch(run);
        mf_clock_lap(clock, MF_PHASE_OTHER, 0);
        wait(run, clock);
        if (run->stop || diverged(run))
            return;
    }
}

/* Whether what the configuration asks for can be had with these images. */
static mnist_fast_status check_plan(const struct training *run, mnist_fast_error *error)
{
    const mnist_fast_config *config = &run->network->config;
    const long long steps = (long long)config->schedule_epochs * run->batches;
    if (config->patience && !run->split.validation_count)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                       "patience: needs images to validate on (of %zu none is held out); hold some out",
                       run->split.train_count);
    if (config->schedule != MNIST_FAST_COSINE)
        return MNIST_FAST_OK;
    if (run->epochs > config->schedule_epochs)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "epochs: expected at most the %d of the schedule, found %d",
                       config->schedule_epochs, run->epochs);
    if (config->warmup_steps >= steps)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                       "steps of the warm-up: expected less than the %lld of the schedule, found %d", steps,
                       config->warmup_steps);
    return MNIST_FAST_OK;
}

/* Looks at the first training images: whether skipping zeros pays, and what the weight updates will cost. */
static mnist_fast_status make_partition(struct training *run, mnist_fast_error *error)
{
    mnist_fast *n = run->network;
    double density[MF_INPUTS];
    const bool sparse = mf_skips(n) && mf_skipping_pays(n, run->images);
    if (sparse) {
        const size_t room = n->workspace->samples;
        const size_t samples = run->split.train_count < room ? run->split.train_count : room;
        mf_gather_deformed(n, run->images, run->split.train, 0, samples, 0);
        mf_measure_density(n, (int)samples, density);
    }
    return mf_partition_make(n, sparse ? density : NULL, &run->partition, error);
}

static mnist_fast_status prepare(struct training *run, mnist_fast_error *error)
{
    mnist_fast *n = run->network;
    const mnist_fast_config *config = &n->config;
    mnist_fast_status status = mf_check_labels(run->images, error);
    if (!status)
        status = mf_split_make(config->seed, run->images->count, config->validation_fraction, &run->split, error);
    if (status)
        return status;
    const size_t count = run->split.train_count, held_out = run->split.validation_count;
    const int largest = count < (size_t)config->batch_size ? (int)count : config->batch_size;
    const size_t shuffled = count < (size_t)config->shuffle_buffer ? count : (size_t)config->shuffle_buffer;
    const size_t buffer = shuffled > (size_t)largest ? shuffled : (size_t)largest;
    run->batches = (int)((count + config->batch_size - 1) / config->batch_size);
    status = check_plan(run, error);
    if (!status && config->patience)
        status = mf_best_reserve(n, error);
    if (status)
        return status;
    run->order = malloc(count * sizeof *run->order);
    run->buffer = malloc(buffer * sizeof *run->buffer);
    run->sort_keys = malloc(run->images->count);
    run->validation.digits = malloc(held_out + 1);
    run->validation.loss = malloc((held_out + 1) * sizeof(float));
    if (!run->order || !run->buffer || !run->sort_keys || !run->validation.digits || !run->validation.loss)
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory for the order of %zu images", count);
    n->blocking = mf_network_blocking(n, (size_t)largest, true);
    status = mf_team_size(n->blocking.threads, &n->blocking.threads, error);
    if (status)
        return status;
    const int threads = n->blocking.threads, evaluate = threads * mf_evaluate_rows(n, held_out);
    status = mf_workspace_reserve(n, largest > evaluate ? largest : evaluate, largest, error);
    if (!status)
        status = make_partition(run, error);
    if (!status)
        status = mf_shares_create(threads, &run->images_left, error);
    if (!status)
        status = mf_shares_create(threads, &run->tasks_left, error);
    return status;
}

/* The team may be smaller than was asked for, where OpenMP has been told so. */
static void start_team(struct training *run, int threads)
{
    run->images_left.threads = run->tasks_left.threads = threads;
    mf_barrier_init(&run->barrier, threads, threads <= run->network->cpu.affinity);
}

mnist_fast_status mnist_fast_train(mnist_fast *network, const mnist_fast_images *images, int epochs,
                                   mnist_fast_progress_callback *callback, void *user, mnist_fast_error *error)
{
    if (!network)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "network: is NULL");
    if (network->training)
        return mf_fail(error, MNIST_FAST_BUSY, "the network is training; wait until it has ended");
    mnist_fast_status status = mf_check_diverged(network, error);
    if (status)
        return status;
    if (epochs < 0)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "epochs: expected at least 0, found %d", epochs);
    struct training run = {.network = network, .images = images, .epochs = epochs, .callback = callback, .user = user};
    struct mf_profile *const profile = network->profiling ? &network->profile : NULL;
    status = prepare(&run, error);
    if (status)
        goto done;

    network->training = true;
    mf_best_use(network, false);
#pragma omp parallel num_threads(network->blocking.threads) if (network->blocking.threads > 1)
    {
#pragma omp single
        start_team(&run, omp_get_num_threads());
        struct mf_profile mine = {0};
        struct mf_clock clock;
        mf_clock_start(&clock, profile ? &mine : NULL);
        run_thread(&run, omp_get_thread_num(), &clock);
        if (profile)
#pragma omp critical
            mf_profile_add(profile, &mine);
    }
    mf_barrier_destroy(&run.barrier);
    network->training = false;
    const char *what = diverged(&run);
    network->diverged = what;
    if (!what)
        mf_best_use(network, true);

    const struct mf_position *position = &network->position;
    if (what)
        status = mf_fail(error, MNIST_FAST_DIVERGED,
                         "the %s not finite: epoch %d, batch %d, learning rate %g; try a smaller learning rate", what,
                         position->epoch + 1, position->batch, (double)network->config.learning_rate);
    else if (run.stop)
        status = mf_fail(error, MNIST_FAST_STOPPED, "stopped in epoch %d after batch %d of %d", position->epoch + 1,
                         position->batch, run.batches);
done:
    mf_shares_free(&run.images_left);
    mf_shares_free(&run.tasks_left);
    mf_partition_free(&run.partition);
    mf_split_free(&run.split);
    free(run.order);
    free(run.buffer);
    free(run.sort_keys);
    free(run.validation.digits);
    free(run.validation.loss);
    return status;
}
