#include "step_check.h"

#include "base/error.h"
#include "kernel_check.h"
#include "network.h"

#include <stdlib.h>

static mnist_fast_status create(const struct mf_kernels *kernels, const int units[2], size_t batch,
                                mnist_fast **network, mnist_fast_error *error)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden[0] = units[0];
    config.hidden[1] = units[1];
    config.hidden_count = 2;
    config.batch_size = (int)batch;
    config.validation_fraction = 0;
    config.precision = (mnist_fast_precision)kernels->precision;
    const struct mf_runtime runtime = {.kernels = kernels, .threads = 1};
    const mnist_fast_status status = mf_network_create(&config, &runtime, network, error);
    if (!status)
        mf_network_initialise(*network);
    return status;
}

/* The last layer first: its gradient needs no input gradient. The first moment is the gradient times a constant. */
static mnist_fast_status compare_updates(const mnist_fast *expected, const mnist_fast *found, float *values,
                                         mnist_fast_error *error)
{
    mnist_fast_status status = MNIST_FAST_OK;
    for (int tensor = mf_tensor_count(found) - 1; !status && tensor >= 0; tensor--)
        for (int kind = MF_MOMENT1; !status && kind >= MF_WEIGHT; kind--) {
            const size_t size = mf_tensor_size(found, tensor);
            const bool last = tensor >= mf_tensor_count(found) - 2;
            const char *update = tensor % 2 ? last ? "bias_update" : "input_gradient or bias_update"
                                 : last     ? "weight_update"
                                            : "input_gradient or weight_update";
            mf_tensor_get(expected, tensor, (enum mf_tensor_kind)kind, values);
            mf_tensor_get(found, tensor, (enum mf_tensor_kind)kind, values + size);
            status = mf_compare_results(found->kernels->name, update, values, values + size, size, error);
        }
    return status;
}

static mnist_fast_status compare_predictions(mnist_fast *expected, mnist_fast *found, const mnist_fast_images *images,
                                             const char *what, float *values, mnist_fast_error *error)
{
    const size_t outputs = images->count * MF_CLASSES;
    mnist_fast_status status = mnist_fast_predict(expected, images, NULL, values, error);
    if (!status)
        status = mnist_fast_predict(found, images, NULL, values + outputs, error);
    return status ? status : mf_compare_results(found->kernels->name, what, values, values + outputs, outputs, error);
}

mnist_fast_status mf_step_check(const struct mf_kernels *kernels, const struct mf_kernels *definition,
                                const int units[2], const mnist_fast_images *images, mnist_fast_error *error)
{
    mnist_fast *expected = NULL, *found = NULL;
    float *values = NULL;
    mnist_fast_status status = create(definition, units, images->count, &expected, error);
    if (!status)
        status = create(kernels, units, images->count, &found, error);
    if (status)
        goto done;
    const size_t outputs = images->count * MF_CLASSES, weights = mf_tensor_size(found, 0);
    values = malloc(2 * (outputs > weights ? outputs : weights) * sizeof *values);
    if (!values) {
        status = mf_fail(error, MNIST_FAST_NO_MEMORY, "no memory to test kernels");
        goto done;
    }
    status = compare_predictions(expected, found, images, "round, scale, forward or softmax", values, error);
    if (!status)
        status = mnist_fast_train(expected, images, 1, NULL, NULL, error);
    if (!status)
        status = mnist_fast_train(found, images, 1, NULL, NULL, error);
    if (!status)
        status = compare_updates(expected, found, values, error);
    if (!status) /* the copy of the new weights */
        status = compare_predictions(expected, found, images, "weight_update or forward", values, error);
done:
    free(values);
    mnist_fast_free(expected);
    mnist_fast_free(found);
    return status;
}
