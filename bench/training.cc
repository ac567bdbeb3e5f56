/* What a user waits for: training, evaluation and prediction through the library, in wall time; the CPU
 * column is the time of all threads. The network is the default one, 784-500-500-500-10. FLOP are dense-equivalent, as
 * in bench/limit: zeros that are skipped count as computed; an epoch counts its training images alone, while its time
 * includes the validation. */
#include "network.h"

namespace
{

enum { STEPS = 10, TEST_IMAGES = 10000 };

const Images &training_images()
{
    static const Images images(MNIST_FAST_TRAIN, 60000);
    return images;
}

const Images &test_images()
{
    static const Images images(MNIST_FAST_TEST, TEST_IMAGES);
    return images;
}

/* Times run(network), which trains on or evaluates `items` images and returns whether it succeeded. */
template <typename Run>
void measure(benchmark::State &state, const Images &images, const mnist_fast *n, size_t items, double flop_per_item,
             Run run)
{
    const double peak = mnist_fast_threads(n) * fma_peak(title_of(n->kernels));
    const double begin = seconds_of(CLOCK_MONOTONIC);
    for (auto _ : state)
        if (!run()) {
            wrong_result = true;
            state.SkipWithError("the library refused");
        }
    const double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
    state.SetItemsProcessed(static_cast<int64_t>(items) * state.iterations());
    report_flop(state, flop_per_item * static_cast<double>(items), peak, seconds);
    state.SetLabel(images.source());
}

/* Trains for one more epoch each time. */
void train(benchmark::State &state, const Network &network, const mnist_fast_images &images)
{
    size_t trained, held_out;
    mnist_fast_split_counts(images.count, network.n->config.validation_fraction, &trained, &held_out);
    int epochs = 0;
    measure(state, training_images(), network.n, trained, training_flop(network.n),
            [&] { return mnist_fast_train(network.n, &images, ++epochs, nullptr, nullptr, nullptr) == MNIST_FAST_OK; });
}

/* Ten steps a run, so that what a call does once (its partition, its order) weighs little. */
void steps(benchmark::State &state, const std::string &isa, int threads)
{
    mnist_fast_config config = default_config();
    config.validation_fraction = 0;
    mnist_fast_images images = training_images().view();
    images.count = std::min(images.count, static_cast<size_t>(STEPS * config.batch_size));
    train(state, Network(isa, threads, config), images);
}

void epoch(benchmark::State &state, const std::string &isa, int threads)
{
    train(state, Network(isa, threads), training_images().view());
}

void evaluate(benchmark::State &state, const std::string &isa, int threads)
{
    const Network network(isa, threads);
    const mnist_fast_images images = test_images().view();
    measure(state, test_images(), network.n, images.count, forward_flop(network.n), [&] {
        mnist_fast_metrics metrics;
        return mnist_fast_evaluate(network.n, &images, &metrics, nullptr, nullptr) == MNIST_FAST_OK;
    });
}

/* A single image, each time the next one. */
void predict(benchmark::State &state, const std::string &isa, int threads)
{
    const Network network(isa, threads);
    size_t next = 0;
    measure(state, test_images(), network.n, 1, forward_flop(network.n), [&] {
        mnist_fast_images image = {};
        image.pixels = test_images().pixels.data() + next++ % test_images().count() * MF_INPUTS;
        image.count = 1;
        uint8_t digit;
        return mnist_fast_predict(network.n, &image, &digit, nullptr, nullptr) == MNIST_FAST_OK;
    });
}

void add(const std::string &what, const mf_kernels *isa, int threads,
         void (*function)(benchmark::State &, const std::string &, int), benchmark::TimeUnit unit)
{
    const std::string name = what + "/" + title_of(isa) + "/threads:" + std::to_string(threads);
    benchmark::RegisterBenchmark(name.c_str(),
                                 [=](benchmark::State &state) {
                                     if (isa->supported())
                                         function(state, title_of(isa), threads);
                                     else
                                         state.SkipWithError("skipped: this CPU has no such instructions");
                                 })
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->Unit(unit);
}

} // namespace

int main(int argc, char **argv)
{
    for (const mf_precision precision : {MF_FP32, MF_BF16})
        for (const mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++) {
            if (!std::strcmp((*isa)->name, "scalar"))
                continue; /* an epoch of it would take minutes */
            for (int threads = 1; threads <= 2; threads++) {
                add("train_steps:10", *isa, threads, steps, benchmark::kMillisecond);
                add("train_epoch", *isa, threads, epoch, benchmark::kMillisecond);
                add("evaluate:10000", *isa, threads, evaluate, benchmark::kMillisecond);
                add("predict:1", *isa, threads, predict, benchmark::kMicrosecond);
            }
        }
    return run_benchmarks(argc, argv);
}
