/* A network for the benchmarks, and the FLOP that every figure of theirs counts. */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

#include "common.h"

extern "C" {
#include "engine/network.h"
}

inline void must(mnist_fast_status status, const mnist_fast_error &error)
{
    if (status)
        fail(error.text);
}

inline mnist_fast_config default_config()
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    return config;
}

struct Network {
    mnist_fast *n = nullptr;

    Network(const std::string &title, int threads, mnist_fast_config config = default_config())
    {
        const std::string isa = title.substr(0, title.find('-'));
        if (isa != title)
            config.precision = MNIST_FAST_BF16;
        mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
        runtime.isa = isa.c_str();
        runtime.threads = threads;
        mnist_fast_error error;
        must(mnist_fast_create(&config, &runtime, &n, &error), error);
    }
    Network(const Network &) = delete;
    Network &operator=(const Network &) = delete;
    ~Network()
    {
        mnist_fast_free(n);
    }
};

/* FLOP for one image, dense-equivalent: a multiplication and an addition for each weight, whether zeros are skipped or
 * not. Biases, activations and Adam count nothing. */
inline double forward_flop(const mnist_fast *n)
{
    double sum = 0;
    for (int l = 0; l < n->layers; l++)
        sum += 2.0 * n->layer[l].in * n->layer[l].out;
    return sum;
}

/* Of training: three products for each layer, but no input gradient for the first. */
inline double training_flop(const mnist_fast *n)
{
    return 3 * forward_flop(n) - 2.0 * n->layer[0].in * n->layer[0].out;
}

#endif
