/* A training on more cores than there are here: the measured time of one thread, divided as the engine divides it.
 * Every thread's share of a step is run by itself, one after the other, through the engine's own functions; the slowest
 * share counts, because the others wait for it.
 *
 * It assumes that every core is as fast as one is here alone, that all data stays in caches that grow with the cores,
 * and that a barrier costs what it costs two threads here times log2(threads). */
#include "limit.h"

#include <cmath>

namespace
{

enum Half { FORWARD_BACKWARD, UPDATE_WEIGHTS };

double seconds_of_share(const Step &step, Half half, int part, int parts)
{
    const double begin = thread_seconds();
    if (half == FORWARD_BACKWARD)
        step.forward_backward(part, parts, 0);
    else
        step.update_weights(part, parts, 0);
    return thread_seconds() - begin;
}

/* The slowest of `threads` shares over the time of the whole, which is measured next to them. */
double slowest_share(const Step &step, Half half, int threads)
{
    std::vector<double> least(static_cast<size_t>(threads), HUGE_VAL);
    double whole = HUGE_VAL;
    for (int round = 0; round < (options.quick ? 1 : 3); round++) {
        for (int part = 0; part < threads; part++) {
            double &seconds = least[static_cast<size_t>(part)];
            seconds = std::min(seconds, seconds_of_share(step, half, part, threads));
        }
        whole = std::min(whole, seconds_of_share(step, half, 0, 1));
    }
    return threads == 1 ? 1 : *std::max_element(least.begin(), least.end()) / whole;
}

/* Every number of threads at first, then fewer of them: each costs time. */
int next_threads(int threads)
{
    if (options.quick)
        return 8 * threads;
    return threads + (threads < 16 ? 1 : threads < 32 ? 2 : 4);
}

} // namespace

void predict_scaling(const std::string &isa, const mnist_fast_images &images)
{
    const std::string phase = label("training", isa, 1) + "/phase/";
    double rows = 0, tasks = 0, serial = 0; /* seconds of one thread: by samples, by weights, not divided */
    for (int p = 0; p < MF_PHASES; p++) {
        const double seconds = median(find(phase + mf_phase_name(static_cast<mf_phase>(p)))->values);
        const bool by_tasks = p == MF_PHASE_WEIGHT_UPDATE1 || p == MF_PHASE_WEIGHT_UPDATE;
        (by_tasks ? tasks : p == MF_PHASE_OTHER || p == MF_PHASE_WAIT ? serial : rows) += seconds;
    }
    const Step step(isa, 1, images);
    size_t trained, held_out;
    mnist_fast_split_counts(images.count, step.n->config.validation_fraction, &trained, &held_out);
    const double barriers =
        2 * options.epochs * std::ceil(static_cast<double>(trained) / step.n->config.batch_size) * measure_barrier(2);
    for (int threads = 1; threads <= 64; threads = next_threads(threads))
        record(label("prediction", isa, threads), "s",
               rows * slowest_share(step, FORWARD_BACKWARD, threads) +
                   tasks * slowest_share(step, UPDATE_WEIGHTS, threads) + serial + barriers * std::log2(threads));
}
