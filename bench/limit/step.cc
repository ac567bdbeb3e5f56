#include "limit.h"

extern "C" {
#include "engine/adam.h"
#include "engine/density.h"
#include "engine/sampler.h"
}

namespace
{

void sort_and_gather(mnist_fast *n, const mnist_fast_images &images, int samples)
{
    std::vector<uint8_t> sort_keys(static_cast<size_t>(samples));
    std::vector<uint32_t> order(sort_keys.size()), buffer(sort_keys.size());
    for (size_t i = 0; i < order.size(); i++) {
        sort_keys[i] = mf_sort_key(images.pixels + i * MF_INPUTS, images.labels[i]);
        order[i] = static_cast<uint32_t>(i);
    }
    mf_sort_batches(sort_keys.data(), order.size(), buffer.data(), order.data(), order.size());
    mf_gather(n->workspace, &images, order.data(), 0, order.size(), 0);
}

} // namespace

Step::Step(const std::string &isa, int threads, const mnist_fast_images &images)
    : network(isa, threads), n(network.n), samples(n->config.batch_size), partition(), adam()
{
    mnist_fast_error error;
    must(mnist_fast_train(n, &images, 1, nullptr, nullptr, &error), error);
    mnist_fast_config config = n->config;
    config.learning_rate = 1e-20f;
    must(mnist_fast_set_config(n, &config, &error), error);
    must(mf_workspace_reserve(n, samples, samples, &error), error);

    double density[MF_INPUTS]; /* of images in the order drawn, as training measures it */
    mf_gather(n->workspace, &images, nullptr, 0, static_cast<size_t>(samples), 0);
    if (mf_skips(n))
        mf_measure_density(n, samples, density);
    must(mf_partition_make(n, mf_skips(n) ? density : nullptr, &partition, &error), error);
    adam = mf_adam_constants(&n->config, n->config.learning_rate, n->position.step + 1);
    sort_and_gather(n, images, samples);
    forward_backward(0, 1, 0);
}

Step::~Step()
{
    mf_partition_free(&partition);
}

void Step::forward_backward(int part, int parts, int scratch) const
{
    mf_rows rows = {};
    rows.thread = scratch;
    rows.begin = mf_rows_begin(n, samples, part, parts);
    rows.end = mf_rows_begin(n, samples, part + 1, parts);
    rows.sparse = mf_skips(n);
    rows.labels = rows.gradients = true;
    rows.batch = samples;
    mf_clock untimed = {};
    mf_forward_backward(n, &rows, &untimed);
}

void Step::update_weights(int part, int parts, int scratch) const
{
    mf_clock untimed = {};
    mf_shares shares;
    mnist_fast_error error;
    must(mf_shares_create(1, &shares, &error), error);
    mf_shares_set(&shares, 0, mf_partition_begin(&partition, part, parts),
                  mf_partition_begin(&partition, part + 1, parts), 1);
    mf_update_weights(n, &partition, &shares, samples, &adam, scratch, &untimed);
    mf_shares_free(&shares);
}
