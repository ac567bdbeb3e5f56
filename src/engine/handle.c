/* The functions of mnist_fast.h that make, describe and free a network. */
#include "base/error.h"
#include "base/sized.h"
#include "best.h"
#include "config.h"
#include "network.h"
#include "workspace.h"

#include <stdlib.h>
#include <string.h>

mnist_fast_status mnist_fast_create(const mnist_fast_config *config, const mnist_fast_runtime *runtime,
                                    mnist_fast **network, mnist_fast_error *error)
{
    if (!network)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "network: is NULL");
    *network = NULL;
    mnist_fast_config checked;
    struct mf_runtime resolved;
    mnist_fast_status status = mf_config_read(config, &checked, error);
    if (!status)
        status = mf_runtime_read(runtime, &resolved, error);
    if (!status)
        status = mf_runtime_compute_in(&resolved, checked.precision, error);
    if (!status)
        status = mf_network_create(&checked, &resolved, network, error);
    if (!status)
        mf_network_initialise(*network);
    return status;
}

void mnist_fast_free(mnist_fast *network)
{
    if (!network)
        return;
    mf_workspace_free(network->workspace);
    free(network->best.memory);
    free(network->parameters);
    free(network);
}

void mnist_fast_get_config(const mnist_fast *network, mnist_fast_config *config, size_t size)
{
    if (network && config)
        mf_sized_write(config, size, &network->config, sizeof network->config);
}

static void restart_epoch(mnist_fast *network)
{
    network->position = (struct mf_position){.epoch = network->position.epoch, .step = network->position.step};
}

mnist_fast_status mnist_fast_set_config(mnist_fast *network, const mnist_fast_config *config, mnist_fast_error *error)
{
    if (!network)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "network: is NULL");
    if (network->training)
        return mf_fail(error, MNIST_FAST_BUSY, "the network is training; wait until it has ended");
    mnist_fast_config new;
    const mnist_fast_status status = mf_config_read(config, &new, error);
    if (status)
        return status;
    mnist_fast_config *const old = &network->config;
    if (new.hidden_count != old->hidden_count ||
        memcmp(new.hidden, old->hidden, (size_t) new.hidden_count * sizeof *new.hidden) != 0)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                       "hidden layers: cannot be changed; create another network, or leave them as they are");
    if (new.precision != old->precision)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                       "precision: cannot be changed; create another network, or leave it as it is");
    /* Half an epoch of other batches means nothing. */
    if (new.batch_size != old->batch_size || new.shuffle_buffer != old->shuffle_buffer || new.seed != old->seed ||
        new.validation_fraction != old->validation_fraction || new.rotation != old->rotation ||
        new.shear != old->shear || new.scale != old->scale || new.shift != old->shift || new.elastic != old->elastic)
        restart_epoch(network);
    if (!new.patience || new.seed != old->seed || new.validation_fraction != old->validation_fraction)
        mf_best_forget(network);
    *old = new;
    return MNIST_FAST_OK;
}

mnist_fast_position mnist_fast_get_position(const mnist_fast *network)
{
    if (!network)
        return (mnist_fast_position){0};
    const struct mf_position *p = &network->position;
    return (mnist_fast_position){.epoch = p->epoch, .batch = p->batch, .step = p->step};
}

void mnist_fast_restart_epoch(mnist_fast *network)
{
    if (!network || network->training)
        return;
    restart_epoch(network);
    mf_best_forget(network);
}

int mnist_fast_best_epoch(const mnist_fast *network, double *loss)
{
    if (loss)
        *loss = network ? network->best.loss : 0;
    return network ? network->best.epoch : 0;
}

const char *mnist_fast_isa(const mnist_fast *network)
{
    return network ? network->kernels->name : NULL;
}

int mnist_fast_threads(const mnist_fast *network)
{
    return network ? network->threads : 0;
}

void mnist_fast_get_blocking(const mnist_fast *network, mnist_fast_blocking *blocking, size_t size)
{
    if (!network || !blocking)
        return;
    const struct mf_blocking b = mf_network_blocking(network, (size_t)network->config.batch_size, true);
    const mnist_fast_blocking mine = {
        .size = sizeof mine,
        .threads = b.threads,
        .rows = b.rows,
        .panels = b.panels,
        .pixels = b.pixels,
        .forced = network->forced.rows > 0,
    };
    mf_sized_write(blocking, size, &mine, sizeof mine);
}

size_t mnist_fast_parameter_count(const mnist_fast *network)
{
    size_t sum = 0;
    for (int t = 0; network && t < mf_tensor_count(network); t++)
        sum += mf_tensor_size(network, t);
    return sum;
}

int mnist_fast_layer_count(const mnist_fast *network)
{
    return network ? network->layers : 0;
}

static mnist_fast_status check_layer(const mnist_fast *network, int layer, mnist_fast_error *error)
{
    if (!network)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "network: is NULL");
    if (layer < 0 || layer >= network->layers)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "layer: expected 0 to %d, found %d", network->layers - 1, layer);
    return MNIST_FAST_OK;
}

mnist_fast_status mnist_fast_get_layer_shape(const mnist_fast *network, int layer, int *in, int *out,
                                             mnist_fast_error *error)
{
    const mnist_fast_status status = check_layer(network, layer, error);
    if (!status && in)
        *in = network->layer[layer].in;
    if (!status && out)
        *out = network->layer[layer].out;
    return status;
}

mnist_fast_status mnist_fast_get_layer(const mnist_fast *network, int layer, float *weights, float *biases,
                                       mnist_fast_error *error)
{
    const mnist_fast_status status = check_layer(network, layer, error);
    if (!status && weights)
        mf_tensor_get(network, 2 * layer, mf_users_weights(network), weights);
    if (!status && biases)
        mf_tensor_get(network, 2 * layer + 1, mf_users_weights(network), biases);
    return status;
}

void mnist_fast_set_profiling(mnist_fast *network, int on)
{
    if (!network || network->training)
        return;
    network->profiling = on;
    if (on)
        network->profile = (struct mf_profile){0};
}

size_t mnist_fast_get_profile(const mnist_fast *network, mnist_fast_phase *phases, size_t count)
{
    for (size_t i = 0; network && phases && i < count && i < MF_PHASES; i++)
        phases[i] = (mnist_fast_phase){
            .name = mf_phase_name((enum mf_phase)i),
            .seconds = network->profile.seconds[i],
            .flop = network->profile.flop[i],
        };
    return MF_PHASES;
}
