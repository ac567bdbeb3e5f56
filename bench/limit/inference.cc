#include "limit.h"

void measure_test_set(const std::string &isa, int threads, const mnist_fast_images &images)
{
    const Network network(isa, threads);
    for (int round = 0; round < (options.quick ? 2 : 9); round++) {
        mnist_fast_metrics metrics;
        mnist_fast_error error;
        const std::string dense = fp32_title(isa);
        const double before = peak_of_team(dense, threads), begin = mf_now();
        must(mnist_fast_evaluate(network.n, &images, &metrics, nullptr, &error), error);
        const double seconds = mf_now() - begin, peak = (before + peak_of_team(dense, threads)) / 2;
        const std::string name = label("test set", isa, threads);
        record(name, "s", seconds);
        record(name + "/over its dense limit", "x",
               seconds * peak / (forward_flop(network.n) * static_cast<double>(images.count)));
    }
}

void measure_one_image(const std::string &isa, const mnist_fast_images &images)
{
    const Network network(isa, 1);
    std::vector<double> times;
    for (int i = 0; i < (options.quick ? 200 : 5000); i++) {
        const mnist_fast_images one = {images.pixels + static_cast<size_t>(i) % images.count * MF_INPUTS, nullptr, 1};
        uint8_t digit;
        mnist_fast_error error;
        const double begin = mf_now();
        must(mnist_fast_predict(network.n, &one, &digit, nullptr, &error), error);
        times.push_back(1e6 * (mf_now() - begin));
    }
    record(label("one image", isa, 1), "us", median(times));
}
