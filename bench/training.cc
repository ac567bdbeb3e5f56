/* What a user waits for: training, evaluation and prediction through the library, by the time on the wall; the CPU
 * column is the time of all threads. The network is the default one, 784-500-500-500-10. */
#include "common.h"

namespace
{

constexpr int hidden = 500, batch = 1000;

/* Of one image's products; the way back has no input gradient for the first layer. */
constexpr double forward_flop = 2.0 * (784 * hidden + 2 * hidden * hidden + hidden * 10);
constexpr double training_flop = 3 * forward_flop - 2.0 * 784 * hidden;

const Images &training_images()
{
    static const Images images(MF_TRAIN, 60000);
    return images;
}

const Images &test_images()
{
    static const Images images(MF_TEST, 10000);
    return images;
}

mnist_fast_images first(const Images &images, size_t count)
{
    mnist_fast_images some = {};
    some.pixels = images.pixels.data();
    some.labels = images.labels.data();
    some.count = std::min(count, images.count());
    return some;
}

struct Network {
    mnist_fast *network = nullptr;

    Network(const char *isa, int threads, double validation)
    {
        mnist_fast_config config;
        mnist_fast_default_config(&config);
        config.validation_fraction = validation;
        mnist_fast_runtime machine = {};
        machine.isa = isa;
        machine.threads = threads;
        mnist_fast_create(&config, &machine, &network, nullptr);
    }
    ~Network()
    {
        mnist_fast_free(network);
    }
    Network(const Network &) = delete;
    Network &operator=(const Network &) = delete;
};

/* Times run(network), which processes `items` images and says whether it went well. */
template <typename Run>
void measure(benchmark::State &state, const Images &images, const char *isa, int threads, double validation,
             double items, double flop, Run run)
{
    const Network network(isa, threads, validation);
    if (!network.network || std::strcmp(mnist_fast_isa(network.network), isa) != 0) {
        wrong_result = true;
        state.SkipWithError("the library refused");
        return;
    }
    const double peak = threads * fma_peak(isa);
    const double begin = seconds_of(CLOCK_MONOTONIC);
    for (auto _ : state)
        if (!run(network.network)) {
            wrong_result = true;
            state.SkipWithError("the library refused");
        }
    const double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
    state.SetItemsProcessed(static_cast<int64_t>(items) * state.iterations());
    report_flop(state, flop, peak, seconds);
    state.SetLabel(images.real ? "MNIST" : "made-up images");
}

bool train(mnist_fast *network, const mnist_fast_images &images, int epochs)
{
    return mnist_fast_train(network, &images, epochs, nullptr, nullptr, nullptr) == MNIST_FAST_OK;
}

/* Ten steps a run, so that what a call does once (its plan, its order) weighs little. */
void steps(benchmark::State &state, const char *isa, int threads)
{
    const mnist_fast_images images = first(training_images(), 10 * batch);
    int epochs = 0;
    measure(state, training_images(), isa, threads, 0, 10 * batch, 10 * batch * training_flop,
            [&](mnist_fast *network) { return train(network, images, ++epochs); });
}

void epoch(benchmark::State &state, const char *isa, int threads)
{
    const mnist_fast_images images = first(training_images(), training_images().count());
    const double trained = 0.9 * static_cast<double>(images.count), held_out = 0.1 * static_cast<double>(images.count);
    int epochs = 0;
    measure(state, training_images(), isa, threads, 0.1, trained, trained * training_flop + held_out * forward_flop,
            [&](mnist_fast *network) { return train(network, images, ++epochs); });
}

void evaluate(benchmark::State &state, const char *isa, int threads)
{
    const mnist_fast_images images = first(test_images(), 10000);
    measure(state, test_images(), isa, threads, 0, static_cast<double>(images.count),
            static_cast<double>(images.count) * forward_flop, [&](mnist_fast *network) {
                mnist_fast_metrics metrics;
                return mnist_fast_evaluate(network, &images, &metrics, nullptr, nullptr) == MNIST_FAST_OK;
            });
}

/* A single image, each time the next one. */
void predict(benchmark::State &state, const char *isa, int threads)
{
    size_t next = 0;
    measure(state, test_images(), isa, threads, 0, 1, forward_flop, [&](mnist_fast *network) {
        mnist_fast_images image = {};
        image.pixels = test_images().pixels.data() + next++ % test_images().count() * MF_INPUTS;
        image.count = 1;
        uint8_t digit;
        return mnist_fast_predict(network, &image, &digit, nullptr, nullptr) == MNIST_FAST_OK;
    });
}

void add(const std::string &what, const mf_kernels *isa, int threads,
         void (*function)(benchmark::State &, const char *, int), benchmark::TimeUnit unit)
{
    const std::string name = what + "/" + isa->name + "/threads:" + std::to_string(threads);
    benchmark::RegisterBenchmark(name.c_str(),
                                 [=](benchmark::State &state) {
                                     if (isa->supported())
                                         function(state, isa->name, threads);
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
    for (const mf_kernels *const *isa = mf_isas; *isa; isa++) {
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
